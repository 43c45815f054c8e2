package loop

import (
	"net/netip"

	"github.com/ringway/ringway/sys"
)

// Sockets are the calls on descriptors that answer at once, beside the operations, which may wait. A driver gives those of
// the network that its descriptors belong to: the kernel's (sys.KernelSockets), or that of a simulator. Results and errors are
// those of package sys: int32 results are -errno where they fail, and -EAGAIN stands for having to wait.
type Sockets interface {
	StreamSocket(family int, nonblock bool) (fd int, err error)
	StreamPair(nonblock bool) ([2]int, error)
	// Socket and Pair open sockets of any kind (sys.SOCK_DGRAM, …).
	Socket(family, kind int, nonblock bool) (fd int, err error)
	Pair(kind int, nonblock bool) ([2]int, error)
	Bind(fd int, addr *sys.Sockaddr) error
	Listen(addr *sys.Sockaddr, o sys.ListenOptions) (fd int, err error)
	Dup(fd int) (int, error)
	Close(fd int) error

	Getsockname(fd int) (netip.AddrPort, error)
	Getpeername(fd int) (netip.AddrPort, error)

	SetNoDelay(fd int, on bool) error
	SetRcvLowat(fd, bytes int) error
	SetLinger0(fd int) error
	SetOption(fd int, o sys.Option, v int) error
	Option(fd int, o sys.Option) (int, error)
	Credentials(fd int) (sys.Credentials, error)
	SetNonblock(fd int, on bool) error
	Nonblock(fd int) (bool, error)

	// Accept takes one connection off a listening socket; Connect starts one, and waits for it if the socket may wait;
	// Recv and Send never wait.
	Accept(fd int32, nonblock bool) int32
	Connect(fd int32, addr *sys.Sockaddr) int32
	Recv(fd int32, b []byte) int32
	Send(fd int32, b []byte, flags uint32) int32
	Shutdown(fd, how int) error
	// SendMessages sends what o holds from the given message on and gives how many were taken; ReceiveMessage takes one
	// message, as OpRecvmsg does, and gives how much of the block it fills.
	SendMessages(fd int32, o *sys.Outgoing, from int) int32
	ReceiveMessage(fd int32, block []byte) int32
	// Read and Write are for the ends of pipes.
	Read(fd int32, b []byte) int32
	Write(fd int32, b []byte) int32

	// Pipe opens a non-blocking pipe (read end, write end, room in bytes); Splice moves up to n bytes between one and a
	// non-blocking socket.
	Pipe(size int) (r, w, room int, err error)
	Splice(in, out, n int, more bool) int32
}

var _ Sockets = sys.KernelSockets{}

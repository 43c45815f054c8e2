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
	Listen(addr *sys.Sockaddr, o sys.ListenOptions) (fd int, err error)
	Dup(fd int) (int, error)
	Close(fd int) error

	Getsockname(fd int) (netip.AddrPort, error)
	Getpeername(fd int) (netip.AddrPort, error)

	SetNoDelay(fd int, on bool) error
	SetRcvLowat(fd, bytes int) error
	SetLinger0(fd int) error
	SetNonblock(fd int, on bool) error
	Nonblock(fd int) (bool, error)

	// Accept takes one connection off a listening socket; Connect starts one, and waits for it if the socket may wait;
	// Recv and Send never wait.
	Accept(fd int32, nonblock bool) int32
	Connect(fd int32, addr *sys.Sockaddr) int32
	Recv(fd int32, b []byte) int32
	Send(fd int32, b []byte, flags uint32) int32
	Shutdown(fd, how int) error

	// Pipe opens a non-blocking pipe (read end, write end, room in bytes); Splice moves up to n bytes between one and a
	// non-blocking socket.
	Pipe(size int) (r, w, room int, err error)
	Splice(in, out, n int, more bool) int32
}

var _ Sockets = sys.KernelSockets{}

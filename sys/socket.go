package sys

import (
	"net/netip"
	"os"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Flags and families under the kernel's names, for callers outside this package.
const (
	AF_INET       = unix.AF_INET
	AF_INET6      = unix.AF_INET6
	AF_UNIX       = unix.AF_UNIX
	SOCK_NONBLOCK = unix.SOCK_NONBLOCK
	SOCK_CLOEXEC  = unix.SOCK_CLOEXEC
	MSG_NOSIGNAL  = unix.MSG_NOSIGNAL
	MSG_MORE      = unix.MSG_MORE
	MSG_DONTWAIT  = unix.MSG_DONTWAIT
	MSG_WAITALL   = unix.MSG_WAITALL
	POLLIN        = unix.POLLIN
	POLLOUT       = unix.POLLOUT
	POLLERR       = unix.POLLERR
	POLLHUP       = unix.POLLHUP
	POLLRDHUP     = unix.POLLRDHUP
	SHUT_RD       = unix.SHUT_RD
	SHUT_WR       = unix.SHUT_WR
	SHUT_RDWR     = unix.SHUT_RDWR
)

// StreamSocket opens a stream socket (TCP, or Unix) that is closed on exec. nonblock sets O_NONBLOCK: the epoll
// driver needs it, io_uring must not have it (it would answer EAGAIN instead of waiting).
func StreamSocket(family int, nonblock bool) (int, error) {
	typ := unix.SOCK_STREAM | unix.SOCK_CLOEXEC
	if nonblock {
		typ |= unix.SOCK_NONBLOCK
	}
	fd, err := unix.Socket(family, typ, 0)
	return fd, os.NewSyscallError("socket", err)
}

// StreamPair opens two connected Unix stream sockets.
func StreamPair(nonblock bool) ([2]int, error) {
	typ := unix.SOCK_STREAM | unix.SOCK_CLOEXEC
	if nonblock {
		typ |= unix.SOCK_NONBLOCK
	}
	p, err := unix.Socketpair(unix.AF_UNIX, typ, 0)
	return p, os.NewSyscallError("socketpair", err)
}

// ListenOptions says how a listening socket is set up.
type ListenOptions struct {
	Kind      int  // SOCK_STREAM, which is also what nought stands for, or SOCK_SEQPACKET
	Backlog   int  // length of the accept queue
	ReusePort bool // several sockets, one a loop, share the address
	NoReuse   bool // an address that connections of an earlier socket still use is refused
	NoDelay   bool // accepted connections inherit it
	NonBlock  bool
	Options   []OptionValue // set before the address is taken; accepted connections inherit most
}

// Listen opens, binds and starts a listening socket.
func Listen(addr *Sockaddr, o ListenOptions) (int, error) {
	if o.Kind == 0 {
		o.Kind = unix.SOCK_STREAM
	}
	fd, err := Socket(addr.Family(), o.Kind, o.NonBlock)
	if err != nil {
		return -1, err
	}
	if err := setupListener(fd, addr, o); err != nil {
		unix.Close(fd)
		return -1, err
	}
	return fd, nil
}

func setupListener(fd int, addr *Sockaddr, o ListenOptions) error {
	if addr.Family() != unix.AF_UNIX {
		if !o.NoReuse {
			if err := SetOption(fd, SO_REUSEADDR, 1); err != nil {
				return err
			}
		}
		if o.ReusePort {
			if err := SetOption(fd, SO_REUSEPORT, 1); err != nil {
				return err
			}
		}
		if o.NoDelay {
			if err := SetNoDelay(fd, true); err != nil {
				return err
			}
		}
	}
	if err := SetOptions(fd, o.Options); err != nil {
		return err
	}
	if _, _, e := syscall.RawSyscall(unix.SYS_BIND, uintptr(fd), uintptr(addr.Pointer()), uintptr(addr.len)); e != 0 {
		return os.NewSyscallError("bind", e)
	}
	return os.NewSyscallError("listen", unix.Listen(fd, o.Backlog))
}

// SetNoDelay switches Nagle's algorithm off (or on).
func SetNoDelay(fd int, on bool) error {
	return os.NewSyscallError("setsockopt TCP_NODELAY", unix.SetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_NODELAY, boolint(on)))
}

// SetRcvLowat sets how many bytes must be there for a socket to count as readable. Lowering it wakes who waits for less.
func SetRcvLowat(fd, bytes int) error {
	return os.NewSyscallError("setsockopt SO_RCVLOWAT", unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVLOWAT, bytes))
}

// SetLinger0 makes the next close send RST instead of FIN.
func SetLinger0(fd int) error {
	return os.NewSyscallError("setsockopt SO_LINGER", unix.SetsockoptLinger(fd, unix.SOL_SOCKET, unix.SO_LINGER, &unix.Linger{Onoff: 1}))
}

// SetNonblock sets or clears O_NONBLOCK.
func SetNonblock(fd int, on bool) error {
	return os.NewSyscallError("fcntl O_NONBLOCK", unix.SetNonblock(fd, on))
}

// Nonblock reports whether O_NONBLOCK is set.
func Nonblock(fd int) (bool, error) {
	flags, err := unix.FcntlInt(uintptr(fd), unix.F_GETFL, 0)
	return flags&unix.O_NONBLOCK != 0, os.NewSyscallError("fcntl F_GETFL", err)
}

// Family is a socket's address family (SO_DOMAIN), -1 for what is no socket.
func Family(fd int) int {
	v, err := unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_DOMAIN)
	if err != nil {
		return -1
	}
	return v
}

// SocketError takes the pending error of a socket (SO_ERROR) as -errno, 0 for none.
func SocketError(fd int) int32 {
	v, err := unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_ERROR)
	if e, ok := err.(unix.Errno); ok {
		return -int32(e)
	}
	return -int32(v)
}

// Read reads from a non-blocking descriptor that need not be a socket: bytes, 0 at the end, or -errno.
func Read(fd int32, b []byte) int32 {
	for {
		n, _, e := syscall.RawSyscall(unix.SYS_READ, uintptr(fd), uintptr(unsafe.Pointer(unsafe.SliceData(b))), uintptr(len(b)))
		if e != unix.EINTR {
			return raw(n, e)
		}
	}
}

// Write writes to a non-blocking descriptor that need not be a socket: bytes, or -errno.
func Write(fd int32, b []byte) int32 {
	for {
		n, _, e := syscall.RawSyscall(unix.SYS_WRITE, uintptr(fd), uintptr(unsafe.Pointer(unsafe.SliceData(b))), uintptr(len(b)))
		if e != unix.EINTR {
			return raw(n, e)
		}
	}
}

// Bind gives a socket a local address before it connects.
func Bind(fd int, addr *Sockaddr) error {
	_, _, e := syscall.RawSyscall(unix.SYS_BIND, uintptr(fd), uintptr(addr.Pointer()), uintptr(addr.len))
	if e != 0 {
		return os.NewSyscallError("bind", e)
	}
	return nil
}

// Getsockname gives the local address of a socket; the zero value for a Unix socket.
func Getsockname(fd int) (netip.AddrPort, error) {
	return sockname("getsockname", unix.SYS_GETSOCKNAME, fd)
}

// Getpeername gives the peer's address of a socket; the zero value for a Unix socket.
func Getpeername(fd int) (netip.AddrPort, error) {
	return sockname("getpeername", unix.SYS_GETPEERNAME, fd)
}

func sockname(call string, nr uintptr, fd int) (netip.AddrPort, error) {
	var s Sockaddr
	s.len = uint32(unsafe.Sizeof(s.raw))
	if _, _, e := syscall.RawSyscall(nr, uintptr(fd), uintptr(s.Pointer()), uintptr(unsafe.Pointer(&s.len))); e != 0 {
		return netip.AddrPort{}, os.NewSyscallError(call, e)
	}
	return s.AddrPort(), nil
}

// Accept takes one connection off a non-blocking listening socket: its descriptor, or -errno.
func Accept(fd int32, nonblock bool) int32 {
	flags := unix.SOCK_CLOEXEC
	if nonblock {
		flags |= unix.SOCK_NONBLOCK
	}
	for {
		n, _, e := syscall.RawSyscall6(unix.SYS_ACCEPT4, uintptr(fd), 0, 0, uintptr(flags), 0, 0)
		if e != unix.EINTR {
			return raw(n, e)
		}
	}
}

// Connect starts a connection on a non-blocking socket: 0, -EINPROGRESS, or another -errno.
func Connect(fd int32, addr unsafe.Pointer, addrLen uint32) int32 {
	for {
		n, _, e := syscall.RawSyscall(unix.SYS_CONNECT, uintptr(fd), uintptr(addr), uintptr(addrLen))
		if e != unix.EINTR {
			return raw(n, e)
		}
	}
}

// Recv reads from a non-blocking socket: bytes, 0 at the end, or -errno.
func Recv(fd int32, b []byte) int32 {
	for {
		n, _, e := syscall.RawSyscall6(unix.SYS_RECVFROM, uintptr(fd), uintptr(unsafe.Pointer(unsafe.SliceData(b))), uintptr(len(b)), unix.MSG_DONTWAIT, 0, 0)
		if e != unix.EINTR {
			return raw(n, e)
		}
	}
}

// Send writes to a non-blocking socket: bytes, or -errno.
func Send(fd int32, b []byte, flags uint32) int32 {
	for {
		n, _, e := syscall.RawSyscall6(unix.SYS_SENDTO, uintptr(fd), uintptr(unsafe.Pointer(unsafe.SliceData(b))), uintptr(len(b)),
			uintptr(flags|unix.MSG_DONTWAIT|unix.MSG_NOSIGNAL), 0, 0)
		if e != unix.EINTR {
			return raw(n, e)
		}
	}
}

// Msghdr is struct msghdr with room for two buffers: a head and a body. It belongs to the record of the
// operation that uses it, until that operation's own completion.
type Msghdr struct {
	hdr unix.Msghdr
	iov [2]unix.Iovec
}

// Set points m at two buffers, either of which may be empty.
func (m *Msghdr) Set(a, b []byte) {
	n := 0
	for _, p := range [...][]byte{a, b} {
		if len(p) > 0 {
			m.iov[n].Base = unsafe.SliceData(p)
			m.iov[n].SetLen(len(p))
			n++
		}
	}
	m.hdr.Iov = &m.iov[0]
	m.hdr.SetIovlen(n)
}

// Buffers gives the two buffers that Set was given, as far as they are not empty.
func (m *Msghdr) Buffers() (a, b []byte) {
	out := [2][]byte{}
	for i := range int(m.hdr.Iovlen) {
		out[i] = unsafe.Slice(m.iov[i].Base, m.iov[i].Len)
	}
	return out[0], out[1]
}

// Clear drops the pointers to the buffers.
func (m *Msghdr) Clear() { m.iov = [2]unix.Iovec{} }

// Pointer gives the form that sendmsg and io_uring take.
func (m *Msghdr) Pointer() unsafe.Pointer { return unsafe.Pointer(&m.hdr) }

// Sendmsg writes the buffers of m to a non-blocking socket: bytes, or -errno.
func Sendmsg(fd int32, m *Msghdr, flags uint32) int32 {
	for {
		n, _, e := syscall.RawSyscall(unix.SYS_SENDMSG, uintptr(fd), uintptr(m.Pointer()), uintptr(flags|unix.MSG_DONTWAIT|unix.MSG_NOSIGNAL))
		if e != unix.EINTR {
			return raw(n, e)
		}
	}
}

// Poll asks at once which of the events hold on fd; it never waits.
func Poll(fd int32, events int16) int16 {
	p := [1]unix.PollFd{{Fd: fd, Events: events}}
	var ts unix.Timespec
	for {
		_, _, e := syscall.RawSyscall6(unix.SYS_PPOLL, uintptr(unsafe.Pointer(&p[0])), 1, uintptr(unsafe.Pointer(&ts)), 0, 0, 0)
		if e != unix.EINTR {
			return p[0].Revents
		}
	}
}

// Shutdown ends one or both directions of a connection.
func Shutdown(fd int, how int) error { return os.NewSyscallError("shutdown", unix.Shutdown(fd, how)) }

// Close closes a descriptor. Linux frees it even when close reports EINTR, so it is never retried.
func Close(fd int) error {
	_, _, e := syscall.RawSyscall(unix.SYS_CLOSE, uintptr(fd), 0, 0)
	if e != 0 && e != unix.EINTR {
		return os.NewSyscallError("close", e)
	}
	return nil
}

func boolint(b bool) int {
	if b {
		return 1
	}
	return 0
}

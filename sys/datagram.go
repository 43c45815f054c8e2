package sys

import (
	"os"

	"golang.org/x/sys/unix"
)

// ListenDatagram opens a datagram socket that is bound to addr; the backlog of o means nothing for it.
func ListenDatagram(addr *Sockaddr, o ListenOptions) (int, error) {
	typ := unix.SOCK_DGRAM | unix.SOCK_CLOEXEC
	if o.NonBlock {
		typ |= unix.SOCK_NONBLOCK
	}
	fd, err := unix.Socket(addr.Family(), typ, 0)
	if err != nil {
		return -1, os.NewSyscallError("socket", err)
	}
	if o.ReusePort && addr.Family() != unix.AF_UNIX {
		err = SetOption(fd, SO_REUSEPORT, 1)
	}
	if err == nil {
		err = SetOptions(fd, o.Options)
	}
	if err == nil {
		err = Bind(fd, addr)
	}
	if err != nil {
		_ = Close(fd)
		return -1, err
	}
	return fd, nil
}

// The kinds of sockets: a stream, datagrams, and datagrams over a connection, in order (Unix only).
const (
	SOCK_STREAM    = unix.SOCK_STREAM
	SOCK_DGRAM     = unix.SOCK_DGRAM
	SOCK_SEQPACKET = unix.SOCK_SEQPACKET
)

// Socket opens a socket of any kind that is closed on exec; nonblock is as for StreamSocket.
func Socket(family, kind int, nonblock bool) (int, error) {
	fd, err := unix.Socket(family, kindFlags(kind, nonblock), 0)
	return fd, os.NewSyscallError("socket", err)
}

// Pair opens two connected Unix sockets of any kind.
func Pair(kind int, nonblock bool) ([2]int, error) {
	p, err := unix.Socketpair(unix.AF_UNIX, kindFlags(kind, nonblock), 0)
	return p, os.NewSyscallError("socketpair", err)
}

func kindFlags(kind int, nonblock bool) int {
	if nonblock {
		kind |= unix.SOCK_NONBLOCK
	}
	return kind | unix.SOCK_CLOEXEC
}

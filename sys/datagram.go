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
		err = os.NewSyscallError("setsockopt SO_REUSEPORT", unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_REUSEPORT, 1))
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

package sys

import (
	"errors"
	"net"
	"os"

	"golang.org/x/sys/unix"
)

// SCM_MAX_FD is the most descriptors that the kernel lets one sendmsg carry (include/net/scm.h).
const SCM_MAX_FD = 253

// MSG_CTRUNC in the flags of a receive says that ancillary data was cut off, and descriptors with it: the process had no
// numbers left for them, or the buffer was too small.
const MSG_CTRUNC = unix.MSG_CTRUNC

// RightsSpace is the room that the ancillary data of n descriptors takes.
func RightsSpace(n int) int { return unix.CmsgSpace(n * 4) }

// Rights is the ancillary data that sends descriptors with a message (SCM_RIGHTS). The sender keeps its own copies.
func Rights(fds []int) []byte { return unix.UnixRights(fds...) }

// ErrAncillary says that what came beside a message is not what a peer of ours sends there.
var ErrAncillary = errors.New("unexpected ancillary data")

// ParseRights takes the descriptors out of ancillary data. Also with an error it returns all that it found: they are the
// caller's to close.
func ParseRights(oob []byte) (fds []int, err error) {
	if len(oob) == 0 {
		return nil, nil
	}
	messages, err := unix.ParseSocketControlMessage(oob)
	if err != nil {
		err = errors.Join(ErrAncillary, os.NewSyscallError("recvmsg", err))
	}
	for i := range messages {
		got, e := unix.ParseUnixRights(&messages[i])
		fds = append(fds, got...)
		if e != nil {
			err = errors.Join(ErrAncillary, os.NewSyscallError("recvmsg", e))
		}
	}
	return fds, err
}

// SocketPair makes two connected Unix stream sockets, both closed on exec.
func SocketPair() (a, b *os.File, err error) {
	p, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
	if err != nil {
		return nil, nil, os.NewSyscallError("socketpair", err)
	}
	return os.NewFile(uintptr(p[0]), "socketpair"), os.NewFile(uintptr(p[1]), "socketpair"), nil
}

// IsTooManyInFlight reports whether err says that this user has more descriptors on their way than the limit of open
// files: the receiver has to take some first.
func IsTooManyInFlight(err error) bool { return errors.Is(err, unix.ETOOMANYREFS) }

// Credentials are those of a process.
type Credentials struct {
	PID      int
	UID, GID uint32
}

// PeerCredentials are those of the process that connected or listened on the other end, as they were then (SO_PEERCRED).
func PeerCredentials(c *net.UnixConn) (Credentials, error) {
	raw, err := c.SyscallConn()
	if err != nil {
		return Credentials{}, err
	}
	var found Credentials
	var failed error
	if err := raw.Control(func(fd uintptr) { found, failed = SocketCredentials(int(fd)) }); err != nil {
		return Credentials{}, err
	}
	return found, failed
}

// SocketCredentials is PeerCredentials for a descriptor.
func SocketCredentials(fd int) (Credentials, error) {
	u, err := unix.GetsockoptUcred(fd, unix.SOL_SOCKET, unix.SO_PEERCRED)
	if err != nil {
		return Credentials{}, os.NewSyscallError("getsockopt SO_PEERCRED", err)
	}
	return Credentials{PID: int(u.Pid), UID: u.Uid, GID: u.Gid}, nil
}

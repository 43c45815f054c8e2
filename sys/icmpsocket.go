package sys

import (
	"errors"
	"os"
	"sync"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Levels and types of the control messages that a sender of ICMP adds, for Messages.AddControl.
const (
	SOL_SOCKET    = unix.SOL_SOCKET
	SOL_IP        = unix.SOL_IP
	SOL_IPV6      = unix.SOL_IPV6
	IP_TTL        = unix.IP_TTL
	IPV6_HOPLIMIT = unix.IPV6_HOPLIMIT
	SCM_TS_OPT_ID = unix.SCM_TS_OPT_ID
)

// ICMPSocket opens a non-blocking socket for ICMP. A raw one sees all messages and needs CAP_NET_RAW; on one that is not, the
// kernel sends echo requests only and delivers their replies only, which the group range of net.ipv4.ping_group_range may.
func ICMPSocket(family int, raw bool) (int, error) {
	typ, proto := unix.SOCK_DGRAM, unix.IPPROTO_ICMP
	if raw {
		typ = unix.SOCK_RAW
	}
	if family == unix.AF_INET6 {
		proto = unix.IPPROTO_ICMPV6
	}
	fd, err := unix.Socket(family, typ|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, proto)
	return fd, os.NewSyscallError("socket", err)
}

// IsDenied reports whether err says that this process may not do it.
func IsDenied(err error) bool { return errors.Is(err, syscall.EPERM) || errors.Is(err, syscall.EACCES) }

// IsUnreachable reports whether err says that there is no way to the host, or was none when an earlier packet was sent.
func IsUnreachable(err error) bool {
	return errors.Is(err, syscall.ENETUNREACH) || errors.Is(err, syscall.EHOSTUNREACH) || errors.Is(err, syscall.ENETDOWN) ||
		errors.Is(err, syscall.EHOSTDOWN) || errors.Is(err, syscall.EADDRNOTAVAIL)
}

// IsTooBig reports whether err says that a datagram is larger than the interface can send.
func IsTooBig(err error) bool { return errors.Is(err, syscall.EMSGSIZE) }

// IsAgain reports whether err says that there is nothing, or no room, now.
func IsAgain(err error) bool { return errors.Is(err, syscall.EAGAIN) }

// IsNotSupported reports whether err says that the kernel or a driver cannot do this.
func IsNotSupported(err error) bool {
	return errors.Is(err, syscall.EOPNOTSUPP) || errors.Is(err, syscall.ENOPROTOOPT) || errors.Is(err, syscall.EINVAL) || errors.Is(err, syscall.ERANGE)
}

// SetTTL sets the time to live (the hop limit, in IPv6) of what a socket sends.
func SetTTL(fd, family, ttl int) error {
	if family == unix.AF_INET6 {
		return os.NewSyscallError("setsockopt IPV6_UNICAST_HOPS", unix.SetsockoptInt(fd, unix.SOL_IPV6, unix.IPV6_UNICAST_HOPS, ttl))
	}
	return os.NewSyscallError("setsockopt IP_TTL", unix.SetsockoptInt(fd, unix.SOL_IP, unix.IP_TTL, ttl))
}

// SetTOS sets the TOS byte (the traffic class, in IPv6): DSCP in its upper six bits, ECN in its lower two.
func SetTOS(fd, family, tos int) error {
	if family == unix.AF_INET6 {
		return os.NewSyscallError("setsockopt IPV6_TCLASS", unix.SetsockoptInt(fd, unix.SOL_IPV6, unix.IPV6_TCLASS, tos))
	}
	return os.NewSyscallError("setsockopt IP_TOS", unix.SetsockoptInt(fd, unix.SOL_IP, unix.IP_TOS, tos))
}

// SetProbeMTU has a socket's packets leave unfragmented (don't-fragment set) and of any size that the interface takes, whatever
// path MTU the kernel remembers (IP_PMTUDISC_PROBE).
func SetProbeMTU(fd, family int) error {
	if family == unix.AF_INET6 {
		err := unix.SetsockoptInt(fd, unix.SOL_IPV6, unix.IPV6_MTU_DISCOVER, unix.IPV6_PMTUDISC_PROBE)
		return os.NewSyscallError("setsockopt IPV6_MTU_DISCOVER", err)
	}
	return os.NewSyscallError("setsockopt IP_MTU_DISCOVER", unix.SetsockoptInt(fd, unix.SOL_IP, unix.IP_MTU_DISCOVER, unix.IP_PMTUDISC_PROBE))
}

// SetAllowFragments has a socket's packets be fragmented where they are too big (IP_PMTUDISC_DONT).
func SetAllowFragments(fd, family int) error {
	if family == unix.AF_INET6 {
		err := unix.SetsockoptInt(fd, unix.SOL_IPV6, unix.IPV6_MTU_DISCOVER, unix.IPV6_PMTUDISC_DONT)
		return os.NewSyscallError("setsockopt IPV6_MTU_DISCOVER", err)
	}
	return os.NewSyscallError("setsockopt IP_MTU_DISCOVER", unix.SetsockoptInt(fd, unix.SOL_IP, unix.IP_MTU_DISCOVER, unix.IP_PMTUDISC_DONT))
}

// SetRecvErr asks for ICMP errors on the error queue, and for ENOBUFS when this host drops a packet on its way out.
func SetRecvErr(fd, family int) error {
	if family == unix.AF_INET6 {
		return os.NewSyscallError("setsockopt IPV6_RECVERR", unix.SetsockoptInt(fd, unix.SOL_IPV6, unix.IPV6_RECVERR, 1))
	}
	return os.NewSyscallError("setsockopt IP_RECVERR", unix.SetsockoptInt(fd, unix.SOL_IP, unix.IP_RECVERR, 1))
}

// SetRxqOvfl asks for the count of dropped packets with each that is received.
func SetRxqOvfl(fd int) error {
	return os.NewSyscallError("setsockopt SO_RXQ_OVFL", unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RXQ_OVFL, 1))
}

// Drops is how many packets a socket's receive queue had no room for (SO_MEMINFO), also where none was received after.
func Drops(fd int) (uint32, error) {
	var v [unix.SK_MEMINFO_DROPS + 1]uint32
	n := uint32(unsafe.Sizeof(v))
	_, _, e := syscall.RawSyscall6(unix.SYS_GETSOCKOPT, uintptr(fd), unix.SOL_SOCKET, unix.SO_MEMINFO, uintptr(unsafe.Pointer(&v)), uintptr(unsafe.Pointer(&n)), 0)
	if e != 0 {
		return 0, os.NewSyscallError("getsockopt SO_MEMINFO", e)
	}
	return v[unix.SK_MEMINFO_DROPS], nil
}

// SetBuffers asks for room for that many bytes to be received and sent: beyond the system's limit if the process may
// (SO_RCVBUFFORCE), else as much as it gives.
func SetBuffers(fd, receive, send int) error {
	for _, o := range [...]struct{ force, plain, size int }{{unix.SO_RCVBUFFORCE, unix.SO_RCVBUF, receive}, {unix.SO_SNDBUFFORCE, unix.SO_SNDBUF, send}} {
		if unix.SetsockoptInt(fd, unix.SOL_SOCKET, o.force, o.size) == nil {
			continue
		}
		if err := unix.SetsockoptInt(fd, unix.SOL_SOCKET, o.plain, o.size); err != nil {
			return os.NewSyscallError("setsockopt SO_RCVBUF", err)
		}
	}
	return nil
}

// BindToDevice ties a socket to an interface.
func BindToDevice(fd int, name string) error {
	return os.NewSyscallError("setsockopt SO_BINDTODEVICE", unix.BindToDevice(fd, name))
}

// SockFilter is one instruction of classic BPF, struct sock_filter.
type SockFilter struct {
	Code   uint16
	Jt, Jf uint8
	K      uint32
}

// AttachFilter has the kernel drop what the program refuses before it reaches the socket's queue.
func AttachFilter(fd int, program []SockFilter) error {
	p := unix.SockFprog{Len: uint16(len(program)), Filter: (*unix.SockFilter)(unsafe.Pointer(unsafe.SliceData(program)))}
	return os.NewSyscallError("setsockopt SO_ATTACH_FILTER", unix.SetsockoptSockFprog(fd, unix.SOL_SOCKET, unix.SO_ATTACH_FILTER, &p))
}

// Flags of SO_TIMESTAMPING that senders of ICMP use.
const (
	timestampingAll = unix.SOF_TIMESTAMPING_TX_SOFTWARE | unix.SOF_TIMESTAMPING_RX_SOFTWARE | unix.SOF_TIMESTAMPING_SOFTWARE |
		unix.SOF_TIMESTAMPING_TX_HARDWARE | unix.SOF_TIMESTAMPING_RX_HARDWARE | unix.SOF_TIMESTAMPING_RAW_HARDWARE |
		unix.SOF_TIMESTAMPING_OPT_TX_SWHW | unix.SOF_TIMESTAMPING_OPT_ID | unix.SOF_TIMESTAMPING_OPT_CMSG
)

// StampDelay is how long to wait after stamps were asked for, if nobody on the machine had done so before: the kernel switches
// receive stamps on in the background, and packets that come before have none.
const StampDelay = 20 * time.Millisecond

// SetTimestamping asks for stamps of the kernel and the network card on everything sent and received. Transmit stamps come by
// the error queue: with only their identifier, or without only with the packet that they are of.
func SetTimestamping(fd int, only bool) error {
	flags := timestampingAll
	if only {
		flags |= unix.SOF_TIMESTAMPING_OPT_TSONLY
	}
	return os.NewSyscallError("setsockopt SO_TIMESTAMPING", unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_TIMESTAMPING, flags))
}

// SetTimestampNS asks for receive stamps in nanoseconds.
func SetTimestampNS(fd int) error {
	return os.NewSyscallError("setsockopt SO_TIMESTAMPNS", unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_TIMESTAMPNS, 1))
}

// SetTimestamp asks for receive stamps in microseconds.
func SetTimestamp(fd int) error {
	return os.NewSyscallError("setsockopt SO_TIMESTAMP", unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_TIMESTAMP, 1))
}

// EnableHardwareStamps has a network card stamp all packets (SIOCSHWTSTAMP), for everybody on this machine. It needs
// CAP_NET_ADMIN and a card that can.
func EnableHardwareStamps(device string) error {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return os.NewSyscallError("socket", err)
	}
	defer unix.Close(fd)
	c := unix.HwTstampConfig{Tx_type: unix.HWTSTAMP_TX_ON, Rx_filter: unix.HWTSTAMP_FILTER_ALL}
	return os.NewSyscallError("ioctl SIOCSHWTSTAMP", unix.IoctlSetHwTstamp(fd, device, &c))
}

// HasTimestampID reports whether a sender may name the identifier of each transmit stamp (SCM_TS_OPT_ID, Linux 6.13). Where it may
// not, the kernel counts, and whoever counts along is wrong after the first packet that could not be sent.
var HasTimestampID = sync.OnceValue(func() bool {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return false
	}
	defer unix.Close(fd)
	sa := &unix.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}
	if unix.Bind(fd, sa) != nil || SetTimestamping(fd, true) != nil {
		return false
	}
	self, err := Getsockname(fd)
	if err != nil {
		return false
	}
	m := NewMessages(1, 1, unix.CmsgSpace(4))
	if m.Prepare(0, 1, self.Addr()) != nil || m.names[0].SetAddrPort(self) != nil {
		return false
	}
	m.AddControl(0, SOL_SOCKET, SCM_TS_OPT_ID, 7)
	return m.Send(fd, 0, 1) == 1
})

// PollFd is struct pollfd.
type PollFd struct {
	Fd      int32
	Events  int16
	Revents int16
}

// PollWait waits until an event of one of the descriptors holds, or the time is over: how many have one.
func PollWait(fds []PollFd, timeout time.Duration) (int, error) {
	ts := unix.NsecToTimespec(int64(max(timeout, 0)))
	n, err := unix.Ppoll(unsafe.Slice((*unix.PollFd)(unsafe.Pointer(unsafe.SliceData(fds))), len(fds)), &ts, nil)
	if errors.Is(err, syscall.EINTR) {
		return 0, nil
	}
	return n, os.NewSyscallError("ppoll", err)
}

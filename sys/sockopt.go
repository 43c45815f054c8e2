package sys

import (
	"os"

	"golang.org/x/sys/unix"
)

// Option is a socket option of type int, with the name that errors give it.
type Option struct {
	level, name int
	text        string
}

// String is the kernel's name of the option.
func (o Option) String() string { return o.text }

// The options that code above this package sets, under the kernel's names.
var (
	SO_REUSEADDR = Option{unix.SOL_SOCKET, unix.SO_REUSEADDR, "SO_REUSEADDR"}
	SO_REUSEPORT = Option{unix.SOL_SOCKET, unix.SO_REUSEPORT, "SO_REUSEPORT"}
	SO_RCVBUF    = Option{unix.SOL_SOCKET, unix.SO_RCVBUF, "SO_RCVBUF"}
	SO_SNDBUF    = Option{unix.SOL_SOCKET, unix.SO_SNDBUF, "SO_SNDBUF"}
	SO_KEEPALIVE = Option{unix.SOL_SOCKET, unix.SO_KEEPALIVE, "SO_KEEPALIVE"}
	SO_RXQ_OVFL  = Option{unix.SOL_SOCKET, unix.SO_RXQ_OVFL, "SO_RXQ_OVFL"}

	TCP_NODELAY          = Option{unix.IPPROTO_TCP, unix.TCP_NODELAY, "TCP_NODELAY"}
	TCP_KEEPIDLE         = Option{unix.IPPROTO_TCP, unix.TCP_KEEPIDLE, "TCP_KEEPIDLE"}
	TCP_KEEPINTVL        = Option{unix.IPPROTO_TCP, unix.TCP_KEEPINTVL, "TCP_KEEPINTVL"}
	TCP_KEEPCNT          = Option{unix.IPPROTO_TCP, unix.TCP_KEEPCNT, "TCP_KEEPCNT"}
	TCP_USER_TIMEOUT     = Option{unix.IPPROTO_TCP, unix.TCP_USER_TIMEOUT, "TCP_USER_TIMEOUT"}
	TCP_DEFER_ACCEPT     = Option{unix.IPPROTO_TCP, unix.TCP_DEFER_ACCEPT, "TCP_DEFER_ACCEPT"}
	TCP_FASTOPEN         = Option{unix.IPPROTO_TCP, unix.TCP_FASTOPEN, "TCP_FASTOPEN"}
	TCP_FASTOPEN_CONNECT = Option{unix.IPPROTO_TCP, unix.TCP_FASTOPEN_CONNECT, "TCP_FASTOPEN_CONNECT"}

	UDP_SEGMENT = Option{unix.IPPROTO_UDP, unix.UDP_SEGMENT, "UDP_SEGMENT"}
	UDP_GRO     = Option{unix.IPPROTO_UDP, unix.UDP_GRO, "UDP_GRO"}

	IP_BIND_ADDRESS_NO_PORT = Option{unix.SOL_IP, unix.IP_BIND_ADDRESS_NO_PORT, "IP_BIND_ADDRESS_NO_PORT"}
	IP_TOS                  = Option{unix.SOL_IP, unix.IP_TOS, "IP_TOS"}
	IP_RECVTOS              = Option{unix.SOL_IP, unix.IP_RECVTOS, "IP_RECVTOS"}
	IP_PKTINFO              = Option{unix.SOL_IP, unix.IP_PKTINFO, "IP_PKTINFO"}
	IPV6_TCLASS             = Option{unix.SOL_IPV6, unix.IPV6_TCLASS, "IPV6_TCLASS"}
	IPV6_RECVTCLASS         = Option{unix.SOL_IPV6, unix.IPV6_RECVTCLASS, "IPV6_RECVTCLASS"}
	IPV6_RECVPKTINFO        = Option{unix.SOL_IPV6, unix.IPV6_RECVPKTINFO, "IPV6_RECVPKTINFO"}
	IPV6_V6ONLY             = Option{unix.SOL_IPV6, unix.IPV6_V6ONLY, "IPV6_V6ONLY"}
)

// OptionValue is an option and what it is to be.
type OptionValue struct {
	Option Option
	Value  int
}

// SetOption sets an option; an error names it.
func SetOption(fd int, o Option, v int) error {
	return os.NewSyscallError("setsockopt "+o.text, unix.SetsockoptInt(fd, o.level, o.name, v))
}

// GetOption gives an option's value. The kernel reports twice of what buffer sizes were set to.
func GetOption(fd int, o Option) (int, error) {
	v, err := unix.GetsockoptInt(fd, o.level, o.name)
	return v, os.NewSyscallError("getsockopt "+o.text, err)
}

// SetOptions sets options in their order, up to the first that fails.
func SetOptions(fd int, list []OptionValue) error {
	for _, o := range list {
		if err := SetOption(fd, o.Option, o.Value); err != nil {
			return err
		}
	}
	return nil
}

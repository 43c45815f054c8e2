package sys

import (
	"bytes"
	"errors"
	"net/netip"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Sockaddr is a socket address in the kernel's own layout (struct sockaddr_storage, as far as it is used here).
// It belongs to the record of the operation that uses it: the kernel reads it after the call that queues it.
type Sockaddr struct {
	raw unix.RawSockaddrAny
	len uint32
}

// ErrAddress says that an address cannot be put into the kernel's form.
var ErrAddress = errors.New("unusable socket address")

// SetAddrPort fills s with an IPv4 or IPv6 address.
func (s *Sockaddr) SetAddrPort(ap netip.AddrPort) error {
	addr := ap.Addr()
	switch {
	case addr.Is4() || addr.Is4In6():
		in := (*unix.RawSockaddrInet4)(unsafe.Pointer(&s.raw))
		*in = unix.RawSockaddrInet4{Family: unix.AF_INET, Addr: addr.Unmap().As4()}
		putPort(&in.Port, ap.Port())
		s.len = unix.SizeofSockaddrInet4
	case addr.Is6():
		in := (*unix.RawSockaddrInet6)(unsafe.Pointer(&s.raw))
		*in = unix.RawSockaddrInet6{Family: unix.AF_INET6, Addr: addr.As16(), Scope_id: zoneIndex(addr.Zone())}
		putPort(&in.Port, ap.Port())
		s.len = unix.SizeofSockaddrInet6
	default:
		return ErrAddress
	}
	return nil
}

// SetUnix fills s with the path of a Unix socket; one that begins with @ is a name in the abstract namespace, which has no
// file.
func (s *Sockaddr) SetUnix(path string) error {
	un := (*unix.RawSockaddrUnix)(unsafe.Pointer(&s.raw))
	if len(path) == 0 || len(path) >= len(un.Path) {
		return ErrAddress
	}
	*un = unix.RawSockaddrUnix{Family: unix.AF_UNIX}
	for i := range len(path) {
		un.Path[i] = int8(path[i])
	}
	s.len = uint32(unsafe.Offsetof(un.Path)) + uint32(len(path)) + 1
	if path[0] == '@' {
		un.Path[0] = 0
		s.len-- // a name ends with its length, not with a nought
	}
	return nil
}

// Family is the address family: AF_INET, AF_INET6 or AF_UNIX.
func (s *Sockaddr) Family() int { return int(s.raw.Addr.Family) }

// Pointer and Len give the form that system calls and io_uring take.
func (s *Sockaddr) Pointer() unsafe.Pointer { return unsafe.Pointer(&s.raw) }

// Len is the length of the address in bytes.
func (s *Sockaddr) Len() uint32 { return s.len }

// AddrPort is the address, or the zero value for a Unix socket.
func (s *Sockaddr) AddrPort() netip.AddrPort {
	switch s.raw.Addr.Family {
	case unix.AF_INET:
		in := (*unix.RawSockaddrInet4)(unsafe.Pointer(&s.raw))
		return netip.AddrPortFrom(netip.AddrFrom4(in.Addr), getPort(&in.Port))
	case unix.AF_INET6:
		in := (*unix.RawSockaddrInet6)(unsafe.Pointer(&s.raw))
		return netip.AddrPortFrom(netip.AddrFrom16(in.Addr).Unmap(), getPort(&in.Port))
	}
	return netip.AddrPort{}
}

// Path is the path of a Unix socket's address, with @ for the nought that an abstract name begins with; empty for others.
func (s *Sockaddr) Path() string {
	un := (*unix.RawSockaddrUnix)(unsafe.Pointer(&s.raw))
	n := int(s.len) - int(unsafe.Offsetof(un.Path))
	if s.raw.Addr.Family != unix.AF_UNIX || n <= 0 {
		return ""
	}
	path := unsafe.Slice((*byte)(unsafe.Pointer(&un.Path[0])), min(n, len(un.Path)))
	if path[0] == 0 {
		return "@" + string(path[1:])
	}
	if end := bytes.IndexByte(path, 0); end >= 0 {
		path = path[:end]
	}
	return string(path)
}

// setBytes takes an address as the kernel wrote it into a buffer.
func (s *Sockaddr) setBytes(b []byte) {
	raw := unsafe.Slice((*byte)(unsafe.Pointer(&s.raw)), unsafe.Sizeof(s.raw))
	s.len = uint32(copy(raw, b))
	if s.len < 2 {
		s.raw.Addr.Family = unix.AF_UNSPEC
	}
}

// bytes is the address as the kernel takes it.
func (s *Sockaddr) bytes() []byte {
	return unsafe.Slice((*byte)(unsafe.Pointer(&s.raw)), s.len)
}

// Ports stand in network byte order whatever the machine's own order is.
func putPort(p *uint16, port uint16) {
	b := (*[2]byte)(unsafe.Pointer(p))
	b[0], b[1] = byte(port>>8), byte(port)
}

func getPort(p *uint16) uint16 {
	b := (*[2]byte)(unsafe.Pointer(p))
	return uint16(b[0])<<8 | uint16(b[1])
}

func zoneIndex(zone string) uint32 {
	n := uint32(0)
	for i := range len(zone) {
		if zone[i] < '0' || zone[i] > '9' {
			return interfaceIndex(zone)
		}
		n = n*10 + uint32(zone[i]-'0')
	}
	return n
}

func interfaceIndex(name string) uint32 {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return 0
	}
	defer unix.Close(fd)
	ifr, err := unix.NewIfreq(name)
	if err != nil || unix.IoctlIfreq(fd, unix.SIOCGIFINDEX, ifr) != nil {
		return 0
	}
	return ifr.Uint32()
}

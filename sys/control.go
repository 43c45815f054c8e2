package sys

import (
	"encoding/binary"
	"net/netip"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Ancillary is what the control messages of a datagram said. What was not there is nought.
type Ancillary struct {
	Software int64 // the kernel's stamp, CLOCK_REALTIME in nanoseconds
	Hardware int64 // the network card's, on its own clock
	Micro    bool  // Software came by SO_TIMESTAMP and counts microseconds
	Dropped  uint32
	HasDrops bool // Dropped is there: what the receive queue dropped so far (SO_RXQ_OVFL)
	Error    ExtendedError
	HasError bool

	Local     netip.Addr // where a datagram was sent to, as an address to answer from (IP_PKTINFO)
	Interface int        // that it came in by
	TOS       uint8      // or traffic class: DSCP in the upper six bits, ECN in the lower two
	HasTOS    bool
	Segment   int // bytes of each datagram but the last, where the kernel joined several (UDP_GRO)
	Rights    int // descriptors that came along; ParseRights gives them
}

// ExtendedError is struct sock_extended_err of the error queue.
type ExtendedError struct {
	Errno      uint32
	Origin     uint8
	Type, Code uint8
	Info, Data uint32
	Offender   netip.Addr // who sent the ICMP error
}

// Where an entry of the error queue comes from.
const (
	SO_EE_ORIGIN_LOCAL        = unix.SO_EE_ORIGIN_LOCAL
	SO_EE_ORIGIN_ICMP         = unix.SO_EE_ORIGIN_ICMP
	SO_EE_ORIGIN_ICMP6        = unix.SO_EE_ORIGIN_ICMP6
	SO_EE_ORIGIN_TIMESTAMPING = unix.SO_EE_ORIGIN_TIMESTAMPING
)

// scmTimestamp are the types of control messages that the old and the new form of the stamps have. On machines of 64 bits both
// hold the same numbers.
const (
	scmTimestamp       = unix.SO_TIMESTAMP
	scmTimestampNS     = unix.SO_TIMESTAMPNS
	scmTimestamping    = unix.SO_TIMESTAMPING
	scmTimestampNew    = 63
	scmTimestampNSNew  = unix.SO_TIMESTAMPNS_NEW
	scmTimestampingNew = unix.SO_TIMESTAMPING_NEW
)

// ParseControl reads control messages as recvmsg(2) wrote them; ok is false if their lengths do not fit together, and a
// holds what stood before. It allocates nothing.
func ParseControl(b []byte, a *Ancillary) (ok bool) {
	*a = Ancillary{}
	for len(b) > 0 {
		if len(b) < unix.SizeofCmsghdr {
			return false
		}
		var h unix.Cmsghdr
		copy(unsafe.Slice((*byte)(unsafe.Pointer(&h)), unix.SizeofCmsghdr), b)
		head := unix.CmsgLen(0)
		n := uint64(h.Len)
		if n < uint64(head) || n > uint64(len(b)) {
			return false
		}
		a.take(int(h.Level), int(h.Type), b[head:n])
		// The next begins at the next multiple of a word; the last may end without its padding.
		b = b[min(unix.CmsgSpace(int(n)-head), len(b)):]
	}
	return true
}

func (a *Ancillary) take(level, typ int, v []byte) {
	switch {
	case level == unix.SOL_SOCKET:
		a.takeSocket(typ, v)
	case level == unix.SOL_IP && typ == unix.IP_RECVERR, level == unix.SOL_IPV6 && typ == unix.IPV6_RECVERR:
		if len(v) < 16 {
			return
		}
		a.HasError = true
		a.Error = ExtendedError{Errno: word(v), Origin: v[4], Type: v[5], Code: v[6], Info: word(v[8:]), Data: word(v[12:]), Offender: offender(v[16:])}
	default:
		a.takeDatagram(level, typ, v)
	}
}

// takeDatagram takes what comes with datagrams of IP.
func (a *Ancillary) takeDatagram(level, typ int, v []byte) {
	switch {
	case level == unix.SOL_IP && typ == unix.IP_TOS && len(v) >= 1: // one byte from the kernel, an int to it
		a.TOS, a.HasTOS = v[0], true
		if len(v) >= 4 {
			a.TOS = uint8(word(v))
		}
	case level == unix.SOL_IPV6 && typ == unix.IPV6_TCLASS && len(v) >= 4:
		a.TOS, a.HasTOS = uint8(word(v)), true
	case level == unix.SOL_IP && typ == unix.IP_PKTINFO && len(v) >= unix.SizeofInet4Pktinfo:
		a.Interface, a.Local = int(word(v)), netip.AddrFrom4([4]byte(v[4:8])) // ipi_spec_dst
	case level == unix.SOL_IPV6 && typ == unix.IPV6_PKTINFO && len(v) >= unix.SizeofInet6Pktinfo:
		a.Interface = int(word(v[16:]))
		if to := netip.AddrFrom16([16]byte(v[:16])).Unmap(); !to.IsMulticast() { // nobody can answer from a group
			a.Local = to
		}
	case level == unix.IPPROTO_UDP && typ == unix.UDP_GRO && len(v) >= 4:
		a.Segment = int(word(v))
	case level == unix.IPPROTO_UDP && typ == unix.UDP_SEGMENT && len(v) >= 2:
		a.Segment = int(binary.NativeEndian.Uint16(v))
	}
}

func (a *Ancillary) takeSocket(typ int, v []byte) {
	switch typ {
	case scmTimestamping, scmTimestampingNew:
		// struct scm_timestamping: software, a legacy that is always nought, hardware.
		if len(v) >= 48 {
			if t := timespec(v); t != 0 {
				a.Software, a.Micro = t, false
			}
			a.Hardware = timespec(v[32:])
		}
	case scmTimestampNS, scmTimestampNSNew:
		if len(v) >= 16 {
			a.Software = timespec(v)
		}
	case scmTimestamp, scmTimestampNew:
		if len(v) >= 16 {
			a.Software, a.Micro = int64(binary.NativeEndian.Uint64(v))*1e9+int64(binary.NativeEndian.Uint64(v[8:]))*1e3, true
		}
	case unix.SCM_RIGHTS: // the number of no other message of this level that a receiver gets
		a.Rights += len(v) / 4
	case unix.SO_RXQ_OVFL:
		if len(v) >= 4 {
			a.Dropped, a.HasDrops = word(v), true
		}
	}
}

func word(b []byte) uint32 { return binary.NativeEndian.Uint32(b) }

// timespec reads a time of 64-bit seconds and nanoseconds.
func timespec(b []byte) int64 {
	return int64(binary.NativeEndian.Uint64(b))*1e9 + int64(binary.NativeEndian.Uint64(b[8:]))
}

// offender reads the socket address that follows a sock_extended_err.
func offender(b []byte) netip.Addr {
	if len(b) < 2 {
		return netip.Addr{}
	}
	switch family := binary.NativeEndian.Uint16(b); {
	case family == unix.AF_INET && len(b) >= 8:
		return netip.AddrFrom4([4]byte(b[4:8]))
	case family == unix.AF_INET6 && len(b) >= 24:
		return netip.AddrFrom16([16]byte(b[8:24])).Unmap()
	}
	return netip.Addr{}
}

// AppendLocal and AppendTOS add the control messages that say where a datagram was sent to and what its TOS byte is, as the
// kernel does for a receiver, for networks that are not the kernel's.
func AppendLocal(b []byte, local netip.Addr, device int) []byte {
	if local = local.Unmap(); local.Is4() {
		var v []byte
		b, v = appendMessage(b, unix.SOL_IP, unix.IP_PKTINFO, unix.SizeofInet4Pktinfo)
		a := local.As4()
		binary.NativeEndian.PutUint32(v, uint32(device))
		copy(v[4:], a[:])
		copy(v[8:], a[:])
		return b
	}
	b, v := appendMessage(b, unix.SOL_IPV6, unix.IPV6_PKTINFO, unix.SizeofInet6Pktinfo)
	a := local.As16()
	copy(v, a[:])
	binary.NativeEndian.PutUint32(v[16:], uint32(device))
	return b
}

// AppendTOS is for the traffic class too, if ip6 is set.
func AppendTOS(b []byte, tos uint8, ip6 bool) []byte {
	if !ip6 {
		b, v := appendMessage(b, unix.SOL_IP, unix.IP_TOS, 1)
		v[0] = tos
		return b
	}
	b, v := appendMessage(b, unix.SOL_IPV6, unix.IPV6_TCLASS, 4)
	binary.NativeEndian.PutUint32(v, uint32(tos))
	return b
}

// appendMessage adds a control message with a value of n bytes, all nought, and gives them.
func appendMessage(b []byte, level, typ, n int) (all, value []byte) {
	at := len(b)
	b = append(b, make([]byte, unix.CmsgSpace(n))...)
	h := unix.Cmsghdr{Level: int32(level), Type: int32(typ)}
	h.SetLen(unix.CmsgLen(n))
	copy(b[at:], unsafe.Slice((*byte)(unsafe.Pointer(&h)), unix.SizeofCmsghdr))
	return b, b[at+unix.CmsgLen(0):][:n]
}

package sys

import (
	"encoding/binary"
	"net/netip"
	"testing"
	"unsafe"

	"golang.org/x/sys/unix"
)

// cmsg is a control message as the kernel lays it out, padding included.
func cmsg(level, typ int, v []byte) []byte {
	b := make([]byte, unix.CmsgSpace(len(v)))
	h := unix.Cmsghdr{Level: int32(level), Type: int32(typ)}
	h.SetLen(unix.CmsgLen(len(v)))
	copy(b, unsafe.Slice((*byte)(unsafe.Pointer(&h)), unix.SizeofCmsghdr))
	copy(b[unix.CmsgLen(0):], v)
	return b
}

func longs(v ...uint64) (b []byte) {
	for _, n := range v {
		b = binary.NativeEndian.AppendUint64(b, n)
	}
	return b
}

func TestParseControl(t *testing.T) {
	stamps := cmsg(unix.SOL_SOCKET, unix.SO_TIMESTAMPING, longs(5, 6, 0, 0, 7, 8))
	overflow := cmsg(unix.SOL_SOCKET, unix.SO_RXQ_OVFL, binary.NativeEndian.AppendUint32(nil, 42))
	ext := append(longs(0), longs(0)...)
	binary.NativeEndian.PutUint32(ext, 113)
	ext[4], ext[5], ext[6] = SO_EE_ORIGIN_ICMP, 3, 1
	binary.NativeEndian.PutUint32(ext[8:], 1400)
	binary.NativeEndian.PutUint32(ext[12:], 99)
	from4 := append(ext[:16:16], binary.NativeEndian.AppendUint16(nil, unix.AF_INET)...)
	from4 = append(from4, 0, 0, 10, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0)
	from6 := append(ext[:16:16], binary.NativeEndian.AppendUint16(nil, unix.AF_INET6)...)
	from6 = append(append(from6, 0, 0, 0, 0, 0, 0), netip.MustParseAddr("2001:db8::7").AsSlice()...)
	from6 = append(from6, 0, 0, 0, 0)
	join := func(parts ...[]byte) (b []byte) {
		for _, p := range parts {
			b = append(b, p...)
		}
		return b
	}
	fault := ExtendedError{Errno: 113, Origin: SO_EE_ORIGIN_ICMP, Type: 3, Code: 1, Info: 1400, Data: 99}
	fault4, fault6 := fault, fault
	fault4.Offender, fault6.Offender = netip.MustParseAddr("10.0.0.1"), netip.MustParseAddr("2001:db8::7")
	for name, c := range map[string]struct {
		b    []byte
		ok   bool
		want Ancillary
	}{
		"nothing":           {nil, true, Ancillary{}},
		"stamps":            {stamps, true, Ancillary{Software: 5e9 + 6, Hardware: 7e9 + 8}},
		"of the newer form": {cmsg(unix.SOL_SOCKET, unix.SO_TIMESTAMPING_NEW, longs(5, 6, 0, 0, 0, 0)), true, Ancillary{Software: 5e9 + 6}},
		"nanoseconds":       {cmsg(unix.SOL_SOCKET, unix.SO_TIMESTAMPNS, longs(5, 6)), true, Ancillary{Software: 5e9 + 6}},
		"microseconds":      {cmsg(unix.SOL_SOCKET, unix.SO_TIMESTAMP, longs(5, 6)), true, Ancillary{Software: 5e9 + 6000, Micro: true}},
		"several":           {join(overflow, stamps), true, Ancillary{Software: 5e9 + 6, Hardware: 7e9 + 8, Dropped: 42, HasDrops: true}},
		"last unpadded":     {join(stamps, overflow[:unix.CmsgLen(4)]), true, Ancillary{Software: 5e9 + 6, Hardware: 7e9 + 8, Dropped: 42, HasDrops: true}},
		"an error":          {cmsg(unix.SOL_IP, unix.IP_RECVERR, from4), true, Ancillary{Error: fault4, HasError: true}},
		"an IPv6 error":     {cmsg(unix.SOL_IPV6, unix.IPV6_RECVERR, from6), true, Ancillary{Error: fault6, HasError: true}},
		"without offender":  {cmsg(unix.SOL_IP, unix.IP_RECVERR, ext[:16]), true, Ancillary{Error: fault, HasError: true}},
		"something else":    {join(cmsg(unix.SOL_IP, unix.IP_TTL, longs(1)), overflow), true, Ancillary{Dropped: 42, HasDrops: true}},
		"too short a value": {cmsg(unix.SOL_SOCKET, unix.SO_TIMESTAMPING, longs(5, 6)), true, Ancillary{}},
		"cut head":          {join(overflow, stamps[:8]), false, Ancillary{Dropped: 42, HasDrops: true}},
		"longer than it is": {join(overflow, stamps[:30]), false, Ancillary{Dropped: 42, HasDrops: true}},
		"length of nought":  {make([]byte, 32), false, Ancillary{}},
	} {
		var got Ancillary
		if ok := ParseControl(c.b, &got); ok != c.ok || got != c.want {
			t.Errorf("%s: %+v, %v; want %+v", name, got, ok, c.want)
		}
	}
	var a Ancillary
	all := join(stamps, overflow, cmsg(unix.SOL_IP, unix.IP_RECVERR, from4))
	if n := testing.AllocsPerRun(100, func() { ParseControl(all, &a) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

// FuzzParseControl: no bytes make it read beyond them or never end, wherever they are cut.
func FuzzParseControl(f *testing.F) {
	f.Add(cmsg(unix.SOL_SOCKET, unix.SO_TIMESTAMPING, longs(5, 6, 0, 0, 7, 8)))
	f.Add(cmsg(unix.SOL_IP, unix.IP_RECVERR, longs(1, 2, 3, 4)))
	f.Fuzz(func(t *testing.T, b []byte) {
		for n := range len(b) + 1 {
			var a Ancillary
			ParseControl(b[:n:n], &a)
		}
	})
}

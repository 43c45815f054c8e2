package icmp

import (
	"encoding/binary"
	"net/netip"
)

// IPv4Header is what a prober wants of an IPv4 header (RFC 791 §3.1).
type IPv4Header struct {
	Src, Dst netip.Addr
	TOS      uint8
	TTL      uint8
	Protocol uint8
	ID       uint16
	Length   int // of the header, options included
	Total    int // of the packet, as the header says
}

// ParseIPv4 reads the IPv4 header at the start of b. It does not ask whether the whole packet is there: quoted ones are cut.
func ParseIPv4(b []byte) (IPv4Header, error) {
	if len(b) < minIPv4 {
		return IPv4Header{}, ErrShort
	}
	if b[0]>>4 != 4 {
		return IPv4Header{}, ErrVersion
	}
	n := int(b[0]&15) * 4
	if n < minIPv4 || n > len(b) {
		return IPv4Header{}, ErrHeader
	}
	return IPv4Header{
		Src: netip.AddrFrom4([4]byte(b[12:16])), Dst: netip.AddrFrom4([4]byte(b[16:20])),
		TOS: b[1], TTL: b[8], Protocol: b[9], ID: binary.BigEndian.Uint16(b[4:]),
		Length: n, Total: int(binary.BigEndian.Uint16(b[2:])),
	}, nil
}

// Sizes of headers and the protocol numbers of ICMP (IANA).
const (
	minIPv4        = 20
	ipv6Length     = 40
	ProtocolICMP   = 1
	ProtocolICMPv6 = 58
)

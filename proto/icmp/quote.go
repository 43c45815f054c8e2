package icmp

import (
	"encoding/binary"
	"net/netip"
)

// Quote is what an error tells of the echo request that it is about.
type Quote struct {
	Dst     netip.Addr
	ID, Seq uint16
	Payload []byte // as much of the request's as was quoted, maybe nothing; aliases what was parsed
}

// Quote reads the packet that an error quotes. ErrQuote says that it is no echo request: the error is about somebody else's
// packet. Routers owe only the IP header and eight bytes (RFC 792), so the payload may be cut or missing.
func (m *Message) Quote() (Quote, error) {
	if !m.Kind.IsError() {
		return Quote{}, ErrQuote
	}
	b := m.Payload
	if m.family == V6 {
		if len(b) < ipv6Length || b[0]>>4 != 6 {
			return Quote{}, ErrQuote
		}
		rest, ok := skipExtensions(b[6], b[ipv6Length:])
		if !ok {
			return Quote{}, ErrQuote
		}
		return quoteEcho(V6, netip.AddrFrom16([16]byte(b[24:40])), rest)
	}
	h, err := ParseIPv4(b)
	if err != nil || h.Protocol != ProtocolICMP {
		return Quote{}, ErrQuote
	}
	end := len(b)
	if h.Total >= h.Length { // RFC 4884 pads what it quotes, and lets objects follow
		end = min(end, h.Total)
	}
	return quoteEcho(V4, h.Dst, b[h.Length:end])
}

// QuoteEcho reads the start of an echo request that the kernel handed over without its IP header, as it does on the error
// queue of a datagram socket.
func QuoteEcho(f Family, dst netip.Addr, b []byte) (Quote, error) { return quoteEcho(f, dst, b) }

func quoteEcho(f Family, dst netip.Addr, b []byte) (Quote, error) {
	if len(b) < HeaderLength || b[0] != f.echoRequest() {
		return Quote{}, ErrQuote
	}
	return Quote{Dst: dst, ID: binary.BigEndian.Uint16(b[4:]), Seq: binary.BigEndian.Uint16(b[6:]), Payload: b[HeaderLength:]}, nil
}

// maxExtensions bounds the walk over IPv6 extension headers; our own requests have at most a fragment header.
const maxExtensions = 4

// skipExtensions walks the IPv6 extension headers (RFC 8200 §4) in front of an ICMPv6 message. Only a first fragment has one.
func skipExtensions(next uint8, b []byte) ([]byte, bool) {
	for range maxExtensions {
		size := 0
		switch next {
		case ProtocolICMPv6:
			return b, true
		case 0, 43, 60: // hop-by-hop, routing, destination options
			if len(b) < 8 {
				return nil, false
			}
			size = 8 + int(b[1])*8
		case 44: // fragment
			if len(b) < 8 || binary.BigEndian.Uint16(b[2:])>>3 != 0 {
				return nil, false
			}
			size = 8
		default:
			return nil, false
		}
		if size > len(b) {
			return nil, false
		}
		next, b = b[0], b[size:]
	}
	return nil, false
}

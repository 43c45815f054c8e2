package icmp

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"math/rand/v2"
	"net/netip"
	"testing"
)

// plainChecksum is RFC 1071 §4.1 as it stands there, to compare with.
func plainChecksum(b []byte) uint16 {
	var sum uint32
	for i := 0; i+1 < len(b); i += 2 {
		sum += uint32(binary.BigEndian.Uint16(b[i:]))
	}
	if len(b)%2 == 1 {
		sum += uint32(b[len(b)-1]) << 8
	}
	for sum>>16 != 0 {
		sum = sum>>16 + sum&0xffff
	}
	return ^uint16(sum)
}

func TestChecksum(t *testing.T) {
	// RFC 1071 §3 has these bytes sum up to ddf2.
	if got := Checksum([]byte{0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7}); got != ^uint16(0xddf2) {
		t.Errorf("the RFC's example: %04x", got)
	}
	r := rand.New(rand.NewPCG(1, 2))
	for n := range 300 {
		b := make([]byte, n)
		for i := range b {
			b[i] = byte(r.Uint32())
			if n%3 == 0 {
				b[i] |= 0xf0 // many carries
			}
		}
		if got, want := Checksum(b), plainChecksum(b); got != want {
			t.Fatalf("%x: %04x, want %04x", b, got, want)
		}
	}
	if got := Checksum(bytes.Repeat([]byte{0xff}, 4096)); got != 0 {
		t.Errorf("all ones: %04x, want 0", got)
	}
}

// A request of iputils' ping (-c 1 -s 8 -p 6465 127.0.0.1) and the kernel's reply to it, as a raw socket received them.
const (
	captured      = "08001799 7c00 0001 6465000000000000"
	capturedReply = "00001f99 7c00 0001 6465000000000000"
)

func unhex(s string) []byte {
	b, err := hex.DecodeString(string(bytes.ReplaceAll([]byte(s), []byte(" "), nil)))
	if err != nil {
		panic(err)
	}
	return b
}

func TestEcho(t *testing.T) {
	payload := unhex("6465000000000000")
	if got, want := AppendEchoRequest(nil, V4, 0x7c00, 1, payload), unhex(captured); !bytes.Equal(got, want) {
		t.Errorf("request %x, want %x", got, want)
	}
	if got, want := AppendEchoReply(nil, V4, 0x7c00, 1, payload), unhex(capturedReply); !bytes.Equal(got, want) {
		t.Errorf("reply %x, want %x", got, want)
	}
	for _, f := range []Family{V4, V6} {
		for name, build := range map[string]func([]byte, Family, uint16, uint16, []byte) []byte{"request": AppendEchoRequest, "reply": AppendEchoReply} {
			b := build([]byte("x"), f, 0x1234, 0xabcd, payload)[1:]
			m, err := Parse(f, b)
			if err != nil || m.ID != 0x1234 || m.Seq != 0xabcd || m.Code != 0 || !bytes.Equal(m.Payload, payload) ||
				(m.Kind == EchoRequest) != (name == "request") || (m.Kind == EchoReply) != (name == "reply") {
				t.Errorf("%v %s: %+v, %v", f, name, m, err)
			}
			if f == V6 && m.Checksum != 0 {
				t.Errorf("%s: the kernel's checksum was guessed at: %04x", name, m.Checksum)
			}
		}
	}
}

func ipv4(proto uint8, dst string, options int, body []byte) []byte {
	b := make([]byte, 20+options)
	b[0] = 0x40 | byte(5+options/4)
	binary.BigEndian.PutUint16(b[2:], uint16(len(b)+len(body)))
	b[8], b[9] = 7, proto
	copy(b[12:], netip.MustParseAddr("10.0.0.1").AsSlice())
	copy(b[16:], netip.MustParseAddr(dst).AsSlice())
	return append(b, body...)
}

func ipv6(next uint8, dst string, body []byte) []byte {
	b := make([]byte, 40)
	b[0], b[6], b[7] = 0x60, next, 64
	binary.BigEndian.PutUint16(b[4:], uint16(len(body)))
	copy(b[8:], netip.MustParseAddr("2001:db8::1").AsSlice())
	copy(b[24:], netip.MustParseAddr(dst).AsSlice())
	return append(b, body...)
}

func TestQuotes(t *testing.T) {
	req4 := AppendEchoRequest(nil, V4, 7, 9, []byte("payload!"))
	req6 := AppendEchoRequest(nil, V6, 7, 9, []byte("payload!"))
	fragment := append([]byte{ProtocolICMPv6, 0, 0, 1, 0, 0, 0, 5}, req6...)
	later := append([]byte{ProtocolICMPv6, 0, 0, 8, 0, 0, 0, 5}, req6...)
	hop := append([]byte{44, 0, 1, 4, 0, 0, 0, 0}, fragment...)
	for name, c := range map[string]struct {
		f        Family
		typ      uint8
		code     uint8
		mtu      uint32
		quoted   []byte
		kind     Kind
		dst      string // "": no quote
		payload  string
		wantsMTU uint32
	}{
		"unreachable":            {V4, 3, 1, 0, ipv4(1, "10.0.0.9", 0, req4), Unreachable, "10.0.0.9", "payload!", 0},
		"only eight bytes":       {V4, 11, 0, 0, ipv4(1, "10.0.0.9", 0, req4)[:28], TimeExceeded, "10.0.0.9", "", 0},
		"options":                {V4, 11, 0, 0, ipv4(1, "10.0.0.9", 40, req4), TimeExceeded, "10.0.0.9", "payload!", 0},
		"fragmentation needed":   {V4, 3, 4, 1400, ipv4(1, "10.0.0.9", 0, req4), PacketTooBig, "10.0.0.9", "payload!", 1400},
		"padded (RFC 4884)":      {V4, 11, 0, 32 << 16, append(ipv4(1, "10.0.0.9", 0, req4), make([]byte, 92)...), TimeExceeded, "10.0.0.9", "payload!", 0},
		"a quoted UDP datagram":  {V4, 3, 3, 0, ipv4(17, "10.0.0.9", 0, req4), Unreachable, "", "", 0},
		"a quoted reply":         {V4, 3, 3, 0, ipv4(1, "10.0.0.9", 0, AppendEchoReply(nil, V4, 7, 9, nil)), Unreachable, "", "", 0},
		"seven bytes":            {V4, 11, 0, 0, ipv4(1, "10.0.0.9", 0, req4)[:27], TimeExceeded, "", "", 0},
		"no header":              {V4, 11, 0, 0, nil, TimeExceeded, "", "", 0},
		"IPv6 unreachable":       {V6, 1, 0, 0, ipv6(58, "2001:db8::9", req6), Unreachable, "2001:db8::9", "payload!", 0},
		"IPv6 too big":           {V6, 2, 0, 1280, ipv6(58, "2001:db8::9", req6), PacketTooBig, "2001:db8::9", "payload!", 1280},
		"IPv6 first fragment":    {V6, 3, 0, 0, ipv6(44, "2001:db8::9", fragment), TimeExceeded, "2001:db8::9", "payload!", 0},
		"IPv6 two headers":       {V6, 3, 0, 0, ipv6(0, "2001:db8::9", hop), TimeExceeded, "2001:db8::9", "payload!", 0},
		"IPv6 later fragment":    {V6, 3, 0, 0, ipv6(44, "2001:db8::9", later), TimeExceeded, "", "", 0},
		"IPv6 header too long":   {V6, 3, 0, 0, ipv6(0, "2001:db8::9", []byte{58, 200, 0, 0, 0, 0, 0, 0}), TimeExceeded, "", "", 0},
		"IPv6 quotes IPv4":       {V6, 3, 0, 0, ipv4(1, "10.0.0.9", 40, req4), TimeExceeded, "", "", 0},
		"IPv6 parameter problem": {V6, 4, 1, 40, ipv6(58, "2001:db8::9", req6), ParameterProblem, "2001:db8::9", "payload!", 0},
	} {
		t.Run(name, func(t *testing.T) {
			m, err := Parse(c.f, AppendError(nil, c.f, c.typ, c.code, c.mtu, c.quoted))
			if err != nil || m.Kind != c.kind || m.MTU != c.wantsMTU {
				t.Fatalf("%+v, %v", m, err)
			}
			q, err := m.Quote()
			if c.dst == "" {
				if !errors.Is(err, ErrQuote) {
					t.Fatalf("%+v, %v; want ErrQuote", q, err)
				}
				return
			}
			if err != nil || q.Dst.String() != c.dst || q.ID != 7 || q.Seq != 9 || string(q.Payload) != c.payload {
				t.Errorf("%+v, %v", q, err)
			}
		})
	}
}

func TestRefusals(t *testing.T) {
	if _, err := Parse(V4, make([]byte, 7)); !errors.Is(err, ErrShort) {
		t.Error(err)
	}
	for name, c := range map[string]struct {
		b    []byte
		want error
	}{
		"short":             {make([]byte, 19), ErrShort},
		"IPv6":              {ipv6(58, "::1", nil), ErrVersion},
		"header too short":  {append([]byte{0x44}, make([]byte, 30)...), ErrHeader},
		"longer than it is": {append([]byte{0x4f}, make([]byte, 30)...), ErrHeader},
	} {
		if _, err := ParseIPv4(c.b); !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", name, err, c.want)
		}
	}
	m, _ := Parse(V4, unhex(capturedReply))
	if _, err := m.Quote(); m.Kind != EchoReply || !errors.Is(err, ErrQuote) {
		t.Errorf("an echo reply quotes nothing: %+v, %v", m, err)
	}
	if k := ErrorKind(V4, TypeEchoReplyV4, 0); k != Other {
		t.Errorf("an echo reply is error %v", k)
	}
	if k := ErrorKind(V6, TypePacketTooBigV6, 0); k != PacketTooBig {
		t.Errorf("too big is error %v", k)
	}
}

func TestReason(t *testing.T) {
	for _, c := range []struct {
		f    Family
		k    Kind
		code uint8
		want string
	}{
		{V4, Unreachable, 1, "host unreachable"}, {V4, Unreachable, 13, "administratively prohibited"}, {V4, Unreachable, 200, "unreachable, code 200"},
		{V6, Unreachable, 0, "no route"}, {V6, Unreachable, 3, "address unreachable"}, {V6, PacketTooBig, 0, "packet too big"},
		{V4, PacketTooBig, 4, "fragmentation needed"}, {V4, TimeExceeded, 0, "time to live exceeded"}, {V4, TimeExceeded, 1, "reassembly time exceeded"},
	} {
		if got := Reason(c.f, c.k, c.code); got != c.want {
			t.Errorf("%v %v %d: %q, want %q", c.f, c.k, c.code, got, c.want)
		}
	}
}

func TestNoAllocations(t *testing.T) {
	payload, out := make([]byte, 56), make([]byte, 0, 128)
	wire := AppendError(nil, V4, 3, 1, 0, ipv4(1, "10.0.0.9", 0, AppendEchoRequest(nil, V4, 7, 9, payload)))
	if n := testing.AllocsPerRun(100, func() {
		out = AppendEchoRequest(out[:0], V4, 1, 2, payload)
		m, err := Parse(V4, wire)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := m.Quote(); err != nil {
			t.Fatal(err)
		}
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

// FuzzParse: no input panics, what is read lies within the input, and an echo message written anew is the same.
func FuzzParse(f *testing.F) {
	req := AppendEchoRequest(nil, V4, 7, 9, []byte("payload!"))
	f.Add(true, unhex(captured))
	f.Add(true, AppendError(nil, V4, 3, 4, 1400, ipv4(1, "10.0.0.9", 8, req)))
	f.Add(false, AppendError(nil, V6, 3, 0, 0, ipv6(44, "::9", append([]byte{58, 0, 0, 1, 0, 0, 0, 5}, AppendEchoRequest(nil, V6, 7, 9, nil)...))))
	f.Fuzz(func(t *testing.T, four bool, whole []byte) {
		family := V6
		if four {
			family = V4
		}
		// A message may be cut at every byte, as quotes are.
		for n := range len(whole) + 1 {
			b := whole[:n:n]
			if h, err := ParseIPv4(b); err == nil && h.Length > len(b) {
				t.Fatalf("header of %d in %d", h.Length, len(b))
			}
			m, err := Parse(family, b)
			if err != nil {
				continue
			}
			if m.Kind == EchoReply && m.Code == 0 {
				again := AppendEchoReply(nil, family, m.ID, m.Seq, m.Payload)
				if !bytes.Equal(again[4:], b[4:]) || four && Checksum(b) == 0 && !bytes.Equal(again, b) && m.Checksum != 0xffff {
					t.Fatalf("%x became %x", b, again)
				}
			}
			if q, err := m.Quote(); err == nil && (!m.Kind.IsError() || len(q.Payload) > len(b)) {
				t.Fatalf("%+v quotes %+v", m, q)
			}
		}
	})
}

func BenchmarkChecksum(b *testing.B) {
	for _, n := range []int{64, 1480} {
		b.Run(hex.EncodeToString(binary.BigEndian.AppendUint16(nil, uint16(n))), func(b *testing.B) {
			p := make([]byte, n)
			b.SetBytes(int64(n))
			for b.Loop() {
				Checksum(p)
			}
		})
	}
}

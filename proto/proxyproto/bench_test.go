package proxyproto

import "testing"

const (
	sampleTCP4 = "PROXY TCP4 192.168.0.1 192.168.0.11 56324 443\r\n"
	sampleTCP6 = "PROXY TCP6 2001:db8:1:2::1 2001:db8:1:2:3:4:5:6 56324 443\r\n"
)

func BenchmarkParse(b *testing.B) {
	for _, bb := range []struct{ name, input string }{
		{"v1 TCP4", sampleTCP4},
		{"v1 TCP6", sampleTCP6},
		{"v2 INET", v2(1, 0x11, addr4)},
		{"v2 INET6", v2(1, 0x21, string(make([]byte, 36)))},
		{"v2 with 5 TLVs and checksum", signatureV2 + unhex(haproxyTLS)},
	} {
		b.Run(bb.name, func(b *testing.B) {
			in := []byte(bb.input)
			b.ReportAllocs()
			for b.Loop() {
				if h, n, err := Parse(in); n != len(in) || err != nil || h.Command != Proxy {
					b.Fatal(n, err)
				}
			}
		})
	}
}

func BenchmarkAppend(b *testing.B) {
	h := Proxied(Stream, addrPort("192.168.0.1:56324"), addrPort("192.168.0.11:443"))
	out := make([]byte, 0, 256)
	for _, bb := range []struct {
		name string
		run  func() ([]byte, error)
	}{
		{"v1", func() ([]byte, error) { return AppendV1(out[:0], h) }},
		{"v2", func() ([]byte, error) { return AppendV2(out[:0], h) }},
		{"v2 with checksum", func() ([]byte, error) { return AppendV2(out[:0], h, TLV{Type: TypeCRC32C}) }},
	} {
		b.Run(bb.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := bb.run(); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// TestNoAllocation: a header is part of the way of each connection.
func TestNoAllocation(t *testing.T) {
	tcp4, tcp6, tls := []byte(sampleTCP4), []byte(sampleTCP6), []byte(signatureV2+unhex(haproxyTLS))
	refused := []byte("PROXY TCP4 1.2.3.4 1.2.3.04 1 2\r\n")
	out := make([]byte, 0, 512)
	read := func(in []byte) Header {
		h, n, err := Parse(in)
		if n != len(in) || err != nil {
			t.Fatal(n, err)
		}
		return h
	}
	for name, run := range map[string]func(){
		"v1 TCP4": func() { read(tcp4) },
		"v1 TCP6": func() { read(tcp6) },
		"v2": func() {
			size := 0
			h := read(tls)
			for v := range h.TLVs.All() {
				size += len(v.Value)
			}
			if s, ok := h.TLVs.SSL(); !ok || len(s.TLVs)+5 > size {
				t.Fatal("no TLS")
			}
		},
		"in pieces": func() {
			for i := range tls {
				if _, n, err := Parse(tls[:i]); n != 0 || err != nil {
					t.Fatal(n, err)
				}
			}
		},
		"refused": func() {
			if _, _, err := Parse(refused); err != ErrBadAddress {
				t.Fatal(err)
			}
		},
		"append": func() {
			h := read(tls)
			a, err := AppendV2(out[:0], h, TLV{TypeAuthority, tls[:3]}, TLV{Type: TypeCRC32C})
			if err != nil {
				t.Fatal(err)
			}
			if _, err := AppendV1(a, h); err != nil {
				t.Fatal(err)
			}
		},
	} {
		if got := testing.AllocsPerRun(100, run); got != 0 {
			t.Errorf("%s: %v allocations", name, got)
		}
	}
}

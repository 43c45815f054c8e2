package tls

import "testing"

func BenchmarkParse(b *testing.B) {
	var h ClientHello
	name := make([]byte, 0, 256)
	run := func(b *testing.B, wire []byte) {
		b.ReportAllocs()
		b.SetBytes(int64(len(wire)))
		for b.Loop() {
			h.Reset()
			if n, err := h.Parse(wire, DefaultMaxSize); n != len(wire) || err != nil {
				b.Fatal(n, err)
			}
			if name = h.AppendServerName(name[:0]); !h.Protocols.Contains("http/1.1") {
				b.Fatal("not the sample")
			}
		}
	}
	for _, s := range recorded(b) {
		if s.name == "curl-7.88.hex" {
			b.Run("curl", func(b *testing.B) { run(b, s.wire) })
		}
	}
	wire := helloOf(browser())
	b.Run("browser", func(b *testing.B) { run(b, wire) })
	b.Run("browser in 3 records", func(b *testing.B) { run(b, fragment(payloads(wire), len(wire)/3+1)) })
}

// TestNoAllocation: the buffer for joining grows once, and the rest never allocates.
func TestNoAllocation(t *testing.T) {
	wire := helloOf(browser())
	fragments := fragment(payloads(wire), 100)
	twice := helloOf(plain(sni("a"), sni("b")))
	name := make([]byte, 0, 256)
	var h ClientHello
	read := func(wire []byte, step int) {
		h.Reset()
		for i := 0; ; i = min(i+step, len(wire)) {
			n, err := h.Parse(wire[:i], DefaultMaxSize)
			if err != nil || n == 0 && i == len(wire) {
				t.Fatal(i, err)
			}
			if n > 0 {
				break
			}
		}
		count := 0
		for range h.Protocols.All() {
			count++
		}
		for range h.Versions.All() {
			count++
		}
		name = h.AppendServerName(name[:0])
		if string(name) != "accounts.example.com" || count != 4 || h.MaxVersion() != TLS13 || !h.Protocols.Contains("h2") {
			t.Fatal(describe(&h))
		}
	}
	for name, run := range map[string]func(){
		"one record": func() { read(wire, len(wire)) },
		"in pieces":  func() { read(wire, 50) },
		"fragments":  func() { read(fragments, 50) },
		"refused": func() {
			h.Reset()
			if _, err := h.Parse(twice, DefaultMaxSize); err != ErrDuplicateExtension {
				t.Fatal(err)
			}
		},
		"on its own": func() {
			if own, n, err := ParseClientHello(wire); n != len(wire) || err != nil || own.ECH != ECHOuter {
				t.Fatal(n, err)
			}
		},
	} {
		if got := testing.AllocsPerRun(100, run); got != 0 {
			t.Errorf("%s: %v allocations", name, got)
		}
	}
}

package proxyproto

import "testing"

// FuzzProxy: parsing never depends on how the input is cut (parse), and an accepted header means the same when it is written
// in the version that can say all of it and parsed again, and when it then goes through version 1.
func FuzzProxy(f *testing.F) {
	for _, s := range []string{"PROXY TCP4 192.168.0.1 192.168.0.11 56324 443\r\nGET", "PROXY TCP6 2001:db8::1 ::ffff:1.2.3.4 1 65535\r\n",
		"PROXY UNKNOWN x\r\n", v2(1, 0x12, addr4+tlv(TypeNoop, "")), v2(1, 0x31, string(make([]byte, 216))), v2(0, 0x51, "abc"),
		signatureV2 + unhex(haproxyTLS), signatureV2 + unhex(haproxy6), signatureV2 + unhex(haproxyUnix)} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, input []byte) {
		h, n, err := parse(t, input, 100)
		if err != nil || n == 0 {
			return
		}
		var tlvs []TLV
		for v := range h.TLVs.All() {
			tlvs = append(tlvs, v)
		}
		wire, err := AppendV2(nil, h, tlvs...)
		if err != nil {
			t.Fatalf("%s: %v", describe(h), err)
		}
		again, m, err := parse(t, wire, 1<<16)
		if err != nil || m != len(wire) {
			t.Fatalf("%s written as %q: %d, %v", describe(h), wire, m, err)
		}
		checkSame(t, h, again)
		second, err := AppendV2(nil, again, tlvs...)
		if err != nil || string(second) != string(wire) {
			t.Fatalf("unstable: %q, then %q, %v", wire, second, err)
		}
		line, err := AppendV1(nil, h)
		if err != nil || len(line) > MaxV1 {
			t.Fatalf("%s: %q, %v", describe(h), line, err)
		}
		last, m, err := parse(t, line, 0)
		if err != nil || m != len(line) || last.Family != Unspec && (last.Source != h.Source || last.Destination != h.Destination) {
			t.Fatalf("%s written as %q: %s, %v", describe(h), line, describe(last), err)
		}
	})
}

// checkSame compares all but the version, and the checksum, which is that of another header.
func checkSame(t *testing.T, a, b Header) {
	a.Version, b.Version = V2, V2
	left, right := a.TLVs, b.TLVs
	a.TLVs, b.TLVs = nil, nil
	if describe(a) != describe(b) || len(left) != len(right) {
		t.Fatalf("%s\nwritten and parsed again\n%s", describe(a), describe(b))
	}
	for len(left) > 0 {
		var l, r TLV
		l, left, _ = left.Next()
		r, right, _ = right.Next()
		if l.Type != r.Type || l.Type != TypeCRC32C && string(l.Value) != string(r.Value) {
			t.Fatalf("TLV %v became %v", l, r)
		}
	}
}

package tls

import (
	"slices"
	"testing"
)

// stricter are the faults that crypto/tls may let pass, since it looks for them later or not at all.
var stricter = []error{ErrNotTLS, ErrUnexpectedRecord, ErrTooLarge, ErrExcessData, ErrMalformed, ErrVersion, ErrTooManyExtensions, ErrServerName, ErrECH}

// fuzzMaxSize has room for the seeds and keeps it fast that each input is cut everywhere.
const fuzzMaxSize = 2 << 10

// FuzzClientHello: parsing never depends on how the input is cut (parse) or on the records that it comes in, and where
// crypto/tls accepts a ClientHello too, both read the same name, protocols and versions. What crypto/tls accepts is accepted,
// but for the faults above.
func FuzzClientHello(f *testing.F) {
	for _, s := range recorded(f) {
		f.Add(s.wire, uint16(100))
	}
	for _, s := range []string{"GET / HTTP/1.1\r\n\r\n", "\x80\x2e\x01\x00\x02", "\x15\x03\x01\x00\x02\x01\x00"} {
		f.Add([]byte(s), uint16(1))
	}
	small := plain(sni("a.example"), alpn("h2"), ext(extSupportedVersions, "\x02\x03\x04"), ext(extECH, "\x01"))
	f.Add(helloOf(small), uint16(1))
	f.Add(fragment([]byte(messageOf(small)), 7), uint16(3))
	f.Fuzz(func(t *testing.T, input []byte, size uint16) {
		h, n, err := parse(t, input, fuzzMaxSize, 1)
		info := oracle(input)
		switch {
		case info == nil:
		case err != nil:
			if !slices.Contains(stricter, err) {
				t.Fatalf("%x: %v, but crypto/tls takes it", input, err)
			}
		case n == 0:
			t.Fatalf("%x: crypto/tls does not need more", input)
		default:
			checkAgainstCryptoTLS(t, h, info)
		}
		if n == 0 || size == 0 {
			return
		}
		wire := fragment(payloads(input[:n]), int(min(size, recordMax)))
		again, m, err := parse(t, wire, 6*fuzzMaxSize, 1+len(wire)/100)
		if err != nil || m != len(wire) || describe(again) != describe(h) {
			t.Fatalf("%x: %s\nin records of %d: %d of %d, %v, %s", input, describe(h), size, m, len(wire), err, describe(again))
		}
	})
}

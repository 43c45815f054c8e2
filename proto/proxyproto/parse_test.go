package proxyproto

import (
	"bytes"
	"encoding/hex"
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"testing"
)

// parse parses input whole and byte by byte, and with other bytes behind: the result must never depend on that.
func parse(t *testing.T, input []byte, maxExtra int) (Header, int, error) {
	t.Helper()
	h, n, err := ParseBounded(input, maxExtra)
	for i := 0; i <= len(input); i++ {
		part := bytes.Clone(input[:i]) // so that a look beyond its end panics
		got, m, e := ParseBounded(part, maxExtra)
		switch {
		case e == nil && m == 0:
			if n > 0 && i >= n {
				t.Fatalf("%q: %d bytes long, yet undecided at %d", input, n, i)
			}
			if i >= SafeV2+maxExtra {
				t.Fatalf("%q: wants more than %d bytes", input, i)
			}
			if d := Detect(part); d == None || i >= len(signatureV2) && d == Undecided {
				t.Fatalf("%q: wants more, but Detect says %v", part, d)
			}
			continue
		case e != err, m != n, describe(got) != describe(h):
			t.Fatalf("%q: %s, %d, %v\nat byte %d: %s, %d, %v", input, describe(h), n, err, i, describe(got), m, e)
		case e == nil && i != n:
			t.Fatalf("%q: %d bytes long, parsed with %d", input, n, i)
		}
		if e != nil && describe(got) != describe(Header{}) {
			t.Fatalf("%q: refused, but %s", input, describe(got))
		}
		return h, n, err
	}
	if n != 0 || err != nil {
		t.Fatalf("%q: %d, %v only at once", input, n, err)
	}
	return h, n, err
}

// describe writes all that a header says.
func describe(h Header) string {
	s := fmt.Sprintf("%v %v %v %v", h.Version, h.Command, h.Family, h.Transport)
	switch h.Family {
	case Inet, Inet6:
		s += fmt.Sprintf(" %v %v", h.Source, h.Destination)
	case Unix:
		s += fmt.Sprintf(" %q %q", h.SourcePath, h.DestinationPath)
	}
	for v := range h.TLVs.All() {
		s += fmt.Sprintf(" %02x=%q", uint8(v.Type), v.Value)
	}
	return s
}

func unhex(s string) string {
	b, err := hex.DecodeString(strings.ReplaceAll(s, " ", ""))
	if err != nil {
		panic(err)
	}
	return string(b)
}

// v2 is a header of version 2 with its length.
func v2(command, family byte, block string) string {
	return signatureV2 + string([]byte{0x20 | command, family, byte(len(block) >> 8), byte(len(block))}) + block
}

// tlv is one with its length.
func tlv(typ Type, value string) string {
	return string([]byte{byte(typ), byte(len(value) >> 8), byte(len(value))}) + value
}

const (
	addr4 = "\x01\x02\x03\x04\x05\x06\x07\x08\x00\x50\x01\xbb"
	// What HAProxy 2.6 sent with proxy-v2-options ssl,cert-cn,ssl-cipher,cert-sig,cert-key,authority,crc32c,unique-id for a
	// client of openssl s_client, for one without TLS, and for one that came by a Unix socket; the signature is left out.
	haproxyTLS = "21 11 0089 7f000001 7f000001 b530 46a3 030004d893fc2f 0100026832 02000f5777772e4578616d706c652e636f6d" +
		"05000c69642d3132372e302e302e31 20004d 07 00000000 210007544c5376312e33 22000b6578616d706c652e636f6d" +
		"25000752534132303438 24000a5253412d534841323536 230016544c535f4145535f3235365f47434d5f534841333834"
	haproxy6    = "21 21 003c 00000000000000000000000000000001 00000000000000000000000000000001 a6c0 46a2 030004ac30846c 05000669642d3a3a31 2000050000000000"
	haproxyUnix = "20 00 0012 030004955e6a00 050000 2000050000000000"
)

func TestParseV1(t *testing.T) {
	long := "PROXY UNKNOWN ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff 65535 65535\r\n"
	for _, tt := range []struct{ input, want string }{
		// As HAProxy 2.6 sent them.
		{"PROXY TCP4 127.0.0.1 127.0.0.1 42002 18081\r\n", "v1 PROXY INET STREAM 127.0.0.1:42002 127.0.0.1:18081"},
		{"PROXY TCP6 ::1 ::1 51520 18081\r\n", "v1 PROXY INET6 STREAM [::1]:51520 [::1]:18081"},
		{"PROXY TCP4 255.255.255.255 0.0.0.0 65535 0\r\nGET", "v1 PROXY INET STREAM 255.255.255.255:65535 0.0.0.0:0"},
		{"PROXY TCP6 2001:DB8::a:0 1:2:3:4:5:6:7:ffff 1 2\r\n", "v1 PROXY INET6 STREAM [2001:db8::a:0]:1 [1:2:3:4:5:6:7:ffff]:2"},
		{"PROXY TCP6 1:: :: 1 2\r\n", "v1 PROXY INET6 STREAM [1::]:1 [::]:2"},
		{"PROXY TCP6 1:2:3:4:5:6:7:: ::2:3:4:5:6:7:8 1 2\r\n", "v1 PROXY INET6 STREAM [1:2:3:4:5:6:7:0]:1 [0:2:3:4:5:6:7:8]:2"},
		{"PROXY TCP6 ::ffff:1.2.3.4 0001:0:0:0:0:0:0:0001 1 2\r\n", "v1 PROXY INET6 STREAM [::ffff:1.2.3.4]:1 [1::1]:2"},
		{"PROXY UNKNOWN\r\n", "v1 PROXY UNSPEC UNSPEC"},
		{"PROXY UNKNOWN \r\n", "v1 PROXY UNSPEC UNSPEC"},
		{"PROXY UNKNOWN any\x00thing\r\nmore", "v1 PROXY UNSPEC UNSPEC"},
		{long, "v1 PROXY UNSPEC UNSPEC"},
		{long[:len(long)-2] + "5\r\n", "header_too_long"},
		{long[:len(long)-1], ""},
		{"PROXY", ""},
		{"PROXY TCP4 1.2.3.4 1.2.3.4 80 443\r", ""},
	} {
		check(t, tt.input, tt.want)
	}
}

func TestRefuseV1(t *testing.T) {
	for _, tt := range []struct{ input, want string }{
		{"proxy TCP4 1.2.3.4 1.2.3.4 80 443\r\n", "no_header"},
		{"PROXY\tTCP4 1.2.3.4 1.2.3.4 80 443\r\n", "no_header"},
		{"\r\nPROXY UNKNOWN\r\n", "no_header"},
		{"GET / HTTP/1.1\r\n\r\n", "no_header"},
		{"PROXY  TCP4 1.2.3.4 1.2.3.4 80 443\r\n", "bad_protocol"},
		{"PROXY tcp4 1.2.3.4 1.2.3.4 80 443\r\n", "bad_protocol"},
		{"PROXY TCP5 1.2.3.4 1.2.3.4 80 443\r\n", "bad_protocol"},
		{"PROXY TCP4\r\n", "bad_protocol"},
		{"PROXY UDP4 1.2.3.4 1.2.3.4 80 443\r\n", "bad_protocol"},
		{"PROXY UNKNOWNS\r\n", "bad_protocol"},
		{"PROXY UNKNOWN\n", "bad_protocol"},
		{"PROXY UNKNOWN x\n", "bad_line_end"},
		{"PROXY UNKNOWN\rx\r\n", "bad_line_end"},
		{"PROXY UNKNOWN \r\r\n", "bad_line_end"},
		{"PROXY TCP4  1.2.3.4 1.2.3.4 80 443\r\n", "bad_address"},
		{"PROXY TCP4 1.2.3.4  1.2.3.4 80 443\r\n", "bad_address"},
		{"PROXY TCP4 1.2.3.256 1.2.3.4 80 443\r\n", "bad_address"},
		{"PROXY TCP4 1.2.3.1000 1.2.3.4 80 443\r\n", "bad_address"},
		{"PROXY TCP4 01.2.3.4 1.2.3.4 80 443\r\n", "bad_address"},
		{"PROXY TCP4 1.2.3.4 1.2.3.00 80 443\r\n", "bad_address"},
		{"PROXY TCP4 1.2.3 1.2.3.4 80 443\r\n", "bad_address"},
		{"PROXY TCP4 1.2.3.4.5 1.2.3.4 80 443\r\n", "bad_address"},
		{"PROXY TCP4 ::1 ::1 80 443\r\n", "bad_address"},
		{"PROXY TCP4 +1.2.3.4 1.2.3.4 80 443\r\n", "bad_address"},
		{"PROXY TCP6 1.2.3.4 1.2.3.4 80 443\r\n", "bad_address"},
		{"PROXY TCP6 fe80::1%eth0 ::1 80 443\r\n", "bad_address"},
		{"PROXY TCP6 1:2:3:4:5:6:7 ::1 80 443\r\n", "bad_address"},
		{"PROXY TCP6 1:2:3:4:5:6:7:8:9 ::1 80 443\r\n", "bad_address"},
		{"PROXY TCP6 1:2:3:4::5:6:7:8 ::1 80 443\r\n", "bad_address"},
		{"PROXY TCP6 1::2::3 ::1 80 443\r\n", "bad_address"},
		{"PROXY TCP6 :1::2 ::1 80 443\r\n", "bad_address"},
		{"PROXY TCP6 1::2: ::1 80 443\r\n", "bad_address"},
		{"PROXY TCP6 ::: ::1 80 443\r\n", "bad_address"},
		{"PROXY TCP6 ::12345 ::1 80 443\r\n", "bad_address"},
		{"PROXY TCP6 ::g ::1 80 443\r\n", "bad_address"},
		{"PROXY TCP6 ::1.2.3.04 ::1 80 443\r\n", "bad_address"},
		{"PROXY TCP6 1:2:3:4:5:6:7:1.2.3.4 ::1 80 443\r\n", "bad_address"},
		{"PROXY TCP6 [::1] ::1 80 443\r\n", "bad_address"},
		{"PROXY TCP4 1.2.3.4 1.2.3.4 080 443\r\n", "bad_port"},
		{"PROXY TCP4 1.2.3.4 1.2.3.4 65536 443\r\n", "bad_port"},
		{"PROXY TCP4 1.2.3.4 1.2.3.4 80 99999999999999999999\r\n", "bad_port"},
		{"PROXY TCP4 1.2.3.4 1.2.3.4 80 00\r\n", "bad_port"},
		{"PROXY TCP4 1.2.3.4 1.2.3.4 80 -1\r\n", "bad_port"},
		{"PROXY TCP4 1.2.3.4 1.2.3.4 80\r\n", "bad_port"},
		{"PROXY TCP4 1.2.3.4 1.2.3.4  80 443\r\n", "bad_port"},
		{"PROXY TCP4 1.2.3.4 1.2.3.4 80 \r\n", "bad_port"},
		{"PROXY TCP4 1.2.3.4 1.2.3.4 80 443 \r\n", "bad_line_end"},
		{"PROXY TCP4 1.2.3.4 1.2.3.4 80 443\n", "bad_line_end"},
		{"PROXY TCP4 1.2.3.4 1.2.3.4 80 443\r\r\n", "bad_line_end"},
		{"PROXY TCP4 1.2.3.4 1.2.3.4 80 443a\r\n", "bad_line_end"},
	} {
		check(t, tt.input, tt.want)
	}
}

// check compares what input parses to with a header as described, the code of an error, or nothing where more is needed.
func check(t *testing.T, input, want string) {
	t.Helper()
	h, n, err := parse(t, []byte(input), DefaultMaxExtra)
	got := ""
	var e *Error
	switch {
	case errors.As(err, &e):
		got = e.Code
	case n > 0:
		got = describe(h)
	}
	if got != want {
		t.Errorf("%q:\ngot  %s\nwant %s", input, got, want)
	}
}

func TestParseV2(t *testing.T) {
	path := func(s string) string { return s + strings.Repeat("\x00", pathSize-len(s)) }
	withSum := func(command, family byte, block string) string {
		b := []byte(v2(command, family, block+tlv(TypeCRC32C, "\x00\x00\x00\x00")))
		sum := crc32c(b, len(b)-4)
		return string(append(b[:len(b)-4], byte(sum>>24), byte(sum>>16), byte(sum>>8), byte(sum)))
	}
	damaged := []byte(withSum(1, 0x11, addr4))
	damaged[20]++
	damagedCommand := []byte(withSum(1, 0x11, addr4))
	damagedCommand[12] = 0x20
	const inet = "v2 PROXY INET STREAM 1.2.3.4:80 5.6.7.8:443"
	tests := []struct{ name, input, want string }{
		{"HAProxy, TLS", signatureV2 + unhex(haproxyTLS) + "hi", `v2 PROXY INET STREAM 127.0.0.1:46384 127.0.0.1:18083 03="ؓ\xfc/" 01="h2" 02="Www.Example.com"` +
			` 05="id-127.0.0.1" 20="\a\x00\x00\x00\x00!\x00\aTLSv1.3\"\x00\vexample.com%\x00\aRSA2048$\x00\nRSA-SHA256#\x00\x16TLS_AES_256_GCM_SHA384"`},
		{"HAProxy, IPv6", signatureV2 + unhex(haproxy6), `v2 PROXY INET6 STREAM [::1]:42688 [::1]:18082 03="\xac0\x84l" 05="id-::1" 20="\x00\x00\x00\x00\x00"`},
		{"HAProxy, Unix", signatureV2 + unhex(haproxyUnix) + "hi", `v2 LOCAL UNSPEC UNSPEC 03="\x95^j\x00" 05="" 20="\x00\x00\x00\x00\x00"`},
		{"UDP", v2(1, 0x12, addr4), "v2 PROXY INET DGRAM 1.2.3.4:80 5.6.7.8:443"},
		{"UDP over IPv6", v2(1, 0x22, strings.Repeat("\x00", 15)+"\x01"+strings.Repeat("\x00", 20)), "v2 PROXY INET6 DGRAM [::1]:0 [::]:0"},
		{"Unix", v2(1, 0x31, path("/run/a")+path("")), `v2 PROXY UNIX STREAM "/run/a" ""`},
		{"Unix with rubbish", v2(1, 0x32, path("/run/a\x00rest")+path("\x00a\x00b")), `v2 PROXY UNIX DGRAM "/run/a" "\x00a\x00b"`},
		{"Unix, full", v2(1, 0x31, strings.Repeat("a", 108)+path("b")), `v2 PROXY UNIX STREAM "` + strings.Repeat("a", 108) + `" "b"`},
		{"unspecified", v2(1, 0, ""), "v2 PROXY UNSPEC UNSPEC"},
		{"unspecified with something", v2(1, 0, "\x01some"), "v2 PROXY UNSPEC UNSPEC"},
		{"unspecified with TLVs", v2(1, 0, tlv(TypeNoop, "x")), `v2 PROXY UNSPEC UNSPEC 04="x"`},
		{"local", v2(0, 0, ""), "v2 LOCAL UNSPEC UNSPEC"},
		{"local with addresses", v2(0, 0x11, addr4+tlv(0xe0, "x")), `v2 LOCAL UNSPEC UNSPEC e0="x"`},
		{"local, too short", v2(0, 0x21, addr4), "v2 LOCAL UNSPEC UNSPEC"},
		{"local of no family", v2(0, 0xff, addr4), "v2 LOCAL UNSPEC UNSPEC"},
		{"checksum", withSum(1, 0x11, addr4), inet + fmt.Sprintf(" 03=%q", withSum(1, 0x11, addr4)[31:])},
		{"TLVs", v2(1, 0x11, addr4+tlv(TypeNoop, "")+tlv(TypeNoop, "a")+tlv(0xee, "b")+tlv(0xee, "c")), inet + ` 04="" 04="a" ee="b" ee="c"`},
		{"largest unique ID", v2(1, 0x11, addr4+tlv(TypeUniqueID, strings.Repeat("u", 128))), inet + ` 05="` + strings.Repeat("u", 128) + `"`},
		{"no block yet", signatureV2 + "\x21\x11\x00\x0c", ""},
		{"no length yet", signatureV2 + "\x21\x11\x00", ""},
		{"block cut off", v2(1, 0x11, addr4)[:27], ""},

		{"signature", strings.Replace(v2(1, 0x11, addr4), "QUIT", "QUIP", 1), "no_header"},
		{"version 1", signatureV2 + "\x11\x11\x00\x0c" + addr4, "bad_version"},
		{"version 3", signatureV2 + "\x31", "bad_version"},
		{"command", v2(2, 0x11, addr4), "bad_command"},
		{"family", v2(1, 0x41, addr4), "bad_family"},
		{"transport", v2(1, 0x13, addr4), "bad_family"},
		{"family without transport", v2(1, 0x10, addr4), "bad_family"},
		{"transport without family", v2(1, 0x01, addr4), "bad_family"},
		{"short INET", v2(1, 0x11, addr4[:11]), "bad_length"},
		{"short INET6", v2(1, 0x21, addr4), "bad_length"},
		{"short UNIX", v2(1, 0x31, path("a")), "bad_length"},
		{"nothing", v2(1, 0x11, ""), "bad_length"},
		{"too long", signatureV2 + "\x21\x11\xff\xff", "header_too_long"},
		{"TLV without length", v2(1, 0x11, addr4+"\x04\x00"), "bad_tlv"},
		{"TLV cut off", v2(1, 0x11, addr4+"\x04\x00\x02a"), "bad_tlv"},
		{"checksum of 3 bytes", v2(1, 0x11, addr4+tlv(TypeCRC32C, "abc")), "bad_tlv"},
		{"long unique ID", v2(1, 0x11, addr4+tlv(TypeUniqueID, strings.Repeat("u", 129))), "bad_tlv"},
		{"authority", v2(1, 0x11, addr4+tlv(TypeAuthority, "\xff")), "bad_tlv"},
		{"namespace", v2(1, 0x11, addr4+tlv(TypeNetNS, "é")), "bad_tlv"},
		{"short SSL", v2(1, 0x11, addr4+tlv(TypeSSL, "\x01\x00\x00\x00")), "bad_tlv"},
		{"TLV in SSL cut off", v2(1, 0x11, addr4+tlv(TypeSSL, "\x01\x00\x00\x00\x00\x21\x00\x01")), "bad_tlv"},
		{"two authorities", v2(1, 0x11, addr4+tlv(TypeAuthority, "a")+tlv(TypeAuthority, "a")), "duplicate_tlv"},
		{"two namespaces", v2(1, 0x11, addr4+tlv(TypeNetNS, "a")+tlv(TypeNetNS, "b")), "duplicate_tlv"},
		{"wrong checksum", v2(1, 0x11, addr4+tlv(TypeCRC32C, "\x00\x00\x00\x00")), "bad_checksum"},
		{"damaged", string(damaged), "bad_checksum"},
		{"damaged command", string(damagedCommand), "bad_checksum"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) { check(t, tt.input, tt.want) })
	}
}

// The limit counts whole headers, holds before the block has come, and never refuses what fits the smallest segment.
func TestBound(t *testing.T) {
	header := func(size int) []byte {
		return []byte(v2(1, 0x11, addr4+tlv(TypeNoop, strings.Repeat("x", size-fixedV2-12-tlvHead))))
	}
	for _, tt := range []struct {
		size, maxExtra int
		err            error
	}{{SafeV2, 0, nil}, {SafeV2 + 1, 0, ErrTooLong}, {SafeV2 + 100, 100, nil}, {SafeV2 + 101, 100, ErrTooLong},
		{SafeV2 + DefaultMaxExtra, DefaultMaxExtra, nil}, {SafeV2 + DefaultMaxExtra + 1, DefaultMaxExtra, ErrTooLong}} {
		in := header(tt.size)
		if tt.err != nil {
			in = in[:fixedV2]
		}
		if _, _, err := parse(t, in, tt.maxExtra); err != tt.err {
			t.Errorf("%d bytes, %d extra: %v", tt.size, tt.maxExtra, err)
		}
	}
}

// What version 1 takes for an address is what netip takes for one, but for zones.
func TestAddressesLikeNetip(t *testing.T) {
	parts := []string{"", "0", "1", "a", "00", "ffff", "12345", "1.2.3.4", "255.255.255.255", "256.0.0.1", "1.2.3", "g", ":"}
	var try func(s string, depth int)
	tried := 0
	try = func(s string, depth int) {
		tried++
		for family, name := range []string{"TCP4", "TCP6"} {
			in := "PROXY " + name + " " + s + " "
			want, err := netip.ParseAddr(s)
			ok := err == nil && want.Is4() == (family == 0)
			if family == 0 {
				in += "1.1.1.1 1 2\r\n"
			} else {
				in += ":: 1 2\r\n"
			}
			h, _, err := Parse([]byte(in))
			if (err == nil) != ok || ok && h.Source.Addr() != want {
				t.Fatalf("%q: %v %v, netip says %v", in, h.Source, err, want)
			}
		}
		if depth == 0 {
			return
		}
		for _, p := range parts {
			try(s+":"+p, depth-1)
		}
	}
	for _, p := range parts {
		try(p, 3)
	}
	for _, p := range []string{"1:2:3:4:5", "1:2:3:4:5:6", "::3:4:5:6", "1::4:5:6"} {
		try(p, 3)
	}
	if tried < 30000 {
		t.Fatal("tried", tried)
	}
}

func TestDetect(t *testing.T) {
	for _, tt := range []struct {
		input string
		want  Version
	}{{"", Undecided}, {"P", Undecided}, {"PROXY", Undecided}, {"PROXY ", V1}, {"PROXY TCP4", V1}, {"PROXYS", None}, {"PRI * HTTP/2.0", None},
		{"\r", Undecided}, {signatureV2[:11], Undecided}, {signatureV2, V2}, {signatureV2 + "\x11", V2}, {"\r\n\r\nX", None}, {"\x16\x03\x01", None}} {
		if got := Detect([]byte(tt.input)); got != tt.want {
			t.Errorf("%q: %v", tt.input, got)
		}
	}
}

func TestSSL(t *testing.T) {
	h, _, err := Parse([]byte(signatureV2 + unhex(haproxyTLS)))
	if err != nil {
		t.Fatal(err)
	}
	s, ok := h.TLVs.SSL()
	if !ok || s.Client != ClientSSL|ClientCertConn|ClientCertSess || s.Verify != 0 {
		t.Errorf("%v %v", s, ok)
	}
	for typ, want := range map[Type]string{SubtypeSSLVersion: "TLSv1.3", SubtypeSSLCN: "example.com", SubtypeSSLCipher: "TLS_AES_256_GCM_SHA384",
		SubtypeSSLSigAlg: "RSA-SHA256", SubtypeSSLKeyAlg: "RSA2048"} {
		if got, ok := s.TLVs.Get(typ); string(got) != want || !ok {
			t.Errorf("%x: %q %v", typ, got, ok)
		}
	}
	if got := AppendSSL(nil, s); string(got) != string(mustGet(t, h.TLVs, TypeSSL)) {
		t.Errorf("written again: %x", got)
	}
	if _, ok := h.TLVs.Get(TypeNetNS); ok {
		t.Error("a namespace that is not there")
	}
	if _, ok := (TLVs)(nil).SSL(); ok {
		t.Error("TLS that is not there")
	}
}

func mustGet(t *testing.T, tlvs TLVs, typ Type) []byte {
	t.Helper()
	value, ok := tlvs.Get(typ)
	if !ok {
		t.Fatalf("no TLV %x", typ)
	}
	return value
}

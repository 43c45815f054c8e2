package proxyproto

import (
	"net/netip"
	"strings"
	"testing"
)

func addrPort(s string) netip.AddrPort { return netip.MustParseAddrPort(s) }

func TestProxied(t *testing.T) {
	for _, tt := range []struct{ src, dst, want string }{
		{"1.2.3.4:5", "6.7.8.9:10", "undecided PROXY INET STREAM 1.2.3.4:5 6.7.8.9:10"},
		{"[::ffff:1.2.3.4]:5", "6.7.8.9:10", "undecided PROXY INET STREAM 1.2.3.4:5 6.7.8.9:10"},
		{"[::1]:5", "6.7.8.9:10", "undecided PROXY INET6 STREAM [::1]:5 6.7.8.9:10"},
		{"[::1]:5", "[::2]:10", "undecided PROXY INET6 STREAM [::1]:5 [::2]:10"},
		{"", "[::2]:10", "undecided PROXY UNSPEC UNSPEC"},
	} {
		src, _ := netip.ParseAddrPort(tt.src)
		if got := describe(Proxied(Stream, src, addrPort(tt.dst))); got != tt.want {
			t.Errorf("%s %s: %s", tt.src, tt.dst, got)
		}
	}
}

func TestAppendV1(t *testing.T) {
	tests := []struct {
		h    Header
		want string
		err  error
	}{
		{Proxied(Stream, addrPort("192.168.0.1:56324"), addrPort("192.168.0.11:443")), "PROXY TCP4 192.168.0.1 192.168.0.11 56324 443\r\n", nil},
		{Proxied(Stream, addrPort("[2001:db8::1]:0"), addrPort("[::]:65535")), "PROXY TCP6 2001:db8::1 :: 0 65535\r\n", nil},
		{Proxied(Stream, addrPort("[fe80::1%eth0]:1"), addrPort("10.0.0.255:2")), "PROXY TCP6 fe80::1 ::ffff:a00:ff 1 2\r\n", nil},
		{Proxied(Datagram, addrPort("1.2.3.4:1"), addrPort("1.2.3.4:2")), "PROXY UNKNOWN\r\n", nil},
		{Header{Command: Proxy, Family: Unix, Transport: Stream, SourcePath: []byte("/a")}, "PROXY UNKNOWN\r\n", nil},
		{Header{}, "PROXY UNKNOWN\r\n", nil},
		{Header{Command: Proxy, Family: Inet, Transport: Stream}, "", ErrBadAddress},
		{Header{Command: Proxy, Family: Inet, Transport: Stream, Source: addrPort("[::1]:1"), Destination: addrPort("1.1.1.1:1")}, "", ErrBadAddress},
	}
	for _, tt := range tests {
		got, err := AppendV1([]byte("x"), tt.h)
		if string(got) != "x"+tt.want || err != tt.err {
			t.Errorf("%s: %q, %v", describe(tt.h), got, err)
		}
		if err == nil {
			if _, n, err := parse(t, got[1:], 0); n != len(tt.want) || err != nil {
				t.Errorf("%q is not taken back: %d, %v", got, n, err)
			}
		}
	}
}

func TestAppendV2(t *testing.T) {
	inet := Proxied(Stream, addrPort("1.2.3.4:80"), addrPort("5.6.7.8:443"))
	sum := TLV{Type: TypeCRC32C, Value: []byte("any")}
	tests := []struct {
		name string
		h    Header
		tlvs []TLV
		want string // nothing: only taken back
		err  error
	}{
		{"INET", inet, nil, v2(1, 0x11, addr4), nil},
		{"mapped", Proxied(Datagram, addrPort("[::1]:256"), addrPort("1.2.3.4:1")), nil,
			v2(1, 0x22, unhex("00000000000000000000000000000001 00000000000000000000ffff01020304 0100 0001")), nil},
		{"local", Header{Family: Inet}, nil, v2(0, 0, ""), nil},
		{"unspecified", Header{Command: Proxy}, []TLV{{TypeNoop, []byte("ab")}}, v2(1, 0, tlv(TypeNoop, "ab")), nil},
		{"Unix", Header{Command: Proxy, Family: Unix, Transport: Stream, SourcePath: []byte("\x00a\x00b"), DestinationPath: []byte(strings.Repeat("p", 108))}, nil,
			v2(1, 0x31, "\x00a\x00b"+strings.Repeat("\x00", 104)+strings.Repeat("p", 108)), nil},
		{"HAProxy, IPv6", Proxied(Stream, addrPort("[::1]:42688"), addrPort("[::1]:18082")),
			[]TLV{sum, {TypeUniqueID, []byte("id-::1")}, {TypeSSL, AppendSSL(nil, SSL{})}}, signatureV2 + unhex(haproxy6), nil},
		{"checksum last", inet, []TLV{{TypeAuthority, []byte("a")}, {TypeNoop, nil}, sum}, "", nil},
		{"largest", inet, []TLV{{0xe0, make([]byte, maxBlock-12-2*tlvHead-4)}, sum}, "", nil},

		{"two checksums", inet, []TLV{sum, sum}, "", ErrDuplicateTLV},
		{"bad TLV", inet, []TLV{{TypeAuthority, []byte{0xff}}}, "", ErrBadTLV},
		{"too long", inet, []TLV{{0xe0, make([]byte, maxBlock-12-tlvHead+1)}}, "", ErrTooLong},
		{"no transport", Header{Command: Proxy, Family: Inet, Source: inet.Source, Destination: inet.Destination}, nil, "", ErrBadFamily},
		{"no family", Header{Command: Proxy, Family: 4, Transport: Stream}, nil, "", ErrBadFamily},
		{"wide transport", Header{Command: Proxy, Family: Inet, Transport: 17}, nil, "", ErrBadFamily},
		{"no address", Header{Command: Proxy, Family: Inet6, Transport: Stream, Source: inet.Source}, nil, "", ErrBadAddress},
		{"long path", Header{Command: Proxy, Family: Unix, Transport: Stream, SourcePath: make([]byte, 109)}, nil, "", ErrBadAddress},
		{"path with NUL", Header{Command: Proxy, Family: Unix, Transport: Stream, DestinationPath: []byte("a\x00b")}, nil, "", ErrBadAddress},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := AppendV2([]byte("x"), tt.h, tt.tlvs...)
			if err != tt.err || err != nil && string(got) != "x" {
				t.Fatalf("%q, %v", got, err)
			}
			if err != nil {
				return
			}
			if tt.want != "" && string(got) != "x"+tt.want {
				t.Fatalf("got  %q\nwant %q", got[1:], tt.want)
			}
			if _, n, err := ParseBounded(got[1:], 1<<16); n != len(got)-1 || err != nil {
				t.Fatalf("%q is not taken back: %d, %v", got, n, err)
			}
		})
	}
}

func TestAppendTLV(t *testing.T) {
	got, err := AppendTLV([]byte("x"), TLV{TypeALPN, []byte("h2")})
	if string(got) != "x"+tlv(TypeALPN, "h2") || err != nil {
		t.Errorf("%q %v", got, err)
	}
	if got, err = AppendTLV([]byte("x"), TLV{TypeALPN, make([]byte, 1<<16)}); string(got) != "x" || err != ErrTooLong {
		t.Errorf("%d bytes, %v", len(got), err)
	}
}

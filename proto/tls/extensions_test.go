package tls

import (
	"strings"
	"testing"
)

func TestMessage(t *testing.T) {
	with := func(change func(*fields)) fields {
		f := plain(sni("a.example"))
		change(&f)
		return f
	}
	for _, tt := range []struct {
		name string
		f    fields
		want string
	}{
		{"without extensions", with(func(f *fields) { f.extensions = nil }), ""},
		{"empty extensions", plain([]string{}...), ""},
		{"SSL 3.0", with(func(f *fields) { f.version = "\x03\x00" }), ""},
		{"version 2", with(func(f *fields) { f.version = "\x02\x00" }), "bad_version"},
		{"version 4", with(func(f *fields) { f.version = "\x04\x00" }), "bad_version"},
		{"session", with(func(f *fields) { f.sessionID = strings.Repeat("s", 32) }), ""},
		{"long session", with(func(f *fields) { f.sessionID = strings.Repeat("s", 33) }), "malformed_hello"},
		{"no suites", with(func(f *fields) { f.suites = "" }), "malformed_hello"},
		{"odd suites", with(func(f *fields) { f.suites = "\x00\x01\x02" }), "malformed_hello"},
		{"no methods", with(func(f *fields) { f.methods = "" }), "malformed_hello"},
		{"no null method", with(func(f *fields) { f.methods = "\x01" }), "malformed_hello"},
		{"deflate too", with(func(f *fields) { f.methods = "\x01\x00" }), ""},
		{"cut off type", plain("\x00"), "malformed_hello"},
		{"cut off length", plain("\x00\x00\x00"), "malformed_hello"},
		{"cut off data", plain("\x00\x17\x00\x01"), "malformed_hello"},
		{"two names", plain(sni("a"), ext(23, ""), sni("a")), "duplicate_extension"},
		{"two of GREASE", plain(ext(0x1a1a, ""), sni("a"), ext(0x1a1a, "")), "duplicate_extension"},
		{"two unknown", plain(ext(63, ""), ext(64, ""), ext(63, "")), "duplicate_extension"},
		{"two high", plain(ext(64, ""), ext(65, ""), ext(64, "")), "duplicate_extension"},
		{"many", plain(many(64, maxHighTypes)...), ""},
		{"too many", plain(many(64, maxHighTypes+1)...), "too_many_extensions"},
		{"PSK last", plain(sni("a"), ext(extPreSharedKey, "x")), ""},
		{"PSK not last", plain(ext(extPreSharedKey, "x"), sni("a")), "extension_order"},
		{"versions", plain(ext(extSupportedVersions, "\x02\x03\x04")), ""},
		{"no versions", plain(ext(extSupportedVersions, "\x00")), "bad_supported_versions"},
		{"odd versions", plain(ext(extSupportedVersions, "\x03\x03\x04\x03")), "bad_supported_versions"},
		{"versions and more", plain(ext(extSupportedVersions, "\x02\x03\x04\x00")), "bad_supported_versions"},
		{"protocols", plain(alpn("h2", strings.Repeat("p", 255))), ""},
		{"no protocols", plain(alpn()), "bad_alpn"},
		{"nothing for protocols", plain(ext(extALPN, "")), "bad_alpn"},
		{"empty protocol", plain(alpn("h2", "")), "bad_alpn"},
		{"protocol cut off", plain(ext(extALPN, "\x00\x02\x02h")), "bad_alpn"},
		{"protocols and more", plain(ext(extALPN, "\x00\x02\x01h\x01")), "bad_alpn"},
		{"inner ECH", plain(ext(extECH, "\x01")), ""},
		{"inner ECH with more", plain(ext(extECH, "\x01\x00")), "bad_ech"},
		{"no ECH", plain(ext(extECH, "")), "bad_ech"},
		{"ECH of type 2", plain(ext(extECH, "\x02\x00\x01\x00\x01\x00\x00\x00\x00\x01p")), "bad_ech"},
		{"outer ECH", plain(ext(extECH, "\x00\x00\x01\x00\x01\x00\x00\x00\x00\x01p")), ""},
		{"outer ECH without payload", plain(ext(extECH, "\x00\x00\x01\x00\x01\x00\x00\x00\x00\x00")), "bad_ech"},
		{"outer ECH with more", plain(ext(extECH, "\x00\x00\x01\x00\x01\x00\x00\x00\x00\x01pq")), "bad_ech"},
		{"outer ECH cut off", plain(ext(extECH, "\x00\x00\x01\x00\x01\x00\x00\x01")), "bad_ech"},
	} {
		check(t, tt.name, helloOf(tt.f), tt.want)
	}
	// A message that ends early, though its head says so: at each byte but where extensions may be missing.
	message := messageOf(plain(sni("a.example")))
	for i := handshakeHead; i < len(message); i++ {
		want := "malformed_hello"
		if i == handshakeHead+2+randomSize+1+4+2 {
			want = ""
		}
		check(t, message[:i], []byte("\x16\x03\x01"+vec(2, "\x01"+vec(3, message[handshakeHead:i]))), want)
	}
	check(t, "a byte after the extensions", []byte("\x16\x03\x01"+vec(2, "\x01"+vec(3, message[handshakeHead:]+"\x00"))), "malformed_hello")
}

// many returns empty extensions of n types.
func many(from, n uint16) (all []string) {
	for typ := from; typ < from+n; typ++ {
		all = append(all, ext(typ, ""))
	}
	return all
}

func TestServerName(t *testing.T) {
	label := strings.Repeat("a", 63)
	for _, name := range []string{"a", "example.com", "EXAMPLE.Com", "a-b.c", "-a-.example", "_x._tcp.a", "1.2.3.4.example", "1.2.3.x4", "127.0.0.0x1", "localhost",
		"xn--bcher-kva.example", label + "." + label + "." + label + "." + label[:61]} {
		check(t, name, helloOf(plain(sni(name))), "")
		h, _, _ := ParseClientHello(helloOf(plain(sni(name))))
		if string(h.ServerName) != name || string(h.AppendServerName(nil)) != strings.ToLower(name) {
			t.Errorf("%q became %q, %q", name, h.ServerName, h.AppendServerName(nil))
		}
	}
	for _, name := range []string{"", ".", "a.", ".a", "a..b", "a b", "a\x00", "a\x00.example", "bücher.example", "a/b", "a:443", "*.example", "[::1]", "::1", "1.2.3.4", "a.1",
		"123", "a@b", "a%b", "a\r\nb", label + "a", "a." + label + "a.b", label + "." + label + "." + label + "." + label[:62]} {
		check(t, name, helloOf(plain(sni(name))), "bad_server_name")
	}
	for name, data := range map[string]string{
		"nothing":       "",
		"empty list":    "\x00\x00",
		"other type":    vec(2, "\x01"+vec(2, "a")),
		"two names":     vec(2, "\x00"+vec(2, "a")+"\x00"+vec(2, "b")),
		"name and type": vec(2, "\x00"+vec(2, "a")+"\x01"+vec(2, "b")),
		"type and name": vec(2, "\x01"+vec(2, "b")+"\x00"+vec(2, "a")),
		"cut off":       vec(2, "\x00\x00\x02a"),
		"no length":     vec(2, "\x00"),
		"more":          vec(2, "\x00"+vec(2, "a")) + "\x00",
	} {
		check(t, name, helloOf(plain(ext(extServerName, data))), "bad_server_name")
	}
}

func TestVersions(t *testing.T) {
	for _, tt := range []struct {
		f    fields
		want Version
	}{
		{plain(), TLS12},
		{fields{"\x03\x01", "", "\x13\x01", "\x00", nil}, TLS10},
		{fields{"\x03\x09", "", "\x13\x01", "\x00", nil}, TLS12}, // RFC 8446 §4.2.1: without the extension, no TLS 1.3
		{plain(ext(extSupportedVersions, vec(1, "\x9a\x9a\x03\x02\x03\x04\x03\x03"))), TLS13},
		{plain(ext(extSupportedVersions, vec(1, "\x9a\x9a"))), 0},
	} {
		h, n, err := ParseClientHello(helloOf(tt.f))
		if n == 0 || err != nil || h.MaxVersion() != tt.want {
			t.Errorf("%v: %v, want %v, %v", tt.f, h.MaxVersion(), tt.want, err)
		}
	}
	for v, want := range map[Version]string{SSL30: "SSL 3.0", TLS10: "TLS 1.0", TLS13: "TLS 1.3", 0x7f1c: "0x7f1c"} {
		if v.String() != want {
			t.Error(v, want)
		}
	}
}

func TestProtocols(t *testing.T) {
	h, _, err := ParseClientHello(helloOf(browser()))
	if err != nil || !h.Protocols.Contains("h2") || !h.Protocols.Contains("http/1.1") || h.Protocols.Contains("http") || h.Protocols.Contains("\x2a\x2a") || h.Protocols.Contains("") {
		t.Error(describe(&h), err)
	}
	for range Protocols("\x05h2").All() {
		t.Error("a name that is cut off")
	}
}

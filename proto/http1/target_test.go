package http1

import (
	"net/netip"
	"strings"
	"testing"
)

func TestValidAuthority(t *testing.T) {
	for _, s := range []string{
		"a", "example.com", "EXAMPLE.com.", "a:80", "a:", "a:0", "a:65535", "a:00080", "127.0.0.1", "127.0.0.1:8080", "a_b", "a-b.c~d",
		"xn--bcher-kva.example", "a%20b", "%c3%A9", "a!$&'()*+;=b", "[::]", "[::1]", "[::1]:80", "[::1]:", "[2001:db8::1]",
		"[1:2:3:4:5:6:7:8]", "[::ffff:1.2.3.4]", "[1:2:3:4:5:6:1.2.3.4]", "[1::]", "[1:2:3:4:5:6:7::]", "[::2:3:4:5:6:7:8]",
	} {
		if !ValidAuthority([]byte(s)) {
			t.Errorf("%q is refused", s)
		}
	}
	for _, s := range []string{
		"", ":", ":80", "a:b", "a:80:90", "a:-1", "a:+1", "a:65536", "a:99999999999999999999", "a: 80", "a b", "a,b", "a/b", "a?b",
		"a#b", "a@b", "u:p@a", "a\\b", "a\"b", "a<b", "a[b", "a]b", "a%", "a%2", "a%zz", "caf\xc3\xa9", "a\x00", "a\tb", "[", "[]", "]",
		"[::1", "::1", "[::1]a", "[::1]80", "[::1%25eth0]", "[::1%eth0]", "[v1.a]", "[1.2.3.4]", "[g::]", "[:::]", "[1:2]", "[:1]", "[1:]",
		"[12345::]", "[1::2::3]", "[1:2:3:4:5:6:7:8:9]", "[1:2:3:4::5:6:7:8]", "[::1.2.3]", "[::1.2.3.4.5]", "[::256.1.1.1]", "[::01.1.1.1]",
		"[1::2:3:4:5:6:1.2.3.4]", "[::1.2.3.4:5]", "[::1.2.3.]", "[1:2:3:4:5:6:7:1.2.3.4]", "[[::1]]", "[::1]:80:80",
	} {
		if ValidAuthority([]byte(s)) {
			t.Errorf("%q is accepted", s)
		}
	}
}

// FuzzIPv6 holds validIPv6 against net/netip.
func FuzzIPv6(f *testing.F) {
	for _, s := range []string{"::", "::1", "1::", "1:2:3:4:5:6:7:8", "::ffff:1.2.3.4", "1:2:3:4:5:6:1.2.3.4", "1::2:3:4:5:6:1.2.3.4", "1:2:3:4::5:6:7:8", ":::", "1:"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		addr, err := netip.ParseAddr(s)
		want := err == nil && addr.Is6() && !strings.Contains(s, "%")
		if got := validIPv6([]byte(s)); got != want {
			t.Errorf("validIPv6(%q) = %v, netip says %v, %v", s, got, addr, err)
		}
	})
}

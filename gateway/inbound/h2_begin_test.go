package inbound

import (
	"strings"
	"testing"

	"github.com/ringway/ringway/proto/http2"
)

func TestBeginnings(t *testing.T) {
	for n := range len(http2.ClientPreface) + 1 {
		want := beginsHTTP2
		if n < len("PRI ") {
			want = beginsUnclear
		}
		if got := beginningOf([]byte(http2.ClientPreface[:n])); got != want {
			t.Errorf("%q is %d, want %d", http2.ClientPreface[:n], got, want)
		}
	}
	for text, want := range map[string]beginning{
		"GET / HTTP/1.1": beginsHTTP1, "POST": beginsHTTP1, "PR": beginsUnclear, "PRX": beginsHTTP1, "PRIVATE / HTTP/1.1": beginsHTTP1, "pri * ": beginsHTTP1,
		http2.ClientPreface + "x": beginsHTTP2,
	} {
		if got := beginningOf([]byte(text)); got != want {
			t.Errorf("%q is %d, want %d", text, got, want)
		}
	}
}

func TestVersions(t *testing.T) {
	for _, test := range []struct {
		versions Versions
		want     string
	}{{Versions{HTTP1, HTTP2}, "h2 http/1.1"}, {Versions{HTTP2, HTTP1}, "h2 http/1.1"}, {Versions{HTTP1}, "http/1.1"}, {Versions{HTTP2}, "h2"}} {
		if got := strings.Join(test.versions.ALPN(), " "); got != test.want {
			t.Errorf("%v: %q", test.versions, got)
		}
	}
}

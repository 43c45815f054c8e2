package inbound

import (
	"log/slog"
	"testing"

	"github.com/ringway/ringway/gateway/secure"
	"github.com/ringway/ringway/gateway/secure/acme"
	"github.com/ringway/ringway/proto/http1"
)

func asking(path string, method http1.Method, info *secure.Info) *request {
	r := &request{terms: &Terms{Challenges: acme.NewRegistry(slog.New(slog.DiscardHandler)).Challenges()}}
	r.Request.Path, r.Request.Method, r.TLS = []byte(path), method, info
	return r
}

// TestAsksForProof: only what an authority sends is looked at.
func TestAsksForProof(t *testing.T) {
	const where = "/.well-known/acme-challenge/"
	for _, c := range []struct {
		path   string
		method http1.Method
		info   *secure.Info
		want   bool
	}{
		{where + "token", http1.GET, nil, true},
		{where, http1.GET, nil, false},
		{where + "token", http1.POST, nil, false},
		{where + "token", http1.GET, &secure.Info{}, false},
		{"/.well-known/security.txt.txt.txt", http1.GET, nil, false},
		{"/", http1.GET, nil, false},
		{"*", http1.OPTIONS, nil, false},
		{"", http1.CONNECT, nil, false},
		{"/a/.well-known/acme-challenge/token", http1.GET, nil, false},
	} {
		if got := asking(c.path, c.method, c.info).asksForProof(); got != c.want {
			t.Errorf("%v %s: %v", c.method, c.path, got)
		}
	}
	r := asking(where+"token", http1.GET, nil)
	r.terms.Challenges = nil
	if r.asksForProof() {
		t.Error("a gateway without challenges looks for some")
	}
}

// TestProofIsNotOurs: without a folder nobody is asked for tokens that are not known, nor for what is no token.
func TestProofIsNotOurs(t *testing.T) {
	for _, path := range []string{"token", "../../etc/passwd", "a/b"} {
		r := asking(acme.PathPrefix+path, http1.GET, nil)
		r.Request.Authority = []byte("a.example:80")
		if r.prove() {
			t.Errorf("%s is answered", path)
		}
	}
}

// TestHostName: names are as the folder has them.
func TestHostName(t *testing.T) {
	for in, want := range map[string]string{"A.Example": "a.example", "a.example:80": "a.example", "a.example.": "a.example", "[::1]:80": "::1", "": ""} {
		if got := hostName(in); got != want {
			t.Errorf("%q: %q", in, got)
		}
	}
}

// BenchmarkOtherRequests is what challenges cost requests that have nothing to do with them.
func BenchmarkOtherRequests(b *testing.B) {
	r := asking("/a/page/with/a/path/of/some/length.html", http1.GET, nil)
	b.ReportAllocs()
	for b.Loop() {
		if r.asksForProof() {
			b.Fatal("it asks for proof")
		}
	}
}

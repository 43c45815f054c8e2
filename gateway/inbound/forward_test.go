package inbound

import (
	"net/netip"
	"strings"
	"testing"

	"github.com/ringway/ringway/config"
	"github.com/ringway/ringway/gateway/exchange"
	"github.com/ringway/ringway/proto/header"
	"github.com/ringway/ringway/proto/http1"
)

// forwarded passes a request with the given fields through a forwarder, and gives the fields that tell of the client.
func forwarded(t *testing.T, f *forwarder, peer, fields string) (got string, client netip.Addr) {
	t.Helper()
	if !strings.HasPrefix(fields, "Host:") {
		fields = "Host: a.test\n" + fields
	}
	var in http1.Request
	in.Reset()
	lim := http1.DefaultLimits()
	head := "GET / HTTP/1.1\r\n" + strings.ReplaceAll(fields, "\n", "\r\n") + "\r\n"
	if n, err := in.Parse([]byte(head), &lim); n != len(head) || err != nil {
		t.Fatalf("parse %q: %d, %v", head, n, err)
	}
	var x exchange.Exchange
	if peer != "" {
		x.Peer = netip.AddrPortFrom(netip.MustParseAddr(peer), 1234)
	}
	x.Request = exchange.Request{Scheme: "http", Authority: in.Authority, Fields: &in.Fields}
	f.apply(&x, peerText(nil, x.Peer))
	var lines []string
	for name, value := range in.All() {
		if !header.EqualFold(name, "Host") {
			lines = append(lines, string(name)+": "+string(value))
		}
	}
	return strings.Join(lines, "\n"), x.ClientIP
}

func TestForwarder(t *testing.T) {
	trusted := []config.Prefix{{Prefix: netip.MustParsePrefix("10.0.0.0/8")}, {Prefix: netip.MustParsePrefix("fd00::/8")}}
	const x = "\nX-Forwarded-Proto: http\nX-Forwarded-Host: a.test"
	for _, test := range []struct {
		name    string
		headers ForwardedHeaders
		peer    string
		fields  string
		want    string
		client  string
	}{
		{"first hop", XForwarded, "1.2.3.4", "", "X-Forwarded-For: 1.2.3.4" + x, "1.2.3.4"},
		{"IPv6", XForwarded, "2001:db8::1", "", "X-Forwarded-For: 2001:db8::1" + x, "2001:db8::1"},
		{"Unix socket", XForwarded, "", "", "X-Forwarded-For: unknown" + x, "invalid IP"},
		{"lies of a stranger", XForwarded, "1.2.3.4",
			"X-Forwarded-For: 9.9.9.9\nX-Forwarded-Proto: https\nX-Forwarded-Host: evil\nX-Forwarded-Port: 1\nX-Real-IP: 9.9.9.9\nForwarded: for=9.9.9.9\n",
			"X-Forwarded-For: 1.2.3.4" + x, "1.2.3.4"},
		{"lies in two lines", XForwarded, "1.2.3.4", "x-forwarded-for: 9.9.9.9\nX-FORWARDED-FOR: 8.8.8.8\n", "X-Forwarded-For: 1.2.3.4" + x, "1.2.3.4"},
		{"lies with none", NoForwarded, "1.2.3.4", "X-Forwarded-For: 9.9.9.9\nForwarded: for=9.9.9.9\n", "", "1.2.3.4"},
		{"trusted without a word", XForwarded, "10.0.0.1", "", "X-Forwarded-For: 10.0.0.1" + x, "10.0.0.1"},
		{"trusted", XForwarded, "10.0.0.1", "X-Forwarded-For: 9.9.9.9\nX-Forwarded-Proto: https\nX-Forwarded-Host: b\n",
			"X-Forwarded-For: 9.9.9.9, 10.0.0.1\nX-Forwarded-Proto: https\nX-Forwarded-Host: b", "9.9.9.9"},
		{"trusted in two lines", XForwarded, "10.0.0.1", "X-Forwarded-For: 9.9.9.9\nX-A: b\nX-Forwarded-For: 8.8.8.8, 10.0.0.2\n",
			"X-Forwarded-For: 9.9.9.9, 8.8.8.8, 10.0.0.2, 10.0.0.1\nX-A: b" + x, "8.8.8.8"},
		{"a stranger's claim behind a trusted proxy", XForwarded, "fd00::1", "X-Forwarded-For: 10.9.9.9, 8.8.8.8, 10.0.0.2\n",
			"X-Forwarded-For: 10.9.9.9, 8.8.8.8, 10.0.0.2, fd00::1" + x, "8.8.8.8"},
		{"only trusted ones", XForwarded, "10.0.0.1", "X-Forwarded-For: 10.0.0.3, 10.0.0.2\n", "X-Forwarded-For: 10.0.0.3, 10.0.0.2, 10.0.0.1" + x, "10.0.0.3"},
		{"no address", XForwarded, "10.0.0.1", "X-Forwarded-For: nonsense, 10.0.0.2\n", "X-Forwarded-For: nonsense, 10.0.0.2, 10.0.0.1" + x, "10.0.0.2"},
		{"mapped address", XForwarded, "10.0.0.1", "X-Forwarded-For: ::ffff:9.9.9.9\n", "X-Forwarded-For: ::ffff:9.9.9.9, 10.0.0.1" + x, "9.9.9.9"},
		{"empty", XForwarded, "10.0.0.1", "X-Forwarded-For:\n", "X-Forwarded-For: , 10.0.0.1" + x, "10.0.0.1"},

		{"Forwarded", Forwarded, "1.2.3.4", "", "Forwarded: for=1.2.3.4;proto=http;host=a.test", "1.2.3.4"},
		{"Forwarded with a port", Forwarded, "1.2.3.4", "Host: a:8080\n", `Forwarded: for=1.2.3.4;proto=http;host="a:8080"`, "1.2.3.4"},
		{"Forwarded IPv6", Forwarded, "2001:db8::1", "Host: [::1]\n", `Forwarded: for="[2001:db8::1]";proto=http;host="[::1]"`, "2001:db8::1"},
		{"Forwarded from a Unix socket", Forwarded, "", "", "Forwarded: for=unknown;proto=http;host=a.test", "invalid IP"},
		{"Forwarded of a stranger", Forwarded, "1.2.3.4", "Forwarded: for=9.9.9.9\nX-Forwarded-For: 9.9.9.9\n", "Forwarded: for=1.2.3.4;proto=http;host=a.test", "1.2.3.4"},
		{"Forwarded of a trusted one", Forwarded, "10.0.0.1", "Forwarded: for=9.9.9.9\nForwarded: for=8.8.8.8\n",
			"Forwarded: for=9.9.9.9, for=8.8.8.8, for=10.0.0.1;proto=http;host=a.test", "10.0.0.1"},
		{"a pair in Host", Forwarded, "1.2.3.4", "Host: a;for=9.9.9.9\n", `Forwarded: for=1.2.3.4;proto=http;host="a;for=9.9.9.9"`, "1.2.3.4"},
		{"an assignment in Host", Forwarded, "1.2.3.4", "Host: a=b(c)\n", `Forwarded: for=1.2.3.4;proto=http;host="a=b(c)"`, "1.2.3.4"},
		{"both", BothForwarded, "1.2.3.4", "", "X-Forwarded-For: 1.2.3.4" + x + "\nForwarded: for=1.2.3.4;proto=http;host=a.test", "1.2.3.4"},
	} {
		t.Run(test.name, func(t *testing.T) {
			f := newForwarder(&ForwardedSpec{Headers: test.headers, TrustedProxies: trusted})
			got, client := forwarded(t, &f, test.peer, test.fields)
			if got != test.want || client.String() != test.client {
				t.Errorf("got\n%s\nfor %s, want\n%s\nfor %s", got, client, test.want, test.client)
			}
		})
	}
}

// TestHostNeedsNoEscapes: an authority that the parser lets through has nothing that a quoted string would escape.
func TestHostNeedsNoEscapes(t *testing.T) {
	lim := http1.DefaultLimits()
	for c := range 256 {
		var in http1.Request
		in.Reset()
		_, err := in.Parse([]byte("GET / HTTP/1.1\r\nHost: a"+string([]byte{byte(c)})+"b\r\n\r\n"), &lim)
		if err == nil && (c == '"' || c == '\\' || c == ',' || c < ' ' || c >= 0x7f) {
			t.Errorf("a host with %q passes", rune(c))
		}
	}
}

func TestForwarderAllocatesNothing(t *testing.T) {
	f := newForwarder(&ForwardedSpec{Headers: BothForwarded})
	var in http1.Request
	lim := http1.DefaultLimits()
	head, peer := []byte("GET / HTTP/1.1\r\nHost: a.test:8080\r\nX-Forwarded-For: 1.1.1.1\r\n\r\n"), []byte("1.2.3.4")
	var x exchange.Exchange
	x.Peer = netip.MustParseAddrPort("1.2.3.4:5")
	run := func() {
		in.Reset()
		if _, err := in.Parse(head, &lim); err != nil {
			t.Fatal(err)
		}
		x.Request = exchange.Request{Scheme: "http", Authority: in.Authority, Fields: &in.Fields}
		f.apply(&x, peer)
	}
	run()
	if n := testing.AllocsPerRun(100, run); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

package upstream

import (
	"context"
	"fmt"
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/ringway/ringway/config"
)

func TestValidate(t *testing.T) {
	for _, test := range []struct{ text, want string }{
		{"endpoints: ['127.0.0.1:1', 'unix:/run/x.sock', '[::1]:2', 'name:3', {address: '127.0.0.1:4', weight: 1000}]", ""},
		{"endpoints: []", "c.yaml:1:12: endpoints: a cluster needs at least one endpoint"},
		{"endpoints: ['a']", `c.yaml:1:13: endpoints[0]: "a" is not host:port, as 127.0.0.1:3000, or unix:/path`},
		{"endpoints: ['a:0']", `c.yaml:1:13: endpoints[0]: port "0" is not a number from 1 to 65535`},
		{"endpoints: [':80']", `c.yaml:1:13: endpoints[0]: ":80" names no host`},
		{"endpoints: ['unix:']", `c.yaml:1:13: endpoints[0]: the path of a Unix socket has 1 to 107 bytes`},
		{"endpoints: ['a:1', 'a:1']", `c.yaml:1:20: endpoints[1]: endpoint a:1 stands in the cluster twice; give it a weight instead`},
		{"endpoints: [{address: 'a:1', weight: 0}]", `c.yaml:1:38: endpoints[0].weight: a weight is 1 to 1000, not 0`},
		{"{endpoints: ['a:1'], retries: 17}", `c.yaml:1:31: retries: retries is 0 to 16, not 17`},
		{"{endpoints: ['a:1'], pool: {connections: 0}}", `c.yaml:1:42: pool.connections: at least one connection must be allowed`},
		{"{endpoints: ['a:1'], pool: {idle: -1}}", `c.yaml:1:28: pool: a bound is not negative`},
		{"{endpoints: ['a:1'], limits: {head: 1B}}", `c.yaml:1:37: limits.head: a head is limited to 1KiB at least and 64KiB at most`},
		{"{endpoints: ['a:1'], limits: {fields: 0}}", `c.yaml:1:39: limits.fields: fields is 1 to 10000`},
		{"{endpoints: ['a:1'], version: http2, http2: {streams: 10000, window: 16KiB, ping_after: 0, ping_timeout: 0}}", ""},
		{"{endpoints: ['a:1'], version: auto, tls: {verify: false}}", ""},
		{"{endpoints: ['a:1'], version: auto}", `c.yaml:1:31: version: auto leaves the choice to ALPN, which takes tls: without it write http1 or http2`},
		{"{endpoints: ['a:1'], version: http3}", `c.yaml:1:31: version: expected one of http1, http2, auto, found "http3"; did you mean "http1"?`},
		{"{endpoints: ['a:1'], http2: {streams: 5}}", `c.yaml:1:29: http2: the cluster speaks HTTP/1.1: say version: http2, or auto`},
		{"{endpoints: ['a:1'], version: http2, http2: {streams: 0}}", `c.yaml:1:55: http2.streams: streams is 1 to 10000, not 0`},
		{"{endpoints: ['a:1'], version: http2, http2: {window: 1KiB}}", `c.yaml:1:54: http2.window: a window is 16KiB at least and 16MiB at most`},
		{"{endpoints: ['a:1'], version: http2, limits: {fields: 7}}", `c.yaml:1:55: limits.fields: fields is 8 at least where HTTP/2 is spoken`},
		{"{endpoints: ['a:1'], version: http2, http2: {ping_after: 1ms}}", `c.yaml:1:58: http2.ping_after: ping_after is 0 or at least 1s`},
		{"{endpoints: ['a:1'], version: http2, http2: {ping_timeout: 0}}", `c.yaml:1:60: http2.ping_timeout: a PING whose answer may take any time finds nothing out: give it a time, or make ping_after 0`},
	} {
		got := ""
		if err := config.Decode("c.yaml", []byte(test.text), new(Spec)); err != nil {
			got = err.Error()
		}
		if got != test.want {
			t.Errorf("%s\n got %s\nwant %s", test.text, got, test.want)
		}
	}
}

// TestResolveHTTP2: whatever the configuration may say makes windows that the protocol allows, and that are enough where they can be.
func TestResolveHTTP2(t *testing.T) {
	for _, test := range []struct {
		text         string
		window, conn int
	}{
		{"", 64 << 10, 2 * 128 * 64 << 10},
		{", http2: {streams: 1, window: 16KiB}", 16 << 10, 1 << 20},
		{", http2: {window: 16MiB}", 16 << 20, 1<<31 - 1},
		{", http2: {streams: 10000, window: 16MiB}, limits: {head: 64KiB, fields: 10000}", 16 << 20, 1<<31 - 1},
		{", limits: {head: 1KiB, fields: 8}", 64 << 10, 16 << 20},
	} {
		s := new(Spec)
		if err := config.Decode("c.yaml", []byte("{endpoints: ['127.0.0.1:81'], version: http2"+test.text+"}"), s); err != nil {
			t.Fatal(err)
		}
		r, err := Resolve(context.Background(), "c", s)
		if err != nil {
			t.Errorf("%s: %v", test.text, err)
			continue
		}
		if c := r.Settings.transport().HTTP2; c.StreamWindow != test.window || c.ConnectionWindow != test.conn {
			t.Errorf("%s: windows %d and %d", test.text, c.StreamWindow, c.ConnectionWindow)
		}
	}
}

func TestResolve(t *testing.T) {
	s := new(Spec)
	text := "{endpoints: ['127.0.0.1:81', '[::1]:82', {address: 'localhost:83', weight: 7}, 'unix:/x'], timeouts: {connect: 3s}, limits: {head: 64KiB}}"
	if err := config.Decode("c.yaml", []byte(text), s); err != nil {
		t.Fatal(err)
	}
	r, err := Resolve(context.Background(), "c", s)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for i := range r.Addresses {
		got = append(got, r.Addresses[i].String())
	}
	if len(got) != 4 || got[0] != "127.0.0.1:81" || got[1] != "[::1]:82" || got[2] != "127.0.0.1:83" || got[3] != "unix:/x" {
		t.Errorf("addresses %q", got)
	}
	if r.Weights[2] != 7 || r.Settings.Connect != 3*time.Second || r.Settings.HTTP1.MaxHead != 64<<10 || r.Settings.HTTP1.MaxLine > r.Settings.HTTP1.MaxHead {
		t.Errorf("%+v", r)
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	s.Endpoints[0].Address = "no-such-name.invalid:80"
	if _, err := Resolve(ctx, "c", s); err == nil {
		t.Error("a name that has no address was resolved")
	}
}

func TestNameAddresses(t *testing.T) {
	parse := func(words ...string) (all []netip.Addr) {
		for _, w := range words {
			all = append(all, netip.MustParseAddr(w))
		}
		return all
	}
	for _, test := range []struct {
		which    NameAddresses
		in, want []netip.Addr
	}{
		{OneAddress, parse("::1", "10.0.0.2", "10.0.0.1"), parse("10.0.0.2")},
		{OneAddress, parse("::2", "::1"), parse("::2")},
		{OneAddress, parse("::ffff:10.0.0.1"), parse("10.0.0.1")},
		{OneAddress, nil, nil},
		{AllAddresses, parse("::1", "10.0.0.2", "10.0.0.1", "::ffff:10.0.0.2"), parse("10.0.0.1", "10.0.0.2", "::1")},
		{AllAddresses, nil, nil},
	} {
		in := fmt.Sprint(test.in)
		if got := test.which.of(test.in); !slices.Equal(got, test.want) {
			t.Errorf("%s of %s: %v, want %v", test.which, in, got, test.want)
		}
	}
}

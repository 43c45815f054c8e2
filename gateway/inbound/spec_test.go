package inbound

import (
	"testing"

	"github.com/ringway/ringway/config"
)

func TestValidate(t *testing.T) {
	const routes = "routes: [{cluster: c}]"
	for _, test := range []struct{ text, want string }{
		{"{address: '127.0.0.1:80', " + routes + "}", ""},
		{"{address: ':80', " + routes + "}", ""},
		{"{address: 'unix:/run/x', " + routes + "}", ""},
		{"{address: 'localhost:80', " + routes + "}", "l.yaml:1:11: address: not an address to listen on: want ip:port, :port or unix:/path, as 127.0.0.1:8080"},
		{"{address: ':99999', " + routes + "}", "l.yaml:1:11: address: not an address to listen on: want ip:port, :port or unix:/path, as 127.0.0.1:8080"},
		{"{address: 'unix:', " + routes + "}", "l.yaml:1:11: address: the path of a Unix socket has 1 to 107 bytes"},
		{"{address: ':80', routes: []}", "l.yaml:1:26: routes: a listener needs at least one route"},
		{"{address: ':80', routes: [{name: a, cluster: c}, {name: a, cluster: c}]}", `l.yaml:1:57: routes[1].name: another route of this listener is named "a"`},
		{"{address: ':80', " + routes + ", backlog: 0}", "l.yaml:1:51: backlog: backlog is 1 to 65536"},
		{"{address: ':80', " + routes + ", protocol: udp}", `l.yaml:1:52: protocol: expected one of http, tcp, found "udp"`},
		{"{address: ':80', " + routes + ", half_close: maybe}", `l.yaml:1:54: half_close: expected one of cancel, finish, found "maybe"`},
		{"{address: ':80', " + routes + ", limits: {head: 65KiB}}", "l.yaml:1:57: limits.head: a head is limited to 1KiB at least and 64KiB at most"},
		{"{address: ':80', " + routes + ", limits: {head: 4KiB, line: 5KiB}}", "l.yaml:1:69: limits.line: a line is limited to 256 bytes at least and the size of a head at most"},
		{"{address: ':80', " + routes + ", limits: {fields: 0}}", "l.yaml:1:59: limits.fields: fields is 1 to 10000"},
		{"{address: ':80', " + routes + ", limits: {connections: 0}}", "l.yaml:1:64: limits.connections: at least one connection must be allowed"},
		{"{address: ':80', " + routes + ", limits: {requests_per_connection: -1}}", "l.yaml:1:76: limits.requests_per_connection: a bound is not negative"},
		{"{address: ':80'}", "l.yaml:1:1: routes: a listener needs at least one route"},
		{"{address: ':80', rotes: [{cluster: c}]}", `l.yaml:1:18: rotes: unknown key; did you mean "routes"?`},
		{"{address: ':80', cluster: c}", "l.yaml:1:27: cluster: an http listener goes to clusters by routes: write routes: [{cluster: c}]"},
		{"{address: ':80', routes: [{sni: a, cluster: c}]}", "l.yaml:1:33: routes[0].sni: an http listener routes by host; or make it protocol: tcp to pass TLS through"},
		{"{address: ':80', " + routes + ", timeouts: {tunnel: 1h}, upgrades: []}", ""},
		{"{address: ':80', " + routes + ", limits: {client_hello: 1KiB}}", "l.yaml:1:65: limits.client_hello: " + noSessions},

		{"{address: ':80', " + routes + ", versions: [http2], limits: {http2: {streams: 1, stream_window: 1KiB, resets: {burst: 10, per_second: 1}}}, timeouts: {ping: off}}", ""},
		{"{address: ':80', " + routes + ", versions: []}", "l.yaml:1:52: versions: a listener needs a version to speak: [http1, http2] or one of them"},
		{"{address: ':80', " + routes + ", versions: [http1, http1]}", "l.yaml:1:60: versions[1]: http1 is there already"},
		{"{address: ':80', " + routes + ", versions: [http3]}", `l.yaml:1:53: versions[0]: expected one of http1, http2, found "http3"; did you mean "http1"?`},
		{"{address: ':80', " + routes + ", limits: {http2: {streams: 0}}}", "l.yaml:1:68: limits.http2.streams: streams is 1 to 65536"},
		{"{address: ':80', " + routes + ", limits: {http2: {connection_window: 60KiB}}}", "l.yaml:1:78: limits.http2.connection_window: the window of a connection is 64KiB to 1GiB, or 0"},
		{"{address: ':80', " + routes + ", limits: {http2: {control: {burst: 5}}}}", "l.yaml:1:76: limits.http2.control.burst: burst is 10 to 1048576"},

		{"{address: ':80', protocol: tcp, cluster: c, versions: [http2]}", "l.yaml:1:55: versions: " + readsNothing},
		{"{address: ':80', protocol: tcp, cluster: c, limits: {http2: {streams: 5}}}", "l.yaml:1:61: limits.http2: " + readsNothing},
		{"{address: ':80', protocol: tcp, cluster: c}", ""},
		{"{address: ':80', protocol: tcp, routes: [{cluster: c}, {sni: a.b, cluster: c}, {sni: '*.b', cluster: c}]}", ""},
		{"{address: ':80', protocol: tcp, cluster: c, timeouts: {tunnel: off, client_hello: 1s}, limits: {connections: 5, client_hello: 64KiB}}", ""},
		{"{address: ':80', protocol: tcp}", "l.yaml:1:1: a tcp listener needs a cluster, or routes to clusters by sni"},
		{"{address: ':80', protocol: tcp, cluster: c, routes: [{sni: a, cluster: c}]}", "l.yaml:1:42: cluster: the listener has routes: give this cluster to a route without sni, which takes what no other does"},
		{"{address: ':80', protocol: tcp, routes: [{sni: a, cluster: c}, {sni: A., cluster: c}]}", "l.yaml:1:70: routes[1].sni: routes[0] is for a already"},
		{"{address: ':80', protocol: tcp, routes: [{cluster: c}, {cluster: c}]}", "l.yaml:1:56: routes[1]: routes[0] takes every session without a route of its own already; give this one an sni"},
		{"{address: ':80', protocol: tcp, routes: [{sni: 'a:443', cluster: c}]}", "l.yaml:1:48: routes[0].sni: a server name has letters, digits, hyphens and dots only; international names are written as xn--…"},
		{"{address: ':80', protocol: tcp, routes: [{sni: a}]}", "l.yaml:1:42: routes[0]: a route needs a cluster, or a filter that answers such as respond"},
		{"{address: ':80', protocol: tcp, routes: [{host: a, cluster: c}]}", "l.yaml:1:49: routes[0].host: a tcp listener sees no host; route TLS by sni, or make it protocol: http"},
		{"{address: ':80', protocol: tcp, routes: [{path: /a, cluster: c}]}", "l.yaml:1:49: routes[0].path: " + readsNothing},
		{"{address: ':80', protocol: tcp, routes: [{method: GET, cluster: c}]}", "l.yaml:1:51: routes[0].method: " + readsNothing},
		{"{address: ':80', protocol: tcp, routes: [{filters: [{headers: {}}], cluster: c}]}", "l.yaml:1:52: routes[0].filters: " + readsNothing},
		{"{address: ':80', protocol: tcp, cluster: c, forwarded: {headers: none}}", "l.yaml:1:56: forwarded: a tcp listener has no header fields to tell of the client; give the cluster send_proxy, or make it protocol: http"},
		{"{address: ':80', protocol: tcp, cluster: c, half_close: finish}", "l.yaml:1:57: half_close: a tcp listener always passes the end of a side on; leave it out"},
		{"{address: ':80', protocol: tcp, cluster: c, timeouts: {idle: 1m}}", "l.yaml:1:62: timeouts.idle: a tcp listener has no time between requests; a session without a byte is bounded by tunnel"},
		{"{address: ':80', protocol: tcp, cluster: c, limits: {body: 1KiB}}", "l.yaml:1:60: limits.body: " + readsNothing},
		{"{address: ':80', protocol: tcp, cluster: c, limits: {client_hello: 100}}", "l.yaml:1:68: limits.client_hello: a ClientHello is limited to 512 bytes at least and 64KiB at most"},

		{"{address: ':80', " + routes + ", proxy_protocol: {from: [10.0.0.0/8, '::1']}}", ""},
		{"{address: 'unix:/run/x', " + routes + ", proxy_protocol: {}}", ""},
		{"{address: ':80', protocol: tcp, cluster: c, proxy_protocol: {from: [10.0.0.1], others: direct}}", ""},
		{"{address: ':80', protocol: tcp, cluster: c, proxy_protocol: {}}", "l.yaml:1:61: proxy_protocol: say which networks the proxies connect from, as from: [10.0.0.0/8]: whoever may send a PROXY header may claim any address"},
		{"{address: 'unix:/run/x', protocol: tcp, cluster: c, proxy_protocol: {from: [10.0.0.1]}}", "l.yaml:1:76: proxy_protocol.from: peers of a Unix socket have no address; leave from out, and let the file's permissions say who may connect"},
	} {
		got := ""
		if err := config.Decode("l.yaml", []byte(test.text), new(Spec)); err != nil {
			got = err.Error()
		}
		if got != test.want {
			t.Errorf("%s\n got %s\nwant %s", test.text, got, test.want)
		}
	}
}

// TestConnectionWindow: unless it is said otherwise, all streams of a connection may be full at the same time.
func TestConnectionWindow(t *testing.T) {
	for text, want := range map[string]int{
		"":                                     2 * 128 * 64 << 10,
		"streams: 1, stream_window: 1KiB":      64 << 10,
		"streams: 1000":                        2 * 1000 * 64 << 10,
		"streams: 65536, stream_window: 1GiB":  1 << 30,
		"connection_window: 1MiB":              1 << 20,
		"connection_window: 0, streams: 10":    2 * 10 * 64 << 10,
		"stream_window: 1MiB, header_table: 0": 2 * 128 << 20,
	} {
		s := new(Spec)
		if err := config.Decode("l.yaml", []byte("{address: ':80', routes: [{cluster: c}], limits: {http2: {"+text+"}}}"), s); err != nil {
			t.Fatal(err)
		}
		if got := s.http2Config().ConnectionWindow; got != want {
			t.Errorf("%s: %d, want %d", text, got, want)
		}
	}
}

// TestHTTP2Config: whatever the configuration lets pass is one that HTTP/2 can be spoken with.
func TestHTTP2Config(t *testing.T) {
	const b = "{burst: 10, per_second: 1}"
	for _, text := range []string{"", ", limits: {head: 1KiB, line: 256, fields: 1, http2: {streams: 1, stream_window: 1KiB, connection_window: 64KiB, header_table: 0, continuations: 1, replies: 1, resets: " + b + ", faults: " + b + ", control: " + b + "}}, timeouts: {request_head: off, write: off}",
		", limits: {head: 64KiB, fields: 10000, http2: {streams: 65536, stream_window: 1GiB, connection_window: 1GiB, header_table: 1MiB, continuations: 65536, replies: 1048576}}"} {
		s := new(Spec)
		if err := config.Decode("l.yaml", []byte("{address: ':80', routes: [{cluster: c}]"+text+"}"), s); err != nil {
			t.Fatal(err)
		}
		if err := s.http2Config().Validate(); err != nil {
			t.Errorf("%s: %v", text, err)
		}
	}
}

package gateway

import (
	"fmt"
	"io"
	"net"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/ringway/ringway/gateway/inbound"
)

// problem reads a refusal and gives its status and code.
func (c *client) problem() string {
	c.t.Helper()
	h := c.head()
	var status, n int
	_, _ = fmt.Sscanf(h, "HTTP/1.1 %d", &status)
	_, after, _ := strings.Cut(h, "Content-Length: ")
	_, _ = fmt.Sscan(after, &n)
	_, code, _ := strings.Cut(c.body(n), `"code":"`)
	code, _, _ = strings.Cut(code, `"`)
	kept := " close"
	if !strings.Contains(h, "Connection: close\n") {
		kept = " kept"
	}
	return fmt.Sprint(status, " ", code, kept)
}

// TestRefusedUploads: the reason must reach a client that is still sending, whatever it was that ended its request.
func TestRefusedUploads(t *testing.T) {
	const chunked = "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
	for _, test := range []struct{ name, head, body, want string }{
		{"announced too large", "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 300000\r\n\r\n", strings.Repeat("x", 300_000), "413 payload_too_large close"},
		{"too large", chunked, strings.Repeat("a\r\n0123456789\r\n", 20_000), "413 payload_too_large close"},
		{"bad chunk", chunked, "5\r\nhello\r\nxyz\r\n" + strings.Repeat("x", 300_000), "400 bad_request close"},
		{"too slow", chunked, "5\r\nhel", "408 request_timeout close"},
		{"no route for the method", "PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 90000\r\n\r\n", strings.Repeat("x", 90_000), "405 method_not_allowed close"},
		{"not for now", "POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 101000\r\n\r\n", "", "413 payload_too_large close"},
	} {
		t.Run(test.name, func(t *testing.T) {
			eachDriver(t, func(t *testing.T, d DriverName) {
				at := origin(t, func(c *client) { _, _ = c.rest() })
				r := start(t, d, with{route: "method: POST", listener: "limits: {body: 100000B}, timeouts: {read: 150ms}"}, at)
				c := r.dial()
				go func() { _, _ = io.WriteString(c, test.head+test.body) }()
				if got := c.problem(); got != test.want {
					t.Errorf("got %s", got)
				}
				if s, err := c.rest(); s != "" || err != nil {
					t.Errorf("then %q, %v", s, err)
				}
			})
		})
	}
}

func TestRefusedHeads(t *testing.T) {
	for _, test := range []struct{ name, input, want string }{
		{"rubbish", "\x16\x03\x01\r\n\r\n", "400 bad_request close"},
		{"two framings", "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n", "400 bad_request close"},
		{"large", "GET / HTTP/1.1\r\nHost: a\r\n" + strings.Repeat("X: "+strings.Repeat("x", 500)+"\r\n", 60) + "\r\n", "431 fields_too_large close"},
		{"long target", "GET /" + strings.Repeat("x", 9000) + " HTTP/1.1\r\n\r\n", "414 uri_too_long close"},
		{"slow", "GET / HTTP/1.1\r\nHo", "408 request_timeout close"},
		{"version", "GET / HTTP/2.0\r\n\r\n", "505 version_not_supported close"},
		{"tunnel", "CONNECT a:80 HTTP/1.1\r\nHost: a:80\r\n\r\n", "501 not_implemented close"},
		{"above the root", "GET /../etc HTTP/1.1\r\nHost: a\r\n\r\n", "400 bad_request kept"},
		{"no route", "GET /x HTTP/1.1\r\nHost: b\r\n\r\n", "404 no_route kept"},
	} {
		t.Run(test.name, func(t *testing.T) {
			eachDriver(t, func(t *testing.T, d DriverName) {
				r := start(t, d, with{route: "host: a", listener: "limits: {head: 16KiB}, timeouts: {request_head: 150ms}, forwarded: {headers: both}"}, replies(t, hello))
				c := r.dial()
				// A request before it leaves a record that is used again: nothing of it may show in the refusal.
				c.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n")
				c.head()
				c.body(5)
				go func() { _, _ = io.WriteString(c, test.input) }()
				if got := c.problem(); got != test.want {
					t.Errorf("got %s", got)
				}
				if strings.HasSuffix(test.want, "kept") {
					c.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n")
					if h := c.head(); !strings.HasPrefix(h, "HTTP/1.1 200 ") || c.body(5) != "hello" {
						t.Errorf("then %q", h)
					}
					_ = c.Close()
				} else if s, err := c.rest(); s != "" || err != nil {
					t.Errorf("then %q, %v", s, err)
				}
			})
		})
	}
}

func TestAllow(t *testing.T) {
	eachDriver(t, func(t *testing.T, d DriverName) {
		r := start(t, d, with{route: "method: GET"}, replies(t, hello))
		c := r.dial()
		c.send("PUT / HTTP/1.1\r\nHost: a\r\n\r\n")
		if h := c.head(); !strings.HasPrefix(h, "HTTP/1.1 405 ") || !strings.Contains(h, "Allow: GET, HEAD\n") {
			t.Errorf("%q", h)
		}
		_ = c.Close()
	})
}

// TestInterimsWithoutEnd: a server that never comes to the point must not keep its request for ever.
func TestInterimsWithoutEnd(t *testing.T) {
	eachDriver(t, func(t *testing.T, d DriverName) {
		at := origin(t, func(c *client) {
			_, _ = readHead(c.br)
			for {
				c.send("HTTP/1.1 102 Processing\r\n\r\n")
			}
		})
		r := start(t, d, with{}, at)
		c := r.dial()
		c.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n")
		n := 0
		h := c.head()
		for ; strings.HasPrefix(h, "HTTP/1.1 102 "); n++ {
			h = c.head()
		}
		if n != 64 || !strings.HasPrefix(h, "HTTP/1.1 502 ") {
			t.Errorf("after %d interim responses %q", n, h)
		}
		_ = c.Close()
	})
}

func TestUnixOriginAndHTTP10(t *testing.T) {
	eachDriver(t, func(t *testing.T, d DriverName) {
		path := filepath.Join(t.TempDir(), "o")
		ln, err := net.Listen("unix", path)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = ln.Close() })
		got := make(chan string, 1)
		go func() {
			k, err := ln.Accept()
			if err != nil {
				return
			}
			defer k.Close()
			_ = k.SetDeadline(time.Now().Add(patience))
			b := make([]byte, 4096)
			n, _ := k.Read(b)
			got <- string(b[:n])
			_, _ = io.WriteString(k, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n")
			_, _ = k.Read(b)
		}()
		r := start(t, d, with{}, "unix:"+path)
		c := r.dial()
		c.send("GET /x HTTP/1.0\r\nConnection: keep-alive\r\n\r\n")
		if q := <-got; !strings.HasPrefix(q, "GET /x HTTP/1.1\r\n") || !strings.Contains(q, "\r\nHost: localhost\r\n") || !strings.Contains(q, "\r\nVia: 1.0 ringway\r\n") {
			t.Errorf("the origin got %q", q)
		}
		s, err := c.rest()
		head, body, _ := strings.Cut(s, "\r\n\r\n")
		if err != nil || body != "hello" || strings.Contains(head, "Transfer-Encoding") || !strings.Contains(head, "Connection: close") {
			t.Errorf("%q, %v", s, err)
		}
	})
}

// TestWaitForConnection: with one connection allowed, requests take turns over it, and too many are refused.
func TestWaitForConnection(t *testing.T) {
	eachDriver(t, func(t *testing.T, d DriverName) {
		release := make(chan bool)
		at := origin(t, func(c *client) {
			for {
				if _, err := readHead(c.br); err != nil {
					return
				}
				<-release
				c.send(hello)
			}
		})
		r := start(t, d, with{cluster: "pool: {connections: 1, waiting: 2}, timeouts: {connect: 20s}"}, at)
		var clients []*client
		for i := range 3 {
			c := r.dial()
			c.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n")
			clients = append(clients, c)
			eventually(t, "the request is under way", func() bool { _, tasks := r.g.Usage(); return tasks == i+1 })
		}
		late := r.dial()
		late.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n")
		if got := late.problem(); got != "503 overloaded kept" {
			t.Errorf("the fourth got %s", got)
		}
		_ = late.Close()
		close(release)
		for i, c := range clients {
			if h := c.head(); !strings.HasPrefix(h, "HTTP/1.1 200 ") || c.body(5) != "hello" {
				t.Errorf("client %d got %q", i, h)
			}
			_ = c.Close()
		}
		if up := r.upstream(); up.Connects != 1 {
			t.Errorf("%d connections", up.Connects)
		}
	})
}

// TestAcceptedWhileDraining: a connection that came just before the end gets a moment for its request, and no more.
func TestAcceptedWhileDraining(t *testing.T) {
	eachDriver(t, func(t *testing.T, d DriverName) {
		r := start(t, d, with{listener: "limits: {connections: 1}"}, replies(t, hello))
		first, second := r.dial(), r.dial() // the second waits for the first's end
		first.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n")
		first.head()
		drained := make(chan error)
		began := time.Now()
		go func() { drained <- r.g.Drain(t.Context()) }()
		if err := <-drained; err != nil {
			t.Errorf("%v after %v", err, time.Since(began))
		}
		_, _ = second.rest()
	})
}

func TestGatewaySpec(t *testing.T) {
	const ok = "listeners: {a: {address: ':1', routes: [{cluster: c}]}}\nclusters: {c: {endpoints: ['a:1']}}\n"
	for _, test := range []struct{ text, want string }{
		{ok, ""},
		{strings.Replace(ok, "cluster: c", "cluster: d", 1), `g.yaml:1:51: listeners.a.routes[0].cluster: unknown cluster "d"; known here: c`},
		{"listeners: {}", "g.yaml:1:12: listeners: a gateway needs at least one listener"},
		{strings.Replace(ok, "}]}}", "}]}, b: {address: ':1', routes: [{cluster: c}]}}", 1), "g.yaml:1:70: listeners.b.address: listener a listens on :1 already"},
		{"listeners: {a: {address: ':1', protocol: tcp, cluster: d}}\nclusters: {c: {endpoints: ['a:1']}}", `g.yaml:1:56: listeners.a.cluster: unknown cluster "d"; known here: c`},
		{"listeners: {a: {address: ':1', protocol: tcp, routes: [{cluster: d}]}}\nclusters: {c: {endpoints: ['a:1']}}", `g.yaml:1:66: listeners.a.routes[0].cluster: unknown cluster "d"; known here: c`},
		{"listeners: {a: {address: ':1', protocol: tcp, cluster: c}}\nclusters: {c: {endpoints: ['a:1'], send_proxy: v2}}", ""},
		{strings.Replace(ok, "'a:1']", "'a:1'], send_proxy: v2", 1), "g.yaml:1:51: listeners.a.routes[0].cluster: cluster c has send_proxy, which tells of one client a connection, and HTTP clients share connections: use forwarded, or a cluster without"},
		{strings.Replace(ok, "{cluster: c}", "{filters: [{headers: {}}, {grpc_web: {}}], cluster: c}", 1), "g.yaml:1:93: listeners.a.routes[0].cluster: cluster c speaks HTTP/1.1, and gRPC, which grpc_web makes of requests, needs HTTP/2: give it version: http2, or auto"},
		{strings.NewReplacer("{cluster: c}", "{filters: [{grpc_web: {}}], cluster: c}", "'a:1']", "'a:1'], version: http2").Replace(ok), ""},
		{strings.Replace(ok, "'a:1']", "'a:1'], send_proxy: v3", 1), `g.yaml:2:48: clusters.c.send_proxy: expected one of v1, v2, found "v3"`},
		{ok + "admin: {address: '0.0.0.0:1'}", `g.yaml:3:18: admin.address: 0.0.0.0:1 can be reached from other machines, and profiles and metrics with it; did you mean "allow_remote: true"?`},
		{ok + "admin: {address: ':0'}", `g.yaml:3:18: admin.address: :0 can be reached from other machines, and profiles and metrics with it; did you mean "allow_remote: true"?`},
		{ok + "admin: {address: '0.0.0.0:1', allow_remote: true}", `g.yaml:3:45: admin.allow_remote: other machines could read status and profiles: this needs a token, too`},
		{ok + "admin: {address: '0.0.0.0:1', allow_remote: true, token: 0123456789abcdef}", ""},
		{ok + "admin: {address: 'x'}", `g.yaml:3:18: admin.address: "x" is not host:port, as 127.0.0.1:3000, or unix:/path`},
		{ok + "runtime: {loops: 2000}", "g.yaml:3:18: runtime.loops: at most 1024 loops"},
		{ok + "runtime: {buffers: 1}", "g.yaml:3:20: runtime.buffers: buffers is 2 to 32768"},
		{ok + "runtime: {heads: 1}", "g.yaml:3:18: runtime.heads: heads is 4 to 1048576"},
		{ok + "runtime: {driver: kqueue}", `g.yaml:3:19: runtime.driver: expected one of auto, uring, epoll, found "kqueue"`},
	} {
		got := ""
		if _, err := Load("g.yaml", []byte(test.text)); err != nil {
			got = err.Error()
		}
		if got != test.want {
			t.Errorf("%s\n got %s\nwant %s", test.text, got, test.want)
		}
	}
	if s, err := Forward(":8080", "127.0.0.1:3000", inbound.HTTP); err != nil || s.Clusters["main"].Endpoints[0].Address != "127.0.0.1:3000" {
		t.Error(err)
	}
	if s, err := Forward(":5432", "127.0.0.1:3000", inbound.TCP); err != nil || s.Listeners["main"].Cluster != "main" {
		t.Error(err)
	}
	if _, err := Forward("nowhere", "nowhere", inbound.TCP); err == nil {
		t.Error("addresses that are none pass")
	}
}

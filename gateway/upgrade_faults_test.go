package gateway

import (
	"fmt"
	"io"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/ringway/ringway/observe/metrics"
)

// TestUpgradeOffers: of what a client offers, the server is asked for the first that is allowed, and for nothing where there is none
// or the request is none that could become a tunnel.
func TestUpgradeOffers(t *testing.T) {
	for _, test := range []struct {
		name, listener, route string
		request               string // behind its line and Host
		want                  string // what the server is asked for
	}{
		{"websocket", "", "", "Connection: upgrade\r\nUpgrade: WebSocket\r\n\r\n", "WebSocket"},
		{"several lines", "", "", "Connection: close, Upgrade\r\nUpgrade: foo/2 ,bar\r\nUpgrade: baz,websocket\r\n\r\n", "websocket"},
		{"another protocol", "", "", "Connection: upgrade\r\nUpgrade: foo/2\r\n\r\n", ""},
		{"another one that is allowed", "upgrades: [bar, foo/2]", "", "Connection: upgrade\r\nUpgrade: websocket, FOO/2, bar\r\n\r\n", "FOO/2"},
		{"another version", "upgrades: [foo/2]", "", "Connection: upgrade\r\nUpgrade: foo/3\r\n\r\n", ""},
		{"allowed by the route", "upgrades: []", "upgrades: [foo]", "Connection: upgrade\r\nUpgrade: foo\r\n\r\n", "foo"},
		{"not allowed by the route", "", "upgrades: []", "Connection: upgrade\r\nUpgrade: websocket\r\n\r\n", ""},
		{"not nominated", "", "", "Connection: keep-alive\r\nUpgrade: websocket\r\n\r\n", ""},
		{"nothing offered", "", "", "Connection: upgrade\r\n\r\n", ""},
		{"empty elements", "", "", "Connection: upgrade\r\nUpgrade: , ,\r\n\r\n", ""},
		{"with a body", "", "", "Connection: upgrade\r\nUpgrade: websocket\r\nContent-Length: 4\r\n\r\nbody", ""},
		{"with a chunked body", "", "", "Connection: upgrade\r\nUpgrade: websocket\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nbody\r\n0\r\n\r\n", ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			asked := make(chan string, 1)
			r := start(t, Epoll, with{listener: test.listener, route: test.route}, origin(t, func(c *client) {
				h := c.head()
				asked <- h
				if strings.Contains(h, "Content-Length: 4") {
					c.body(4)
				} else if strings.Contains(h, "chunked") {
					c.body(len("4\r\nbody\r\n0\r\n\r\n"))
				}
				c.send("%s", hello)
			}))
			c := r.dial()
			c.send("GET / HTTP/1.1\r\nHost: a\r\n%s", test.request)
			h := <-asked
			lower := strings.ToLower(h)
			if test.want == "" && (strings.Contains(lower, "upgrade") || strings.Contains(lower, "connection:")) {
				t.Errorf("the server was asked %q", h)
			}
			if test.want != "" && (!strings.Contains(h, "\nConnection: Upgrade\nUpgrade: "+test.want+"\n") || strings.Count(lower, "upgrade:") != 1) {
				t.Errorf("the server was asked %q, want %s", h, test.want)
			}
			if got := c.head() + c.body(5); !strings.HasPrefix(got, "HTTP/1.1 200 ") {
				t.Errorf("answered by %q", got)
			}
		})
	}
}

// TestUpgradeFaults: a server that goes over to what nobody asked it for gets no client, since nobody knows where what it sends
// would end.
func TestUpgradeFaults(t *testing.T) {
	const plain = "GET / HTTP/1.1\r\nHost: a\r\n\r\n"
	for _, test := range []struct{ name, request, response string }{
		{"unasked", plain, switching},
		{"unasked, of a request with a body", "POST / HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: websocket\r\nContent-Length: 4\r\n\r\nbody", switching},
		{"unasked, of what is not allowed", "GET / HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: foo\r\n\r\n", "HTTP/1.1 101 x\r\nConnection: upgrade\r\nUpgrade: foo\r\n\r\n"},
		{"another protocol", asking, "HTTP/1.1 101 x\r\nConnection: upgrade\r\nUpgrade: foo\r\n\r\n"},
		{"a second protocol", asking, "HTTP/1.1 101 x\r\nConnection: upgrade\r\nUpgrade: websocket, foo\r\n\r\n"},
		{"a second line", asking, "HTTP/1.1 101 x\r\nConnection: upgrade\r\nUpgrade: websocket\r\nUpgrade: foo\r\n\r\n"},
		{"no protocol", asking, "HTTP/1.1 101 x\r\nConnection: upgrade\r\n\r\n"},
		{"not nominated", asking, "HTTP/1.1 101 x\r\nUpgrade: websocket\r\n\r\n"},
		{"by a server of HTTP/1.0", asking, "HTTP/1.0 101 x\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n"},
		{"with a length", asking, "HTTP/1.1 101 x\r\nConnection: upgrade\r\nUpgrade: websocket\r\nContent-Length: 4\r\n\r\nbody"},
		{"chunked", asking, "HTTP/1.1 101 x\r\nConnection: upgrade\r\nUpgrade: websocket\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"},
	} {
		t.Run(test.name, func(t *testing.T) {
			var served atomic.Int32
			r := start(t, Epoll, with{}, origin(t, func(c *client) {
				for n := served.Add(1); ; {
					if strings.Contains(c.head(), "\nContent-Length: 4\n") {
						c.body(4)
					}
					if n > 1 {
						c.send("%s", hello)
						continue
					}
					c.send("%s", test.response+"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\npoison")
					if rest, _ := c.rest(); rest != "" {
						t.Errorf("the server was sent %q", rest)
					}
					return
				}
			}))
			c := r.dial()
			c.send("%s%s", test.request, plain) // the client's connection goes on, the server's does not
			h := c.head()
			var n int
			if _, err := fmt.Sscanf(h[strings.Index(h, "Content-Length: "):], "Content-Length: %d", &n); err != nil {
				t.Fatal(err, h)
			}
			if body := c.body(n); !strings.HasPrefix(h, "HTTP/1.1 502 ") || !strings.Contains(body, `"upstream_bad_response"`) {
				t.Errorf("answered by %q%q", h, body)
			}
			if got := c.head() + c.body(5); !strings.HasPrefix(got, "HTTP/1.1 200 ") || !strings.HasSuffix(got, "hello") {
				t.Errorf("then by %q", got)
			}
			if served.Load() != 2 || r.tunnels() != (metrics.TunnelCounters{}) {
				t.Errorf("%d connections, %+v", served.Load(), r.tunnels())
			}
		})
	}
}

// TestUpgradeBehindOthers: a connection that has carried requests may be the one, and an interim response may come first.
func TestUpgradeBehindOthers(t *testing.T) {
	eachWay(t, func(t *testing.T, w *way) {
		var served atomic.Int32
		r := w.start(t, with{}, w.origin(t, func(c *client) {
			for range 3 {
				h := c.head()
				if !strings.Contains(h, "Upgrade: websocket") {
					c.send("%s", hello)
					continue
				}
				served.Add(1)
				c.send("HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n%s", accepting(h))
				_, _ = io.Copy(c, c.br)
				c.finish()
				return
			}
		}))
		c := w.dial(r)
		for range 2 {
			if c.hello(); c.t.Failed() {
				return
			}
		}
		c.send("%s", asking)
		if h := c.head(); !strings.HasPrefix(h, "HTTP/1.1 103 ") {
			t.Errorf("first %q", h)
		}
		if h := c.head(); !strings.HasPrefix(h, "HTTP/1.1 101 ") {
			t.Errorf("then %q", h)
		}
		c.send("one")
		if got := c.body(3); got != "one" {
			t.Errorf("got %q", got)
		}
		c.finish()
		c.wantEnd("")
		_ = c.Close()
		r.wantTunnels(1, metrics.Finished)
		if e := r.upstream(); e.Connects != 1 || e.Requests != 3 {
			t.Errorf("counted %+v", e)
		}
		if served.Load() != 1 {
			t.Errorf("%d tunnels", served.Load())
		}
	})
}

// TestUpgradeRetried: a pooled connection that the server ends instead of answering is replaced by a new one.
func TestUpgradeRetried(t *testing.T) {
	var conns atomic.Int32
	r := start(t, Epoll, with{}, origin(t, func(c *client) {
		c.head()
		if conns.Add(1) == 1 {
			c.send("%s", hello)
			c.head()
			return
		}
		c.send("%s", switching)
		_, _ = io.Copy(c, c.br)
	}))
	c := r.dial()
	c.hello()
	c.upgrade()
	c.send("one")
	if got := c.body(3); got != "one" || conns.Load() != 2 {
		t.Errorf("got %q, over connection %d", got, conns.Load())
	}
}

// TestUpgradeAnsweredHere: a filter that answers has no tunnel, and the connection goes on.
func TestUpgradeAnsweredHere(t *testing.T) {
	r := start(t, Epoll, with{route: "filters: [{respond: {status: 403, body: no}}]"}, refusing(t))
	c := r.dial()
	c.send("%s", asking+asking)
	for range 2 {
		if h := c.head(); !strings.HasPrefix(h, "HTTP/1.1 403 ") || c.body(2) != "no" {
			t.Errorf("answered by %q", h)
		}
	}
}

// TestUpgradeFiltered: what filters do to fields holds for the heads of a tunnel as well.
func TestUpgradeFiltered(t *testing.T) {
	asked := make(chan string, 1)
	r := start(t, Epoll, with{route: "filters: [{headers: {set: {X-In: 'yes'}, response: {set: {X-Out: 'yes'}}}}]"}, origin(t, func(c *client) {
		asked <- c.head()
		c.send("%s", switching)
		_, _ = c.rest()
	}))
	c := r.dial()
	c.send("%s", asking)
	if h := <-asked; !strings.Contains(h, "\nX-In: yes\n") {
		t.Errorf("asked %q", h)
	}
	if h := c.head(); !strings.Contains(h, "\nX-Out: yes\n") || !strings.HasPrefix(h, "HTTP/1.1 101 ") {
		t.Errorf("answered by %q", h)
	}
}

// TestUpgradeNotAllowedOverHTTP2: an extended CONNECT for what the route does not allow is no ordinary request either.
func TestUpgradeNotAllowedOverHTTP2(t *testing.T) {
	inner := start(t, Epoll, with{route: "upgrades: []"}, refusing(t))
	r := start(t, Epoll, with{cluster: overH2}, inner.addr)
	c := r.dial()
	c.send("%s", asking)
	if h := c.head(); !strings.HasPrefix(h, "HTTP/1.1 501 ") {
		t.Errorf("answered by %q", h)
	}
}

// TestUpgradeOutlivesItsRoots: a tunnel goes on when its endpoint or its listener is no more, the latter until the time to drain is
// over, and when loops come and go.
func TestUpgradeOutlivesItsRoots(t *testing.T) {
	eachDriver(t, func(t *testing.T, d DriverName) {
		w := &way{driver: d}
		up := w.switches(t, func(c *client) { _, _ = io.Copy(c, c.br) })
		text := site(d, 2, "", quoted(up), ", other: {address: '127.0.0.1:0', routes: [{cluster: out}]}")
		text = strings.Replace(text, "drain_timeout: 10s", "drain_timeout: 1s", 1)
		r := startWith(t, text)
		r.addr = r.g.Addr("other")
		var all []*client
		for range 8 { // on both loops
			c := r.dial()
			c.upgrade()
			all = append(all, c)
		}
		goOn := func(what string) {
			t.Helper()
			for _, c := range all {
				if c.send("more"); c.body(4) != "more" {
					t.Errorf("a tunnel does not go on after %s", what)
				}
			}
		}
		other := named(t, "x")
		text = strings.Replace(text, up, other, 1)
		r.reload(text)
		goOn("its endpoint has left the cluster")
		r.reload(strings.Replace(text, "loops: 2", "loops: 3", 1))
		goOn("another loop has come")
		r.reload(text)
		goOn("that loop has gone")
		text = strings.Replace(text, ", other: {address: '127.0.0.1:0', routes: [{cluster: out}]}", "", 1)
		r.reload(text)
		goOn("its listener has")
		for _, c := range all {
			c.wantReset()
		}

		r = startWith(t, site(d, 2, "", quoted(up), ""))
		all = nil
		for range 8 { // on both loops
			c := r.dial()
			c.upgrade()
			all = append(all, c)
		}
		r.reload(site(d, 1, "", quoted(up), ""))
		goOn("its loop has gone")
		for _, c := range all {
			c.finish()
			c.wantEnd("")
		}
		r.wantTunnels(8, metrics.Finished)
	})
}

// TestUpgradeOfPost: what is asked for by another method than GET, as Docker does, cannot be asked for over HTTP/2.
func TestUpgradeOfPost(t *testing.T) {
	const attach = "POST /attach HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: tcp\r\nContent-Length: 0\r\n\r\n"
	up := origin(t, func(c *client) {
		if h := c.head(); !strings.HasPrefix(h, "POST /attach ") {
			t.Errorf("asked %q", h)
		}
		c.send("HTTP/1.1 101 UPGRADED\r\nContent-Type: application/x\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n\r\n")
		_, _ = io.Copy(c, c.br)
	})
	r := start(t, Epoll, with{listener: "upgrades: [tcp]"}, up)
	c := r.dial()
	c.send("%s", attach)
	if h := c.head(); h != "HTTP/1.1 101 UPGRADED\nConnection: Upgrade\nUpgrade: tcp\nContent-Type: application/x\n\n" {
		t.Errorf("answered by %q", h)
	}
	if c.send("words"); c.body(5) != "words" {
		t.Error("they did not come back")
	}
	r = start(t, Epoll, with{listener: "upgrades: [tcp]", cluster: overH2}, start(t, Epoll, with{listener: "upgrades: [tcp]"}, refusing(t)).addr)
	c = r.dial()
	c.send("%s", attach)
	if h := c.head(); !strings.HasPrefix(h, "HTTP/1.1 501 ") {
		t.Errorf("over HTTP/2 answered by %q", h)
	}
}

package gateway

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/ringway/ringway/gateway/exchange"
	"github.com/ringway/ringway/gateway/filter"
	"github.com/ringway/ringway/gateway/inbound"
	"github.com/ringway/ringway/observe/metrics"
	"github.com/ringway/ringway/proto/header"
)

// TestUpstreamFaults: whatever a server does, the client gets a status that says so, and can go on.
func TestUpstreamFaults(t *testing.T) {
	const quick = "timeouts: {connect: 300ms, response_head: 150ms, read: 150ms, write: 150ms}, limits: {head: 1KiB, fields: 10}"
	tests := []struct {
		name   string
		server func(c *client)
		want   string // status and code
	}{
		{"closes at once", func(c *client) {}, "502 upstream_"}, // closed or reset, depending on which of the two is faster,
		{"closes after the request", func(c *client) { _, _ = readHead(c.br) }, "502 upstream_closed"},
		{"resets", func(c *client) { _, _ = readHead(c.br); c.reset() }, "502 upstream_reset"},
		{"is silent", func(c *client) { _, _ = c.rest() }, "504 upstream_timeout"},
		{"stops in the head", func(c *client) { _, _ = readHead(c.br); c.send("HTTP/1.1 200 OK\r\nX: "); _, _ = c.rest() }, "504 upstream_timeout"},
		{"closes in the head", func(c *client) { _, _ = readHead(c.br); c.send("HTTP/1.1 200 OK\r\nX: ") }, "502 upstream_bad_response"},
		{"sends rubbish", func(c *client) { _, _ = readHead(c.br); c.send("220 mail.example ESMTP\r\n") }, "502 upstream_bad_response"},
		{"two framings", func(c *client) {
			_, _ = readHead(c.br)
			c.send("HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n")
		}, "502 upstream_bad_response"},
		{"large head", func(c *client) {
			_, _ = readHead(c.br)
			c.send("HTTP/1.1 200 OK\r\nX: %s\r\n\r\n", strings.Repeat("x", 4000))
		}, "502 upstream_response_too_large"},
		{"many fields", func(c *client) {
			_, _ = readHead(c.br)
			c.send("HTTP/1.1 200 OK\r\n%s\r\n", strings.Repeat("X: y\r\n", 20))
		}, "502 upstream_response_too_large"},
		{"switches unasked", func(c *client) {
			_, _ = readHead(c.br)
			c.send("HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n")
		}, "502 upstream_bad_response"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			eachDriver(t, func(t *testing.T, d DriverName) {
				r := start(t, d, with{cluster: quick}, origin(t, test.server))
				for range 2 { // the second shows that the first left nothing behind
					c := r.dial()
					c.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n")
					h := c.head()
					status, code, _ := strings.Cut(test.want, " ")
					if !strings.HasPrefix(h, "HTTP/1.1 "+status+" ") || strings.Contains(h, "Connection: close") {
						t.Errorf("head %q", h)
					}
					var n int
					_, _ = fmt.Sscanf(h[strings.Index(h, "Content-Length:"):], "Content-Length: %d", &n)
					if b := c.body(n); !strings.Contains(b, `"code":"`+code) || strings.Contains(b, "127.0.0.1") {
						t.Errorf("body %s", b)
					}
					_ = c.Close()
				}
			})
		})
	}
}

// TestResponseCutShort: a body that ends early must reach the client as a broken message, never as a whole one.
func TestResponseCutShort(t *testing.T) {
	big := strings.Repeat("x", 200_000)
	tests := map[string]string{
		"length":       "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc",
		"large length": "HTTP/1.1 200 OK\r\nContent-Length: 300000\r\n\r\n" + big,
		"chunked":      "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n",
		"bad chunk":    "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\nzz\r\n",
	}
	for name, response := range tests {
		t.Run(name, func(t *testing.T) {
			eachDriver(t, func(t *testing.T, d DriverName) {
				at := origin(t, func(c *client) {
					_, _ = readHead(c.br)
					_, _ = io.WriteString(c, response)
				})
				r := start(t, d, with{}, at)
				c := r.dial()
				c.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n")
				s, err := c.rest()
				if strings.HasSuffix(s, "0\r\n\r\n") || len(s) >= 300_000 {
					t.Errorf("the client was given a whole message: …%q", s[max(0, len(s)-40):])
				}
				if err == nil {
					t.Errorf("no reset; the client read %d bytes and an orderly end", len(s))
				}
			})
		})
	}
}

// TestRetries says what is tried again: a request that cannot have been acted on, on another endpoint; an idempotent one
// without a body, on a fresh connection, when a pooled one had gone stale. Nothing else.
func TestRetries(t *testing.T) {
	eachDriver(t, func(t *testing.T, d DriverName) {
		dead, good := refusing(t), replies(t, hello)
		r := start(t, d, with{}, dead, good)
		for range 4 { // the turns of both endpoints, twice
			c := r.dial()
			c.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n")
			if h := c.head(); !strings.HasPrefix(h, "HTTP/1.1 200 ") {
				t.Fatalf("%q", h)
			}
			_ = c.Close()
		}
		if up := r.upstream(); up.Errors[metrics.ConnectRefused] != 2 {
			t.Errorf("%d refusals", up.Errors[metrics.ConnectRefused])
		}
	})
	for method, want := range map[string]string{"GET": "200", "PUT": "200", "DELETE": "200", "POST": "502", "PATCH": "502", "FOO": "502"} {
		t.Run("stale/"+method, func(t *testing.T) {
			eachDriver(t, func(t *testing.T, d DriverName) {
				var mu sync.Mutex
				conns := 0
				at := origin(t, func(c *client) {
					mu.Lock()
					conns++
					first := conns == 1
					mu.Unlock()
					_, _ = readHead(c.br)
					c.send(hello)
					if _, err := readHead(c.br); err == nil && !first { // the first goes away as the second request arrives
						c.send(hello)
					}
				})
				r := start(t, d, with{}, at)
				c := r.dial()
				c.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n")
				c.head()
				c.body(5)
				c.send("%s / HTTP/1.1\r\nHost: a\r\n\r\n", method)
				if h := c.head(); !strings.HasPrefix(h, "HTTP/1.1 "+want) {
					t.Errorf("%q", h)
				}
				_ = c.Close()
			})
		})
	}
}

// TestUploadOutlastsIdle: the deadline of a pooled connection must not end an upload over it, however slow.
func TestUploadOutlastsIdle(t *testing.T) {
	eachDriver(t, func(t *testing.T, d DriverName) {
		at := origin(t, func(c *client) {
			_, _ = readHead(c.br)
			c.send(hello)
			_, _ = readHead(c.br)
			c.body(4)
			c.send(hello)
			_, _ = c.rest()
		})
		r := start(t, d, with{cluster: "timeouts: {idle: 150ms, response_head: 150ms, read: 150ms}"}, at)
		c := r.dial()
		c.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n")
		c.head()
		c.body(5)
		c.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\n")
		for range 4 {
			time.Sleep(100 * time.Millisecond)
			c.send("x")
		}
		if h := c.head(); !strings.HasPrefix(h, "HTTP/1.1 200 ") {
			t.Errorf("%q", h)
		}
		_ = c.Close()
	})
}

// TestServerStopsReading: an upload that the server no longer takes must end, though no response comes.
func TestServerStopsReading(t *testing.T) {
	eachDriver(t, func(t *testing.T, d DriverName) {
		at := origin(t, func(c *client) {
			_, _ = readHead(c.br)
			<-time.After(2 * time.Second) // reads nothing
		})
		r := start(t, d, with{cluster: "timeouts: {write: 100ms, response_head: 100ms}"}, at)
		c := r.dial()
		c.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 100000000\r\n\r\n")
		go func() {
			piece := make([]byte, 1<<20)
			for range 100 {
				if _, err := c.Write(piece); err != nil {
					return
				}
			}
		}()
		if h := c.head(); !strings.HasPrefix(h, "HTTP/1.1 504 ") {
			t.Errorf("%q", h)
		}
		_ = c.Close()
	})
}

// TestClientVanishes: at every stage the client's leaving must end its request at the upstream too.
func TestClientVanishes(t *testing.T) {
	stages := []struct {
		name    string
		request string
		reply   string // of the server, after the request's head
		ended   bool   // the server's connection must end
		read    int    // bytes that the client reads first
	}{
		{"before a request", "", "", false, 0},
		{"in the head", "GET / HTTP/1.1\r\nHos", "", false, 0},
		{"in the body", "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\nabc", "", true, 0},
		{"in a chunk", "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n9\r\nabc", "", true, 0},
		{"waiting", "GET / HTTP/1.1\r\nHost: a\r\n\r\n", "", true, 0},
		{"waiting after a body", "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc", "", true, 0},
		{"in the response", "GET / HTTP/1.1\r\nHost: a\r\n\r\n", "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nabc", true, 10},
		{"in a spliced response", "GET / HTTP/1.1\r\nHost: a\r\n\r\n", "HTTP/1.1 200 OK\r\nContent-Length: 10000000\r\n\r\nabc", true, 10},
		{"in a chunked response", "GET / HTTP/1.1\r\nHost: a\r\n\r\n", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n", true, 10},
		{"in both bodies", "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\nabc", "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nabc", true, 10},
	}
	for _, s := range stages {
		for _, how := range []string{"close", "reset"} {
			t.Run(s.name+"/"+how, func(t *testing.T) {
				eachDriver(t, func(t *testing.T, d DriverName) {
					seen, over := make(chan bool, 1), make(chan bool, 1)
					at := origin(t, func(c *client) {
						_, _ = readHead(c.br)
						_, _ = io.WriteString(c, s.reply)
						seen <- true
						_, _ = c.rest()
						over <- true
					})
					r := start(t, d, with{}, at)
					c := r.dial()
					_, _ = io.WriteString(c, s.request)
					if s.ended {
						<-seen
					} else {
						eventually(t, "the connection is accepted", func() bool { snap := r.g.Snapshot(); return snap.Listeners[0].Active == 1 })
					}
					_, _ = io.ReadFull(c.br, make([]byte, s.read))
					if how == "reset" {
						c.reset()
					} else {
						_ = c.Close()
					}
					if s.ended {
						select {
						case <-over:
						case <-time.After(patience):
							t.Error("the server was not told")
						}
					}
				})
			})
		}
	}
}

func TestHalfCloseFinish(t *testing.T) {
	eachDriver(t, func(t *testing.T, d DriverName) {
		at := origin(t, func(c *client) {
			_, _ = readHead(c.br)
			time.Sleep(50 * time.Millisecond)
			c.send(hello)
			_, _ = c.rest()
		})
		r := start(t, d, with{listener: "half_close: finish"}, at)
		c := r.dial()
		c.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n")
		_ = c.Conn.(interface{ CloseWrite() error }).CloseWrite()
		if h := c.head(); !strings.HasPrefix(h, "HTTP/1.1 200") || c.body(5) != "hello" {
			t.Errorf("%q", h)
		}
		if s, err := c.rest(); s != "" || err != nil {
			t.Errorf("then %q, %v", s, err)
		}
	})
}

// filters puts filters into the one route of a running gateway.
func (r *rig) filters(f ...filter.Filter) {
	p := r.g.current().parts[0]
	p.loop.On(func() { p.handlers[0].(*inbound.Handler).Terms().Targets[0].Chain.Filters = f })
}

type filterFunc func(x *exchange.Exchange, next filter.Next) error

func (f filterFunc) Handle(x *exchange.Exchange, next filter.Next) error { return f(x, next) }

// brokenBody panics after its first piece.
type brokenBody struct {
	exchange.Body
	pieces int
}

func (b *brokenBody) Next() ([]byte, error) {
	if b.pieces++; b.pieces > 1 {
		panic("broken body")
	}
	return b.Body.Next()
}

// TestPanicEndsOneRequest: wherever a filter panics, the others go on and nothing is held afterwards.
func TestPanicEndsOneRequest(t *testing.T) {
	places := map[string]filterFunc{
		"before": func(*exchange.Exchange, filter.Next) error { panic("before") },
		"after": func(x *exchange.Exchange, next filter.Next) error {
			_ = next.Handle(x)
			panic("after")
		},
		"request body": func(x *exchange.Exchange, next filter.Next) error {
			x.Request.Body = &brokenBody{Body: x.Request.Body}
			return next.Handle(x)
		},
		"response body": func(x *exchange.Exchange, next filter.Next) error {
			err := next.Handle(x)
			x.Response.Body = &brokenBody{Body: x.Response.Body}
			return err
		},
	}
	for name, f := range places {
		t.Run(name, func(t *testing.T) {
			eachDriver(t, func(t *testing.T, d DriverName) {
				log := filepath.Join(t.TempDir(), "access.log")
				r := start(t, d, with{top: "access_log: {path: '" + log + "'}"}, halves(t))
				r.filters(f)
				c := r.dial()
				c.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 6\r\n\r\nabc")
				time.Sleep(20 * time.Millisecond)
				_, _ = io.WriteString(c, "def")
				if s, _ := c.rest(); strings.Contains(s, "abcdef") {
					t.Errorf("the client got %q", s)
				}
				r.filters()
				c = r.dial()
				c.send("GET /next HTTP/1.1\r\nHost: a\r\n\r\n")
				if h := c.head(); !strings.HasPrefix(h, "HTTP/1.1 200 OK\n") || c.body(6) != "abcdef" {
					t.Errorf("the next one got %q", h)
				}
				_ = c.Close()
				eventually(t, "the panic is logged", func() bool { return strings.Contains(r.log.String(), "task panicked") })
				wantPanicLogged(t, log, panicStatus(name))
			})
		})
	}
}

// panicStatus is how a request is logged that panics at a place: what its client saw the beginning of, or would have.
func panicStatus(place string) int {
	if place == "response body" {
		return 200
	}
	return 500
}

// wantPanicLogged waits for the access log's line of the POST whose handling panicked, and of the GET after it.
func wantPanicLogged(t *testing.T, log string, status int) {
	t.Helper()
	var text string
	if !within(patience, func() bool {
		b, _ := os.ReadFile(log)
		text = string(b)
		return strings.Count(text, "\n") == 2 && strings.Count(text, `"path":"/next"`) == 1
	}) {
		t.Fatalf("the access log has:\n%s", text)
	}
	for line := range strings.Lines(text) {
		failed := strings.Contains(line, `"method":"POST"`)
		if strings.Contains(line, `"error":"internal"`) != failed || failed && !strings.Contains(line, fmt.Sprintf(`"status":%d,`, status)) {
			t.Errorf("the access log says %s", line)
		}
	}
}

// halves is an origin that takes bodies of six bytes, and sends such a one in two pieces.
func halves(t *testing.T) string {
	return origin(t, func(c *client) {
		for {
			h, err := readHead(c.br)
			if err != nil {
				return
			}
			if strings.HasPrefix(h, "POST") {
				_, _ = io.CopyN(io.Discard, c.br, 6)
			}
			_, _ = io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nabc")
			time.Sleep(20 * time.Millisecond)
			_, _ = io.WriteString(c, "def")
		}
	})
}

// TestFilterFaults: what filters leave undone or do twice is an error, not a broken message.
func TestFilterFaults(t *testing.T) {
	tests := []struct {
		name   string
		filter filterFunc
		want   string
	}{
		{"no response", func(*exchange.Exchange, filter.Next) error { return nil }, "HTTP/1.1 500 "},
		{"interim status", func(x *exchange.Exchange, _ filter.Next) error { x.Respond(100, nil); return nil }, "HTTP/1.1 500 "},
		{"foreign error", func(*exchange.Exchange, filter.Next) error { return io.ErrNoProgress }, "HTTP/1.1 500 "},
		{"error after the response", func(x *exchange.Exchange, next filter.Next) error {
			_ = next.Handle(x)
			return io.ErrNoProgress
		}, "HTTP/1.1 500 "},
		{"next twice", func(x *exchange.Exchange, next filter.Next) error {
			if err := next.Handle(x); err != nil {
				return err
			}
			return next.Handle(x)
		}, "HTTP/1.1 200 "},
		{"injection", func(x *exchange.Exchange, next filter.Next) error {
			err := next.Handle(x)
			x.Response.Fields.Set("X-Y", []byte("a\r\nContent-Length: 0\r\n\r\nHTTP/1.1 200 OK"))
			return err
		}, "HTTP/1.1 200 OK\nContent-Length: 5\nX-Y: a  Content-Length: 0    HTTP/1.1 200 OK\n"},
		{"other length", func(x *exchange.Exchange, next filter.Next) error {
			err := next.Handle(x)
			x.Response.ContentLength = -1
			if x.Response.Fields.Count(header.ContentLength) != 1 {
				t.Error("the field had gone before")
			}
			return err
		}, "HTTP/1.1 200 OK\nTransfer-Encoding: chunked\nDate: "},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			eachDriver(t, func(t *testing.T, d DriverName) {
				r := start(t, d, with{}, replies(t, hello))
				r.filters(test.filter)
				c := r.dial()
				c.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n")
				if h := c.head(); !strings.HasPrefix(h, test.want) {
					t.Errorf("got %q", h)
				}
				_ = c.Close()
			})
		})
	}
}

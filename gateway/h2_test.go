package gateway

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/http2"

	"github.com/ringway/ringway/gateway/exchange"
	"github.com/ringway/ringway/gateway/filter"
	"github.com/ringway/ringway/gateway/inbound"
)

// h2 is a client that speaks HTTP/2 with prior knowledge.
func (r *rig) h2() *http.Client {
	p := new(http.Protocols)
	p.SetUnencryptedHTTP2(true)
	tr := &http.Transport{Protocols: p, DialContext: func(ctx context.Context, network, addr string) (net.Conn, error) {
		var d net.Dialer
		c, err := d.DialContext(ctx, network, addr)
		if err == nil {
			// Not CloseIdleConnections: a connection is not idle yet when the answer to an upload that was cut short has been read.
			r.Cleanup(func() { _ = c.Close() })
		}
		return c, err
	}}
	return &http.Client{Transport: tr, Timeout: patience}
}

// h2Blocks is how many blocks bodies of requests wait in.
func (r *rig) h2Blocks() (n int) {
	for _, p := range r.g.current().everyone() {
		p.loop.On(func() { n += inbound.H2BlocksInUse(p.loop) })
	}
	return n
}

// TestClientTakesNoHead: a client that takes no fields, not even those of a problem, sees its stream end with INTERNAL_ERROR, and the
// connection go on.
func TestClientTakesNoHead(t *testing.T) {
	eachDriver(t, func(t *testing.T, d DriverName) {
		r := start(t, d, with{}, origin(t, func(c *client) {
			for {
				if _, err := readHead(c.br); err != nil {
					return
				}
				c.send("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
			}
		}))
		k := r.dialFramed()
		ask := func(id, takes uint32) http2.Frame {
			_ = k.WriteSettings(http2.Setting{ID: http2.SettingMaxHeaderListSize, Val: takes})
			k.head(id, true, ":method", "GET", ":scheme", "http", ":path", "/", ":authority", "x")
			return k.next()
		}
		if f, _ := ask(1, 10).(*http2.RSTStreamFrame); f == nil || f.StreamID != 1 || f.ErrCode != http2.ErrCodeInternal {
			t.Error(f)
		}
		if f, _ := ask(3, 16<<10).(*http2.MetaHeadersFrame); f == nil || f.PseudoValue("status") != "200" {
			t.Error(f)
		}
	})
}

// TestPanicEndsOneStream: wherever a filter panics, that stream breaks off, the others of the connection go on, and nothing is held
// afterwards.
func TestPanicEndsOneStream(t *testing.T) {
	for name, f := range map[string]filterFunc{
		"before": func(*exchange.Exchange, filter.Next) error { panic("before") },
		"after": func(x *exchange.Exchange, next filter.Next) error {
			_ = next.Handle(x)
			panic("after")
		},
		"request body": func(x *exchange.Exchange, next filter.Next) error {
			x.Request.Body = &brokenBody{Body: x.Request.Body, pieces: 1}
			return next.Handle(x)
		},
		"response body": func(x *exchange.Exchange, next filter.Next) error {
			err := next.Handle(x)
			x.Response.Body = &brokenBody{Body: x.Response.Body}
			return err
		},
	} {
		t.Run(name, func(t *testing.T) {
			eachDriver(t, func(t *testing.T, d DriverName) {
				log := filepath.Join(t.TempDir(), "access.log")
				r := start(t, d, with{top: "access_log: {path: '" + log + "'}"}, halves(t))
				r.filters(f)
				c := r.h2()
				res, err := c.Post("http://"+r.addr+"/", "", strings.NewReader("abcdef"))
				if err == nil {
					var text []byte
					if text, err = io.ReadAll(res.Body); err == nil && res.StatusCode < 500 {
						t.Errorf("the client got %s %q", res.Status, text)
					}
					_ = res.Body.Close()
				}
				r.filters()
				if res, err = c.Get("http://" + r.addr + "/next"); err != nil {
					t.Fatal(err)
				}
				if text, err := io.ReadAll(res.Body); err != nil || string(text) != "abcdef" {
					t.Errorf("the next one got %q, %v", text, err)
				}
				_ = res.Body.Close()
				eventually(t, "the panic is logged", func() bool { return strings.Contains(r.log.String(), "task panicked") })
				wantPanicLogged(t, log, panicStatus(name))
				s := r.g.Snapshot()
				if n := s.Listeners[0].HTTP2.ConnectionsEver; n != 1 {
					t.Errorf("%d connections", n)
				}
				eventually(t, "no block is held", func() bool { return r.h2Blocks() == 0 })
			})
		})
	}
}

// TestBodiesInBlocks: a body that nobody takes fills the stream's window and no more, and is given back with its stream.
func TestBodiesInBlocks(t *testing.T) {
	eachDriver(t, func(t *testing.T, d DriverName) {
		r := start(t, d, with{listener: "limits: {http2: {stream_window: 32KiB}}"}, origin(t, func(c *client) { time.Sleep(patience) }))
		release := make(chan bool)
		r.filters(filterFunc(func(x *exchange.Exchange, _ filter.Next) error {
			for held := true; held; {
				select {
				case <-release:
					held = false
				default:
					if err := x.Task.Sleep(time.Millisecond); err != nil {
						return err
					}
				}
			}
			x.Respond(204, nil)
			return nil
		}))
		c, done := r.h2(), make(chan error, 1)
		go func() {
			res, err := c.Post("http://"+r.addr+"/", "", strings.NewReader(strings.Repeat("x", 1<<20)))
			if err == nil {
				if _ = res.Body.Close(); res.StatusCode != 204 {
					err = fmt.Errorf("got %s", res.Status)
				}
			}
			done <- err
		}()
		// Before its SETTINGS are acknowledged the client may send as much as RFC 9113 lets everybody: 64 KiB.
		most, least := 64/8+2, 32/8
		eventually(t, "the window is full", func() bool { return r.h2Blocks() >= least })
		time.Sleep(50 * time.Millisecond)
		if n := r.h2Blocks(); n > most {
			t.Errorf("%d blocks are held", n)
		}
		close(release)
		if err := heard(t, done); err != nil {
			t.Error(err)
		}
		eventually(t, "they are given back", func() bool { return r.h2Blocks() == 0 })
	})
}

package gateway

import (
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/http2"

	"github.com/ringway/ringway/gateway/exchange"
	"github.com/ringway/ringway/gateway/filter"
	"github.com/ringway/ringway/gateway/upstream/h2"
	"github.com/ringway/ringway/proto/header"

	"github.com/ringway/ringway/gateway/inbound"
)

// TestHTTP2UpstreamHoards: clients that ask for very much and take nothing lose their responses in the end; who takes what comes gets it
// at once and whole, over the same connections.
func TestHTTP2UpstreamHoards(t *testing.T) {
	eachDriver(t, func(t *testing.T, d DriverName) {
		big := strings.Repeat("x", 1<<20)
		at := h2Origin(t, nil, func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, big) })
		r := start(t, d, with{cluster: overH2}, at)
		const each = 127 // so that the last of the connections to the server has some room left
		hoarders := h2.MaxBlocks*h2.Block/(64<<10)/each + 3
		var all []*framed
		for range hoarders {
			k := r.dialFramed()
			all = append(all, k)
			_ = k.WriteSettings(http2.Setting{ID: http2.SettingInitialWindowSize, Val: 0})
			for i := range each {
				k.head(uint32(2*i+1), true, ":method", "GET", ":scheme", "http", ":path", "/", ":authority", "x")
			}
		}
		lost := make(chan int, hoarders)
		for _, k := range all {
			go func() {
				n := 0
				for f := k.next(); f != nil; f = k.next() {
					if _, ok := f.(*http2.RSTStreamFrame); ok {
						n++
					}
				}
				lost <- n
			}()
		}
		eventually(t, "nearly all blocks are held", func() bool { return r.bodyBlocks() > h2.MaxBlocks*3/4 })
		for range 10 {
			c := r.dial()
			begin := time.Now()
			s, b := c.ask("")
			if !strings.HasPrefix(s, "200 ") || len(b) != len(big) {
				t.Errorf("after %v: %.80q with %d bytes", time.Since(begin), s, len(b))
			}
			_ = c.Close()
		}
		if n := r.bodyBlocks(); n > h2.MaxBlocks*15/16 {
			t.Errorf("%d blocks of %d are held", n, h2.MaxBlocks)
		}
		sum := 0
		for _, k := range all {
			_ = k.c.Close()
			sum += <-lost
		}
		if sum == 0 || sum > hoarders*each/2 {
			t.Errorf("%d of %d responses were given up", sum, hoarders*each)
		}
		eventually(t, "no block is held", func() bool { return r.bodyBlocks() == 0 })
	})
}

// broken is a body that ends with err at once.
type broken struct{ err error }

func (b broken) Next() ([]byte, error)    { return nil, b.err }
func (b broken) Ready() bool              { return true }
func (b broken) Trailers() *header.Fields { return nil }
func (b broken) Close()                   {}

// TestResponseGivenUpEarly: a response that is given up before anything of it was sent is answered as what it is, overload.
func TestResponseGivenUpEarly(t *testing.T) {
	eachDriver(t, func(t *testing.T, d DriverName) {
		for err, want := range map[error]string{h2.ErrNoBlock: "503 ", io.ErrUnexpectedEOF: "502 "} {
			at := h2Origin(t, nil, func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "body") })
			r := start(t, d, with{cluster: overH2}, at)
			r.filters(filterFunc(func(x *exchange.Exchange, next filter.Next) error {
				e := next.Handle(x)
				x.Response.Body = broken{err}
				return e
			}))
			c := r.dial()
			if s, b := c.ask(""); !strings.HasPrefix(s, want) {
				t.Errorf("%v: %s %s", err, s, b)
			}
			_ = c.Close()
		}
	})
}

// TestWebHoarded: what is translated between the two does not keep a request of gRPC-Web alive whose stream is gone.
func TestWebHoarded(t *testing.T) {
	eachDriver(t, func(t *testing.T, d DriverName) {
		r := start(t, d, with{cluster: overH2, route: "filters: [{grpc_web: {}}]"}, frames(t, func(k *framed, _ int) {
			for id := k.begun(); id != 0; id = k.begun() {
				k.head(id, false, ":status", "200", "content-type", "application/grpc+proto")
			}
		}))
		const streams, blocks = 128, 8 // of a connection, and of a stream that is full
		piece := make([]byte, 16<<10-1)
		opened := uint64(0)
		var all []*framed
		for range inbound.MaxH2Blocks/streams/blocks + 1 {
			k := r.dialFramed()
			all = append(all, k)
			for i := range uint32(streams) {
				k.head(2*i+1, false, ":method", "POST", ":scheme", "http", ":path", "/unread", ":authority", "x", "content-type", "application/grpc-web+proto")
				for range 4 {
					_ = k.WriteData(2*i+1, false, piece)
				}
				opened++
			}
		}
		var reset, left uint64
		eventually(t, "those that are given up end", func() bool {
			c := r.g.Snapshot().Listeners[0].HTTP2
			reset, left = c.ResetsGateway, uint64(c.Streams)
			return reset >= 64 && reset+left <= opened
		})
		for _, k := range all {
			_ = k.c.Close()
		}
		eventually(t, "none is left", func() bool { return r.g.Snapshot().Listeners[0].HTTP2.Streams == 0 })
	})
}

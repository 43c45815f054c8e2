package gateway

import (
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/ringway/ringway/gateway/exchange"
	"github.com/ringway/ringway/gateway/filter"
	"github.com/ringway/ringway/gateway/inbound"
)

// TestBodiesHoarded: clients whose bodies nobody takes, and which together fill all blocks of a loop, lose their requests in the end, those
// that came first; whose body is taken gets it through.
func TestBodiesHoarded(t *testing.T) {
	eachDriver(t, func(t *testing.T, d DriverName) {
		r := startUntaken(t, d)
		const streams, blocks = 128, 8 // of each connection, and of each stream
		piece := make([]byte, 16<<10-1)
		var all []*framed
		for range inbound.MaxH2Blocks/streams/blocks + 1 {
			k := r.dialFramed()
			all = append(all, k)
			for i := range streams {
				id := uint32(2*i + 1)
				k.head(id, false, ":method", "POST", ":scheme", "http", ":path", "/unread", ":authority", "x")
				for range 4 {
					_ = k.WriteData(id, false, piece)
				}
			}
		}
		resets := func() uint64 { s := r.g.Snapshot(); return s.Listeners[0].HTTP2.ResetsGateway }
		eventually(t, "requests are given up", func() bool { return resets() >= streams })
		res, err := r.h2().Post("http://"+r.addr+"/taken", "", strings.NewReader(strings.Repeat("x", untaken)))
		if err != nil {
			t.Fatal(err)
		}
		if b, _ := io.ReadAll(res.Body); res.StatusCode != http.StatusOK || string(b) != "taken" {
			t.Errorf("%s %q", res.Status, b)
		}
		_ = res.Body.Close()
		if n := resets(); n > 3*streams {
			t.Errorf("%d requests were given up", n)
		}
		for _, k := range all {
			_ = k.c.Close()
		}
		eventually(t, "no block is held", func() bool { return r.h2Blocks() == 0 })
	})
}

// untaken is the size of the bodies in question.
const untaken = 300 << 10

// startUntaken runs a gateway that takes nothing of the bodies for /unread, and passes on any other.
func startUntaken(t *testing.T, d DriverName) *rig {
	r := start(t, d, with{}, origin(t, func(c *client) {
		c.head()
		if _, err := io.CopyN(io.Discard, c.br, untaken); err == nil {
			c.send("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\ntaken")
		}
	}))
	r.filters(filterFunc(func(x *exchange.Exchange, next filter.Next) error {
		if string(x.Request.Path) == "/unread" {
			return x.Task.Sleep(patience)
		}
		return next.Handle(x)
	}))
	return r
}

package gateway

import (
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/ringway/ringway/gateway/exchange"
	"github.com/ringway/ringway/gateway/filter"
	"github.com/ringway/ringway/gateway/inbound"
)

// TestHTTP2RequestHoards: bodies that nothing takes lose their place in the end, and not those that have just come.
func TestHTTP2RequestHoards(t *testing.T) {
	eachDriver(t, func(t *testing.T, d DriverName) {
		at := h2Origin(t, nil, func(w http.ResponseWriter, q *http.Request) { _, _ = io.Copy(w, q.Body) })
		r := start(t, d, with{cluster: overH2}, at)
		r.filters(filterFunc(func(x *exchange.Exchange, next filter.Next) error {
			if string(x.Request.Path) == "/hoard" {
				return x.Task.Sleep(time.Hour)
			}
			return next.Handle(x)
		}))
		const hoarders, each, chunk = 20, 128, 16 << 10
		part := []byte(strings.Repeat("x", chunk))
		var all []*framed
		var reading sync.WaitGroup
		for range hoarders {
			k := r.dialFramed()
			all = append(all, k)
			reading.Go(func() {
				for k.next() != nil {
				}
			})
			for i := range each {
				k.head(uint32(2*i+1), false, ":method", "POST", ":scheme", "http", ":path", "/hoard", ":authority", "x")
			}
			_ = k.c.SetWriteDeadline(time.Now().Add(patience))
			for i := range each {
				for range 3 {
					_ = k.WriteData(uint32(2*i+1), false, part)
				}
				_ = k.WriteData(uint32(2*i+1), false, part[1:]) // up to the initial window
			}
		}
		eventually(t, "nearly all blocks are held", func() bool { return r.h2Blocks() > inbound.MaxH2Blocks*3/4 })
		c := r.h2()
		body := strings.Repeat("y", 1<<20)
		for range 10 {
			res, err := c.Post("http://"+r.addr+"/", "", strings.NewReader(body))
			if err != nil {
				t.Error(err)
				continue
			}
			b, err := io.ReadAll(res.Body)
			_ = res.Body.Close()
			if err != nil || string(b) != body {
				t.Errorf("%s, %d bytes, %v", res.Status, len(b), err)
			}
		}
		c.CloseIdleConnections()
		for _, k := range all {
			_ = k.c.Close()
		}
		reading.Wait()
		eventually(t, "no block is held", func() bool { return r.h2Blocks() == 0 })
	})
}

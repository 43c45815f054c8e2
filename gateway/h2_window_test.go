package gateway

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/ringway/ringway/gateway/exchange"
	"github.com/ringway/ringway/gateway/filter"
)

// TestBodiesUnread: bodies that nobody takes, each of which fills its window, do not hold up others on their connection.
func TestBodiesUnread(t *testing.T) {
	eachDriver(t, func(t *testing.T, d DriverName) {
		const size = 300 << 10
		at := origin(t, func(c *client) {
			c.head()
			if _, err := io.CopyN(io.Discard, c.br, size); err == nil {
				c.send("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\ntaken")
			}
		})
		r := start(t, d, with{}, at)
		r.filters(filterFunc(func(x *exchange.Exchange, next filter.Next) error {
			if string(x.Request.Path) == "/unread" {
				return x.Task.Sleep(patience)
			}
			return next.Handle(x)
		}))
		c := r.h2()
		ctx, cancel := context.WithCancel(context.Background())
		var others sync.WaitGroup
		defer others.Wait()
		defer cancel()
		for range 60 {
			others.Go(func() {
				req, _ := http.NewRequestWithContext(ctx, "POST", "http://"+r.addr+"/unread", bytes.NewReader(make([]byte, size)))
				if res, err := c.Do(req); err == nil {
					t.Errorf("answered by %s", res.Status)
					_ = res.Body.Close()
				}
			})
		}
		for until := time.Now().Add(patience); r.h2Blocks() < 60*8; time.Sleep(5 * time.Millisecond) {
			if time.Now().After(until) {
				t.Fatalf("%d blocks wait", r.h2Blocks())
			}
		}
		soon, stop := context.WithTimeout(ctx, 10*time.Second)
		defer stop()
		req, _ := http.NewRequestWithContext(soon, "POST", "http://"+r.addr+"/taken", strings.NewReader(strings.Repeat("x", size)))
		res, err := c.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		if b, _ := io.ReadAll(res.Body); string(b) != "taken" {
			t.Errorf("%s %q", res.Status, b)
		}
	})
}

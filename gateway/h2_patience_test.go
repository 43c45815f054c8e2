package gateway

import (
	"strings"
	"testing"
	"time"

	"golang.org/x/net/http2"
)

// TestStallCountsFromData: a response that begins long after its client was heard last has all of timeouts.write, although the client
// gives its windows back a round trip late.
func TestStallCountsFromData(t *testing.T) {
	eachDriver(t, func(t *testing.T, d DriverName) {
		body := strings.Repeat("x", 256<<10)
		at := origin(t, func(c *client) {
			c.head()
			time.Sleep(1300 * time.Millisecond)
			c.send("HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s", len(body), body)
		})
		r := start(t, d, with{listener: "timeouts: {write: 1s}"}, at)
		k := r.dialFramed()
		k.head(1, true, ":method", "GET", ":scheme", "http", ":path", "/", ":authority", "x")
		for n := 0; ; {
			switch f := k.next().(type) {
			case nil:
				t.Fatalf("the connection ended after %d bytes", n)
			case *http2.RSTStreamFrame:
				t.Fatalf("reset after %d bytes: %v", n, f.ErrCode)
			case *http2.DataFrame:
				if n += len(f.Data()); f.StreamEnded() {
					if n != len(body) {
						t.Errorf("%d bytes of %d", n, len(body))
					}
					return
				}
				time.Sleep(20 * time.Millisecond)
				_ = k.WriteWindowUpdate(1, uint32(len(f.Data())))
				_ = k.WriteWindowUpdate(0, uint32(len(f.Data())))
			}
		}
	})
}

// TestDrainCountsFromFirst: a request that was on its way when its client was told that the connection ends is answered, however
// long the client was silent before.
func TestDrainCountsFromFirst(t *testing.T) {
	eachDriver(t, func(t *testing.T, d DriverName) {
		at := replies(t, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
		r := start(t, d, with{listener: "timeouts: {request_head: 1s}"}, at)
		k := r.dialFramed()
		k.head(1, true, ":method", "GET", ":scheme", "http", ":path", "/", ":authority", "x")
		if status := k.told(1); status != "200" {
			t.Fatal(status)
		}
		time.Sleep(1300 * time.Millisecond)
		drained := make(chan error, 1)
		go func() {
			ctx, cancel := newPatience()
			defer cancel()
			drained <- r.g.Drain(ctx)
		}()
		for first := true; ; {
			switch f := k.next().(type) {
			case nil:
				t.Fatal("the connection ended, and the request was not answered")
			case *http2.GoAwayFrame:
				if first {
					time.Sleep(50 * time.Millisecond) // the way there
					k.head(3, true, ":method", "GET", ":scheme", "http", ":path", "/", ":authority", "x")
					first = false
				} else if f.LastStreamID < 3 {
					t.Fatalf("streams above %d are not looked at", f.LastStreamID)
				}
			case *http2.PingFrame:
				if !f.IsAck() {
					_ = k.WritePing(true, f.Data)
				}
			case *http2.MetaHeadersFrame:
				if f.StreamID == 3 {
					if status := f.PseudoValue("status"); status != "200" {
						t.Error(status)
					}
					_ = k.c.Close()
					if err := <-drained; err != nil {
						t.Error(err)
					}
					return
				}
			}
		}
	})
}

package test

import (
	"strings"
	"testing"
	"time"
)

// TestClientTimeouts: slow heads are answered, slow bodies too, and idle connections end.
func TestClientTimeouts(t *testing.T) {
	driversAtOnce(t, func(t *testing.T, driver string) {
		m := newMirror(t)
		p := start(t, driver, oneCluster(m.addr, "timeouts: {request_head: 300ms, idle: 300ms, read: 300ms}", ""), options{})
		t.Run("slow head", func(t *testing.T) {
			w := dial(t, p.addr)
			w.send("GET / HTTP/1.1\r\nHost: a\r\n")
			wantRefusal(t, w, 408, "request_timeout")
		})
		t.Run("head byte by byte", func(t *testing.T) {
			w := dial(t, p.addr)
			go func() {
				for _, b := range "GET / HTTP/1.1\r\nHost: a\r\nX: " + strings.Repeat("slow ", 1000) {
					if _, err := w.Write([]byte(string(b))); err != nil {
						return
					}
					time.Sleep(20 * time.Millisecond)
				}
			}()
			wantRefusal(t, w, 408, "request_timeout")
		})
		t.Run("slow body", func(t *testing.T) {
			w := dial(t, p.addr)
			w.send(post, "Content-Length: 10\r\n\r\nhello")
			wantRefusal(t, w, 408, "request_timeout")
		})
		t.Run("never used", func(t *testing.T) { dial(t, p.addr).mustEnd() })
		t.Run("idle after a request", func(t *testing.T) {
			w := dial(t, p.addr)
			mirrored(t, w.get("/"))
			w.mustEnd()
		})
	})
}

// TestConnectionCap: connections beyond the cap wait, and are served when there is room.
func TestConnectionCap(t *testing.T) {
	eachDriver(t, func(t *testing.T, driver string) {
		m := newMirror(t)
		p := start(t, driver, oneCluster(m.addr, "limits: {connections: 2}", ""), options{loops: 1})
		a, b := dial(t, p.addr), dial(t, p.addr)
		mirrored(t, a.get("/"))
		mirrored(t, b.get("/"))
		var rest []*wire
		for range 5 {
			w := dial(t, p.addr)
			w.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n")
			rest = append(rest, w)
		}
		time.Sleep(200 * time.Millisecond) // time enough to be served wrongly
		if n := m.requests.Load(); n != 2 {
			t.Errorf("%d requests were served, with a cap of two connections", n)
		}
		a.Close()
		b.Close()
		for _, w := range rest { // one accept queue, in the order of their coming
			mirrored(t, w.receive("GET"))
			w.Close()
		}
	})
}

// TestRequestsPerConnection: the last response that a connection may carry says so.
func TestRequestsPerConnection(t *testing.T) {
	eachDriver(t, func(t *testing.T, driver string) {
		m := newMirror(t)
		p := start(t, driver, oneCluster(m.addr, "limits: {requests_per_connection: 3}", ""), options{})
		w := dial(t, p.addr)
		for i := range 3 {
			a := w.get("/")
			mirrored(t, a)
			if a.Close != (i == 2) {
				t.Errorf("response %d: close %v", i+1, a.Close)
			}
		}
		w.mustEnd()
	})
}

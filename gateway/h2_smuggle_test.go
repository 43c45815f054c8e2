package gateway

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/http2"
)

// dialFramed is a client that speaks HTTP/2 with prior knowledge, frame by frame.
func (r *rig) dialFramed() *framed {
	r.Helper()
	conn, err := net.Dial("tcp", r.addr)
	if err != nil {
		r.Fatal(err)
	}
	r.Cleanup(func() { _ = conn.Close() })
	_ = conn.SetDeadline(time.Now().Add(patience))
	return framedOver(&client{Conn: conn, t: r, br: bufio.NewReader(conn)})
}

// framedOver begins to speak HTTP/2, as a client.
func framedOver(c *client) *framed {
	c.t.Helper()
	if _, err := io.WriteString(c, http2.ClientPreface); err != nil {
		c.t.Fatal(err)
	}
	k := newFramed(c)
	_ = k.WriteSettings()
	return k
}

// told reads up to the head of a stream's response, and gives its status.
func (k *framed) told(id uint32) string {
	for {
		switch f := k.next().(type) {
		case nil:
			return "nothing"
		case *http2.MetaHeadersFrame:
			if f.StreamID == id {
				return f.PseudoValue("status")
			}
		}
	}
}

// TestTunnelWithLength: a length that an extended CONNECT gives means nothing and does not reach the server, which would wait for a
// body and take the next client's request for it.
func TestTunnelWithLength(t *testing.T) {
	eachDriver(t, func(t *testing.T, d DriverName) {
		seen := make(chan string, 4)
		at := origin(t, func(c *client) { // it answers by the head, as most servers do, and then takes the body
			for {
				h, err := readHead(c.br)
				if err != nil {
					return
				}
				n := 0
				for _, l := range strings.Split(strings.ToLower(h), "\n") {
					_, _ = fmt.Sscanf(l, "content-length: %d", &n)
				}
				c.send("HTTP/1.1 400 no\r\nContent-Length: 0\r\n\r\n")
				body := make([]byte, n)
				_, _ = io.ReadFull(c.br, body)
				seen <- h[:strings.IndexByte(h, '\n')] + string(body)
			}
		})
		r := start(t, d, with{}, at)
		k := r.dialFramed()
		k.head(1, false, ":method", "CONNECT", ":protocol", "websocket", ":scheme", "http", ":path", "/ws", ":authority", "x",
			"sec-websocket-version", "13", "content-length", "40")
		if status := k.told(1); status != "400" {
			t.Errorf("the tunnel is answered by %s", status)
		}
		c := r.dial()
		c.send("GET /victim HTTP/1.1\r\nHost: x\r\nCookie: secret=1\r\nConnection: close\r\n\r\n")
		if h := c.head(); !strings.HasPrefix(h, "HTTP/1.1 400") {
			t.Errorf("the next client got %q", h)
		}
		for _, want := range []string{"GET /ws HTTP/1.1", "GET /victim HTTP/1.1"} {
			if got := <-seen; got != want {
				t.Errorf("the server saw %q, not %q", got, want)
			}
		}
		_ = k.c.Close()
		_ = c.Close()
	})
}

// TestCookiesInTrailers: crumbs of cookies that come as trailers do not become a field.
func TestCookiesInTrailers(t *testing.T) {
	eachDriver(t, func(t *testing.T, d DriverName) {
		seen := make(chan http.Header, 1)
		at := origin(t, func(c *client) {
			req, err := http.ReadRequest(c.br)
			if err != nil {
				return
			}
			_, _ = io.Copy(io.Discard, req.Body)
			seen <- req.Trailer
			c.send("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
		})
		r := start(t, d, with{}, at)
		k := r.dialFramed()
		k.head(1, false, ":method", "POST", ":scheme", "http", ":path", "/", ":authority", "x")
		_ = k.WriteData(1, false, []byte("hello"))
		k.head(1, true, "cookie", "admin=1", "cookie", "b=2", "x-ok", "1")
		if status := k.told(1); status != "200" {
			t.Errorf("it is answered by %s", status)
		}
		if got := <-seen; got.Get("Cookie") != "" || got.Get("X-Ok") != "1" {
			t.Errorf("the server got the trailers %v", got)
		}
		_ = k.c.Close()
	})
}

// TestReplayLent: a body that is sent again, and of which a part waits for the server's window, is whole although nothing of it is
// kept any more once a response has begun.
func TestReplayLent(t *testing.T) {
	eachDriver(t, func(t *testing.T, d DriverName) {
		got := make(chan string, 1)
		at := frames(t, func(k *framed, _ int) {
			seen, second, body := 0, uint32(0), ""
			for {
				switch f := k.next().(type) {
				case nil:
					return
				case *http2.MetaHeadersFrame:
					if seen++; seen == 2 {
						second = f.StreamID
					}
				case *http2.DataFrame:
					if seen == 1 {
						_ = k.WriteRSTStream(f.StreamID, http2.ErrCodeRefusedStream)
					}
					if f.StreamID != second {
						continue
					}
					first := body == ""
					if body += string(f.Data()); first {
						k.head(second, false, ":status", "200")
						time.Sleep(20 * time.Millisecond) // so that the response begins before the rest may go
						_ = k.WriteWindowUpdate(second, 5000)
					}
					if f.StreamEnded() {
						_ = k.WriteData(second, true, []byte("done"))
						got <- body
						return
					}
				}
			}
		}, http2.Setting{ID: http2.SettingInitialWindowSize, Val: 10})
		r := start(t, d, with{cluster: overH2}, at)
		c := r.dial()
		body := strings.Repeat("abcdefghi\n", 90)
		c.send("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\nConnection: close\r\n\r\n%s", len(body), body)
		if h := c.head(); !strings.HasPrefix(h, "HTTP/1.1 200") {
			t.Errorf("it is answered by %q", h)
		}
		if b := <-got; b != body {
			t.Errorf("the server got %.60q", b)
		}
		_ = c.Close()
	})
}

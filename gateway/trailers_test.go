package gateway

import (
	"strings"
	"testing"
)

// TestTrailersAsked: a server of HTTP/1.1 is told that trailers are taken (RFC 9110 §10.1.4) by those clients that say so, and that
// get them.
func TestTrailersAsked(t *testing.T) {
	eachDriver(t, func(t *testing.T, d DriverName) {
		asks := make(chan bool, 1)
		r := start(t, d, with{}, origin(t, func(c *client) {
			for {
				h, err := readHead(c.br)
				if err != nil {
					return
				}
				if n := strings.Count(h, "TE:"); n != strings.Count(h, "\nConnection: TE\nTE: trailers\n") || strings.Contains(h, "deflate") {
					t.Errorf("the server got %q", h)
				}
				asks <- strings.Contains(h, "TE:")
				c.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\nX-Sum: 1\r\n\r\n")
			}
		}))
		c := r.dial()
		for fields, want := range map[string]bool{
			"":                                   false,
			"Connection: TE\r\nTE: trailers\r\n": true,
			"TE: deflate;q=0.5, Trailers\r\nConnection: keep-alive\r\n": true,
			"Connection: TE\r\nTE: deflate\r\nTE: trailers\r\n":         true,
			"Connection: TE\r\nTE: deflate, trailers2\r\n":              false,
			"TE: \r\n": false,
		} {
			c.send("GET / HTTP/1.1\r\nHost: x\r\n%s\r\n", fields)
			c.head()
			if got := strings.ToLower(chunked(c)); got != "hello|x-sum: 1\n" {
				t.Errorf("%q: the client got %q", fields, got)
			}
			if got := heard(t, asks); got != want {
				t.Errorf("%q: the server is told %v", fields, got)
			}
		}
		_ = c.Close()
		old := r.dial()
		old.send("GET / HTTP/1.0\r\nHost: x\r\nConnection: TE\r\nTE: trailers\r\n\r\n")
		if _, err := old.rest(); err != nil || heard(t, asks) {
			t.Errorf("HTTP/1.0: %v, or the server is told of trailers", err)
		}
		k := r.dialFramed()
		for i, te := range [][]string{nil, {"te", "trailers"}} {
			id := uint32(2*i + 1)
			k.head(id, true, append([]string{":method", "GET", ":scheme", "http", ":path", "/", ":authority", "x"}, te...)...)
			if status := k.told(id); status != "200" || heard(t, asks) != (te != nil) {
				t.Errorf("HTTP/2, %q: status %s, or the server is told otherwise", te, status)
			}
		}
		_ = k.c.Close()
	})
}

package gateway

import (
	"bytes"
	"io"
	"net"
	"path/filepath"
	"runtime"
	"testing"
	"time"
)

// exchanges runs n round trips over c with fixed buffers, so that this side allocates nothing.
func exchanges(t *testing.T, c net.Conn, n int, request, buffer []byte, size int) {
	for range n {
		if _, err := c.Write(request); err != nil {
			t.Fatal(err)
		}
		if _, err := io.ReadFull(c, buffer[:size]); err != nil {
			t.Fatal(err)
		}
	}
}

// bareOrigin answers every size bytes that it reads with the same response. It allocates nothing per request either.
func bareOrigin(t *testing.T, response string, end []byte) string {
	return origin(t, func(c *client) {
		out, in, have := []byte(response), make([]byte, 64<<10), 0
		for {
			n, err := c.Conn.Read(in[have:])
			if err != nil {
				return
			}
			if have += n; !bytes.HasSuffix(in[:have], end) {
				continue
			}
			have = 0
			if _, err := c.Conn.Write(out); err != nil {
				return
			}
		}
	})
}

// TestNoAllocations: a request in steady state costs no allocation anywhere between the two sockets.
func TestNoAllocations(t *testing.T) {
	if raceDetector {
		t.Skip("the race detector allocates")
	}
	const warm, n = 2000, 6000
	get := "GET /some/path?q=1 HTTP/1.1\r\nHost: example.com:8080\r\nUser-Agent: test\r\nAccept: */*\r\n\r\n"
	post := "POST / HTTP/1.1\r\nHost: example.com\r\nContent-Length: 8\r\n\r\nabcdefgh"
	chunked := "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nDate: x\r\n\r\n5\r\nhello\r\n0\r\n\r\n"
	log := filepath.Join(t.TempDir(), "access.log")
	tests := []struct {
		name     string
		with     with
		request  string
		end      string
		response string
	}{
		{"plain", with{}, get, "\r\n\r\n", hello},
		{"forwarded", with{listener: "forwarded: {headers: both}"}, get, "\r\n\r\n", hello},
		{"headers filter", with{route: "filters: [{headers: {set: {X-A: b}, remove: [Accept], response: {add: {X-C: d}}}}], host: '*.com', path: /some/*"}, get, "\r\n\r\n", hello},
		{"access log", with{top: "access_log: {path: '" + log + "'}"}, get, "\r\n\r\n", hello},
		{"request body", with{}, post, "abcdefgh", hello},
		{"chunked response", with{}, get, "\r\n\r\n", chunked},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			eachDriver(t, func(t *testing.T, d DriverName) {
				r := start(t, d, test.with, bareOrigin(t, test.response, []byte(test.end)))
				c := r.dial()
				buffer, request := make([]byte, 4096), []byte(test.request)
				c.send("%s", request)
				h := c.head()
				time.Sleep(20 * time.Millisecond) // the rest of the response, to learn its size
				rest, _ := c.br.Peek(1)
				size := len(h) + bytes.Count([]byte(h), []byte("\n")) + len(rest)*c.br.Buffered()
				_, _ = c.br.Discard(c.br.Buffered())
				exchanges(t, c.Conn, warm, request, buffer, size)
				best := 1.0
				for range 3 { // a collection or the log's writer may allocate a few times meanwhile
					var before, after runtime.MemStats
					runtime.ReadMemStats(&before)
					exchanges(t, c.Conn, n, request, buffer, size)
					runtime.ReadMemStats(&after)
					if best = min(best, float64(after.Mallocs-before.Mallocs)/n); best < 0.01 {
						break
					}
				}
				if best >= 0.01 {
					t.Errorf("%.3f allocations per request", best)
				}
				_ = c.Close()
			})
		})
	}
}

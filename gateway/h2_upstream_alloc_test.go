package gateway

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"runtime"
	"testing"
	"time"

	"golang.org/x/net/http2"
)

// bareH2 answers each request of HTTP/2 with the same frames, and allocates nothing for it. The head is indexed, as x/net's decoder of
// HPACK makes strings of literals.
func bareH2(t *testing.T) string {
	return origin(t, func(c *client) {
		in, have := make([]byte, 64<<10), 0
		if _, err := io.ReadFull(c.Conn, in[:len(http2.ClientPreface)]); err != nil {
			return
		}
		out := append([]byte(nil), 0, 0, 0, byte(http2.FrameSettings), 0, 0, 0, 0, 0)
		answer := []byte("\x00\x00\x01\x01\x04\x00\x00\x00\x00\x88\x00\x00\x05\x00\x01\x00\x00\x00\x00hello")
		window := []byte("\x00\x00\x04\x08\x00\x00\x00\x00\x00\x00\x00\x00\x00")
		for {
			if _, err := c.Conn.Write(out); err != nil {
				return
			}
			out = out[:0]
			for len(out) == 0 {
				n, err := c.Conn.Read(in[have:])
				if err != nil {
					return
				}
				have += n
				rest := in[:have]
				for len(rest) >= 9 && len(rest) >= 9+int(binary.BigEndian.Uint32(rest)>>8) {
					length, kind, flags := int(binary.BigEndian.Uint32(rest)>>8), http2.FrameType(rest[3]), http2.Flags(rest[4])
					switch {
					case kind == http2.FrameSettings && !flags.Has(http2.FlagSettingsAck):
						out = append(out, 0, 0, 0, byte(http2.FrameSettings), byte(http2.FlagSettingsAck), 0, 0, 0, 0)
					case kind == http2.FrameData && length > 0:
						binary.BigEndian.PutUint32(window[9:], uint32(length))
						out = append(out, window...)
					}
					if (kind == http2.FrameHeaders || kind == http2.FrameData) && flags.Has(http2.FlagDataEndStream) {
						copy(answer[5:9], rest[5:9])
						copy(answer[15:19], rest[5:9])
						out = append(out, answer...)
					}
					rest = rest[9+length:]
				}
				have = copy(in, rest)
			}
		}
	})
}

// TestHTTP2UpstreamNoAllocations: a request from HTTP/1.1 to HTTP/2 in steady state costs no allocation.
func TestHTTP2UpstreamNoAllocations(t *testing.T) {
	if raceDetector {
		t.Skip("the race detector allocates")
	}
	const warm, n = 2000, 6000
	for name, request := range map[string]string{
		"no body":        "GET /some/path?q=1 HTTP/1.1\r\nHost: example.com:8080\r\nUser-Agent: test\r\nAccept: */*\r\n\r\n",
		"a body":         "POST / HTTP/1.1\r\nHost: example.com\r\nContent-Length: 8\r\n\r\nabcdefgh",
		"a body of gRPC": "POST /a.B/C HTTP/1.1\r\nHost: example.com\r\nContent-Type: application/grpc\r\nTE: trailers\r\nContent-Length: 8\r\n\r\nabcdefgh",
	} {
		t.Run(name, func(t *testing.T) {
			eachDriver(t, func(t *testing.T, d DriverName) {
				r := start(t, d, with{cluster: overH2}, bareH2(t))
				c := r.dial()
				buffer := make([]byte, 4096)
				c.send("%s", request)
				h := c.head()
				if got := chunked(c); got != "hello|" {
					t.Fatalf("body %q", got)
				}
				size := len(h) + bytes.Count([]byte(h), []byte("\n")) + len("5\r\nhello\r\n0\r\n\r\n")
				exchanges(t, c.Conn, warm, []byte(request), buffer, size)
				best := 1.0
				for range 3 { // a collection may allocate a few times meanwhile
					var before, after runtime.MemStats
					runtime.ReadMemStats(&before)
					exchanges(t, c.Conn, n, []byte(request), buffer, size)
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

// TestHTTP2UpstreamReload: a cluster goes over to HTTP/2 and back, and to other bounds, while requests are on their way; those come to
// their end as they began. A drain waits for them, and ends connections with GOAWAY.
func TestHTTP2UpstreamReload(t *testing.T) {
	eachDriver(t, func(t *testing.T, d DriverName) {
		gate, away := make(chan struct{}), make(chan struct{}, 8)
		addr := frames(t, func(k *framed, _ int) {
			for {
				id, _ := k.request()
				if id == 0 {
					away <- struct{}{}
					return
				}
				<-gate
				k.answer(id, "two")
			}
		})
		one := replies(t, hello)
		site := func(cluster, origin string) string {
			return fmt.Sprintf("listeners: {in: {address: '127.0.0.1:0', routes: [{cluster: out}]}}\n"+
				"clusters: {out: {endpoints: ['%s'], %s}}\nruntime: {driver: %s, loops: 1, drain_timeout: 10s}\n", origin, cluster, d)
		}
		r := startWith(t, site(overH2, addr))
		slow := r.dial()
		slow.send("GET / HTTP/1.1\r\nHost: x\r\n\r\n")
		eventually(t, "the request is on its way", func() bool { return r.upstream().Streams == 1 })
		r.reload(site("version: http1", one))
		c := r.dial()
		if _, body := c.ask(""); body != "hello" {
			t.Errorf("over HTTP/1.1 now: %q", body)
		}
		close(gate)
		if _, body := slow.reply(); body != "two" {
			t.Errorf("what began over HTTP/2 got %q", body)
		}
		select {
		case <-away:
		case <-time.After(patience):
			t.Error("the connection of an endpoint that is no more stays")
		}
		r.reload(site(overH2+", http2: {streams: 3}", addr))
		if _, body := c.ask(""); body != "two" {
			t.Errorf("over HTTP/2 again: %q", body)
		}
		r.reload(site(overH2+", http2: {streams: 5}, timeouts: {idle: 100ms}", addr))
		_ = c.Close()
		_ = slow.Close()
		eventually(t, "the new bound of idle time holds for old connections", func() bool { return r.upstream().Idle == 0 })
	})
}

package gateway

import (
	"bytes"
	"encoding/binary"
	"io"
	"net"
	"runtime"
	"testing"

	"golang.org/x/net/http2/hpack"

	"github.com/ringway/ringway/proto/http2"
)

// h2Pinger sends the same request on one stream after the other, all of whose fields HPACK knows from the first, and allocates
// nothing itself.
type h2Pinger struct {
	t      *testing.T
	c      net.Conn
	id     http2.StreamID
	block  []byte
	body   []byte
	frame  []byte
	buffer []byte
}

func newH2Pinger(t *testing.T, c net.Conn, body string, fields ...string) *h2Pinger {
	p := &h2Pinger{t: t, c: c, id: 1, body: []byte(body), buffer: make([]byte, 64<<10)}
	var out bytes.Buffer
	enc := hpack.NewEncoder(&out)
	encode := func() []byte {
		out.Reset()
		for i := 0; i < len(fields); i += 2 {
			_ = enc.WriteField(hpack.HeaderField{Name: fields[i], Value: fields[i+1]}) // to memory
		}
		return bytes.Clone(out.Bytes())
	}
	begin := http2.AppendSettings([]byte(http2.ClientPreface))
	begin = http2.AppendSettingsAck(begin)
	begin = http2.WindowUpdateFrame{Increment: 1 << 30}.Append(begin)
	if _, err := c.Write(begin); err != nil {
		t.Fatal(err)
	}
	p.block = encode()
	p.exchange()
	p.block = encode()
	return p
}

// exchange sends a request and reads until its stream has ended.
func (p *h2Pinger) exchange() {
	flags := http2.FlagEndHeaders
	if len(p.body) == 0 {
		flags |= http2.FlagEndStream
	}
	p.frame = http2.FrameHeader{Length: uint32(len(p.block)), Type: http2.FrameHeaders, Flags: flags, Stream: p.id}.Append(p.frame[:0])
	p.frame = append(p.frame, p.block...)
	if len(p.body) > 0 {
		p.frame = http2.FrameHeader{Length: uint32(len(p.body)), Type: http2.FrameData, Flags: http2.FlagEndStream, Stream: p.id}.Append(p.frame)
		p.frame = append(p.frame, p.body...)
	}
	if _, err := p.c.Write(p.frame); err != nil {
		p.t.Fatal(err)
	}
	for {
		if _, err := io.ReadFull(p.c, p.buffer[:http2.FrameHeaderLen]); err != nil {
			p.t.Fatal(err)
		}
		h := http2.ParseFrameHeader(p.buffer)
		if _, err := io.ReadFull(p.c, p.buffer[:h.Length]); err != nil {
			p.t.Fatal(err)
		}
		switch {
		case h.Type == http2.FrameGoAway || h.Type == http2.FrameReset:
			p.t.Fatalf("%v: %q, code %d", h.Type, p.buffer[:h.Length], binary.BigEndian.Uint32(p.buffer[:4]))
		case h.Stream == p.id && h.Flags.Has(http2.FlagEndStream):
			p.id += 2
			return
		}
	}
}

// TestNoAllocationsHTTP2: a request of HTTP/2 whose fields HPACK has seen before costs no allocation anywhere between the two sockets.
func TestNoAllocationsHTTP2(t *testing.T) {
	if raceDetector {
		t.Skip("the race detector allocates")
	}
	const warm, n = 2000, 6000
	get := []string{":method", "GET", ":scheme", "http", ":authority", "example.com", ":path", "/some/path?q=1", "user-agent", "test", "accept", "*/*", "cookie", "a=1", "cookie", "b=2"}
	post := []string{":method", "POST", ":scheme", "http", ":authority", "example.com", ":path", "/", "content-length", "8"}
	chunked := "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nDate: x\r\n\r\n5\r\nhello\r\n0\r\n\r\n"
	for _, test := range []struct {
		name     string
		with     with
		request  []string
		body     string
		end      string
		response string
	}{
		{"plain", with{}, get, "", "\r\n\r\n", hello},
		{"headers filter", with{route: "filters: [{headers: {set: {X-A: b}, remove: [Accept], response: {add: {X-C: d}}}}], path: /some/*"}, get, "", "\r\n\r\n", hello},
		{"access log", with{top: "access_log: {path: '" + t.TempDir() + "/log'}"}, get, "", "\r\n\r\n", hello},
		{"request body", with{}, post, "abcdefgh", "abcdefgh", hello},
		{"chunked response", with{}, get, "", "\r\n\r\n", chunked},
	} {
		t.Run(test.name, func(t *testing.T) {
			eachDriver(t, func(t *testing.T, d DriverName) {
				r := start(t, d, test.with, bareOrigin(t, test.response, []byte(test.end)))
				c := r.dial()
				p := newH2Pinger(t, c.Conn, test.body, test.request...)
				for range warm {
					p.exchange()
				}
				best := 1.0
				for range 3 { // a collection or the log's writer may allocate a few times meanwhile
					var before, after runtime.MemStats
					runtime.ReadMemStats(&before)
					for range n {
						p.exchange()
					}
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

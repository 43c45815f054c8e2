package http2

import (
	"bytes"
	"io"
	"testing"

	xhttp2 "golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
)

// Each benchmark has the name of what does the work: a Conn, which keeps the whole state of a connection, or x/net's Framer, which
// keeps none (no windows, no states, no limits on floods, and of messages only the pseudo-header fields' order).

// BenchmarkReadData reads DATA frames of 16 KiB and of 100 bytes, a megabyte or so at a time.
func BenchmarkReadData(b *testing.B) {
	for _, size := range []struct {
		name string
		n    int
	}{{"16KiB", 16384}, {"100B", 100}} {
		frame := DataFrame{1, false, zeros[:size.n]}.Append(nil)
		batch := bytes.Repeat(frame, 1<<20/len(frame))
		frames := int64(1 << 20 / len(frame))
		b.Run(size.name+"/Conn", func(b *testing.B) {
			s := newScript(b, Server, func(c *Config) { c.ConnectionWindow, c.StreamWindow = 1<<24, 1<<24 })
			s.c.pool.Poison = false
			s.feed(s.headers(1, false, get))
			b.SetBytes(int64(len(batch)))
			b.ReportAllocs()
			for b.Loop() {
				for p := batch; len(p) > 0; { // as a socket would give them
					k := min(len(p), 64<<10)
					feedQuietly(b, s.c, p[:k], k)
					p = p[k:]
				}
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(int64(b.N)*frames), "ns/frame")
		})
		b.Run(size.name+"/Framer", func(b *testing.B) {
			r := bytes.NewReader(nil)
			framer := xhttp2.NewFramer(nil, r)
			framer.SetReuseFrames()
			b.SetBytes(int64(len(batch)))
			b.ReportAllocs()
			for b.Loop() {
				r.Reset(batch)
				for {
					f, err := framer.ReadFrame()
					if err == io.EOF {
						break
					}
					if err != nil || len(f.(*xhttp2.DataFrame).Data()) != size.n {
						b.Fatal(err)
					}
				}
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(int64(b.N)*frames), "ns/frame")
		})
	}
}

// BenchmarkWriteData writes DATA frames of 16 KiB.
func BenchmarkWriteData(b *testing.B) {
	b.Run("Conn", func(b *testing.B) {
		s := newScript(b, Server, nil)
		s.c.pool.Poison = false
		s.feed(s.headers(1, true, get))
		st := s.streams[1]
		_ = s.c.AppendResponse(st, 200, nil, false)
		b.SetBytes(16384)
		b.ReportAllocs()
		for b.Loop() {
			st.sendWindow, s.c.sendWindow = 1<<20, 1<<20
			if n, err := s.c.AppendData(st, zeros[:16384], false); n != 16384 || err != nil {
				b.Fatal(n, err)
			}
			s.c.Wrote(len(s.c.Pending()))
		}
	})
	b.Run("Framer", func(b *testing.B) {
		framer := xhttp2.NewFramer(io.Discard, nil)
		b.SetBytes(16384)
		b.ReportAllocs()
		for b.Loop() {
			if err := framer.WriteData(1, false, zeros[:16384]); err != nil {
				b.Fatal(err)
			}
		}
	})
}

// BenchmarkReadRequest reads a request of a browser's size whose fields are in the table by then, checks it, and ends its stream.
func BenchmarkReadRequest(b *testing.B) {
	const browser = get + "|user-agent=Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0|accept=text/html,application/xhtml+xml|" +
		"accept-language=en-US,en;q=0.5|accept-encoding=gzip, deflate, br, zstd|referer=https://www.example.com/articles/2026/|" +
		"upgrade-insecure-requests=1|sec-fetch-dest=document|sec-fetch-mode=navigate|te=trailers"
	b.Run("Conn", func(b *testing.B) {
		s := newScript(b, Server, nil)
		s.c.pool.Poison = false
		one := func(frame []byte) {
			n, ev, err := s.c.Feed(frame, 0)
			if n != len(frame) || err != nil || ev.Kind != EventHeaders {
				b.Fatal(n, err)
			}
			_ = s.c.AppendResponse(ev.Stream, 200, nil, true)
			s.c.Release(ev.Stream)
			s.c.Wrote(len(s.c.Pending()))
		}
		one(s.headers(1, true, browser))
		fragment := s.fields(browser)
		id, frame := StreamID(3), []byte(nil)
		b.ReportAllocs()
		for b.Loop() {
			frame = HeadersFrame{Stream: id, EndStream: true, EndHeaders: true, Fragment: fragment}.Append(frame[:0])
			if id += 2; id > maxStreamID-2 {
				s.c.seen, s.c.lastPeer, id = 0, 0, 1
			}
			one(frame)
		}
	})
	b.Run("Framer", func(b *testing.B) {
		s := newScript(b, Server, nil)
		r := bytes.NewReader(nil)
		framer := xhttp2.NewFramer(io.Discard, r)
		framer.SetReuseFrames()
		framer.ReadMetaHeaders = hpack.NewDecoder(4096, nil)
		one := func(frame []byte) {
			r.Reset(frame)
			if f, err := framer.ReadFrame(); err != nil || f.(*xhttp2.MetaHeadersFrame).PseudoValue("method") != "GET" {
				b.Fatal(err)
			}
		}
		one(s.headers(1, true, browser))
		frame := s.headers(3, true, browser)
		b.ReportAllocs()
		for b.Loop() {
			one(frame)
		}
	})
}

// BenchmarkWriteResponse writes the head of a response whose fields are in the table by then, but for its length.
func BenchmarkWriteResponse(b *testing.B) {
	fields := []string{"content-type", "text/html; charset=utf-8", "date", "Mon, 23 Nov 2026 01:00:00 GMT", "server", "ringway",
		"content-length", "1234", "vary", "accept-encoding", "cache-control", "max-age=60"}
	b.Run("Conn", func(b *testing.B) {
		s := newScript(b, Server, nil)
		s.c.pool.Poison = false
		s.feed(s.headers(1, true, get))
		st, f := s.streams[1], fieldsOf(fields)
		b.ReportAllocs()
		for b.Loop() {
			st.sent = phaseHead
			if err := s.c.AppendResponse(st, 200, f, false); err != nil {
				b.Fatal(err)
			}
			s.c.Wrote(len(s.c.Pending()))
		}
	})
	b.Run("Framer", func(b *testing.B) {
		framer := xhttp2.NewFramer(io.Discard, nil)
		var block bytes.Buffer
		enc := hpack.NewEncoder(&block)
		b.ReportAllocs()
		for b.Loop() {
			block.Reset()
			_ = enc.WriteField(hpack.HeaderField{Name: ":status", Value: "200"})
			for i := 0; i < len(fields); i += 2 {
				_ = enc.WriteField(hpack.HeaderField{Name: fields[i], Value: fields[i+1]})
			}
			if err := framer.WriteHeaders(xhttp2.HeadersFrameParam{StreamID: 1, BlockFragment: block.Bytes(), EndHeaders: true}); err != nil {
				b.Fatal(err)
			}
		}
	})
}

// BenchmarkExchange is a request and its response of 1 KiB from end to end of two Conns.
func BenchmarkExchange(b *testing.B) {
	x := newExchange(b, NewPool(), 1024)
	b.ReportAllocs()
	for b.Loop() {
		if x.client.next > maxStreamID-2 {
			x = newExchange(b, NewPool(), 1024)
		}
		x.run(b)
	}
}

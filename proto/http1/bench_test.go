package http1

import (
	"testing"

	"github.com/ringway/ringway/proto/header"
)

const (
	wrkRequest = "GET / HTTP/1.1\r\nHost: 127.0.0.1:8080\r\n\r\n"

	browserRequest = "GET /articles/2026/performance?utm_source=feed&page=2 HTTP/1.1\r\n" +
		"Host: www.example.com\r\n" +
		"User-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0\r\n" +
		"Accept: text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8\r\n" +
		"Accept-Language: en-US,en;q=0.5\r\n" +
		"Accept-Encoding: gzip, deflate, br, zstd\r\n" +
		"Referer: https://www.example.com/articles/2026/\r\n" +
		"Connection: keep-alive\r\n" +
		"Cookie: session=0123456789abcdef0123456789abcdef; theme=dark; consent=yes\r\n" +
		"Upgrade-Insecure-Requests: 1\r\n" +
		"Sec-Fetch-Dest: document\r\n" +
		"Sec-Fetch-Mode: navigate\r\n" +
		"Priority: u=0, i\r\n\r\n"

	nginxResponse = "HTTP/1.1 200 OK\r\n" +
		"Server: nginx/1.31.0\r\n" +
		"Date: Sun, 22 Nov 2026 20:21:59 GMT\r\n" +
		"Content-Type: text/html; charset=utf-8\r\n" +
		"Content-Length: 615\r\n" +
		"Last-Modified: Tue, 10 Nov 2026 08:00:00 GMT\r\n" +
		"Connection: keep-alive\r\n" +
		"ETag: \"6911a0c0-267\"\r\n" +
		"Accept-Ranges: bytes\r\n\r\n"
)

// proxyRequest is what a gateway does with a request head: parse it, write it for the upstream.
func proxyRequest(r *Request, in, out []byte) []byte {
	r.Reset()
	n, err := r.Parse(in, &testLimits)
	if err != nil || n != len(in) {
		panic("the sample was refused")
	}
	out = AppendRequestLine(out[:0], r.MethodToken, r.Path, r.Query, r.HasQuery)
	out = AppendFields(out, &r.Fields)
	return append(out, "\r\n"...)
}

// proxyResponse is the same for a response head.
func proxyResponse(r *Response, in, out []byte) []byte {
	r.Reset(GET)
	n, err := r.Parse(in, &testLimits)
	if err != nil || n != len(in) {
		panic("the sample was refused")
	}
	out = AppendStatusLine(out[:0], r.Status, r.Reason)
	out = AppendFields(out, &r.Fields)
	return append(out, "\r\n"...)
}

func BenchmarkRequest(b *testing.B) {
	for _, bb := range []struct{ name, input string }{{"wrk", wrkRequest}, {"browser", browserRequest}} {
		b.Run(bb.name, func(b *testing.B) {
			in, out := []byte(bb.input), make([]byte, 0, 4096)
			var r Request
			b.ReportAllocs()
			b.SetBytes(int64(len(in)))
			for b.Loop() {
				out = proxyRequest(&r, in, out)
			}
		})
	}
}

func BenchmarkResponse(b *testing.B) {
	b.Run("nginx", func(b *testing.B) {
		in, out := []byte(nginxResponse), make([]byte, 0, 4096)
		var r Response
		b.ReportAllocs()
		b.SetBytes(int64(len(in)))
		for b.Loop() {
			out = proxyResponse(&r, in, out)
		}
	})
}

func BenchmarkChunkDecoder(b *testing.B) {
	for _, bb := range []struct {
		name string
		size int
	}{{"64B chunks", 64}, {"8KiB chunks", 8 << 10}} {
		b.Run(bb.name, func(b *testing.B) {
			var in []byte
			for len(in) < 64<<10 {
				in = AppendChunkHeader(in, bb.size)
				in = append(append(in, make([]byte, bb.size)...), "\r\n"...)
			}
			in = AppendLastChunk(in, nil)
			var d ChunkDecoder
			b.ReportAllocs()
			b.SetBytes(int64(len(in)))
			for b.Loop() {
				decodeAll(&d, in)
			}
		})
	}
}

// decodeAll runs a decoder over a complete body and returns the number of body bytes.
func decodeAll(d *ChunkDecoder, in []byte) (size int) {
	d.Reset(&testLimits)
	for {
		n, data, done, err := d.Next(in)
		if err != nil || n == 0 && !done {
			panic("the sample was refused")
		}
		size += len(data)
		if in = in[n:]; done {
			return size
		}
	}
}

// TestNoAllocation: the data path must not allocate once its storage has grown.
func TestNoAllocation(t *testing.T) {
	absolute := []byte("GET http://b/ HTTP/1.1\r\nHost: a\r\nConnection: x-a-rather-long-name-of-more-than-thirty-two-bytes\r\n" +
		"X-A-Rather-Long-Name-Of-More-Than-Thirty-Two-Bytes: 1\r\nContent-Length: 1, 1\r\n\r\n")
	browser, response := []byte(browserRequest), []byte(nginxResponse)
	chunked := []byte("5;a=\"b\"\r\nhello\r\n0\r\nX-Sum: 1\r\nHost: a\r\n\r\n")
	refused := []byte("GET / HTTP/1.1\r\nHost: a\r\nA : b\r\n\r\n")
	var req Request
	var resp Response
	var d ChunkDecoder
	out := make([]byte, 0, 4096)
	tests := []struct {
		name string
		run  func()
	}{
		{"request", func() { out = proxyRequest(&req, browser, out) }},
		{"absolute-form", func() { out = proxyRequest(&req, absolute, out) }},
		{"changed fields", func() {
			out = proxyRequest(&req, browser, out)
			req.SetID(header.Via, browser[:3])
			req.Set("X-Env", browser[:3])
			req.Del("Sec-Fetch-Mode")
			out = AppendFields(out[:0], &req.Fields)
		}},
		{"response", func() { out = proxyResponse(&resp, response, out) }},
		{"chunked body", func() {
			decodeAll(&d, chunked)
			out = AppendLastChunk(AppendChunkHeader(out[:0], 5), d.Trailers())
		}},
		{"in pieces", func() {
			req.Reset()
			for i := 0; i <= len(browser); i += 100 {
				if _, err := req.Parse(browser[:i], &testLimits); err != nil {
					t.Fatal(err)
				}
			}
		}},
		{"refused", func() {
			req.Reset()
			if _, err := req.Parse(refused, &testLimits); err == nil {
				t.Fatal("accepted")
			}
		}},
	}
	for _, tt := range tests {
		tt.run()
		if got := testing.AllocsPerRun(100, tt.run); got != 0 {
			t.Errorf("%s: %v allocations", tt.name, got)
		}
	}
}

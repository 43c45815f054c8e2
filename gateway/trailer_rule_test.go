package gateway

import (
	"io"
	"strings"
	"testing"

	"golang.org/x/net/http2"
)

// trailing is what the peers here end their messages with.
var trailing = []string{"x-request-id", "42", "retry-after", "7", "traceparent", "00", "location", "l", "server", "s", "origin", "o", "authorization", "a",
	"content-sha", "c", "x-forwarded-for", "f", "set-cookie", "k", "etag", "e", "x-app", "1", "content-length", "9", "host", "evil", "trailer", "x"}

// trailingMetadata is what of it passes in a response of gRPC.
const trailingMetadata = "x-request-id: 42\nretry-after: 7\ntraceparent: 00\nlocation: l\nserver: s\norigin: o\nauthorization: a\n" +
	"content-sha: c\nx-forwarded-for: f\nset-cookie: k\netag: e\nx-app: 1\n"

// fieldLines are fields as HTTP/1.1 has them.
func fieldLines(fields []string) string {
	var b strings.Builder
	for i := 0; i < len(fields); i += 2 {
		b.WriteString(fields[i] + ": " + fields[i+1] + "\r\n")
	}
	return b.String()
}

// trailed reads a response up to its trailers, and gives these as field lines; why it was reset, if it was.
func (k *framed) trailed(id uint32) (lines string, reset http2.ErrCode, ended bool) {
	for {
		switch f := k.next().(type) {
		case nil:
			return "", 0, false
		case *http2.MetaHeadersFrame:
			if f.StreamID == id && f.StreamEnded() {
				for _, h := range f.RegularFields() {
					lines += h.Name + ": " + h.Value + "\n"
				}
				return lines, 0, true
			}
		case *http2.DataFrame:
			if f.StreamID == id && f.StreamEnded() {
				return "", 0, true
			}
		case *http2.RSTStreamFrame:
			if f.StreamID == id {
				return "", f.ErrCode, false
			}
		}
	}
}

// TestTrailers: which trailers pass is a matter of whether the response is of gRPC, and not of the versions on either side.
func TestTrailers(t *testing.T) {
	servers := map[string]func(t *testing.T, contentType string) (at, version string){
		"HTTP/2": func(t *testing.T, contentType string) (string, string) {
			return frames(t, func(k *framed, _ int) {
				for {
					id, _ := k.request()
					if id == 0 {
						return
					}
					k.head(id, false, ":status", "200", "content-type", contentType)
					_ = k.WriteData(id, false, []byte("abc"))
					k.head(id, true, trailing...)
				}
			}), overH2
		},
		"HTTP/1.1": func(t *testing.T, contentType string) (string, string) {
			return replies(t, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Type: "+contentType+"\r\n\r\n3\r\nabc\r\n0\r\n"+fieldLines(trailing)+"\r\n"), ""
		},
	}
	for name, server := range servers {
		for contentType, want := range map[string]string{"application/grpc": trailingMetadata, "text/plain": "etag: e\nx-app: 1\n"} {
			t.Run(name+" "+contentType, func(t *testing.T) {
				eachDriver(t, func(t *testing.T, d DriverName) {
					at, version := server(t, contentType)
					extra := with{cluster: version}
					if version == overH2 {
						extra.route = "filters: [{grpc_web: {}}]" // which makes gRPC of requests, and that is of HTTP/2
					}
					r := start(t, d, extra, at)
					c := r.dial()
					c.send("GET / HTTP/1.1\r\nHost: x\r\nTE: trailers\r\n\r\n")
					c.head()
					if got := chunked(c); got != "abc|"+want {
						t.Errorf("over HTTP/1.1 %q", got)
					}
					c.send("GET / HTTP/1.1\r\nHost: x\r\nContent-Type: application/grpc-web\r\n\r\n")
					c.head()
					if got := chunked(c); extra.route != "" && want == trailingMetadata {
						if _, tail, _ := strings.Cut(got, "abc\x80"); strings.ReplaceAll(tail[4:], "\r\n", "\n") != want+"|" {
							t.Errorf("over gRPC-Web %q", got)
						}
					}
					_ = c.Close()
					k := r.dialFramed()
					k.head(1, true, ":method", "GET", ":scheme", "http", ":path", "/", ":authority", "x")
					if got, _, _ := k.trailed(1); got != want {
						t.Errorf("over HTTP/2 %q", got)
					}
					_ = k.c.Close()
				})
			})
		}
	}
}

// TestRequestTrailers: those of a request are taken for fields of its head by some servers. No media type changes what passes.
func TestRequestTrailers(t *testing.T) {
	eachDriver(t, func(t *testing.T, d DriverName) {
		got := make(chan string, 2)
		r := start(t, d, with{cluster: overH2}, frames(t, func(k *framed, _ int) {
			for id := uint32(1); ; id += 2 {
				lines, _, _ := k.trailed(id)
				if lines == "" {
					return
				}
				got <- lines
				k.answer(id, "ok")
			}
		}))
		c := r.dial()
		c.send("POST / HTTP/1.1\r\nHost: x\r\nContent-Type: application/grpc\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\n%s\r\n", fieldLines(trailing))
		c.head()
		chunked(c)
		_ = c.Close()
		k := r.dialFramed()
		k.head(1, false, ":method", "POST", ":scheme", "http", ":path", "/", ":authority", "x", "content-type", "application/grpc")
		k.head(1, true, trailing...)
		k.trailed(1)
		_ = k.c.Close()
		for range 2 {
			if lines := heard(t, got); lines != "etag: e\nx-app: 1\n" {
				t.Errorf("the server got %q", lines)
			}
		}
	})
}

// tight lets a peer send field sections of 1,000 bytes.
var tight = http2.Setting{ID: http2.SettingMaxHeaderListSize, Val: 1000}

// TestTrailersTooLargeForClient: a response whose trailers its client does not take is reset, since without them it would pass for
// whole, and the connection goes on.
func TestTrailersTooLargeForClient(t *testing.T) {
	big := strings.Repeat("b", 1500)
	servers := map[string]func(t *testing.T) (at, version string){
		"HTTP/2": func(t *testing.T) (string, string) {
			return frames(t, func(k *framed, _ int) {
				for {
					id, _ := k.request()
					if id == 0 {
						return
					}
					k.head(id, false, ":status", "200", "content-type", "application/grpc")
					_ = k.WriteData(id, false, []byte("\x00\x00\x00\x00\x00"))
					k.head(id, true, "grpc-status", "0", "grpc-status-details-bin", big)
				}
			}), overH2
		},
		"HTTP/1.1": func(t *testing.T) (string, string) {
			return replies(t, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\nX-Big: "+big+"\r\n\r\n"), ""
		},
	}
	for name, server := range servers {
		t.Run(name, func(t *testing.T) {
			eachDriver(t, func(t *testing.T, d DriverName) {
				at, version := server(t)
				r := start(t, d, with{cluster: version}, at)
				k := r.dialFramed()
				for id := uint32(1); id < 6; id += 2 {
					if id == 3 {
						_ = k.WriteSettings(tight)
					}
					k.head(id, true, ":method", "GET", ":scheme", "http", ":path", "/", ":authority", "x")
					lines, reset, ended := k.trailed(id)
					if id == 1 && !strings.Contains(lines, big) {
						t.Errorf("a client without a limit got %q", lines)
					}
					if id > 1 && (ended || reset != http2.ErrCodeInternal) {
						t.Errorf("stream %d: ended %v, reset with %v", id, ended, reset)
					}
				}
				eventually(t, "it is logged", func() bool {
					return strings.Contains(r.log.String(), "response cut short") && strings.Contains(r.log.String(), "send trailers")
				})
				_ = k.c.Close()
			})
		})
	}
}

// TestTrailersTooLargeForServer: a request whose trailers its server does not take fails at once, like one whose head is too large. What
// the server has begun to answer is broken off.
func TestTrailersTooLargeForServer(t *testing.T) {
	const head = "POST /%s HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n"
	last := "0\r\nX-Big: " + strings.Repeat("b", 1500) + "\r\n\r\n"
	eachDriver(t, func(t *testing.T, d DriverName) {
		begun, over := make(chan bool, 1), make(chan http2.ErrCode, 1)
		r := start(t, d, with{cluster: overH2}, frames(t, func(k *framed, _ int) {
			path := ""
			for {
				switch f := k.next().(type) {
				case nil:
					return
				case *http2.MetaHeadersFrame:
					if path = f.PseudoValue("path"); f.StreamEnded() {
						k.answer(f.StreamID, "settings are there")
					}
				case *http2.DataFrame:
					switch path {
					case "/later":
						begun <- true
					case "/answered":
						k.head(f.StreamID, false, ":status", "200")
						_ = k.WriteData(f.StreamID, false, []byte("part"))
					}
				case *http2.RSTStreamFrame:
					over <- f.ErrCode
				}
			}
		}, tight))
		c := r.dial()
		c.ask("")
		c.send(head+"%s", "at-once", last)
		if s, b := c.reply(); !strings.HasPrefix(s, "431") || !strings.Contains(b, "fields_too_large") {
			t.Errorf("at once: %s %s", s, b)
		}
		heard(t, over)
		_ = c.Close()
		c = r.dial()
		c.send(head, "later")
		heard(t, begun)
		c.send("%s", last)
		if s, b := c.reply(); !strings.HasPrefix(s, "431") || !strings.Contains(b, "fields_too_large") {
			t.Errorf("later: %s %s", s, b)
		}
		heard(t, over)
		_ = c.Close()
		c = r.dial()
		c.send(head, "answered")
		c.head()
		c.send("%s", last)
		if got, err := io.ReadAll(c.br); strings.Contains(string(got), "0\r\n\r\n") || err != nil && !isReset(err) {
			t.Errorf("answered: %q, %v", got, err)
		}
		heard(t, over)
		_ = c.Close()
		eventually(t, "no stream is left", func() bool { return r.upstream().Streams == 0 })
	})
}

package gateway

import (
	"bytes"
	"crypto/tls"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/ringway/ringway/gateway/upstream/h2"
)

// h2Origin serves HTTP/2 on a fresh port with Go's own server: by ALPN with a configuration of TLS, else with prior knowledge.
// shape changes the server before it starts.
func h2Origin(t *testing.T, cfg *tls.Config, f http.HandlerFunc, shape ...func(*http.Server)) string {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &http.Server{Handler: f, Protocols: new(http.Protocols), ErrorLog: log.New(io.Discard, "", 0)}
	s.Protocols.SetUnencryptedHTTP2(cfg == nil)
	s.Protocols.SetHTTP2(true)
	s.Protocols.SetHTTP1(cfg != nil)
	for _, f := range shape {
		f(s)
	}
	var served sync.WaitGroup
	served.Go(func() {
		if cfg != nil {
			s.TLSConfig = cfg.Clone()
			_ = s.ServeTLS(ln, "", "")
		} else {
			_ = s.Serve(ln)
		}
	})
	t.Cleanup(func() { _ = s.Close(); served.Wait() })
	return ln.Addr().String()
}

const overH2 = "version: http2"

// echoes answers with what came: fields of its own tell how, the body goes back, trailers follow.
func echoes(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	h.Set("X-Proto", r.Proto)
	h.Set("X-Host", r.Host)
	h.Set("X-Uri", r.RequestURI)
	h.Set("X-Via", r.Header.Get("Via"))
	h.Set("X-Te", r.Header.Get("Te"))
	h.Set("X-Length", strconv.FormatInt(r.ContentLength, 10))
	if r.Header.Get("X-Status") != "" {
		n, _ := strconv.Atoi(r.Header.Get("X-Status"))
		w.WriteHeader(n)
		return
	}
	h.Set("Trailer", "X-Sum")
	if rc := http.NewResponseController(w); r.Header.Get("X-Flush") != "" {
		w.WriteHeader(200)
		_ = rc.Flush()
	}
	n, _ := io.Copy(w, r.Body)
	h.Set("X-Sum", fmt.Sprint(n, "/", r.Trailer.Get("X-Mine")))
}

// TestHTTP2Upstream: messages of every shape from HTTP/1.1 to HTTP/2 and back.
func TestHTTP2Upstream(t *testing.T) {
	eachDriver(t, func(t *testing.T, d DriverName) {
		r := start(t, d, with{cluster: overH2}, h2Origin(t, nil, echoes))
		c := r.dial()
		c.send("GET /a/b?c=d HTTP/1.1\r\nHost: one.example\r\nTE: trailers, deflate\r\nConnection: te, x-gone\r\nX-Gone: 1\r\n\r\n")
		h := c.head()
		for _, want := range []string{"HTTP/1.1 200 ", "x-proto: HTTP/2.0\n", "x-host: one.example\n", "x-uri: /a/b?c=d\n", "x-via: 1.1 ringway\n", "x-te: trailers\n"} {
			if !strings.Contains(strings.ToLower(h), strings.ToLower(want)) {
				t.Errorf("no %q in %q", want, h)
			}
		}
		if got := chunked(c); got != "|x-sum: 0/\n" {
			t.Errorf("body and trailers %q", got)
		}
		c.send("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhello")
		if h := c.head(); !strings.Contains(strings.ToLower(h), "x-length: 5\n") {
			t.Errorf("head %q", h)
		}
		if got := chunked(c); got != "hello|x-sum: 5/\n" {
			t.Errorf("body and trailers %q", got)
		}
		c.send("POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nTrailer: X-Mine\r\n\r\n5\r\nhello\r\n1\r\n!\r\n0\r\nX-Mine: yes\r\n\r\n")
		if h := c.head(); !strings.Contains(strings.ToLower(h), "x-length: -1\n") {
			t.Errorf("head %q", h)
		}
		if got := chunked(c); got != "hello!|x-sum: 6/yes\n" {
			t.Errorf("body and trailers %q", got)
		}
		for _, status := range []string{"204", "304", "404", "500"} {
			c.send("GET / HTTP/1.1\r\nHost: x\r\nX-Status: %s\r\n\r\n", status)
			if h := c.head(); !strings.HasPrefix(h, "HTTP/1.1 "+status) {
				t.Errorf("head %q", h)
			} else if status > "400" && !strings.Contains(strings.ToLower(h), "content-length: 0\n") {
				t.Errorf("head %q", h)
			}
		}
		c.send("HEAD / HTTP/1.1\r\nHost: x\r\n\r\n")
		c.head()
		c.send("GET / HTTP/1.0\r\nHost: x\r\nX-Status: 202\r\n\r\n")
		if h := c.head(); !strings.HasPrefix(h, "HTTP/1.1 202") {
			t.Errorf("head %q", h)
		}
		_ = c.Close()
		if u := r.upstream(); u.Connects != 1 || u.Requests != 9 || u.Reused != 8 || u.Streams != 0 {
			t.Errorf("%+v", u)
		}
	})
}

// chunked reads a chunked body, and gives it with its trailers behind a bar.
func chunked(c *client) string {
	c.t.Helper()
	var b strings.Builder
	for {
		line, err := c.br.ReadString('\n')
		if err != nil {
			c.fail("chunk: %v", err)
		}
		n, err := strconv.ParseInt(strings.TrimSpace(line), 16, 64)
		if err != nil {
			c.fail("chunk %q", line)
		}
		if n == 0 {
			break
		}
		b.WriteString(c.body(int(n)))
		c.body(2)
	}
	b.WriteByte('|')
	for {
		line, err := c.br.ReadString('\n')
		if err != nil {
			c.fail("trailers: %v", err)
		}
		if line == "\r\n" {
			return b.String()
		}
		b.WriteString(strings.ToLower(strings.ReplaceAll(line, "\r\n", "\n")))
	}
}

// bodyBlocks is how many blocks wait for the consumers of responses.
func (r *rig) bodyBlocks() (n int) {
	for _, p := range r.g.current().everyone() {
		p.loop.On(func() { n += h2.BlocksInUse(p.loop) })
	}
	return n
}

// TestHTTP2UpstreamBodies: bodies of many sizes, both ways at once, over few connections.
func TestHTTP2UpstreamBodies(t *testing.T) {
	ca := newAuthority(t)
	site := ca.issue("site", false, nil, "127.0.0.1")
	encrypted := fmt.Sprintf("tls: {ca: '%s'}", ca.file("ca.pem"))
	for name, mode := range map[string]struct {
		cluster string
		tls     *tls.Config
	}{
		"plain": {overH2, nil},
		"tls":   {overH2 + ", " + encrypted, &tls.Config{Certificates: []tls.Certificate{site.Certificate}}},
		"auto":  {"version: auto, " + encrypted, &tls.Config{Certificates: []tls.Certificate{site.Certificate}}},
	} {
		t.Run(name, func(t *testing.T) {
			eachDriver(t, func(t *testing.T, d DriverName) {
				r := start(t, d, with{cluster: mode.cluster + ", http2: {streams: 20}"}, h2Origin(t, mode.tls, echoes))
				transport := &http.Transport{}
				defer transport.CloseIdleConnections()
				var group sync.WaitGroup
				for i := range 60 {
					size := i * i * 400
					group.Go(func() {
						body := bytes.Repeat([]byte{byte(i), byte(i >> 1), 7}, size/3)
						req, _ := http.NewRequest("POST", "http://"+r.addr+"/", io.NopCloser(bytes.NewReader(body)))
						req.Header.Set("X-Flush", "1")
						req.Trailer = http.Header{"X-Mine": {strconv.Itoa(i)}}
						resp, err := transport.RoundTrip(req)
						if err != nil {
							t.Error(err)
							return
						}
						defer resp.Body.Close()
						got, err := io.ReadAll(resp.Body)
						if err != nil || !bytes.Equal(got, body) {
							t.Errorf("%d bytes of %d, %v", len(got), len(body), err)
						}
						if want := fmt.Sprint(len(body), "/", i); resp.Trailer.Get("X-Sum") != want || resp.Header.Get("X-Proto") != "HTTP/2.0" {
							t.Errorf("trailers %v, want %s; %v", resp.Trailer, want, resp.Header)
						}
					})
				}
				group.Wait()
				transport.CloseIdleConnections()
				if r.rest(); r.bodyBlocks() != 0 {
					t.Error("blocks are held at rest")
				}
				if u := r.upstream(); u.Connects > 6 || u.Connects < 2 || u.Requests != 60 || u.Refused != 0 {
					t.Errorf("%+v", u)
				}
			})
		})
	}
}

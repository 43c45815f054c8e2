package gateway

import (
	"context"
	"crypto/sha256"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

func TestKeepAliveAndPipelining(t *testing.T) {
	eachDriver(t, func(t *testing.T, d DriverName) {
		at := origin(t, func(c *client) {
			for {
				h, err := readHead(c.br)
				if err != nil {
					return
				}
				path := strings.Fields(h)[1]
				fmt.Fprintf(c, "HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s", len(path), path)
			}
		})
		r := start(t, d, with{}, at)
		c := r.dial()
		const n = 200 // many turns of what one connection may have in a row
		var all strings.Builder
		for i := range n {
			fmt.Fprintf(&all, "GET /%04d HTTP/1.1\r\nHost: a\r\n\r\n", i)
		}
		go func() { _, _ = io.WriteString(c, all.String()) }()
		for i := range n {
			if h := c.head(); !strings.HasPrefix(h, "HTTP/1.1 200 OK\n") {
				t.Fatalf("response %d: %q", i, h)
			}
			if got, want := c.body(5), fmt.Sprintf("/%04d", i); got != want {
				t.Fatalf("response %d is that of %s", i, got)
			}
		}
		if up := r.upstream(); up.Connects != 1 || up.Requests != n || up.Reused != n-1 {
			t.Errorf("%d requests took %d connections, %d reused", up.Requests, up.Connects, up.Reused)
		}
		_ = c.Close()
	})
}

func TestRequestsPerConnection(t *testing.T) {
	eachDriver(t, func(t *testing.T, d DriverName) {
		r := start(t, d, with{listener: "limits: {requests_per_connection: 3}"}, replies(t, hello))
		c := r.dial()
		c.send("%s", strings.Repeat("GET / HTTP/1.1\r\nHost: a\r\n\r\n", 5))
		for i := range 3 {
			if h := c.head(); strings.Contains(h, "Connection: close") != (i == 2) {
				t.Errorf("response %d: %q", i, h)
			}
			c.body(5)
		}
		if s, err := c.rest(); s != "" || err != nil {
			t.Errorf("after the last response came %q, %v", s, err)
		}
	})
}

// TestLargeBodies sends bodies of many sizes both ways at once and compares checksums.
func TestLargeBodies(t *testing.T) {
	eachDriver(t, func(t *testing.T, d DriverName) {
		s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
			body, err := io.ReadAll(q.Body)
			if err != nil {
				t.Errorf("origin: %v", err)
			}
			w.Header().Set("X-Sum", fmt.Sprintf("%x", sha256.Sum256(body)))
			if q.URL.Path == "/length" {
				w.Header().Set("Content-Length", fmt.Sprint(len(body)))
			}
			_, _ = w.Write(body)
		}))
		t.Cleanup(s.Close)
		r := start(t, d, with{}, s.Listener.Addr().String())
		tr := &http.Transport{}
		t.Cleanup(tr.CloseIdleConnections)
		hc := &http.Client{Transport: tr, Timeout: patience}
		data := make([]byte, 5<<20)
		for i := range data {
			data[i] = byte(rand.Uint32())
		}
		for _, n := range []int{1, 4095, 4096, 4097, 8192, 32<<10 - 1, 32 << 10, 48 << 10, 64<<10 + 1, 300_000, len(data)} {
			for _, path := range []string{"/length", "/chunked"} {
				var body io.Reader = strings.NewReader(string(data[:n]))
				if path == "/chunked" {
					body = io.MultiReader(body) // hides the length
				}
				resp, err := hc.Post("http://"+r.addr+path, "x/y", body)
				if err != nil {
					t.Fatalf("%s of %d: %v", path, n, err)
				}
				got, err := io.ReadAll(resp.Body)
				_ = resp.Body.Close()
				want := fmt.Sprintf("%x", sha256.Sum256(data[:n]))
				if err != nil || resp.StatusCode != 200 || fmt.Sprintf("%x", sha256.Sum256(got)) != want || resp.Header.Get("X-Sum") != want {
					t.Fatalf("%s of %d: status %d, %d bytes, %v; or its content differs", path, n, resp.StatusCode, len(got), err)
				}
			}
		}
		tr.CloseIdleConnections()
	})
}

func TestInterimAndTrailers(t *testing.T) {
	eachDriver(t, func(t *testing.T, d DriverName) {
		const upload = "4\r\nwxyz\r\n0\r\nX-Sum: 1\r\n\r\n"
		heads := make(chan string, 1)
		at := origin(t, func(c *client) {
			h, _ := readHead(c.br)
			heads <- h
			fmt.Fprint(c, "HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\nHTTP/1.1 100 Continue\r\n\r\n")
			heads <- c.body(len(upload))
			fmt.Fprint(c, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: ETag\r\n\r\n3\r\nabc\r\n0\r\nETag: \"e\"\r\nHost: evil\r\n\r\n")
			_, _ = readHead(c.br)
		})
		r := start(t, d, with{}, at)
		c := r.dial()
		c.send("POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nTransfer-Encoding: chunked\r\n\r\n")
		if h := <-heads; !strings.Contains(h, "Expect: 100-continue\n") || strings.Count(h, "Transfer-Encoding: chunked\n") != 1 {
			t.Errorf("origin got %q", h)
		}
		if h := c.head(); h != "HTTP/1.1 103 Early Hints\nLink: </x>\n\n" {
			t.Errorf("interim %q", h)
		}
		if h := c.head(); h != "HTTP/1.1 100 Continue\n\n" {
			t.Errorf("interim %q", h)
		}
		c.send("%s", upload)
		if b := <-heads; b != upload {
			t.Errorf("origin got %q", b)
		}
		if h := c.head(); !strings.Contains(h, "Transfer-Encoding: chunked\n") {
			t.Errorf("head %q", h)
		}
		if b := c.body(len("3\r\nabc\r\n0\r\nETag: \"e\"\r\n\r\n")); b != "3\r\nabc\r\n0\r\nETag: \"e\"\r\n\r\n" {
			t.Errorf("body %q", b)
		}
		_ = c.Close()
	})
}

// TestBodylessResponses: what announces a body but has none must not shift the next response.
func TestBodylessResponses(t *testing.T) {
	eachDriver(t, func(t *testing.T, d DriverName) {
		responses := map[string]string{
			"/head":    "HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n",
			"/chunked": "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
			"/204":     "HTTP/1.1 204 No Content\r\n\r\n",
			"/304":     "HTTP/1.1 304 Not Modified\r\nContent-Length: 99\r\n\r\n",
			"/hello":   hello,
		}
		at := origin(t, func(c *client) {
			for {
				h, err := readHead(c.br)
				if err != nil {
					return
				}
				_, _ = io.WriteString(c, responses[strings.Fields(h)[1]])
			}
		})
		r := start(t, d, with{}, at)
		c := r.dial()
		for _, q := range []string{"HEAD /head", "HEAD /chunked", "GET /204", "HEAD /204", "GET /304", "HEAD /304"} {
			c.send("%s HTTP/1.1\r\nHost: a\r\n\r\nGET /hello HTTP/1.1\r\nHost: a\r\n\r\n", q)
			h := c.head()
			if want := strings.Contains(q, "/head") || strings.Contains(q, "304"); strings.Contains(h, "Content-Length: 99\n") != want {
				t.Errorf("%s: %q", q, h)
			}
			if h := c.head(); !strings.HasPrefix(h, "HTTP/1.1 200 OK\nContent-Length: 5\n") || c.body(5) != "hello" {
				t.Errorf("after %s: %q", q, h)
			}
		}
		if up := r.upstream(); up.Connects != 1 {
			t.Errorf("%d connections", up.Connects)
		}
		_ = c.Close()
	})
}

// TestEarlyResponse: a server may refuse an upload at once; the client must get that, though it is still sending.
func TestEarlyResponse(t *testing.T) {
	for _, chunked := range []bool{false, true} {
		eachDriver(t, func(t *testing.T, d DriverName) {
			at := origin(t, func(c *client) {
				_, _ = readHead(c.br)
				_, _ = io.WriteString(c, "HTTP/1.1 413 Content Too Large\r\nContent-Length: 3\r\nConnection: close\r\n\r\nbig")
				_, _ = io.CopyN(io.Discard, c.br, 1<<20)
			})
			r := start(t, d, with{}, at)
			c := r.dial()
			if chunked {
				c.send("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n")
			} else {
				c.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 900000\r\n\r\n")
			}
			go func() {
				for range 30 {
					piece := strings.Repeat("x", 10_000)
					if chunked {
						piece = "2710\r\n" + piece + "\r\n"
					}
					if _, err := io.WriteString(c, piece); err != nil {
						return
					}
				}
			}()
			if h := c.head(); !strings.HasPrefix(h, "HTTP/1.1 413 ") || c.body(3) != "big" {
				t.Errorf("got %q", h)
			}
			if s, err := c.rest(); s != "" || err != nil {
				t.Errorf("then %q, %v", s, err)
			}
		})
	}
}

func TestDrainLetsRequestsFinish(t *testing.T) {
	eachDriver(t, func(t *testing.T, d DriverName) {
		arrived, release := make(chan bool, 1), make(chan bool)
		at := origin(t, func(c *client) {
			_, _ = readHead(c.br)
			arrived <- true
			<-release
			_, _ = io.WriteString(c, hello)
			_, _ = readHead(c.br)
		})
		r := start(t, d, with{}, at)
		idle, busy := r.dial(), r.dial()
		busy.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n")
		<-arrived
		drained := make(chan error)
		go func() { drained <- r.g.Drain(context.Background()) }()
		if s, err := idle.rest(); s != "" || err != nil {
			t.Errorf("the idle connection got %q, %v", s, err)
		}
		if err := r.g.Ready(); err == nil {
			t.Error("ready while draining")
		}
		close(release)
		if h := busy.head(); !strings.Contains(h, "Connection: close\n") || busy.body(5) != "hello" {
			t.Errorf("the request in flight got %q", h)
		}
		if err := <-drained; err != nil {
			t.Error(err)
		}
	})
}

func TestDrainCutsOff(t *testing.T) {
	eachDriver(t, func(t *testing.T, d DriverName) {
		arrived := make(chan bool, 1)
		at := origin(t, func(c *client) {
			_, _ = readHead(c.br)
			arrived <- true
			_, _ = c.rest()
		})
		r := start(t, d, with{}, at)
		c := r.dial()
		c.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n")
		<-arrived
		ctx, cancel := context.WithTimeout(context.Background(), 50*time.Millisecond)
		defer cancel()
		began := time.Now()
		if err := r.g.Drain(ctx); err == nil {
			t.Error("nothing was said of the request that was cut off")
		}
		if took := time.Since(began); took > patience/2 {
			t.Errorf("it took %v", took)
		}
		if s, err := c.rest(); s != "" || !isReset(err) {
			t.Errorf("the client got %q, %v: want a reset", s, err)
		}
	})
}

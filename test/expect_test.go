package test

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// TestExpectContinue: the body is asked for by the origin, and stays with the client if the origin does not want it.
func TestExpectContinue(t *testing.T) {
	const head = "POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n"
	eachDriver(t, func(t *testing.T, driver string) {
		t.Run("asked for", func(t *testing.T) {
			m := newMirror(t)
			p := start(t, driver, oneCluster(m.addr, "", ""), options{})
			w := dial(t, p.addr)
			for range 2 {
				w.send(head)
				if res := w.head("POST"); res.StatusCode != 100 {
					t.Fatalf("got %s before the body", res.Status)
				}
				w.send("hello")
				if got := mirrored(t, w.receive("POST")); got.Body != "hello" {
					t.Errorf("origin saw %q", got.Body)
				}
			}
		})
		t.Run("not waited for", func(t *testing.T) {
			m := newMirror(t)
			p := start(t, driver, oneCluster(m.addr, "", ""), options{})
			w := dial(t, p.addr)
			w.send(head, "hello")
			a := w.receive("POST")
			if a.StatusCode == 100 {
				a = w.receive("POST")
			}
			if got := mirrored(t, a); got.Body != "hello" {
				t.Errorf("origin saw %q", got.Body)
			}
		})
		t.Run("refused", func(t *testing.T) { testExpectRefused(t, driver, head) })
		t.Run("refused here", func(t *testing.T) {
			m := newMirror(t)
			p := start(t, driver, oneCluster(m.addr, "limits: {body: 4}", ""), options{})
			w := dial(t, p.addr)
			w.send(head)
			wantProblem(t, w.receive("POST"), 413, "payload_too_large")
			w.mustEnd()
			if n := m.requests.Load(); n > 0 {
				t.Errorf("the origin saw %d requests", n)
			}
		})
		t.Run("1.0 knows no interim response", func(t *testing.T) {
			m := newMirror(t)
			p := start(t, driver, oneCluster(m.addr, "", ""), options{})
			w := dial(t, p.addr)
			w.send(strings.Replace(head, "1.1", "1.0", 1), "hello")
			if got := mirrored(t, w.receive("POST")); got.Body != "hello" {
				t.Errorf("origin saw %q", got.Body)
			}
		})
		t.Run("curl", func(t *testing.T) { testExpectCurl(t, driver) })
	})
}

// testExpectRefused has an origin that answers 417 instead of asking for the body.
func testExpectRefused(t *testing.T, driver, head string) {
	after := make(chan string, 1)
	origin := serveRaw(t, func(c *net.TCPConn, r *bufio.Reader) {
		if _, ok := readHead(r); !ok {
			return
		}
		_, _ = io.WriteString(c, "HTTP/1.1 417 Expectation Failed\r\nContent-Length: 2\r\n\r\nno")
		rest, _ := io.ReadAll(r)
		after <- string(rest)
	})
	p := start(t, driver, oneCluster(origin, "", ""), options{})
	w := dial(t, p.addr)
	w.send(head)
	a := w.receive("POST")
	expectStatus(t, a, 417, "no")
	if !a.Close {
		t.Error("the connection is said to stay open, though nobody can know whether the body comes")
	}
	w.mustEnd()
	select {
	case rest := <-after:
		if rest != "" {
			t.Errorf("the origin got %q after its refusal", rest)
		}
	case <-time.After(patience):
		t.Error("the connection to the origin stays open")
	}
}

func testExpectCurl(t *testing.T, driver string) {
	curl := tool(t, "curl", "curl")
	m := newMirror(t)
	p := start(t, driver, oneCluster(m.addr, "", ""), options{})
	file := filepath.Join(t.TempDir(), "body")
	if err := os.WriteFile(file, make([]byte, 5<<20), 0o600); err != nil {
		t.Fatal(err)
	}
	out, err := exec.Command(curl, "-sv", "--expect100-timeout", "20", "-H", "Expect: 100-continue", "-X", "POST",
		"--data-binary", "@"+file, "-w", "%{http_code} %{size_upload}", "-o", os.DevNull, p.url("/")).CombinedOutput()
	if err != nil || !strings.Contains(string(out), "100 Continue") || !strings.HasSuffix(string(out), "200 5242880") {
		t.Errorf("%v\n%s", err, out)
	}
}

// TestEarlyResponse: an origin that answers before it has read the body is heard by a client that is still sending.
func TestEarlyResponse(t *testing.T) {
	eachDriver(t, func(t *testing.T, driver string) {
		origin := serveRaw(t, func(c *net.TCPConn, r *bufio.Reader) {
			if _, ok := readHead(r); !ok {
				return
			}
			_, _ = io.WriteString(c, "HTTP/1.1 413 Content Too Large\r\nConnection: close\r\nContent-Length: 3\r\n\r\nbig")
			_ = c.CloseWrite()
			_, _ = io.CopyN(io.Discard, r, 1<<20) // so that no reset overtakes the answer
		})
		p := start(t, driver, oneCluster(origin, "", ""), options{})
		for _, framing := range []string{"Content-Length: 1000000000", "Transfer-Encoding: chunked"} {
			w := dial(t, p.addr)
			w.send("POST / HTTP/1.1\r\nHost: a\r\n", framing, "\r\n\r\n")
			sent := make(chan struct{})
			go func() {
				defer close(sent)
				chunk := strings.Repeat("x", 4000)
				if strings.HasPrefix(framing, "T") {
					chunk = "fa0\r\n" + chunk + "\r\n"
				}
				for {
					if _, err := io.WriteString(w, chunk); err != nil {
						return
					}
				}
			}()
			a := w.receive("POST")
			expectStatus(t, a, 413, "big")
			if !a.Close {
				t.Error("the connection is said to stay open")
			}
			select {
			case <-sent: // the gateway stopped reading and closed
			case <-time.After(patience):
				t.Error("the gateway reads on and on")
			}
		}
	})
}

// TestEarlySuccess: an origin that answers without waiting for the body, and goes on, as nginx does where it needs no
// body. Either the client's connection carries its next request, or the response has said that it will not.
func TestEarlySuccess(t *testing.T) {
	eachDriver(t, func(t *testing.T, driver string) {
		origin := serveRaw(t, func(c *net.TCPConn, r *bufio.Reader) {
			if _, ok := readHead(r); ok {
				_, _ = io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
				_, _ = io.Copy(io.Discard, r)
			}
		})
		p := start(t, driver, oneCluster(origin, "", ""), options{})
		for _, size := range []int{1000, 60_000, 200_000} {
			for _, chunked := range []bool{false, true} {
				w := dial(t, p.addr)
				body := strings.Repeat("x", size)
				if chunked {
					w.send(post, "Transfer-Encoding: chunked\r\n\r\n")
					body = fmt.Sprintf("%x\r\n%s\r\n0\r\n\r\n", size, body)
				} else {
					w.send(post, fmt.Sprintf("Content-Length: %d\r\n\r\n", size))
				}
				a := w.receive("POST")
				expectStatus(t, a, 200, "ok")
				if a.Close {
					continue
				}
				w.send(body)
				w.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n")
				res, err := http.ReadResponse(w.r, nil)
				if err != nil || res.StatusCode != 200 {
					t.Errorf("%d bytes, chunked %v: the connection was said to stay open, and its next request got %v, %v", size, chunked, res, err)
				}
			}
		}
	})
}

// TestEcho: bytes pass in both directions at the same time, as they come.
func TestEcho(t *testing.T) {
	eachDriver(t, func(t *testing.T, driver string) {
		origin := serveGo(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			rc := http.NewResponseController(w)
			if err := rc.EnableFullDuplex(); err != nil {
				panic(err)
			}
			buf := make([]byte, 4096)
			for {
				n, err := r.Body.Read(buf)
				_, _ = w.Write(buf[:n]) // a failure shows in Flush
				if rc.Flush() != nil || err != nil {
					return
				}
			}
		}))
		p := start(t, driver, oneCluster(origin, "", ""), options{})
		for range 2 {
			w := dial(t, p.addr)
			for range 2 { // the connection carries another afterwards
				w.send("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n")
				var res *http.Response
				for i := range 100 {
					w.send("5\r\nhello\r\n")
					if i == 0 {
						res = w.head("POST")
					}
					got := make([]byte, 5)
					if _, err := io.ReadFull(res.Body, got); err != nil || string(got) != "hello" {
						t.Fatalf("round %d: %q, %v", i, got, err)
					}
				}
				w.send("0\r\n\r\n")
				if rest, err := io.ReadAll(res.Body); err != nil || len(rest) > 0 {
					t.Fatalf("at the end: %q, %v", rest, err)
				}
			}
		}
	})
}

package test

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"
)

// slow is an origin whose answers wait to be released.
type slow struct {
	addr    string
	began   chan bool
	release chan bool
}

func newSlow(t *testing.T) *slow {
	s := &slow{began: make(chan bool, 10), release: make(chan bool)}
	s.addr = serveGo(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/quick" {
			return
		}
		if r.URL.Path == "/half" {
			fmt.Fprint(w, "half, ")
			_ = http.NewResponseController(w).Flush()
		}
		s.began <- true
		select {
		case <-s.release:
			fmt.Fprint(w, "finished")
		case <-r.Context().Done():
		}
	}))
	return s
}

// refused expects that nobody listens on addr any more.
func refused(t *testing.T, addr string) {
	t.Helper()
	eventually(t, func() error {
		c, err := net.Dial("tcp", addr)
		if err == nil {
			c.Close()
			return fmt.Errorf("%s accepts still", addr)
		}
		return nil
	})
}

// TestDrain: a signal lets requests in flight finish, and nothing else.
func TestDrain(t *testing.T) {
	eachDriver(t, func(t *testing.T, driver string) {
		for _, sig := range []os.Signal{syscall.SIGTERM, syscall.SIGINT} {
			t.Run(sig.String(), func(t *testing.T) {
				o := newSlow(t)
				p := start(t, driver, oneCluster(o.addr, "", ""), options{runtime: "drain_timeout: 60s"})
				used, unused := dial(t, p.addr), dial(t, p.addr)
				used.get("/quick")
				waiting, half := dial(t, p.addr), dial(t, p.addr)
				waiting.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n")
				<-o.began
				half.send("GET /half HTTP/1.1\r\nHost: a\r\n\r\n")
				<-o.began
				body := half.head("GET").Body
				begun := make([]byte, 6)
				if _, err := io.ReadFull(body, begun); err != nil {
					t.Fatal(err)
				}
				p.signal(sig)
				used.mustEnd()
				unused.mustEnd()
				refused(t, p.addr)
				select {
				case <-p.exited:
					t.Fatal("ended with requests in flight")
				case <-time.After(200 * time.Millisecond):
				}
				close(o.release)
				a := waiting.receive("GET")
				expectStatus(t, a, 200, "finished")
				if !a.Close {
					t.Error("the last response does not say that its connection ends")
				}
				waiting.mustEnd()
				if rest, err := io.ReadAll(body); err != nil || string(rest) != "finished" {
					t.Errorf("a response that had begun ended with %q, %v", rest, err)
				}
				half.mustEnd()
				if code := p.wait(); code != 0 || !strings.Contains(p.log.String(), "msg=drained") {
					t.Errorf("exit status %d", code)
				}
			})
		}
	})
}

// TestDrainReady: a gateway that drains says that it wants no traffic, but that it is well.
func TestDrainReady(t *testing.T) {
	eachDriver(t, func(t *testing.T, driver string) {
		o := newSlow(t)
		p := start(t, driver, oneCluster(o.addr, "", ""), options{runtime: "drain_timeout: 60s"})
		w := dial(t, p.addr)
		w.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n")
		<-o.began
		p.signal(syscall.SIGTERM)
		refused(t, p.addr)
		res, err := newClient(t).Get("http://" + p.admin + "/readyz")
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		text, _ := io.ReadAll(res.Body)
		if res.StatusCode != 503 || !strings.Contains(string(text), "draining") {
			t.Errorf("readyz says %s: %s", res.Status, text)
		}
		if got := p.ask("/healthz"); got != "ok\n" {
			t.Errorf("healthz says %q", got)
		}
		close(o.release)
		expectStatus(t, w.receive("GET"), 200, "finished")
		p.wait()
	})
}

// TestDrainEnds: a deadline or a second signal ends the waiting; the exit is in order, with a warning.
func TestDrainEnds(t *testing.T) {
	eachDriver(t, func(t *testing.T, driver string) {
		for _, second := range []bool{false, true} {
			t.Run(map[bool]string{false: "deadline", true: "second signal"}[second], func(t *testing.T) {
				o := newSlow(t)
				limit := "300ms"
				if second {
					limit = "10m"
				}
				p := start(t, driver, oneCluster(o.addr, "", ""), options{runtime: "drain_timeout: " + limit})
				w, half := dial(t, p.addr), dial(t, p.addr)
				w.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n")
				half.send("GET /half HTTP/1.1\r\nHost: a\r\n\r\n")
				<-o.began
				<-o.began
				body := half.head("GET").Body
				p.signal(syscall.SIGTERM)
				if second {
					refused(t, p.addr)
					p.signal(syscall.SIGTERM)
				}
				if _, err := http.ReadResponse(w.r, nil); err == nil {
					t.Error("a request that was cut off was answered")
				}
				if _, err := io.ReadAll(body); err == nil {
					t.Error("a response that was cut off looks complete")
				}
				if code := p.wait(); code != 0 || !strings.Contains(p.log.String(), `level=WARN msg="drained, but not cleanly"`) {
					t.Errorf("exit status %d", code)
				}
			})
		}
	})
}

// TestDrainUnderLoad: while the gateway drains, every request that got a connection is answered whole.
func TestDrainUnderLoad(t *testing.T) {
	eachDriver(t, func(t *testing.T, driver string) {
		m := newMirror(t)
		p := start(t, driver, oneCluster(m.addr, "", ""), options{runtime: "drain_timeout: 60s"})
		const clients = 16
		results := make(chan string, clients)
		for range clients {
			c := newClient(t)
			go func() { results <- hammer(c, p.url("/")) }()
		}
		eventually(t, func() error {
			if n := m.requests.Load(); n < 500 {
				return fmt.Errorf("%d requests", n)
			}
			return nil
		})
		p.signal(syscall.SIGTERM)
		for range clients {
			if fault := <-results; fault != "" {
				t.Error(fault)
			}
		}
		if code := p.wait(); code != 0 {
			t.Errorf("exit status %d", code)
		}
	})
}

// hammer sends requests until a connection is refused or ends before its answer has begun, and says what else went wrong.
func hammer(c *http.Client, url string) string {
	for {
		res, err := c.Get(url)
		if err != nil {
			return "" // which of the two it is, the log of the client cannot tell apart reliably
		}
		_, err = io.ReadAll(res.Body)
		res.Body.Close()
		if err != nil || res.StatusCode != 200 {
			return fmt.Sprint(res.Status, " ", err)
		}
	}
}

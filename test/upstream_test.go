package test

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// failures are origins that fail before their response has begun, and what the client is told.
var failures = []struct {
	name, response string // empty: see origin
	origin         func(c *net.TCPConn, r *bufio.Reader)
	status         int
	code           string
}{
	{name: "silent", origin: func(c *net.TCPConn, r *bufio.Reader) { _, _ = io.Copy(io.Discard, r) }, status: 504, code: "upstream_timeout"},
	{name: "silent after half a head", origin: func(c *net.TCPConn, r *bufio.Reader) {
		_, _ = io.WriteString(c, "HTTP/1.1 200 OK\r\nX: y\r\n")
		_, _ = io.Copy(io.Discard, r)
	}, status: 504, code: "upstream_timeout"},
	{name: "closes", origin: func(c *net.TCPConn, r *bufio.Reader) { readHead(r) }, status: 502, code: "upstream_closed"},
	{name: "resets", origin: func(c *net.TCPConn, r *bufio.Reader) {
		readHead(r)
		_ = c.SetLinger(0)
	}, status: 502, code: "upstream_reset"},
	{name: "rubbish", response: "I speak no HTTP\r\n\r\n", status: 502, code: "upstream_bad_response"},
	{name: "TLS alert", response: "\x15\x03\x01\x00\x02\x02\x46", status: 502, code: "upstream_bad_response"},
	{name: "half a head, then the end", response: "HTTP/1.1 200 OK\r\nX: y\r\n", status: 502, code: "upstream_bad_response"},
	{name: "other version", response: "HTTP/2.0 200 OK\r\n\r\n", status: 502, code: "upstream_bad_response"},
	{name: "bad status", response: "HTTP/1.1 20 OK\r\n\r\n", status: 502, code: "upstream_bad_response"},
	{name: "bare LF", response: "HTTP/1.1 200 OK\nContent-Length: 0\n\n", status: 502, code: "upstream_bad_response"},
	{name: "two lengths", response: "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab", status: 502, code: "upstream_bad_response"},
	{name: "length and chunked", response: "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", status: 502, code: "upstream_bad_response"},
	{name: "space before the colon", response: "HTTP/1.1 200 OK\r\nX : y\r\nContent-Length: 0\r\n\r\n", status: 502, code: "upstream_bad_response"},
	{name: "switches protocols unasked", response: "HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n", status: 502, code: "upstream_bad_response"},
	{name: "head too large", response: "HTTP/1.1 200 OK\r\nX: " + strings.Repeat("x", 40000) + "\r\n\r\n", status: 502, code: "upstream_response_too_large"},
	{name: "too many fields", response: "HTTP/1.1 200 OK\r\n" + strings.Repeat("X: y\r\n", 300) + "\r\n", status: 502, code: "upstream_response_too_large"},
}

// TestUpstreamFailures: what becomes of a request whose origin fails. The client's connection stays usable.
func TestUpstreamFailures(t *testing.T) {
	t.Parallel()
	driversAtOnce(t, func(t *testing.T, driver string) {
		for _, c := range failures {
			t.Run(c.name, func(t *testing.T) {
				t.Parallel()
				origin := c.origin
				if origin == nil {
					origin = func(k *net.TCPConn, r *bufio.Reader) {
						readHead(r)
						_, _ = io.WriteString(k, c.response)
					}
				}
				p := start(t, driver, oneCluster(serveRaw(t, origin), "", "timeouts: {response_head: 500ms}"), options{})
				w := dial(t, p.addr)
				wantProblem(t, w.get("/"), c.status, c.code)
				w.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nab")
				wantProblem(t, w.receive("POST"), c.status, c.code)
				if n := p.metric(`ringway_endpoint_request_errors_total{cluster="site",endpoint="` + endpoint(t, p) + `",error="` + c.code + `"`); n != 2 {
					t.Errorf("counted %v times", n)
				}
			})
		}
		t.Run("refuses", func(t *testing.T) {
			p := start(t, driver, oneCluster(refusing(t), "", ""), options{})
			w := dial(t, p.addr)
			for range 3 {
				wantProblem(t, w.get("/"), 502, "upstream_connect_refused")
			}
			p.await("msg=\"request failed\"")
		})
	})
}

// endpoint is the one endpoint that the metrics know.
func endpoint(t *testing.T, p *process) string {
	t.Helper()
	_, rest, ok := strings.Cut(p.ask("/metrics"), `ringway_endpoint_requests_total{cluster="site",endpoint="`)
	if !ok {
		t.Fatal("no endpoint in the metrics")
	}
	name, _, _ := strings.Cut(rest, `"`)
	return name
}

// cuts are origins that fail in the middle of a body.
var cuts = map[string]string{
	"length":      "HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\nsome of it",
	"long length": "HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n" + strings.Repeat("a good part of it", 30000),
	"chunked":     "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n",
	"in a chunk":  "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n50\r\nhello",
	"bad chunk":   "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\nxyz\r\n",
	"bad end":     "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhelloxx0\r\n\r\n",
}

// TestUpstreamCut: a body that ends early must not look complete to the client.
func TestUpstreamCut(t *testing.T) {
	t.Parallel()
	driversAtOnce(t, func(t *testing.T, driver string) {
		for name, response := range cuts {
			for _, reset := range []bool{false, true} {
				t.Run(fmt.Sprint(name, " reset ", reset), func(t *testing.T) {
					origin := serveRaw(t, func(c *net.TCPConn, r *bufio.Reader) {
						readHead(r)
						_, _ = io.WriteString(c, response)
						if reset {
							time.Sleep(50 * time.Millisecond) // what was sent shall arrive
							_ = c.SetLinger(0)
						}
					})
					p := start(t, driver, oneCluster(origin, "", ""), options{})
					w := dial(t, p.addr)
					w.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n")
					res, err := http.ReadResponse(w.r, nil)
					if err == nil {
						_, err = io.ReadAll(res.Body)
					}
					if err == nil || isTimeout(err) {
						t.Errorf("the response ends well: %v", err)
					}
					if name != "long length" { // the others come with their head, or not at all
						return
					}
					if res == nil || res.StatusCode != 200 {
						t.Error("nothing came of a response of which much was there")
					}
				})
			}
		}
	})
}

// TestClientLeaves: a client that closes cancels its request upstream, and is logged with 499.
func TestClientLeaves(t *testing.T) {
	t.Parallel()
	driversAtOnce(t, func(t *testing.T, driver string) {
		for name, leave := range map[string]func(*wire){
			"closes": func(w *wire) { w.Close() },
			"resets": func(w *wire) { _ = w.SetLinger(0); w.Close() },
			"half":   func(w *wire) { _ = w.CloseWrite() },
		} {
			for _, request := range []string{"GET / HTTP/1.1\r\nHost: a\r\n\r\n", "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nab",
				"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 200000\r\n\r\nab"} {
				t.Run(name+" "+request[:4]+request[len(request)-4:len(request)-2], func(t *testing.T) {
					began, gone := make(chan bool, 1), make(chan bool, 1)
					origin := serveGo(t, http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
						began <- true
						if _, err := io.Copy(io.Discard, r.Body); err == nil {
							<-r.Context().Done() // net/http watches once the body was read
						}
						gone <- true
					}))
					p := start(t, driver, oneCluster(origin, "", "")+"access_log: {path: stdout}\n", options{})
					w := dial(t, p.addr)
					w.send(request)
					<-began
					leave(w)
					select {
					case <-gone:
					case <-time.After(patience):
						t.Fatal("the origin was not told")
					}
					p.await(`"status":499`)
					p.await(`"error":"client_closed"`)
				})
			}
		}
	})
}

// TestHalfCloseFinish: where the listener says so, a client may end its sending side and wait for the answer.
func TestHalfCloseFinish(t *testing.T) {
	eachDriver(t, func(t *testing.T, driver string) {
		began, release := make(chan bool, 1), make(chan bool, 1)
		origin := serveGo(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			began <- true
			<-release
			fmt.Fprint(w, "finished")
		}))
		p := start(t, driver, oneCluster(origin, "half_close: finish", ""), options{})
		w := dial(t, p.addr)
		w.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n")
		<-began
		if err := w.CloseWrite(); err != nil {
			t.Fatal(err)
		}
		time.Sleep(100 * time.Millisecond) // a cancellation would have come by now
		release <- true
		expectStatus(t, w.receive("GET"), 200, "finished")
		w.mustEnd()
	})
}

// TestStale: origins close idle connections at the moment of their reuse. No GET may fail for that, and no POST may be
// sent twice.
func TestStale(t *testing.T) {
	rounds := 400
	if testing.Short() {
		rounds = 100
	}
	eachDriver(t, func(t *testing.T, driver string) {
		var mu sync.Mutex
		posts := map[string]int{}
		n := 0
		origin := serveRaw(t, func(c *net.TCPConn, r *bufio.Reader) {
			for i := 0; ; i++ {
				head, ok := readHead(r)
				if !ok {
					return
				}
				mu.Lock()
				n++
				pause := time.Duration(n%7) * 50 * time.Microsecond
				method, path, _ := strings.Cut(strings.SplitN(head, " HTTP/", 2)[0], " ")
				if method == "POST" {
					posts[path]++
				}
				mu.Unlock()
				if method == "POST" {
					if _, err := r.Discard(2); err != nil {
						return
					}
				}
				_, _ = io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
				if i >= 1 { // the second request was the last, though nothing said so
					time.Sleep(pause)
					return
				}
			}
		})
		p := start(t, driver, oneCluster(origin, "", ""), options{loops: 1})
		w := dial(t, p.addr)
		failed := 0
		for i := range rounds {
			expectStatus(t, w.get("/"), 200, "ok")
			time.Sleep(time.Duration(i%5) * 40 * time.Microsecond)
			w.send(fmt.Sprintf("POST /%d HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nab", i))
			if a := w.receive("POST"); a.StatusCode == 502 {
				failed++
			} else {
				expectStatus(t, a, 200, "ok")
			}
			time.Sleep(time.Duration(i%3) * 60 * time.Microsecond)
		}
		mu.Lock()
		defer mu.Unlock()
		for path, times := range posts {
			if times > 1 {
				t.Errorf("POST %s was sent %d times", path, times)
			}
		}
		retries := p.metric(`ringway_endpoint_retries_total{`)
		t.Logf("%d rounds: %v retries, %d POSTs on connections that had just been closed", rounds, retries, failed)
	})
}

// TestRetryElsewhere: what could not be connected to is tried at another endpoint, whatever the method.
func TestRetryElsewhere(t *testing.T) {
	eachDriver(t, func(t *testing.T, driver string) {
		m := newMirror(t)
		config := fmt.Sprintf("listeners: {web: {address: 127.0.0.1:0, routes: [{cluster: site}]}}\n"+
			"clusters: {site: {endpoints: [%q, %q, %q]}}\naccess_log: {path: stdout}\n", refusing(t), m.addr, refusing(t))
		p := start(t, driver, config, options{})
		c := newClient(t)
		for i := range 12 {
			if got := mirrored(t, fetch(t, c, "POST", p.url("/"), strings.NewReader(fmt.Sprint("body ", i)))); got.Body != fmt.Sprint("body ", i) {
				t.Errorf("origin saw %q", got.Body)
			}
		}
		if n := m.requests.Load(); n != 12 {
			t.Errorf("%d requests", n)
		}
		p.await(`"retries":`)
	})
}

// TestWeights: endpoints are asked in proportion to their weights.
func TestWeights(t *testing.T) {
	eachDriver(t, func(t *testing.T, driver string) {
		var counts [2]atomic.Int64
		var addrs [2]string
		for i := range counts {
			addrs[i] = serveGo(t, http.HandlerFunc(func(http.ResponseWriter, *http.Request) { counts[i].Add(1) }))
		}
		config := fmt.Sprintf("listeners: {web: {address: 127.0.0.1:0, routes: [{cluster: site}]}}\n"+
			"clusters: {site: {endpoints: [%q, {address: %q, weight: 2}]}}\n", addrs[0], addrs[1])
		p := start(t, driver, config, options{loops: 1})
		w := dial(t, p.addr)
		for range 300 {
			expectStatus(t, w.get("/"), 200, "")
		}
		if a, b := counts[0].Load(), counts[1].Load(); a != 100 || b != 200 {
			t.Errorf("%d to %d", a, b)
		}
	})
}

// TestPoolBound: requests beyond the bound of connections wait for one, and those beyond the bound of waiting are told.
func TestPoolBound(t *testing.T) {
	eachDriver(t, func(t *testing.T, driver string) {
		release := make(chan bool)
		var now, most atomic.Int64
		origin := serveGo(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			if n := now.Add(1); n > most.Load() {
				most.Store(n)
			}
			<-release
			now.Add(-1)
			fmt.Fprint(w, "ok")
		}))
		p := start(t, driver, oneCluster(origin, "", "pool: {connections: 2, waiting: 3}"), options{loops: 1})
		results := make(chan int, 8)
		for range 8 {
			c := newClient(t)
			go func() {
				res, err := c.Get(p.url("/"))
				if err != nil {
					results <- 0
					return
				}
				res.Body.Close()
				results <- res.StatusCode
			}()
		}
		counts := map[int]int{}
		for range 3 { // two in flight and three waiting leave three
			counts[<-results]++
		}
		eventually(t, func() error {
			if n := now.Load(); n != 2 {
				return fmt.Errorf("%d requests at the origin", n)
			}
			return nil
		})
		close(release)
		for range 5 {
			counts[<-results]++
		}
		if counts[200] != 5 || counts[503] != 3 || most.Load() != 2 {
			t.Errorf("%v, %d at a time", counts, most.Load())
		}
	})
}

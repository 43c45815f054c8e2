package test

import (
	"fmt"
	"net"
	"net/http"
	"sync"
	"testing"
	"time"
)

// What may be left of the load when the gateway has come to rest: memory that Go's runtime keeps for the next one, and
// descriptors and goroutines that are no part of a connection.
const (
	restMemory     = 16 << 20
	restGoroutines = 4
	restFiles      = 4
)

// holdings are what a gateway holds.
type holdings struct {
	goroutines, files int
	rss               int64
}

func (p *process) holds() holdings { return holdings{p.goroutines(), p.files(), p.rss()} }

// TestLeaks: after 200,000 requests at 256 connections everything is as it was before.
func TestLeaks(t *testing.T) {
	t.Parallel()
	want := 200_000
	if testing.Short() || raceEnabled {
		want = 20_000
	}
	driversAtOnce(t, func(t *testing.T, driver string) {
		n := serveNginx(t)
		p := start(t, driver, oneCluster(n.addr, "", "timeouts: {idle: 1s}"), options{plain: true})
		p.ask("/metrics")
		before := p.holds()
		done := 0
		stop := p.watchRSS()
		for runs := 0; done < want; runs++ {
			done += wrk(t, "-t2", "-c256", "-d2s", "--timeout", "20s", p.url("/text"))
			if runs > 60 {
				t.Fatalf("%d requests only", done)
			}
		}
		peak := stop()
		after := p.settles(before)
		t.Logf("%d requests; goroutines %d to %d, descriptors %d to %d, RSS %d to %d KiB (at most %d)", done,
			before.goroutines, after.goroutines, before.files, after.files, before.rss>>10, after.rss>>10, (before.rss+peak)>>10)
		for metric, value := range map[string]float64{"ringway_listener_connections{": 0, "ringway_loop_tasks{": 0, "ringway_endpoint_connections_idle{": 0,
			"ringway_endpoint_connections_active{": 0} {
			if got := p.metric(metric); got != value {
				t.Errorf("%s is %v", metric, got)
			}
		}
		if got := p.metric(`ringway_listener_requests_total{code_class="2xx"`); got < float64(done) {
			t.Errorf("%v requests were counted of %d", got, done)
		}
	})
}

// settles waits until p holds about what it held before.
func (p *process) settles(before holdings) (now holdings) {
	p.t.Helper()
	eventually(p.t, func() error {
		now = p.holds()
		if now.goroutines > before.goroutines+restGoroutines || now.files > before.files+restFiles || now.rss > before.rss+restMemory {
			return fmt.Errorf("holds %+v, and %+v before", now, before)
		}
		return nil
	})
	return now
}

// TestLeaksOfFaults: requests that end badly, in every way, leave nothing either.
func TestLeaksOfFaults(t *testing.T) {
	t.Parallel()
	driversAtOnce(t, func(t *testing.T, driver string) {
		origin := serveGo(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			switch r.URL.Path {
			case "/hang":
				<-r.Context().Done()
			case "/cut":
				w.Header().Set("Content-Length", "1000000")
				_, _ = w.Write(make([]byte, 500_000))
				panic(http.ErrAbortHandler)
			case "/close":
				panic(http.ErrAbortHandler)
			}
		}))
		p := start(t, driver, oneCluster(origin, "timeouts: {request_head: 200ms}", "timeouts: {idle: 500ms, response_head: 200ms}"), options{plain: true})
		p.ask("/metrics")
		before := p.holds()
		var all sync.WaitGroup
		for i := range 20 {
			all.Go(func() {
				for j := range 9 {
					misbehave(p.addr, i+j)
				}
			})
		}
		all.Wait()
		p.settles(before)
		for _, m := range []string{"ringway_listener_connections{", "ringway_loop_tasks{", "ringway_endpoint_connections_active{"} {
			if got := p.metric(m); got != 0 {
				t.Errorf("%s is %v", m, got)
			}
		}
	})
}

// misbehave sends the k-th kind of request that does not end well.
func misbehave(addr string, k int) {
	requests := []string{
		"GET /hang HTTP/1.1\r\nHost: a\r\n\r\n", "GET /cut HTTP/1.1\r\nHost: a\r\n\r\n", "GET /close HTTP/1.1\r\nHost: a\r\n\r\n",
		"GET / HTTP/1.1\r\nHost: a\r\n", post + "Content-Length: 100000\r\n\r\nsome", post + "Transfer-Encoding: chunked\r\n\r\nxyz\r\n",
		"GET / HTTP/1.1\r\n\r\n", "GET /cut HTTP/1.1\r\nHost: a\r\n\r\nGET /hang HTTP/1.1\r\nHost: a\r\n\r\n", "",
	}
	c, err := net.Dial("tcp", addr)
	if err != nil {
		return
	}
	defer c.Close()
	_, _ = c.Write([]byte(requests[k%len(requests)])) // the gateway may have closed
	if k%2 == 0 {
		_ = c.(*net.TCPConn).SetLinger(0)
	}
	if k%3 != 0 {
		_ = c.SetReadDeadline(time.Now().Add(time.Duration(k%5) * 100 * time.Millisecond))
		buf := make([]byte, 64<<10)
		for {
			if _, err := c.Read(buf); err != nil {
				return
			}
		}
	}
}

// idleBound is the most resident memory that an idle keep-alive connection may take.
const idleBound = 4 << 10

// TestIdleConnections: connections at rest take next to nothing.
func TestIdleConnections(t *testing.T) {
	const conns = 4000
	eachDriver(t, func(t *testing.T, driver string) {
		origin := scripted(t, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", false)
		p := start(t, driver, oneCluster(origin, "timeouts: {idle: 10m}", ""), options{plain: true})
		w := dial(t, p.addr)
		for range 1000 { // so that what every gateway needs is there
			w.get("/")
		}
		p.ask("/metrics")
		before := p.rss()
		open := make([]*wire, conns)
		for i := range open {
			open[i] = dial(t, p.addr)
			expectStatus(t, open[i].get("/"), 200, "ok")
		}
		var per int64
		eventually(t, func() error {
			if per = (p.rss() - before) / conns; per > idleBound {
				return fmt.Errorf("%d bytes per connection", per)
			}
			return nil
		})
		if n := p.metric("ringway_listener_connections{"); n != conns+1 {
			t.Errorf("%v connections are open", n)
		}
		if n := p.metric("ringway_loop_tasks{"); n != 0 {
			t.Errorf("%v tasks, with every connection at rest", n)
		}
		t.Logf("%d bytes per connection", per)
		expectStatus(t, open[conns/2].get("/"), 200, "ok")
	})
}

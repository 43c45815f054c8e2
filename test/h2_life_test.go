package test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"golang.org/x/net/http2"
)

// TestH2Drain: who drains says GOAWAY twice, answers what was asked before the second one, and then ends the connection.
func TestH2Drain(t *testing.T) {
	t.Parallel()
	driversAtOnce(t, func(t *testing.T, driver string) {
		o := newSlow(t)
		p := start(t, driver, oneCluster(o.addr, "", ""), options{runtime: "drain_timeout: 60s"})
		f, unused := dialFrames(t, p.addr), dialFrames(t, p.addr)
		f.must(f.request(1, "GET", "/", true))
		<-o.began
		f.must(f.request(3, "GET", "/half", true))
		<-o.began
		f.must(unused.request(1, "GET", "/quick", true))
		unused.await(1)
		p.signal(syscall.SIGTERM)
		if got := unused.goneAway(); !slices.Equal(got, []string{"NO_ERROR any", "NO_ERROR 1"}) {
			t.Errorf("a connection at rest: %v", got)
		}
		var goaways []string
		all := map[uint32]*told{}
		for len(goaways) == 0 { // what is asked between the two is answered
			fr, err := f.fr.ReadFrame()
			f.must(err)
			if g, ok := fr.(*http2.GoAwayFrame); ok {
				goaways = append(goaways, fmt.Sprint(g.LastStreamID))
				f.must(f.request(5, "GET", "/quick", true))
			} else {
				f.note(all, fr)
			}
		}
		ping := false
		for !ping {
			fr, err := f.fr.ReadFrame()
			f.must(err)
			if g, ok := fr.(*http2.PingFrame); ok && !g.IsAck() {
				f.must(f.fr.WritePing(true, g.Data))
				ping = true
			}
		}
		close(o.release)
		for {
			fr, err := f.next()
			if err != nil {
				break
			}
			if g, ok := fr.(*http2.GoAwayFrame); ok {
				goaways = append(goaways, fmt.Sprint(g.LastStreamID))
			} else {
				f.note(all, fr)
			}
		}
		if got := strings.Join(goaways, " "); got != "2147483647 5" {
			t.Errorf("GOAWAYs: %s", got)
		}
		for id, want := range map[uint32]string{1: "finished", 3: "half, finished", 5: ""} {
			if s := all[id]; s == nil || s.fields[":status"] != "200" || string(s.body) != want || !s.ended {
				t.Errorf("stream %d: %+v", id, s)
			}
		}
		if code := p.wait(); code != 0 || !strings.Contains(p.log.String(), "msg=drained") {
			t.Errorf("exit status %d", code)
		}
	})
}

// TestH2DrainEnds: a deadline cuts off what takes longer, and a client that answers nothing.
func TestH2DrainEnds(t *testing.T) {
	eachDriver(t, func(t *testing.T, driver string) {
		o := newSlow(t)
		p := start(t, driver, oneCluster(o.addr, "", ""), options{runtime: "drain_timeout: 300ms"})
		f := dialFrames(t, p.addr)
		f.must(f.request(1, "GET", "/half", true))
		<-o.began
		p.signal(syscall.SIGTERM)
		all := map[uint32]*told{}
		for {
			fr, err := f.next()
			if err != nil {
				break
			}
			f.note(all, fr)
		}
		if s := all[1]; s == nil || s.ended {
			t.Errorf("a response that was cut off looks complete: %+v", s)
		}
		if code := p.wait(); code != 0 || !strings.Contains(p.log.String(), `level=WARN msg="drained, but not cleanly"`) {
			t.Errorf("exit status %d", code)
		}
	})
}

// TestH2Timeouts: how long a client may take.
func TestH2Timeouts(t *testing.T) {
	const times = "timeouts: {idle: 300ms, ping: 200ms, pong: 200ms, write: 400ms, request_head: 10s, read: 400ms}, limits: {requests_per_connection: 3}"
	driversAtOnce(t, func(t *testing.T, driver string) {
		o := newSlow(t)
		defer close(o.release)
		p := start(t, driver, oneCluster(o.addr, times, ""), options{})
		t.Run("idle", func(t *testing.T) {
			f := dialFrames(t, p.addr)
			if got := f.goneAway(); !slices.Equal(got, []string{"NO_ERROR any", "NO_ERROR 0"}) {
				t.Errorf("%v", got)
			}
		})
		t.Run("idle, and no answer to PING", func(t *testing.T) {
			f := dialFrames(t, p.addr)
			if rest, err := io.ReadAll(f); isTimeout(err) {
				t.Errorf("open still, after %q", rest)
			}
		})
		t.Run("request limit", func(t *testing.T) {
			f := dialFrames(t, p.addr)
			for id := uint32(1); id < 7; id += 2 {
				f.must(f.request(id, "GET", "/quick", true))
			}
			if got := f.goneAway(); !slices.Equal(got, []string{"NO_ERROR any", "NO_ERROR 5"}) {
				t.Errorf("%v", got)
			}
		})
		t.Run("alive", func(t *testing.T) { testH2Alive(t, p, o) })
		t.Run("dead", func(t *testing.T) {
			f := dialFrames(t, p.addr)
			f.must(f.request(1, "GET", "/", true))
			<-o.began
			if rest, err := io.ReadAll(f); isTimeout(err) { // it answers nothing, PING neither
				t.Errorf("open still, after %q", rest)
			}
		})
		t.Run("no window", func(t *testing.T) {
			f := dialFrames(t, p.addr, http2.Setting{ID: http2.SettingInitialWindowSize, Val: 2})
			f.mean = true
			f.must(f.request(1, "GET", "/half", true))
			<-o.began
			if s := f.await(1)[1]; !s.reset || s.code != http2.ErrCodeCancel || string(s.body) != "ha" {
				t.Errorf("%+v %q", s, s.body)
			}
		})
		t.Run("no body", func(t *testing.T) {
			f := dialFrames(t, p.addr)
			f.must(f.request(1, "POST", "/", false))
			<-o.began // net/http tells its handler before the body has come
			if s := f.await(1)[1]; s.fields[":status"] != "408" {
				t.Errorf("%+v %q", s, s.body)
			}
		})
	})
}

// testH2Alive: a client that answers keeps its connection for longer than the idle time, while it waits.
func testH2Alive(t *testing.T, p *process, o *slow) {
	f := dialFrames(t, p.addr)
	f.must(f.request(1, "GET", "/", true))
	<-o.began
	pings, begun := 0, time.Now()
	for time.Since(begun) < 1500*time.Millisecond {
		fr, err := f.fr.ReadFrame()
		if err != nil {
			t.Fatalf("after %v and %d PINGs: %v", time.Since(begun), pings, err)
		}
		if g, ok := fr.(*http2.PingFrame); ok && !g.IsAck() {
			pings++
			f.must(f.fr.WritePing(true, g.Data))
		}
	}
	if pings < 2 {
		t.Errorf("%d PINGs", pings)
	}
}

// TestH2Changes: clients of HTTP/2 under load notice neither reloads that take loops away nor upgrades: their connections end by
// GOAWAY, and each request is answered.
func TestH2Changes(t *testing.T) {
	t.Parallel()
	driversAtOnce(t, func(t *testing.T, driver string) {
		t.Run("reload", func(t *testing.T) {
			m, addr := newMirror(t), freeAddress(t)
			text := func(i int) string {
				return fmt.Sprintf("listeners: {web: {address: '%s', routes: [{name: r%d, cluster: site}]}}\nclusters: {site: {endpoints: ['%s']}}\nruntime: {driver: $DRIVER, loops: %d}\n", addr, i, m.addr, 1+i%3)
			}
			r := startReloadable(t, driver, text(2))
			end := loadH2(t, "http://"+addr+"/")
			for i := range 12 {
				time.Sleep(100 * time.Millisecond)
				r.write(t, text(i))
				if out, err := r.reload(); err != nil {
					t.Errorf("%v: %s", err, out)
				}
			}
			end()
		})
		t.Run("versions", func(t *testing.T) { testH2TakenAway(t, driver) })
		t.Run("upgrade", func(t *testing.T) {
			u := startUpgrades(t, driver)
			end := loadH2(t, "http://"+u.addrs["web"]+"/")
			for range 2 {
				u.upgrade()
			}
			end()
		})
	})
}

// testH2TakenAway: a reload that takes HTTP/2 from a listener lets its connections end in good order.
func testH2TakenAway(t *testing.T, driver string) {
	o, addr := newSlow(t), freeAddress(t)
	text := "listeners: {web: {address: '" + addr + "', versions: [%s], routes: [{cluster: site}]}}\nclusters: {site: {endpoints: ['" + o.addr + "']}}\nruntime: {driver: $DRIVER, loops: 1}\n"
	r := startReloadable(t, driver, fmt.Sprintf(text, "http1, http2"))
	f := dialFrames(t, addr)
	f.must(f.request(1, "GET", "/half", true))
	<-o.began
	r.write(t, fmt.Sprintf(text, "http1"))
	if out, err := r.reload(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	close(o.release)
	if s := f.await(1)[1]; string(s.body) != "half, finished" {
		t.Errorf("%+v %q", s, s.body)
	}
	f.goneAway() // most of it has come before the response's end
	if text, _ := io.ReadAll(dialFrames(t, addr)); !strings.HasPrefix(string(text), "HTTP/1.1 505 ") {
		t.Errorf("afterwards: %q", text)
	}
}

// loadH2 sends requests by many clients, each with some at a time, until end; every one has to be answered.
func loadH2(t *testing.T, url string) (end func()) {
	ctx, cancel := context.WithCancel(context.Background())
	var group sync.WaitGroup
	var answered atomic.Int64
	var clients []*http.Client
	for range 4 {
		c := h2Client(t, nil)
		clients = append(clients, c)
		for range 4 {
			group.Go(func() {
				for ctx.Err() == nil {
					res, err := c.Get(url)
					if err != nil {
						t.Errorf("after %d answers: %v", answered.Load(), err)
						return
					}
					_, err = io.Copy(io.Discard, res.Body)
					if res.Body.Close(); err != nil || res.StatusCode != 200 || res.ProtoMajor != 2 {
						t.Errorf("%s %s: %v", res.Proto, res.Status, err)
						return
					}
					answered.Add(1)
				}
			})
		}
	}
	return func() {
		t.Helper()
		cancel()
		if group.Wait(); answered.Load() < 100 {
			t.Errorf("%d requests were answered", answered.Load())
		}
		for _, c := range clients {
			c.CloseIdleConnections()
		}
	}
}

// TestH2BackPressure: who does not read is not read for, while others on the same connection go on.
func TestH2BackPressure(t *testing.T) {
	t.Parallel()
	driversAtOnce(t, func(t *testing.T, driver string) {
		var sent, taken atomic.Int64
		release := make(chan struct{})
		o := http.NewServeMux()
		o.HandleFunc("/endless", func(w http.ResponseWriter, r *http.Request) { copyCounting(w, zeros(4<<30), &sent) })
		o.HandleFunc("/stuck", func(w http.ResponseWriter, r *http.Request) {
			<-release
			n, _ := io.Copy(io.Discard, r.Body)
			_, _ = fmt.Fprint(w, n)
		})
		p := start(t, driver, oneCluster(serveGo(t, o), "", ""), options{plain: true, loops: 1})
		stop := p.watchRSS()
		c := h2Client(t, nil)
		res, err := c.Get(p.url("/endless"))
		if err != nil {
			t.Fatal(err)
		}
		const size = 60 << 20
		result := make(chan string, 1)
		go func() {
			pr, pw := io.Pipe()
			go func() {
				copyCounting(pw, zeros(size), &taken)
				_ = pw.Close()
			}()
			res, err := c.Post(p.url("/stuck"), "", pr)
			if err != nil {
				result <- err.Error()
				return
			}
			result <- readAnswer(t, res).text
		}()
		stuck := settle(t, &sent)
		if held := settle(t, &taken); stuck > bufferBound || held > bufferBound {
			t.Errorf("the origin could send %d MiB to a client that reads nothing, a client %d MiB to an origin that does not", stuck>>20, held>>20)
		}
		expectStatus(t, h2Get(t, c, p.url("/nothing")), 404, "404 page not found\n")
		if _, err := io.CopyN(io.Discard, res.Body, 2*stuck); err != nil {
			t.Error(err)
		}
		close(release)
		if got := <-result; got != fmt.Sprint(size) {
			t.Errorf("afterwards: %s", got)
		}
		_ = res.Body.Close()
		if grown := stop(); grown > memoryBound {
			t.Errorf("memory grew by %d MiB", grown>>20)
		}
	})
}

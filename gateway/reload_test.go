package gateway

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/ringway/ringway/config"
)

// reload goes over to another configuration, which must work.
func (r *rig) reload(text string) Outcome {
	r.Helper()
	o, err := r.g.Reload(context.Background(), Change{Source: Source{"test.yaml", []byte(text)}})
	if err != nil {
		r.Fatalf("%v\n%s", err, text)
	}
	return o
}

// site is a configuration with a listener "in" that leads to one cluster.
func site(d DriverName, loops int, listener, endpoints, more string) string {
	return fmt.Sprintf("listeners: {in: {address: '127.0.0.1:0', routes: [{name: all, cluster: out}]%s}%s}\n"+
		"clusters: {out: {endpoints: [%s]}}\nruntime: {driver: %s, loops: %d, drain_timeout: 10s}\n", comma(listener), more, endpoints, d, loops)
}

// named answers every request with a text.
func named(t *testing.T, text string) string {
	return replies(t, fmt.Sprintf("HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s", len(text), text))
}

// get makes a request and gives the body.
func (c *client) get() string {
	c.t.Helper()
	c.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n")
	h := c.head()
	var n int
	if _, after, ok := strings.Cut(h, "Content-Length: "); ok {
		_, _ = fmt.Sscan(after, &n)
	}
	return c.body(n)
}

// TestReloadKeeps: what a reload does not change stays: sockets, connections on both sides, counters.
func TestReloadKeeps(t *testing.T) {
	eachDriver(t, func(t *testing.T, d DriverName) {
		a, b := named(t, "a"), named(t, "b")
		r := startWith(t, site(d, 1, "", quoted(a), ""))
		c := r.dial()
		if got := c.get(); got != "a" {
			t.Fatal(got)
		}
		o := r.reload(site(d, 1, "timeouts: {idle: 5s}", quoted(a)+","+quoted(b), ""))
		if want := "~ listeners.in.timeouts.idle: 1m15s -> 5s\n+ clusters.out.endpoints[\"" + b + "\"]: {address: " + b + "}\n"; o.Diff() != want {
			t.Errorf("%q, want %q", o.Diff(), want)
		}
		if r.g.Addr("in") != r.addr {
			t.Errorf("the listener is at %s now, and was at %s", r.g.Addr("in"), r.addr)
		}
		if got := c.get() + c.get(); got != "ab" && got != "ba" {
			t.Errorf("then %s", got)
		}
		up, s := r.upstream(), r.g.Snapshot()
		if up.Connects != 2 || up.Requests != 3 || up.Reused != 1 || s.Listeners[0].Accepted != 1 || s.Listeners[0].Requests[1] != 3 {
			t.Errorf("%+v, %+v", up, s.Listeners[0])
		}
		r.reload(site(d, 1, "", quoted(b), ""))
		eventually(t, "the pool of the endpoint that is gone is empty", func() bool { return r.upstream().Idle == 1 })
		if got := c.get(); got != "b" {
			t.Errorf("at last %s", got)
		}
		if o := r.reload(site(d, 1, "", quoted(b), "")); len(o.Changes) != 0 {
			t.Errorf("%v", o.Changes)
		}
		_ = c.Close()
	})
}

func quoted(s string) string { return "'" + s + "'" }

// TestRequestKeepsItsRoute: a request that is on its way ends as it began, though its route, cluster and listener are no more.
func TestRequestKeepsItsRoute(t *testing.T) {
	eachDriver(t, func(t *testing.T, d DriverName) {
		arrived, release := make(chan bool, 1), make(chan bool)
		slow := origin(t, func(c *client) {
			_, _ = readHead(c.br)
			arrived <- true
			<-release
			_, _ = io.WriteString(c, hello)
			_, _ = readHead(c.br)
		})
		a := named(t, "a")
		with := "listeners: {in: {address: '127.0.0.1:0', routes: [{cluster: out}]}, old: {address: '127.0.0.1:0', routes: [{cluster: slow, " +
			"filters: [{headers: {response: {set: {X-Old: 'yes'}}}}]}]}}\n"
		r := startWith(t, fmt.Sprintf("%sclusters: {out: {endpoints: ['%s']}, slow: {endpoints: ['%s']}}\nruntime: {driver: %s, loops: 2}\n", with, a, slow, d))
		old := *r
		old.addr = r.g.Addr("old")
		busy, idle := old.dial(), old.dial()
		busy.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n")
		<-arrived
		eventually(t, "both are accepted", func() bool {
			s := r.g.Snapshot()
			return s.Listeners[1].Active+s.Listeners[len(s.Listeners)-1].Active >= 2
		})
		r.reload(site(d, 2, "", quoted(a), ""))
		if c, err := net.Dial("tcp", old.addr); err == nil {
			t.Error("the old listener still accepts")
			_ = c.Close()
		}
		close(release)
		if h := busy.head(); !strings.Contains(h, "X-Old: yes\n") || !strings.Contains(h, "Connection: close\n") || busy.body(5) != "hello" {
			t.Errorf("the request that was on its way got %q", h)
		}
		idle.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n") // what may have been on its way is answered too
		if h := idle.head(); !strings.Contains(h, "Connection: close\n") {
			t.Errorf("the connection at rest got %q", h)
		}
		eventually(t, "the listener is forgotten", func() bool { return len(r.g.Snapshot().Listeners) == 2 })
	})
}

// TestReloadRefuses: what cannot be done changes nothing, at whichever step it fails.
func TestReloadRefuses(t *testing.T) {
	eachDriver(t, func(t *testing.T, d DriverName) {
		a := named(t, "a")
		taken, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		defer taken.Close()
		base := site(d, 1, "", quoted(a), "")
		r := startWith(t, base)
		c := r.dial()
		c.get()
		files := openFiles(t)
		before := r.g.Running()
		for _, test := range []struct{ text, want string }{
			{"listeners: [", "test.yaml:1:"},
			{strings.Replace(base, "cluster: out", "cluster: oot", 1), "unknown cluster"},
			{site(d, 3, "", quoted(a), fmt.Sprintf(", b: {address: '127.0.0.1:0', routes: [{cluster: out}]}, z: {address: '%s', routes: [{cluster: out}]}", taken.Addr())), "listeners.z: listen on " + taken.Addr().String()},
			{strings.Replace(base, a, "no-such-host.invalid:1", 1), "clusters.out.endpoints[0]"},
			{base + "access_log: {path: /no/such/folder/log}\n", "access log"},
			{site(d, 2, "", quoted(a), "") + fmt.Sprintf("admin: {address: '%s'}\n", taken.Addr()), "admin: listen tcp"},
			{strings.Replace(base, "loops: 1", "loops: 1, buffers: 9", 1), "runtime.buffers cannot be changed while the gateway runs"},
			{base + "log: {level: error}\n", "log cannot be changed"},
		} {
			_, err := r.g.Reload(context.Background(), Change{Source: Source{"test.yaml", []byte(test.text)}})
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("%v, want %q", err, test.want)
			}
			if got := c.get(); got != "a" {
				t.Errorf("then %q", got)
			}
		}
		if now := r.g.Running(); now.Hash != before.Hash || len(now.Listeners) != 1 {
			t.Errorf("%+v, and before %+v", now, before)
		}
		eventually(t, "nothing is left open", func() bool { return openFiles(t) <= files })
		_ = c.Close()
	})
}

// TestReloadHash: who expects another configuration than the one that runs is refused; a preview changes nothing.
func TestReloadHash(t *testing.T) {
	a := named(t, "a")
	base := site(Epoll, 1, "", quoted(a), "")
	r := startWith(t, base)
	next := Change{Source: Source{"test.yaml", []byte(site(Epoll, 1, "timeouts: {idle: 5s}", quoted(a), ""))}, IfHash: "0"}
	var bad *HashError
	if _, err := r.g.Reload(context.Background(), next); !errors.As(err, &bad) {
		t.Fatal(err)
	}
	next.IfHash, next.Preview = bad.Running, true
	o, err := r.g.Reload(context.Background(), next)
	if err != nil || len(o.Changes) != 1 || o.Changes[0].Kind != config.Changed || o.Hash != bad.Running {
		t.Fatalf("%+v, %v", o, err)
	}
	next.Preview = false
	if o, err = r.g.Reload(context.Background(), next); err != nil || o.Hash != next.Hash() || r.g.Running().Hash != o.Hash {
		t.Fatalf("%+v, %v", o, err)
	}
}

// load is clients that never stop asking.
type load struct {
	t      *testing.T
	stop   atomic.Bool
	all    sync.WaitGroup
	done   atomic.Int64
	failed atomic.Int64
}

// keepAlive asks over one connection after the other, for as long as the gateway keeps each.
func (l *load) keepAlive(addr string) {
	l.all.Go(func() {
		for !l.stop.Load() {
			c, err := net.Dial("tcp", addr)
			if err != nil {
				l.fail("dial", err)
				continue
			}
			br := bufio.NewReader(c)
			for !l.stop.Load() {
				last, err := l.ask(c, br)
				if err != nil {
					l.fail("keep-alive", err)
				}
				if last || err != nil {
					break
				}
			}
			_ = c.Close()
		}
	})
}

// fresh asks over a new connection each time.
func (l *load) fresh(addr string) {
	l.all.Go(func() {
		for !l.stop.Load() {
			c, err := net.Dial("tcp", addr)
			if err == nil {
				_, err = l.ask(c, bufio.NewReader(c))
				_ = c.Close()
			}
			if err != nil {
				l.fail("new connection", err)
			}
		}
	})
}

func (l *load) ask(c net.Conn, br *bufio.Reader) (last bool, err error) {
	_ = c.SetDeadline(time.Now().Add(patience))
	if _, err = io.WriteString(c, "GET / HTTP/1.1\r\nHost: a\r\n\r\n"); err != nil {
		return true, err
	}
	resp, err := http.ReadResponse(br, nil)
	if err != nil {
		return true, err
	}
	_, err = io.Copy(io.Discard, resp.Body)
	if err == nil && resp.StatusCode != 200 {
		err = errors.New(resp.Status)
	}
	l.done.Add(1)
	return resp.Close, err
}

func (l *load) fail(what string, err error) {
	if l.failed.Add(1) < 5 {
		l.t.Errorf("%s: %v", what, err)
	}
}

func (l *load) end() {
	l.stop.Store(true)
	l.all.Wait()
	l.t.Logf("%d requests, %d failed", l.done.Load(), l.failed.Load())
}

// TestReloadsUnderLoad: 200 reloads in a row, of everything that can change, and not one request fails, over connections that
// stay or over new ones. Afterwards nothing is left of them.
func TestReloadsUnderLoad(t *testing.T) {
	reloads := 200
	if testing.Short() || raceDetector {
		reloads = 40
	}
	eachDriver(t, func(t *testing.T, d DriverName) {
		a, b := named(t, "a"), named(t, "bb")
		log := filepath.Join(t.TempDir(), "access.log")
		variants := []string{
			site(d, 2, "", quoted(a), ""),
			site(d, 3, "timeouts: {idle: 5s}", quoted(a)+","+quoted(b), ""),
			site(d, 1, "limits: {connections: 500}", quoted(b), ", more: {address: '127.0.0.1:0', routes: [{cluster: out}]}"),
			site(d, 2, "forwarded: {headers: none}", "{address: "+quoted(a)+", weight: 3},"+quoted(b), "") + "access_log: {path: '" + log + "'}\n",
			site(d, 4, "", quoted(a), ", more: {address: '127.0.0.1:0', protocol: tcp, cluster: out}"),
		}
		r := startWith(t, variants[0])
		l := &load{t: t}
		for range 8 {
			l.keepAlive(r.addr)
		}
		for range 4 {
			l.fresh(r.addr)
		}
		for i := range reloads {
			r.reload(variants[(i+1)%len(variants)])
		}
		l.end()
		if l.done.Load() < int64(reloads) {
			t.Errorf("%d requests only", l.done.Load())
		}
		r.reload(variants[0])
		eventually(t, "loops that are no more have ended", func() bool { return len(r.g.current().retired) == 0 })
		s := r.g.Snapshot()
		var total uint64
		for i := range s.Listeners {
			if s.Listeners[i].Name == "in" {
				total += s.Listeners[i].Requests[1]
			}
		}
		if total != uint64(l.done.Load()) {
			t.Errorf("%d responses are counted of %d", total, l.done.Load())
		}
	})
}

package gateway

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/ringway/ringway/observe/metrics"
)

// startTCP runs a gateway with a layer 4 listener in front of the origins.
func startTCP(t *testing.T, d DriverName, extra with, origins ...string) *rig {
	t.Helper()
	return startWith(t, fmt.Sprintf("listeners: {in: {address: '127.0.0.1:0', protocol: tcp, cluster: out%s}}\n"+
		"clusters: {out: {endpoints: [%s]%s}}\nruntime: {driver: %s, loops: 1, drain_timeout: 10s%s}\n%s\n",
		comma(extra.listener), "'"+strings.Join(origins, "','")+"'", comma(extra.cluster), d, comma(extra.runtime), extra.top))
}

// ended is the number of sessions that ended so.
func (r *rig) ended(end metrics.SessionEnd) uint64 {
	s := r.g.Snapshot()
	return s.Listeners[0].Sessions.Ends[end]
}

// wantEnds waits until n sessions have ended so, and no other in any other way.
func (r *rig) wantEnds(n uint64, end metrics.SessionEnd) {
	r.Helper()
	eventually(r, fmt.Sprintf("%d sessions end with %v", n, end), func() bool { return r.ended(end) == n })
	s := r.g.Snapshot()
	for e, count := range s.Listeners[0].Sessions.Ends {
		if metrics.SessionEnd(e) != end && count > 0 {
			r.Errorf("%d sessions ended with %v", count, metrics.SessionEnd(e))
		}
	}
}

// shut ends the client's sending side.
func (c *client) shut() {
	if tcp, ok := c.Conn.(*net.TCPConn); ok {
		_ = tcp.CloseWrite()
	}
}

// wantReset expects nothing more but a reset.
func (c *client) wantReset() {
	c.t.Helper()
	if s, err := c.rest(); s != "" || !isReset(err) {
		c.t.Errorf("got %q, %v where a reset was due", s, err)
	}
}

// wantEnd expects the rest, and then an orderly end.
func (c *client) wantEnd(want string) {
	c.t.Helper()
	if s, err := c.rest(); s != want || err != nil {
		c.t.Errorf("got %q, %v; want %q and the end", s, err, want)
	}
}

// dialRefused connects, and expects a reset: at once, or as soon as something is read.
func (r *rig) dialRefused() {
	r.Helper()
	c, err := net.Dial("tcp", r.addr)
	if err == nil {
		defer c.Close()
		_ = c.SetDeadline(time.Now().Add(patience))
		_, err = io.ReadAll(c)
	}
	if !isReset(err) {
		r.Errorf("got %v where a reset was due", err)
	}
}

// echo sends back what it gets, and ends when the client has.
func echo(t *testing.T) string {
	return origin(t, func(c *client) { _, _ = io.Copy(c, c.br) })
}

// greets says who it is as soon as a client connects, and then echoes.
func greets(t *testing.T, name string) string {
	return origin(t, func(c *client) {
		c.send("%s:", name)
		_, _ = io.Copy(c, c.br)
	})
}

func TestSession(t *testing.T) {
	eachDriver(t, func(t *testing.T, d DriverName) {
		log := filepath.Join(t.TempDir(), "access.log")
		r := startTCP(t, d, with{top: "access_log: {path: " + log + "}"}, greets(t, "a"))
		c := r.dial()
		if got := c.body(2); got != "a:" { // a server may be the first to speak
			t.Errorf("got %q", got)
		}
		body := strings.Repeat("0123456789", 100_000)
		go func() {
			c.send("%s", body)
			c.shut()
		}()
		c.wantEnd(body)
		r.wantEnds(1, metrics.Finished)
		s := r.g.Snapshot()
		if l := s.Listeners[0]; l.BytesIn != 1_000_000 || l.BytesOut != 1_000_002 || l.Accepted != 1 || l.Sessions.Duration.Count() != 1 {
			t.Errorf("counted %+v", l)
		}
		if e := r.upstream(); e.Requests != 1 || e.Connects != 1 || e.Reused != 0 {
			t.Errorf("counted %+v", e)
		}
		eventually(t, "the session is logged", func() bool { b, _ := os.ReadFile(log); return len(b) > 0 })
		b, err := os.ReadFile(log)
		if err != nil {
			t.Fatal(err)
		}
		for _, want := range []string{`"client":"127.0.0.1:`, `"listener":"in"`, `"protocol":"tcp"`, `"bytes_in":1000000,"bytes_out":1000002`,
			`"request_id":"`, `"cluster":"out"`, `"upstream":"127.0.0.1:`, `"upstream_duration_us":`, `"end":"finished"}`} {
			if !strings.Contains(string(b), want) || strings.Contains(string(b), "status") || strings.Count(string(b), "\n") != 1 {
				t.Errorf("no %s in %s", want, b)
			}
		}
	})
}

func TestSessionHalfClose(t *testing.T) {
	eachDriver(t, func(t *testing.T, d DriverName) {
		told := make(chan string, 1)
		r := startTCP(t, d, with{}, origin(t, func(c *client) { // the server ends first
			c.send("bye")
			c.shut()
			s, _ := c.rest()
			told <- s
		}))
		c := r.dial()
		c.wantEnd("bye")
		time.Sleep(20 * time.Millisecond)
		c.send("and thanks")
		c.shut()
		if s := heard(t, told); s != "and thanks" {
			t.Errorf("the server got %q", s)
		}
		r.wantEnds(1, metrics.Finished)
	})
}

func TestSessionResets(t *testing.T) {
	eachDriver(t, func(t *testing.T, d DriverName) {
		broken := make(chan error, 1)
		r := startTCP(t, d, with{}, origin(t, func(c *client) {
			if c.body(5) == "reset" {
				c.reset()
				return
			}
			_, err := c.br.ReadByte()
			broken <- err
		}))
		c := r.dial()
		c.send("reset")
		c.wantReset()
		r.wantEnds(1, metrics.UpstreamReset)
		c = r.dial()
		c.send("hello")
		eventually(t, "the server has it", func() bool { s := r.g.Snapshot(); return s.Listeners[0].BytesIn == 10 })
		c.reset()
		if err := <-broken; !isReset(err) {
			t.Errorf("the server got %v", err)
		}
		eventually(t, "the client's reset is counted", func() bool { return r.ended(metrics.ClientReset) == 1 })
		if e := r.upstream(); e.Errors[metrics.Reset] != 1 {
			t.Errorf("counted %v", e.Errors)
		}
	})
}

// An endpoint that cannot be connected to is passed over; if none can, the client sees a reset and the log the reason, once.
func TestSessionRetriesConnect(t *testing.T) {
	eachDriver(t, func(t *testing.T, d DriverName) {
		r := startTCP(t, d, with{}, refusing(t), greets(t, "b"))
		for range 4 {
			c := r.dial()
			if got := c.body(2); got != "b:" {
				t.Errorf("got %q", got)
			}
			c.shut()
			c.wantEnd("")
		}
		r.wantEnds(4, metrics.Finished)
		if e := r.upstream(); e.Retries != 2 || e.Errors[metrics.ConnectRefused] != 2 {
			t.Errorf("counted %+v", e)
		}
		r = startTCP(t, d, with{}, refusing(t), refusing(t))
		for range 3 {
			r.dialRefused()
		}
		r.wantEnds(3, metrics.SessionRefused)
		if n := strings.Count(r.log.String(), "end=upstream_connect_refused"); n != 1 {
			t.Errorf("logged %d times", n)
		}
	})
}

func TestSessionIdleTimeout(t *testing.T) {
	eachDriver(t, func(t *testing.T, d DriverName) {
		r := startTCP(t, d, with{listener: "timeouts: {tunnel: 1s}"}, echo(t))
		c := r.dial()
		for range 5 {
			time.Sleep(300 * time.Millisecond)
			c.send("x")
			c.body(1)
		}
		c.wantEnd("")
		r.wantEnds(1, metrics.IdleTimeout)
	})
}

// The bound of connections to an endpoint holds for sessions: those beyond wait, and one whose client gives up is forgotten.
func TestSessionUpstreamBound(t *testing.T) {
	eachDriver(t, func(t *testing.T, d DriverName) {
		r := startTCP(t, d, with{cluster: "pool: {connections: 1, waiting: 1}, timeouts: {connect: 20s}"}, greets(t, "a"))
		first := r.dial()
		first.body(2)
		second := r.dial()
		eventually(t, "two sessions", func() bool { s := r.g.Snapshot(); return s.Listeners[0].Active == 2 })
		time.Sleep(10 * time.Millisecond)
		r.dialRefused() // no room to wait
		r.wantEnds(1, metrics.SessionOverloaded)
		second.reset()
		eventually(t, "the second is forgotten", func() bool { return r.ended(metrics.ClientReset) == 1 })
		third := r.dial()
		third.send("early")
		time.Sleep(10 * time.Millisecond)
		if e := r.upstream(); e.Connects != 1 {
			t.Errorf("%d connects", e.Connects)
		}
		first.shut()
		first.wantEnd("")
		if got := third.body(7); got != "a:early" {
			t.Errorf("got %q", got)
		}
		third.shut()
		third.wantEnd("")
	})
}

func TestSessionLimit(t *testing.T) {
	eachDriver(t, func(t *testing.T, d DriverName) {
		r := startTCP(t, d, with{listener: "limits: {connections: 2}"}, greets(t, "a"))
		a, b, c := r.dial(), r.dial(), r.dial()
		a.body(2)
		b.body(2)
		_ = c.SetReadDeadline(time.Now().Add(50 * time.Millisecond))
		if _, err := c.br.Peek(1); !os.IsTimeout(err) {
			t.Errorf("a third was served: %v", err)
		}
		_ = c.SetReadDeadline(time.Now().Add(patience))
		a.shut()
		a.wantEnd("")
		c.body(2)
	})
}

// A drain lets sessions come to their end; who is left when its time is over is cut off, and sees that.
func TestSessionDrain(t *testing.T) {
	eachDriver(t, func(t *testing.T, d DriverName) {
		r := startTCP(t, d, with{}, greets(t, "a"))
		a, b := r.dial(), r.dial()
		a.body(2)
		b.body(2)
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		drained := make(chan error, 1)
		go func() { drained <- r.g.Drain(ctx) }()
		eventually(t, "no more are accepted", func() bool {
			c, err := net.Dial("tcp", r.addr)
			if err == nil {
				_ = c.Close()
			}
			return err != nil
		})
		a.send("still there")
		if got := a.body(11); got != "still there" {
			t.Errorf("got %q", got)
		}
		a.shut()
		a.wantEnd("")
		select {
		case err := <-drained:
			t.Fatalf("drained with a session open: %v", err)
		case <-time.After(50 * time.Millisecond):
		}
		cancel()
		b.wantReset()
		if err := <-drained; err == nil || !strings.Contains(err.Error(), "1 connections were cut off") {
			t.Errorf("drain: %v", err)
		}
	})
}

// TestSessionMessagesAllocateNothing: a message costs no allocation anywhere between the two sockets, and no task either.
func TestSessionMessagesAllocateNothing(t *testing.T) {
	if raceDetector {
		t.Skip("the race detector allocates")
	}
	eachDriver(t, func(t *testing.T, d DriverName) {
		at := origin(t, func(c *client) {
			b := make([]byte, 4096)
			for {
				n, err := c.Conn.Read(b)
				if err != nil {
					return
				}
				if _, err := c.Conn.Write(b[:n]); err != nil {
					return
				}
			}
		})
		r := startTCP(t, d, with{}, at)
		c := r.dial()
		message, buffer := bytes.Repeat([]byte("m"), 200), make([]byte, 4096)
		exchanges(t, c.Conn, 1000, message, buffer, len(message))
		best := 1.0
		const n = 3000
		var spawned uint64
		for range 3 {
			var before, after runtime.MemStats
			s := r.g.Snapshot()
			runtime.ReadMemStats(&before)
			exchanges(t, c.Conn, n, message, buffer, len(message))
			runtime.ReadMemStats(&after)
			spawned = r.g.Snapshot().Loops[0].Spawned - s.Loops[0].Spawned
			if best = min(best, float64(after.Mallocs-before.Mallocs)/n); best < 0.01 {
				break
			}
		}
		if best >= 0.01 {
			t.Errorf("%.3f allocations per round trip", best)
		}
		if spawned > n/10 {
			t.Errorf("%d tasks for %d round trips", spawned, n)
		}
	})
}

// The configuration that the page on layer 4 shows is one that loads.
func TestPageOnLayer4(t *testing.T) {
	text, err := os.ReadFile("../docs/layer4.md")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, found := strings.Cut(string(text), "```yaml\n")
	example, _, closed := strings.Cut(rest, "```")
	if !found || !closed {
		t.Fatal("it shows none")
	}
	if _, err := Load("layer4.md", []byte(example)); err != nil {
		t.Error(err)
	}
	for end := range metrics.SessionEnds {
		if !strings.Contains(string(text), "`"+metrics.SessionEnd(end).String()+"`") {
			t.Errorf("it does not tell of %v", metrics.SessionEnd(end))
		}
	}
}

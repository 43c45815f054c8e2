package gateway

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/ringway/ringway/observe/metrics"
)

// TestUpgrade: what the two ends send each other comes as it was sent, from the first byte behind the heads, and is counted.
func TestUpgrade(t *testing.T) {
	eachWay(t, func(t *testing.T, w *way) {
		log := filepath.Join(t.TempDir(), "access.log")
		var asked string
		r := w.start(t, with{top: "access_log: {path: " + log + "}"}, w.origin(t, func(c *client) {
			asked = c.head()
			c.send("%s", accepting(asked)+"first words") // in one segment
			_, _ = io.Copy(c, c.br)
			c.finish()
		}))
		c := w.dial(r)
		body := strings.Repeat("0123456789", 100_000)
		c.send("%s", asking+"early ") // before it was allowed to
		if got := c.head(); got != strings.ReplaceAll(switching, "\r\n", "\n") {
			t.Errorf("answered by %q", got)
		}
		go func() {
			c.send("%s", body)
			c.finish()
		}()
		c.wantEnd("first words" + "early " + body)
		_ = c.Close()
		r.wantTunnels(1, metrics.Finished)
		wants := []string{"GET /chat?room=1 HTTP/1.1\n", "\nHost: a.example\n", "\nConnection: Upgrade\n", "\nUpgrade: websocket\n",
			"\nSec-WebSocket-Version: 13\n", "\nX-Forwarded-For: 127.0.0.1\n", "\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\n", "\nVia: 1.1 ringway\n"}
		if w.http2 > 0 { // each gateway adds to the last two, and the key is the last one's
			wants = wants[:len(wants)-3]
		}
		asked = strings.ReplaceAll(strings.ReplaceAll(asked, "\nhost", "\nHost"), "\nsec-websocket-version", "\nSec-WebSocket-Version")
		for _, want := range wants {
			if strings.Count(asked, want) != 1 {
				t.Errorf("the origin was not asked %q once: %q", want, asked)
			}
		}
		if n := strings.Count(strings.ToLower(asked), "\nconnection:"); n != 1 {
			t.Errorf("%d Connection fields: %q", n, asked)
		}
		const in, out = 1_000_006, 1_000_017
		s := r.g.Snapshot()
		if l := s.Listeners[0]; l.Tunnels.BytesIn != in || l.Tunnels.BytesOut != out || l.Requests[0] != 1 || l.Duration.Count() != 1 ||
			l.Tunnels.Duration.Count() != 1 || l.BytesIn < in || l.BytesOut < out {
			t.Errorf("counted %+v", l)
		}
		eventually(t, "the tunnel is logged", func() bool { b, _ := os.ReadFile(log); return len(b) > 0 })
		b, _ := os.ReadFile(log)
		for _, want := range []string{`"client":"127.0.0.1:`, `"method":"GET","host":"a.example","path":"/chat?room=1","protocol":"HTTP/1.1","status":101,`,
			fmt.Sprintf(`"bytes_in":%d,"bytes_out":%d`, in, out), `"request_id":"`, `"route":"all"`, `"cluster":"out"`, `"upstream":"`, `"upstream_duration_us":`, `"end":"finished"}`} {
			if !strings.Contains(string(b), want) || strings.Count(string(b), "\n") != 1 {
				t.Errorf("no %s in %s", want, b)
			}
		}
	})
}

// TestUpgradeHalfClose: the end of one direction is passed on, and the other goes on.
func TestUpgradeHalfClose(t *testing.T) {
	eachWay(t, func(t *testing.T, w *way) {
		told := make(chan string, 1)
		r := w.start(t, with{}, w.switches(t, func(c *client) { // the server ends first
			c.send("bye")
			c.finish()
			s, _ := c.rest()
			told <- s
		}))
		c := w.dial(r)
		c.upgrade()
		c.wantEnd("bye")
		time.Sleep(20 * time.Millisecond)
		c.send("and thanks")
		c.finish()
		if s := heard(t, told); s != "and thanks" {
			t.Errorf("the server got %q", s)
		}
		r.wantTunnels(1, metrics.Finished)
	})
}

// TestUpgradeReset: a side that breaks off has the other see that.
func TestUpgradeReset(t *testing.T) {
	eachWay(t, func(t *testing.T, w *way) {
		ended := make(chan error, 1)
		r := w.start(t, with{}, w.switches(t, func(c *client) {
			_, err := c.br.ReadByte()
			ended <- err
		}))
		c := w.dial(r)
		c.upgrade()
		abort(c)
		if err := <-ended; err == nil || err == io.EOF {
			t.Errorf("the server saw %v", err)
		}
		r.wantTunnels(1, metrics.ClientReset)

		r = w.start(t, with{}, w.switches(t, func(c *client) { abort(c) }))
		c = w.dial(r)
		c.send("%s", asking)
		if _, err := c.rest(); err == nil {
			t.Error("the client saw an orderly end")
		}
		_ = c.Close()
		r.wantTunnels(1, metrics.UpstreamReset)
		if e := r.upstream(); e.Errors[metrics.Reset] != 1 {
			t.Errorf("counted %+v", e)
		}
	})
}

// TestUpgradeIdle: silence in both directions ends a tunnel, in good order; bytes in one direction do not let it end.
func TestUpgradeIdle(t *testing.T) {
	eachWay(t, func(t *testing.T, w *way) {
		told := make(chan error, 1)
		r := w.start(t, with{listener: "timeouts: {tunnel: 700ms}"}, w.switches(t, func(c *client) {
			for range 10 {
				c.send(".")
				time.Sleep(90 * time.Millisecond)
			}
			_, err := c.rest()
			told <- err
		}))
		c := w.dial(r)
		c.upgrade()
		began := time.Now()
		c.wantEnd("..........")
		if took := time.Since(began); took < 1400*time.Millisecond {
			t.Errorf("ended after %v", took)
		}
		_ = c.Close()
		if err := heard(t, told); err != nil && w.http2 == 0 { // a stream that ends before its peer has ended it is reset
			t.Errorf("the server saw %v", err)
		}
		r.wantTunnels(1, metrics.IdleTimeout)
	})
}

// TestUpgradeIdleUnread: what a side does not take is no sign of life, and holds nothing up at the end.
func TestUpgradeIdleUnread(t *testing.T) {
	eachWay(t, func(t *testing.T, w *way) {
		r := w.start(t, with{listener: "timeouts: {tunnel: 300ms}"}, w.switches(t, func(c *client) {
			chunk := strings.Repeat("x", 1<<20)
			for {
				if _, err := io.WriteString(c, chunk); err != nil {
					return
				}
			}
		}))
		c := w.dial(r)
		c.upgrade()
		r.wantTunnels(1, metrics.IdleTimeout)
		r.rest()
	})
}

// TestUpgradeRefused: a server that will not is an ordinary one, and the connection goes on.
func TestUpgradeRefused(t *testing.T) {
	eachWay(t, func(t *testing.T, w *way) {
		r := w.start(t, with{}, w.origin(t, func(c *client) {
			for i := range 2 {
				if h := c.head(); strings.Contains(h, "Upgrade: websocket") != (i == 0) {
					t.Errorf("request %d: %q", i, h)
				}
				c.send("HTTP/1.1 %d Whatever\r\nContent-Length: 2\r\nUpgrade: websocket\r\nConnection: upgrade\r\n\r\nno", 426-226*i)
			}
		}))
		c := w.dial(r)
		c.send("%s", asking+"GET /next HTTP/1.1\r\nHost: a\r\n\r\n") // what follows a refused upgrade is a request
		want := "HTTP/1.1 426 Whatever\n"
		if w.http2 > 0 {
			want = "HTTP/1.1 426 Upgrade Required\n"
		}
		if h := c.head(); !strings.HasPrefix(h, want) || c.body(2) != "no" || strings.Contains(h, "pgrade:") {
			t.Errorf("answered by %q", h)
		}
		if h := c.head(); !strings.HasPrefix(h, "HTTP/1.1 200 ") || c.body(2) != "no" {
			t.Errorf("then by %q", h)
		}
		_ = c.Close()
		if r.rest(); r.tunnels() != (metrics.TunnelCounters{}) {
			t.Errorf("counted %+v", r.tunnels())
		}
	})
}

// TestUpgradeStop: tunnels go on while the gateway drains, and are cut at the end of its patience.
func TestUpgradeStop(t *testing.T) {
	eachWay(t, func(t *testing.T, w *way) {
		log := filepath.Join(t.TempDir(), "access.log")
		told := make(chan error, 1)
		r := w.start(t, with{top: "access_log: {path: " + log + "}"}, w.switches(t, func(c *client) {
			_, err := io.Copy(c, c.br)
			told <- err
		}))
		c := w.dial(r)
		c.upgrade()
		drained := make(chan struct{})
		patient, cut := newPatience()
		go func() {
			_ = r.g.Drain(patient)
			close(drained)
		}()
		eventually(t, "it drains", r.g.draining.Load)
		time.Sleep(50 * time.Millisecond)
		if c.send("still here"); c.body(10) != "still here" {
			t.Error("the tunnel did not go on")
		}
		cut()
		<-drained
		if _, err := c.rest(); err == nil {
			t.Error("the client saw an orderly end")
		}
		if err := heard(t, told); err == nil {
			t.Error("the server saw an orderly end")
		}
		if b, _ := os.ReadFile(log); !strings.Contains(string(b), `"status":101,"bytes_in":10,"bytes_out":10,`) || !strings.Contains(string(b), `"end":"drained"`) {
			t.Errorf("logged %s", b)
		}
	})
}

// TestUpgradeUnread: a side that reads nothing holds up the other, and not the gateway's memory; when it reads, it gets all.
func TestUpgradeUnread(t *testing.T) {
	eachWay(t, func(t *testing.T, w *way) {
		const size = 32 << 20
		chunk := strings.Repeat("0123456789abcdef", 4<<10)
		push := func(c *client) {
			for n := 0; n < size; n += len(chunk) {
				c.send("%s", chunk)
			}
			c.finish()
		}
		drain := func(c *client) error {
			got := make([]byte, len(chunk))
			for n := 0; n < size; n += len(chunk) {
				if _, err := io.ReadFull(c.br, got); err != nil || string(got) != chunk {
					return fmt.Errorf("after %d bytes: %w", n, err)
				}
			}
			_, err := c.br.ReadByte()
			return err
		}
		read, told := make(chan struct{}), make(chan error, 1)
		r := w.start(t, with{}, w.switches(t, func(c *client) {
			var pushed sync.WaitGroup
			pushed.Go(func() { push(c) })
			<-read
			told <- drain(c)
			pushed.Wait()
		}))
		c := w.dial(r)
		c.upgrade()
		go push(c)
		last := uint64(0)
		eventually(t, "nothing moves", func() bool {
			before := last
			time.Sleep(100 * time.Millisecond)
			k := r.tunnels()
			last = k.BytesIn + k.BytesOut
			return last > 0 && last == before
		})
		if last > size {
			t.Errorf("%d bytes were taken that nobody reads", last)
		}
		close(read)
		if err := drain(c); err != io.EOF {
			t.Error(err)
		}
		if err := heard(t, told); err != io.EOF {
			t.Error("the server: ", err)
		}
		_ = c.Close()
		r.wantTunnels(1, metrics.Finished)
	})
}

// TestUpgradeStopOverHTTP2: a gateway that drains lets the tunnels on a client's HTTP/2 connection go on, too, and takes no new ones.
func TestUpgradeStopOverHTTP2(t *testing.T) {
	eachDriver(t, func(t *testing.T, d DriverName) {
		w := &way{driver: d}
		inner := w.start(t, with{}, w.switches(t, func(c *client) { _, _ = io.Copy(c, c.br) }))
		r := start(t, d, with{cluster: overH2 + ", retries: 0"}, inner.addr)
		c := w.dial(r)
		c.upgrade()
		patient, cut := newPatience()
		defer cut()
		drained := make(chan struct{})
		go func() {
			_ = inner.g.Drain(patient)
			close(drained)
		}()
		eventually(t, "it drains", inner.g.draining.Load)
		eventually(t, "no new tunnel is taken", func() bool {
			other := w.dial(r)
			defer other.Close()
			other.send("%s", asking)
			return strings.HasPrefix(other.head(), "HTTP/1.1 502 ")
		})
		if c.send("still here"); c.body(10) != "still here" {
			t.Error("the tunnel did not go on")
		}
		cut()
		<-drained
		if _, err := c.rest(); err == nil {
			t.Error("the client saw an orderly end")
		}
		_ = c.Close()
		r.wantTunnels(1, metrics.UpstreamReset)
	})
}

// TestUpgradeAnswer: whether a server of HTTP/1.1 answers the client's key, and how, is for the client to judge.
func TestUpgradeAnswer(t *testing.T) {
	eachDriver(t, func(t *testing.T, d DriverName) {
		for _, answer := range []string{"", "Sec-WebSocket-Accept: wrong\n"} {
			want := "HTTP/1.1 101 Switching Protocols\nConnection: Upgrade\nUpgrade: websocket\n" + answer + "\n"
			r := start(t, d, with{}, origin(t, func(c *client) {
				c.head()
				c.send("%s", strings.ReplaceAll(want, "\n", "\r\n"))
			}))
			c := r.dial()
			c.send("%s", asking)
			if got := c.head(); got != want {
				t.Errorf("the client gets %q, want %q", got, want)
			}
			_ = c.Close()
		}
	})
}

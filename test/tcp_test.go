package test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// oneTunnel is a layer 4 listener in front of one cluster.
func oneTunnel(endpoints, listener, cluster string) string {
	comma := func(s string) string {
		if s == "" {
			return ""
		}
		return ", " + s
	}
	return fmt.Sprintf("listeners: {db: {address: 127.0.0.1:0, protocol: tcp, cluster: out%s}}\nclusters: {out: {endpoints: [%s]%s}}",
		comma(listener), endpoints, comma(cluster))
}

// serveTCP starts a server that gives every connection to f and closes it when f returns.
func serveTCP(t testing.TB, f func(c *net.TCPConn)) string {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var all sync.WaitGroup
	var mu sync.Mutex
	open := map[net.Conn]bool{}
	all.Go(func() {
		for {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			mu.Lock()
			open[c] = true
			mu.Unlock()
			all.Go(func() {
				defer func() {
					c.Close()
					mu.Lock()
					delete(open, c)
					mu.Unlock()
				}()
				f(c.(*net.TCPConn))
			})
		}
	})
	t.Cleanup(func() {
		ln.Close()
		mu.Lock()
		for c := range open {
			c.Close()
		}
		mu.Unlock()
		all.Wait()
	})
	return ln.Addr().String()
}

// serveEcho starts a server that sends back what it gets until that ends.
func serveEcho(t testing.TB) string {
	return serveTCP(t, func(c *net.TCPConn) { _, _ = io.Copy(c, c) })
}

// sessions is how many sessions have ended so.
func (p *process) sessions(end string) float64 {
	return p.metric(`ringway_listener_sessions_total{end="` + end + `"`)
}

func (p *process) wantSessions(end string, n float64) {
	p.t.Helper()
	eventually(p.t, func() error {
		if got := p.sessions(end); got != n {
			return fmt.Errorf("%v sessions ended with %s, not %v", got, end, n)
		}
		return nil
	})
}

// exchange sends s and expects it back.
func (w *wire) exchange(s string) {
	w.t.Helper()
	w.send(s)
	got := make([]byte, len(s))
	if _, err := io.ReadFull(w.r, got); err != nil || string(got) != s {
		w.t.Fatalf("got %q, %v; want %q", got, err, s)
	}
}

// mustReset expects a reset and nothing before it.
func (w *wire) mustReset() {
	w.t.Helper()
	if rest, err := io.ReadAll(w.r); len(rest) > 0 || !errors.Is(err, syscall.ECONNRESET) {
		w.t.Errorf("got %q, %v where a reset was due", abridge(string(rest)), err)
	}
}

// closeWithReset ends the connection with RST.
func (w *wire) closeWithReset() {
	_ = w.SetLinger(0)
	_ = w.Close()
}

// endings does what its client asks for in the first five bytes, and tells how the session looked from its side.
func endings(c *net.TCPConn, seen chan<- error) {
	ask := make([]byte, 5)
	if _, err := io.ReadFull(c, ask); err != nil {
		seen <- err
		return
	}
	switch string(ask) {
	case "echo ":
		_, _ = io.Copy(c, c)
	case "bye  ": // ends first, and listens on
		_, _ = io.WriteString(c, "bye")
		_ = c.CloseWrite()
		rest, err := io.ReadAll(c)
		if err == nil && string(rest) != "so long" {
			err = fmt.Errorf("got %q", rest)
		}
		seen <- err
	case "reset":
		_ = c.SetLinger(0)
	case "wait ":
		_, err := c.Read(ask)
		seen <- err
	}
}

// TestTunnelEnds: ends, resets and silence of either side arrive at the other, and are counted.
func TestTunnelEnds(t *testing.T) {
	t.Parallel()
	driversAtOnce(t, func(t *testing.T, driver string) {
		seen := make(chan error, 1)
		at := serveTCP(t, func(c *net.TCPConn) { endings(c, seen) })
		p := start(t, driver, oneTunnel(at, "timeouts: {tunnel: 1500ms}", ""), options{})
		w := dial(t, p.addr)
		w.send("echo hello")
		_ = w.CloseWrite()
		if got, err := io.ReadAll(w.r); string(got) != "hello" || err != nil {
			t.Errorf("after the client's end: %q, %v", got, err)
		}
		w = dial(t, p.addr)
		w.send("bye  ")
		if got, err := io.ReadAll(w.r); string(got) != "bye" || err != nil {
			t.Errorf("the server's end: %q, %v", got, err)
		}
		w.send("so long")
		_ = w.CloseWrite()
		if err := <-seen; err != nil {
			t.Errorf("the server, after its end: %v", err)
		}
		p.wantSessions("finished", 2)
		w = dial(t, p.addr)
		w.send("reset")
		w.mustReset()
		p.wantSessions("upstream_reset", 1)
		w = dial(t, p.addr)
		w.send("wait ")
		eventually(t, func() error {
			if p.metric("ringway_listener_received_bytes_total") < 4*5+5+7 {
				return errors.New("not received")
			}
			return nil
		})
		w.closeWithReset()
		if err := <-seen; !errors.Is(err, syscall.ECONNRESET) {
			t.Errorf("the client's reset: %v", err)
		}
		p.wantSessions("client_reset", 1)
		w = dial(t, p.addr)
		for range 4 {
			time.Sleep(600 * time.Millisecond)
			w.send("echo "[:1])
		}
		w.mustEnd()
		p.wantSessions("idle_timeout", 1)
		if err := <-seen; err != io.ErrUnexpectedEOF {
			t.Errorf("the server of an idle session: %v", err)
		}
	})
}

// TestTunnelBulk: a gibibyte each way passes whole, while memory stays where it was, also when one side is slow.
func TestTunnelBulk(t *testing.T) {
	t.Parallel()
	size := int64(1 << 30)
	if raceEnabled {
		size = 128 << 20
	}
	if os.Getenv("RINGWAY_LONG") != "" {
		size = 10 << 30
	}
	driversAtOnce(t, func(t *testing.T, driver string) {
		p := start(t, driver, oneTunnel(serveEcho(t), "", ""), options{plain: true})
		dial(t, p.addr).exchange("warm up")
		stop := p.watchRSS()
		w := dial(t, p.addr)
		_ = w.SetDeadline(time.Now().Add(10 * patience))
		block := make([]byte, 1<<20)
		for i := range block {
			block[i] = byte(i * 7 >> 3)
		}
		go func() {
			for sent := int64(0); sent < size; sent += 1 << 20 {
				if _, err := w.Write(block); err != nil {
					t.Error(err)
					return
				}
			}
			_ = w.CloseWrite()
		}()
		from, n := time.Now(), int64(0)
		for got := make([]byte, 1<<20); ; n += 1 << 20 {
			if n == size/2 {
				time.Sleep(100 * time.Millisecond)
			}
			_, err := io.ReadFull(w.r, got)
			if err == io.EOF {
				break
			}
			if err != nil || !bytes.Equal(got, block) {
				t.Fatalf("at %d: %v, or other bytes", n, err)
			}
		}
		grown := stop()
		t.Logf("%d MiB each way in %v, RSS grew by %d KiB at most", n>>20, time.Since(from).Round(time.Millisecond), grown>>10)
		if n != size || grown > 16<<20 {
			t.Errorf("%d bytes came back of %d; RSS grew by %d KiB", n, size, grown>>10)
		}
		p.wantSessions("finished", 1)
	})
}

// TestIdleTunnels: a tunnel at rest costs little memory, its two connections, and neither a pipe nor a task.
func TestIdleTunnels(t *testing.T) {
	const n = 4000
	eachDriver(t, func(t *testing.T, driver string) {
		at := serveEcho(t)
		p := start(t, driver, oneTunnel(at, "", ""), options{plain: true, runtime: "drain_timeout: 200ms"})
		open := func() *wire {
			w := dial(t, p.addr)
			w.exchange("hello")
			return w
		}
		for range 50 {
			open().Close()
		}
		p.wantSessions("finished", 50)
		before := p.holds()
		var all []*wire
		for range n {
			all = append(all, open())
		}
		var after holdings
		eventually(t, func() error {
			after = p.holds()
			if files := after.files - before.files; files > 2*n+restFiles {
				return fmt.Errorf("%d descriptors for %d tunnels", files, n)
			}
			return nil
		})
		each := (after.rss - before.rss) / n
		t.Logf("%d bytes of RSS for each of %d idle tunnels", each, n)
		if tasks := p.metric("ringway_loop_tasks{"); tasks > 0 || each > 8<<10 {
			t.Errorf("%v tasks, %d bytes each", tasks, each)
		}
		for _, w := range all[:10] {
			w.exchange("still there")
		}
	})
}

// TestTunnelDrain: the end of the gateway lets sessions finish for as long as it was told to, then cuts them off, and says so.
func TestTunnelDrain(t *testing.T) {
	t.Parallel()
	driversAtOnce(t, func(t *testing.T, driver string) {
		log := filepath.Join(t.TempDir(), "access.log")
		config := oneTunnel(serveEcho(t), "", "") + "\naccess_log: {path: " + log + "}"
		p := start(t, driver, config, options{runtime: "drain_timeout: 2s"})
		a, b := dial(t, p.addr), dial(t, p.addr)
		a.exchange("one")
		b.exchange("two")
		p.signal(syscall.SIGTERM)
		p.await("draining")
		a.exchange("in the drain")
		_ = a.CloseWrite()
		a.mustEnd()
		b.mustReset()
		if code := p.wait(); code != 0 {
			t.Errorf("exit status %d", code)
		}
		if !strings.Contains(p.log.String(), "1 connections were cut off with requests or sessions in flight") {
			t.Error("the log does not tell of the session that was cut off")
		}
		lines, err := os.ReadFile(log)
		if err != nil {
			t.Fatal(err)
		}
		for _, want := range []string{`"bytes_in":15,"bytes_out":15`, `"end":"finished"`, `"bytes_in":3,"bytes_out":3`, `"end":"drained"`} {
			if strings.Count(string(lines), want) != 1 {
				t.Errorf("not one %s in\n%s", want, lines)
			}
		}
	})
}

// TestTunnelCap: connections beyond the cap wait in the queue until there is room.
func TestTunnelCap(t *testing.T) {
	eachDriver(t, func(t *testing.T, driver string) {
		p := start(t, driver, oneTunnel(serveEcho(t), "limits: {connections: 2}", ""), options{loops: 1})
		a, b := dial(t, p.addr), dial(t, p.addr)
		a.exchange("a")
		b.exchange("b")
		var rest []*wire
		for range 4 {
			w := dial(t, p.addr)
			w.send("waits")
			rest = append(rest, w)
		}
		time.Sleep(200 * time.Millisecond) // time enough to be served wrongly
		if n := p.metric("ringway_endpoint_connects_total"); n != 2 {
			t.Errorf("%v sessions with a cap of two", n)
		}
		a.Close()
		b.Close()
		for _, w := range rest {
			w.exchange("")
			got := make([]byte, 5)
			if _, err := io.ReadFull(w.r, got); err != nil || string(got) != "waits" {
				t.Errorf("%q, %v", got, err)
			}
			w.Close()
		}
	})
}

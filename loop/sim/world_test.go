package sim_test

import (
	"bytes"
	"errors"
	"io"
	"log/slog"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/ringway/ringway/conn"
	"github.com/ringway/ringway/loop"
	"github.com/ringway/ringway/loop/sim"
)

// play starts a loop in a world of the configuration, lets f run as a task on it until it ends, and closes the world.
func play(t *testing.T, cfg sim.Config, f func(w *sim.World, n *conn.Net, task *loop.Task)) *sim.World {
	t.Helper()
	w := sim.New(cfg)
	lc := loop.DefaultConfig(0, w.Driver)
	lc.Log = slog.New(slog.DiscardHandler)
	l, err := loop.Start(lc)
	if err != nil {
		t.Fatal(err)
	}
	l.Post(func() {
		n := conn.NewNet(l, conn.DefaultLimits())
		l.Go("test", func(task *loop.Task) {
			defer w.Freeze()
			if err := task.Sleep(1); err == nil { // until time passes
				f(w, n, task)
			}
		})
	})
	w.Run(24 * time.Hour)
	w.Live()
	l.Stop(time.Second)
	if err := l.Wait(); err != nil && !w.Endless() {
		t.Error(err)
	}
	return w
}

// echo listens at an address of the world and sends back what it gets.
func echo(t *testing.T, w *sim.World, n *conn.Net) conn.Address {
	lc := conn.ListenConfig{Address: "10.0.0.1:7"}
	fd, _, err := conn.OpenListener(w.Sockets(), lc, n.Loop.NonBlocking())
	if err != nil {
		t.Error(err)
	}
	conn.Listen(n, fd, lc, acceptor(func(c *conn.Conn) {
		n.Loop.Go("echo", func(*loop.Task) {
			_, _ = io.Copy(struct{ io.Writer }{c}, struct{ io.Reader }{c})
			_ = c.Close()
		})
	}))
	addr, err := conn.AddressOf(netip.MustParseAddrPort("10.0.0.1:7"))
	if err != nil {
		t.Error(err)
	}
	return addr
}

type acceptor func(*conn.Conn)

func (f acceptor) Accept(c *conn.Conn) { f(c) }

// talk sends n bytes through echo and reads them back; it returns what came and how that ended.
func talk(t *testing.T, w *sim.World, net *conn.Net, task *loop.Task, n int) ([]byte, error) {
	addr := echo(t, w, net)
	c, err := conn.Dial(net, &addr, time.Hour)
	if err != nil {
		return nil, err
	}
	defer c.Close()
	c.SetReadTimeout(time.Hour)
	sender := net.Loop.Go("sender", func(*loop.Task) {
		if _, err := c.Write(bytes.Repeat([]byte("0123456789abcdef"), n/16)); err == nil {
			_ = c.CloseWrite()
		}
	})
	got, err := io.ReadAll(c)
	c.Abort()
	_ = task.Join(sender)
	return got, err
}

func TestClockJumps(t *testing.T) {
	began := time.Now()
	var slept time.Duration
	play(t, sim.Config{Seed: 1}, func(w *sim.World, n *conn.Net, task *loop.Task) {
		from := w.Now()
		if err := task.Sleep(3 * time.Hour); err != nil {
			t.Error(err)
		}
		slept = time.Duration(w.Now() - from)
	})
	if slept < 3*time.Hour || slept > 3*time.Hour+time.Second {
		t.Errorf("three hours took %v of the world's time", slept)
	}
	if took := time.Since(began); took > time.Minute {
		t.Errorf("three hours took %v", took)
	}
}

// TestTimeStandsStill: what is posted runs, and no timer does.
func TestTimeStandsStill(t *testing.T) {
	w := sim.New(sim.Config{Seed: 1})
	l, err := loop.Start(loop.DefaultConfig(0, w.Driver))
	if err != nil {
		t.Fatal(err)
	}
	woke := false
	l.On(func() {
		l.Go("sleeper", func(task *loop.Task) { woke = task.Sleep(time.Nanosecond) == nil })
	})
	w.Settle()
	l.On(func() {
		if woke {
			t.Error("a timer ran out while time stood still")
		}
	})
	w.Run(time.Second)
	l.On(func() {
		if !woke {
			t.Error("a timer did not run out when time passed")
		}
	})
	w.Live()
	l.Stop(time.Second)
	if err := l.Wait(); err != nil {
		t.Error(err)
	}
}

// TestLiveClockWaits: loops that run side by side share one clock, which must not leave behind the one that is at work.
func TestLiveClockWaits(t *testing.T) {
	w := sim.New(sim.Config{Seed: 1})
	var loops []*loop.Loop
	for id := range 2 {
		l, err := loop.Start(loop.DefaultConfig(id, w.Driver))
		if err != nil {
			t.Fatal(err)
		}
		loops = append(loops, l)
	}
	w.Live()
	busy, sleeper := loops[0], loops[1]
	slept := make(chan error, 1)
	busy.On(func() { // the clock stands still from here on, or leaves this loop behind
		sleeper.Post(func() {
			sleeper.Go("sleeper", func(task *loop.Task) { slept <- task.Sleep(time.Minute) })
		})
		from := w.Now()
		time.Sleep(20 * time.Millisecond)
		if d := time.Duration(w.Now() - from); d > 0 {
			t.Errorf("the clock went on for %v while a loop was at work", d)
		}
	})
	if err := <-slept; err != nil {
		t.Error(err)
	}
	busy.Stop(time.Second)
	go func() { // a loop that has left holds nobody up
		sleeper.Post(func() {
			sleeper.Go("sleeper", func(task *loop.Task) { slept <- task.Sleep(time.Minute) })
		})
	}()
	if err := errors.Join(busy.Wait(), <-slept); err != nil {
		t.Error(err)
	}
	sleeper.Stop(time.Second)
	if err := sleeper.Wait(); err != nil {
		t.Error(err)
	}
}

// TestFaults: each fault by itself does what it says, and a stream arrives whole through those that only delay.
func TestFaults(t *testing.T) {
	const size = 64 << 10
	for name, test := range map[string]struct {
		faults sim.Faults
		whole  bool
		err    string
	}{
		"none":        {sim.Faults{}, true, ""},
		"latency":     {sim.Faults{Latency: 30 * time.Millisecond, Jitter: 30 * time.Millisecond, Segment: 700}, true, ""},
		"short":       {sim.Faults{Latency: 1, Short: 0.9}, true, ""},
		"interrupted": {sim.Faults{Latency: 1, Interrupted: 0.5}, true, ""},
		"no buffers":  {sim.Faults{Latency: 1, NoBuffers: 0.5}, true, ""},
		"late cancel": {sim.Faults{Latency: 1, LateCancel: 1}, true, ""},
		"reorder":     {sim.Faults{Latency: 1, Delay: time.Millisecond, Reorder: true, Portion: 1}, true, ""},
		"little room": {sim.Faults{Latency: 1, Room: 512}, true, ""},
		"reset":       {sim.Faults{Latency: 1, Segment: 512, Reset: 1}, false, "connection reset"},
		"silent":      {sim.Faults{Latency: 1, Segment: 512, Silent: 1}, false, "timed out"},
		"refused":     {sim.Faults{Latency: 1, Refused: 1}, false, "connection refused"},
		"unanswered":  {sim.Faults{Latency: 1, Unanswered: 1}, false, "connection timed out"},
		"files":       {sim.Faults{Latency: 1, Files: 1}, false, "too many open files"},
	} {
		t.Run(name, func(t *testing.T) {
			var got []byte
			var err error
			w := play(t, sim.Config{Seed: 5, Faults: test.faults}, func(w *sim.World, n *conn.Net, task *loop.Task) {
				got, err = talk(t, w, n, task, size)
			})
			if whole := err == nil && len(got) == size; whole != test.whole {
				t.Errorf("%d of %d bytes came, and %v", len(got), size, err)
			}
			if test.err != "" && (err == nil || !strings.Contains(err.Error(), test.err)) {
				t.Errorf("error %v, want %s", err, test.err)
			}
			if w.Events() == 0 && test.faults.Files == 0 {
				t.Error("nothing was counted")
			}
		})
	}
}

func TestReplay(t *testing.T) {
	faults := sim.Faults{Latency: time.Millisecond, Jitter: time.Millisecond, Delay: time.Millisecond, Turn: time.Millisecond, Segment: 100, Short: 0.5, Interrupted: 0.2, Reorder: true}
	hash := func(seed uint64) (uint64, []string) {
		w := play(t, sim.Config{Seed: seed, Faults: faults, Trace: 10_000}, func(w *sim.World, n *conn.Net, task *loop.Task) {
			_, _ = talk(t, w, n, task, 16<<10)
		})
		return w.Hash(), w.Trace()
	}
	seen := map[uint64]uint64{}
	for seed := uint64(1); seed <= 20; seed++ {
		a, traceA := hash(seed)
		b, traceB := hash(seed)
		if a != b || len(traceA) != len(traceB) {
			t.Errorf("seed %d: two runs differ (%d and %d events)", seed, len(traceA), len(traceB))
		}
		if other, ok := seen[a]; ok {
			t.Errorf("seeds %d and %d are the same run", other, seed)
		}
		seen[a] = seed
	}
}

// TestEndless: loops that run in circles end a Run.
func TestEndless(t *testing.T) {
	w := play(t, sim.Config{Seed: 1, Turns: 1000}, func(w *sim.World, n *conn.Net, task *loop.Task) {
		for task.Yield() == nil {
		}
	})
	if !w.Endless() {
		t.Error("nobody noticed")
	}
}

// TestStalled: a world in which nothing can happen any more says so, instead of waiting.
func TestStalled(t *testing.T) {
	w := sim.New(sim.Config{Seed: 1})
	d, err := w.Driver(loop.DefaultDriverConfig())
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() {
		_ = d.Wait(-1)
		close(ended)
	}()
	w.Run(time.Hour)
	if !w.Stalled() {
		t.Error("a world without events did not say that it has stalled")
	}
	d.Wake()
	<-ended
}

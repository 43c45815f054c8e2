package loop_test

import (
	"log/slog"
	"os"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/ringway/ringway/buf"
	"github.com/ringway/ringway/loop"
	"github.com/ringway/ringway/loop/epoll"
	"github.com/ringway/ringway/loop/uring"
)

// patience is how long a test waits for what must happen. It is long because machines that run tests are busy.
const patience = 20 * time.Second

func TestMain(m *testing.M) {
	buf.Poison = true
	loop.SetCheckThreads(true)
	loop.SetMaxProcs(1)
	os.Exit(m.Run())
}

// drivers are those that work here.
func drivers(t testing.TB) map[string]loop.NewDriver {
	out := map[string]loop.NewDriver{"epoll": epoll.New}
	if err := uring.Probe(); err != nil {
		t.Logf("without io_uring, which cannot be used here: %v", err)
		return out
	}
	out["uring"] = uring.New
	return out
}

// each runs f on both drivers, and sees that it leaves no goroutine and no descriptor behind.
func each(t *testing.T, f func(t *testing.T, cfg loop.Config)) {
	for name, open := range drivers(t) {
		t.Run(name, func(t *testing.T) {
			goroutines, descriptors := runtime.NumGoroutine(), openDescriptors(t)
			cfg := loop.DefaultConfig(0, open)
			cfg.DriverSizes = loop.DriverConfig{Entries: 64, RecvSize: 4096, RecvBlocks: 64}
			cfg.Log = slog.New(slog.DiscardHandler)
			f(t, cfg)
			eventually(t, "the goroutines end", func() bool { return runtime.NumGoroutine() <= goroutines })
			eventually(t, "as few descriptors are open as before", func() bool { return openDescriptors(t) <= descriptors })
		})
	}
}

// onLoops runs f on a loop of each driver that is stopped in order afterwards.
func onLoops(t *testing.T, f func(t *testing.T, l *loop.Loop)) {
	each(t, func(t *testing.T, cfg loop.Config) {
		l := start(t, cfg)
		f(t, l)
		l.Stop(patience)
		if err := l.Wait(); err != nil {
			t.Errorf("Wait: %v", err)
		}
	})
}

func start(t testing.TB, cfg loop.Config) *loop.Loop {
	t.Helper()
	l, err := loop.Start(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// inTask runs f as a task and waits for its end. f must not call Fatal: Goexit ends a loop.
func inTask(t testing.TB, l *loop.Loop, f func(task *loop.Task)) {
	t.Helper()
	ended := make(chan any, 1)
	l.Post(func() {
		l.Go("test", func(task *loop.Task) {
			defer func() { ended <- recover() }()
			f(task)
		})
	})
	select {
	case v := <-ended:
		if v != nil {
			t.Fatalf("the task panicked: %v", v)
		}
	case <-time.After(patience):
		t.Fatal("the task did not end")
	}
}

func eventually(t testing.TB, what string, cond func() bool) {
	t.Helper()
	for deadline := time.Now().Add(patience); !cond(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			stacks := make([]byte, 64<<10)
			t.Fatalf("it does not happen that %s\n%s", what, stacks[:runtime.Stack(stacks, true)])
		}
	}
}

func openDescriptors(t testing.TB) int {
	t.Helper()
	time.Sleep(time.Microsecond) // Go's first timer opens two descriptors that stay
	list, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	return len(list)
}

// captured is a log that a test can read.
type captured struct {
	mu  sync.Mutex
	buf strings.Builder
}

func (c *captured) Write(b []byte) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.buf.Write(b)
}

func (c *captured) String() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.buf.String()
}

// wire is one operation that a task waits for: the way every caller of Submit goes.
type wire struct {
	op   loop.Op
	task *loop.Task
	r    loop.Result
	done bool
}

func (w *wire) Complete(_ *loop.Op, r loop.Result) {
	w.r, w.done = r, !r.More
	w.task.Loop().Ready(w.task)
}

// CancelWait asks the kernel for its last word.
func (w *wire) CancelWait(t *loop.Task) { t.Loop().CancelOp(&w.op) }

func (w *wire) do(t *loop.Task) loop.Result {
	w.op.Done, w.task, w.done = w, t, false
	t.Loop().Submit(&w.op)
	return w.wait(t)
}

func (w *wire) wait(t *loop.Task) loop.Result {
	if t.Cause() != nil && !w.done {
		t.Loop().CancelOp(&w.op)
	}
	for !w.done {
		_ = t.ParkUncancelled(w)
	}
	return w.r
}

// pair gives two ends of a stream for the loop.
func pair(t testing.TB, l *loop.Loop) [2]int32 {
	t.Helper()
	flags := syscall.SOCK_STREAM | syscall.SOCK_CLOEXEC
	if l.NonBlocking() {
		flags |= syscall.SOCK_NONBLOCK
	}
	p, err := syscall.Socketpair(syscall.AF_UNIX, flags, 0)
	if err != nil {
		t.Error(err)
	}
	return [2]int32{int32(p[0]), int32(p[1])}
}

// closeAll closes descriptors through the loop, which knows them.
func closeAll(t testing.TB, task *loop.Task, fds ...int32) {
	task.ClearCause() // a close is not to be cancelled
	for _, fd := range fds {
		w := &wire{op: loop.Op{Code: loop.OpClose, FD: fd}}
		if r := w.do(task); r.N != 0 {
			t.Errorf("close gave %d", r.N)
		}
	}
}

package loop_test

import (
	"runtime"
	"slices"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/ringway/ringway/loop"
)

// threadCPU is the processor time that the calling thread has used.
func threadCPU(t testing.TB) time.Duration {
	const rusageThread = 1
	var r syscall.Rusage
	if err := syscall.Getrusage(rusageThread, &r); err != nil {
		t.Error(err)
	}
	return time.Duration(r.Utime.Nano() + r.Stime.Nano())
}

// A loop without work waits in the kernel (law 2), also with timers, tasks and receives that wait.
func TestWaitingLoopBurnsNothing(t *testing.T) {
	onLoops(t, func(t *testing.T, l *loop.Loop) {
		var ends [2]int32
		inTask(t, l, func(task *loop.Task) {
			ends = pair(t, l)
			l.Go("reader", func(task *loop.Task) {
				w := &wire{op: loop.Op{Code: loop.OpRecv, FD: ends[0]}}
				w.do(task)
				closeAll(t, task, ends[0], ends[1])
			})
			l.Go("sleeper", func(task *loop.Task) { _ = task.Sleep(time.Hour) })
		})
		var before, after loop.Stats
		var cpu time.Duration
		l.On(func() { before, cpu = l.Stats(), threadCPU(t) })
		time.Sleep(200 * time.Millisecond)
		l.On(func() { after, cpu = l.Stats(), threadCPU(t)-cpu })
		if n := after.Ticks - before.Ticks; n > 20 {
			t.Errorf("an idle loop made %d ticks", n)
		}
		if cpu > 50*time.Millisecond {
			t.Errorf("an idle loop used %v of processor time", cpu)
		}
	})
}

func TestSetMaxProcs(t *testing.T) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	loop.SetMaxProcs(3)
	if n := runtime.GOMAXPROCS(0); n != 5 {
		t.Errorf("GOMAXPROCS is %d for three loops", n)
	}
	loop.SetMaxProcs(1)
	if n := runtime.GOMAXPROCS(0); n != 5 {
		t.Errorf("GOMAXPROCS was lowered to %d", n)
	}
}

// With processors more than loops, one busy goroutine does not hold a loop back (law 3): without it, every wait ends
// 10 to 28 ms late. The median counts, and the best of three tries, since other programs may use the machine.
func TestBusyGoroutineDoesNotStallALoop(t *testing.T) {
	onLoops(t, func(t *testing.T, l *loop.Loop) {
		loop.SetMaxProcs(1)
		var stop atomic.Bool
		go func() {
			for !stop.Load() {
			}
		}()
		defer stop.Store(true)
		best := time.Hour
		for try := 0; try < 3 && best > 8*time.Millisecond; try++ {
			var took []time.Duration
			inTask(t, l, func(task *loop.Task) {
				for range 51 {
					began := time.Now()
					_ = task.Sleep(time.Millisecond)
					took = append(took, time.Since(began))
				}
			})
			slices.Sort(took)
			best = min(best, took[len(took)/2])
		}
		if best > 8*time.Millisecond {
			t.Errorf("sleeps of 1 ms take %v beside a busy goroutine", best)
		}
	})
}

// What belongs to a loop is touched on its thread only (law 6).
func TestMisuseFromAnotherThread(t *testing.T) {
	onLoops(t, func(t *testing.T, l *loop.Loop) {
		var tm loop.Timer
		var parked *loop.Task
		var h loop.Handle
		inTask(t, l, func(main *loop.Task) {
			h = l.Go("parked", func(task *loop.Task) { parked = task; _ = task.Park(&waits{}) })
			_ = main.Yield()
		})
		for name, misuse := range map[string]func(){
			"Go":         func() { l.Go("x", func(*loop.Task) {}) },
			"Spawn":      func() { l.Spawn("x", loop.RunFunc(func(*loop.Task) {})) },
			"Ready":      func() { l.Ready(parked) },
			"Cancel":     func() { l.Cancel(h, errBoom) },
			"StartTimer": func() { l.StartTimer(&tm, time.Second) },
			"StopTimer":  func() { l.StopTimer(&tm) },
			"Submit":     func() { l.Submit(&loop.Op{Code: loop.OpClose, FD: -1}) },
			"Tasks":      func() { l.Tasks() },
			"Yield":      func() { _ = parked.Yield() },
			"Park":       func() { _ = parked.Park(&waits{}) },
		} {
			func() {
				defer func() {
					if s, _ := recover().(string); !strings.HasPrefix(s, "loop: ") {
						t.Errorf("%s from another thread panicked with %q", name, s)
					}
				}()
				misuse()
			}()
		}
	})
}

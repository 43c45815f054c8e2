package loop_test

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/ringway/ringway/loop"
)

func TestTasksRunInOrderAndYieldInTurn(t *testing.T) {
	each(t, func(t *testing.T, cfg loop.Config) {
		cfg.Budget = 3 // fewer than there are tasks
		l := start(t, cfg)
		var log []string
		inTask(t, l, func(task *loop.Task) {
			var all []loop.Handle
			for i := range 7 {
				all = append(all, l.Go("worker", func(task *loop.Task) {
					for turn := range 3 {
						log = append(log, fmt.Sprintf("%d%d", turn, i))
						if err := task.Yield(); err != nil {
							t.Error(err)
						}
					}
				}))
			}
			for _, h := range all {
				if err := task.Join(h); err != nil {
					t.Error(err)
				}
			}
		})
		if len(log) != 21 || !slices.IsSorted(log) {
			t.Errorf("tasks ran in the order %v", log)
		}
		l.Stop(patience)
		if err := l.Wait(); err != nil {
			t.Error(err)
		}
	})
}

// A task that never waits but yields must not keep the kernel's news, timers or messages from the others.
func TestBusyTasksDoNotStarveOthers(t *testing.T) {
	onLoops(t, func(t *testing.T, l *loop.Loop) {
		stop := false
		inTask(t, l, func(task *loop.Task) {
			for range 600 { // more than one budget
				l.Go("hog", func(task *loop.Task) {
					for !stop {
						_ = task.Yield()
					}
				})
			}
			ends := pair(t, l)
			reader := l.Go("reader", func(task *loop.Task) {
				w := &wire{op: loop.Op{Code: loop.OpRecv, FD: ends[0]}}
				r := w.do(task)
				if r.N != 2 {
					t.Errorf("recv gave %d", r.N)
				}
				l.Return(r.Block)
			})
			if err := task.Sleep(3 * time.Millisecond); err != nil {
				t.Error(err)
			}
			w := &wire{op: loop.Op{Code: loop.OpSend, FD: ends[1], Buf: []byte("hi")}}
			w.do(task)
			_ = task.Join(reader)
			closeAll(t, task, ends[0], ends[1])
		})
		if !l.On(func() { stop = true }) {
			t.Error("the loop is gone")
		}
	})
}

// waits is a Canceler that only counts.
type waits struct{ cancelled int }

func (w *waits) CancelWait(t *loop.Task) { w.cancelled++; t.Loop().Ready(t) }

func TestParkReadyCancel(t *testing.T) {
	cause := errors.New("cause")
	onLoops(t, func(t *testing.T, l *loop.Loop) {
		inTask(t, l, func(main *loop.Task) {
			var w waits
			wakes, condition := 0, false
			var parked *loop.Task
			h := l.Go("parker", func(task *loop.Task) {
				parked = task
				for !condition {
					if err := task.Park(&w); err != nil {
						t.Errorf("Park: %v", err)
					}
					wakes++
				}
			})
			_ = main.Yield()
			l.Ready(parked) // without reason
			l.Ready(parked) // and twice
			_ = main.Yield()
			if wakes != 1 || h.Done() {
				t.Errorf("%d wakes, done %v", wakes, h.Done())
			}
			condition = true
			l.Ready(parked)
			_ = main.Join(h)
			if wakes != 2 || w.cancelled != 0 {
				t.Errorf("%d wakes, %d cancels", wakes, w.cancelled)
			}
			l.Cancel(h, cause) // too late, and the pooled task is another's by now
			next := l.Go("next", func(task *loop.Task) {
				if err := task.Park(&w); err != nil || task.Cause() != nil {
					t.Errorf("a cancel of an earlier run reached this one: %v", err)
				}
			})
			_ = main.Yield()
			l.Cancel(h, cause)
			l.Ready(parked) // the pool gave the same task
			_ = main.Join(next)
		})
	})
}

func TestCancelBeforeAndDuringPark(t *testing.T) {
	cause := errors.New("cause")
	onLoops(t, func(t *testing.T, l *loop.Loop) {
		inTask(t, l, func(main *loop.Task) {
			var w waits
			run := func(task *loop.Task) {
				if err := task.Park(&w); err != cause {
					t.Errorf("Park gave %v", err)
				}
				if err := task.Sleep(time.Hour); err != cause { // and every wait after it
					t.Errorf("Sleep gave %v", err)
				}
				task.ClearCause()
				if err := task.Sleep(time.Millisecond); err != nil {
					t.Errorf("Sleep after ClearCause gave %v", err)
				}
			}
			before := l.Go("cancelled before it parks", run)
			l.Cancel(before, cause)
			l.Cancel(before, errors.New("the second cause does not count"))
			during := l.Go("cancelled while it is parked", run)
			_ = main.Yield()
			l.Cancel(during, cause)
			_ = main.Join(before)
			_ = main.Join(during)
			if w.cancelled != 1 {
				t.Errorf("CancelWait was called %d times", w.cancelled)
			}
		})
	})
}

func TestJoin(t *testing.T) {
	cause := errors.New("cause")
	onLoops(t, func(t *testing.T, l *loop.Loop) {
		inTask(t, l, func(main *loop.Task) {
			var target *loop.Task
			h := l.Go("target", func(task *loop.Task) { target = task; _ = task.Park(&waits{}) })
			joined := 0
			var joiners []loop.Handle
			var tasks []*loop.Task
			for range 5 {
				joiners = append(joiners, l.Go("joiner", func(task *loop.Task) {
					tasks = append(tasks, task)
					if err := task.Join(h); err == nil {
						joined++
					} else if err != cause {
						t.Error(err)
					}
				}))
			}
			_ = main.Yield()
			for range 3 {
				l.Ready(tasks[0]) // without reason: it joins on
				_ = main.Yield()
			}
			l.Cancel(joiners[1], cause)
			_ = main.Join(joiners[1])
			if joined != 0 {
				t.Error("Join returned before the end")
			}
			l.Ready(target)
			for _, j := range joiners {
				_ = main.Join(j)
			}
			if joined != 4 {
				t.Errorf("%d joined, want 4", joined)
			}
			if err := main.Join(h); err != nil || !h.Done() {
				t.Errorf("joining a finished run gave %v", err)
			}
			if err := main.Join(loop.Handle{}); err != nil {
				t.Errorf("joining nothing gave %v", err)
			}
		})
	})
}

// A join that was given up must not wake the task out of a later wait.
func TestAbandonedJoinDoesNotWake(t *testing.T) {
	onLoops(t, func(t *testing.T, l *loop.Loop) {
		inTask(t, l, func(main *loop.Task) {
			var target, joiner *loop.Task
			h := l.Go("target", func(task *loop.Task) { target = task; _ = task.Park(&waits{}) })
			wakes, condition := 0, false
			j := l.Go("joiner", func(task *loop.Task) {
				joiner = task
				_ = task.Join(h)
				task.ClearCause()
				for !condition {
					_ = task.Park(&waits{})
					wakes++
				}
			})
			_ = main.Yield()
			l.Ready(joiner)
			_ = main.Yield()
			l.Cancel(j, errors.New("enough"))
			_ = main.Yield()
			l.Ready(target)
			_ = main.Join(h)
			_ = main.Yield()
			if wakes != 0 {
				t.Errorf("an abandoned join woke the task %d times", wakes)
			}
			condition = true
			l.Ready(joiner)
			_ = main.Join(j)
		})
	})
}

func TestSleep(t *testing.T) {
	onLoops(t, func(t *testing.T, l *loop.Loop) {
		inTask(t, l, func(main *loop.Task) {
			var order []int
			var all []loop.Handle
			for _, ms := range []int{30, 5, 20, 0, 10, 300} {
				all = append(all, l.Go("sleeper", func(task *loop.Task) {
					began := time.Now()
					if err := task.Sleep(time.Duration(ms) * time.Millisecond); err != nil {
						t.Error(err)
					}
					// The loop's time was read at the start of the tick, so a sleep may seem a little shorter.
					if took := time.Since(began); took < time.Duration(ms-5)*time.Millisecond || took > 10*time.Second {
						t.Errorf("a sleep of %d ms took %v", ms, took)
					}
					order = append(order, ms)
				}))
			}
			_ = main.Sleep(-time.Second)
			for _, h := range all {
				_ = main.Join(h)
			}
			if !slices.IsSorted(order) {
				t.Errorf("sleeps ended in the order %v", order)
			}
			forever := l.Go("forever", func(task *loop.Task) {
				if err := task.Sleep(1<<63 - 1); err == nil {
					t.Error("a sleep without end ended")
				}
			})
			_ = main.Sleep(5 * time.Millisecond)
			if forever.Done() {
				t.Error("a sleep without end has ended")
			}
			timers := l.Stats().Timers
			l.Cancel(forever, errors.New("enough"))
			_ = main.Join(forever)
			if n := l.Stats().Timers; n != timers-1 {
				t.Errorf("a cancelled sleep left its timer: %d before, %d after", timers, n)
			}
		})
	})
}

func explode() { panic(errBoom) }

var errBoom = errors.New("boom")

func TestPanicEndsItsTaskOnly(t *testing.T) {
	each(t, func(t *testing.T, cfg loop.Config) {
		log := new(captured)
		cfg.Log = slog.New(slog.NewTextHandler(log, nil))
		l := start(t, cfg)
		inTask(t, l, func(main *loop.Task) {
			for range 20 {
				other := l.Go("bystander", func(task *loop.Task) { _ = task.Sleep(time.Millisecond) })
				h := l.Go("victim", func(task *loop.Task) {
					_ = task.Yield()
					explode()
				})
				if err := main.Join(h); err != nil {
					t.Errorf("joining a task that panicked gave %v", err)
				}
				_ = main.Join(other)
			}
			s := l.Stats()
			if s.Panics != 20 || s.Live != 1 {
				t.Errorf("%d panics counted, %d tasks live", s.Panics, s.Live)
			}
		})
		l.Stop(patience)
		if err := l.Wait(); err != nil {
			t.Error(err)
		}
		for _, want := range []string{"victim", "boom", "loop_test.explode", "task_test.go"} {
			if !strings.Contains(log.String(), want) {
				t.Errorf("the log of the panic does not name %q", want)
			}
		}
		if strings.Contains(log.String(), "bystander") {
			t.Error("the log names a task that did not panic")
		}
	})
}

func TestPanicErrorUnwraps(t *testing.T) {
	err := error(&loop.PanicError{Task: "x", Value: errBoom})
	if !errors.Is(err, errBoom) || !strings.Contains(err.Error(), `"x"`) {
		t.Errorf("%v does not lead to its cause", err)
	}
	if errors.Unwrap(&loop.PanicError{Value: 7}) != nil {
		t.Error("a value that is no error unwraps to one")
	}
}

func TestRegistry(t *testing.T) {
	each(t, func(t *testing.T, cfg loop.Config) {
		cfg.TraceSpawns = true
		l := start(t, cfg)
		inTask(t, l, func(main *loop.Task) {
			used := l.Go("used", func(task *loop.Task) { // leaves its count of polls in the pool
				for range 10 {
					_ = task.Yield()
				}
			})
			_ = main.Join(used)
			var parked *loop.Task
			h := l.Go("parked", func(task *loop.Task) { parked = task; _ = task.Park(&waits{}) })
			_ = main.Yield()
			l.Go("new", func(task *loop.Task) {})
			got := map[string]loop.TaskInfo{}
			for _, info := range l.Tasks() {
				got[info.Name] = info
			}
			if len(got) != 3 || got["test"].State != "running" || got["parked"].State != "parked" || got["new"].State != "ready" {
				t.Errorf("the registry has %+v", got)
			}
			if got["parked"].Polls != 1 || got["new"].Polls != 0 {
				t.Errorf("polls of earlier runs are counted: %+v", got)
			}
			if site := got["parked"].Site; !strings.Contains(site, "task_test.go:") {
				t.Errorf("the spawn site is %q", site)
			}
			l.Ready(parked)
			_ = main.Join(h)
		})
		l.Stop(patience)
		_ = l.Wait()
	})
}

// Stacks move, records on the heap do not (law 4): a task that grows its stack while the kernel reads from its record
// sends what it meant to send.
func TestStackGrowthWhileInFlight(t *testing.T) {
	onLoops(t, func(t *testing.T, l *loop.Loop) {
		inTask(t, l, func(main *loop.Task) {
			ends := pair(t, l)
			data := bytes.Repeat([]byte("0123456789abcdef"), 1<<16)
			l.Go("sender", func(task *loop.Task) {
				w := &wire{op: loop.Op{Code: loop.OpSend, FD: ends[1]}}
				for rest := data; len(rest) > 0; {
					w.op.Buf, w.op.Done, w.task, w.done = rest, w, task, false
					l.Submit(&w.op)
					if deep(400) == 0 {
						t.Error("deep is nought")
					}
					r := w.wait(task)
					if r.N <= 0 {
						t.Errorf("send gave %d", r.N)
						return
					}
					rest = rest[r.N:]
				}
			})
			var got []byte
			w := &wire{op: loop.Op{Code: loop.OpRecv, FD: ends[0]}}
			for len(got) < len(data) {
				r := w.do(main)
				if r.N <= 0 {
					t.Errorf("recv gave %d", r.N)
					return
				}
				got = append(got, r.Block.Data()...)
				l.Return(r.Block)
			}
			if !bytes.Equal(got, data) {
				t.Error("other bytes arrived")
			}
			closeAll(t, main, ends[0], ends[1])
		})
	})
}

// deep uses n KiB of stack.
//
//go:noinline
func deep(n int) int {
	var frame [1024]byte
	frame[n%len(frame)] = 1
	if n == 0 {
		return int(frame[0])
	}
	return deep(n-1) + int(frame[n%len(frame)])
}

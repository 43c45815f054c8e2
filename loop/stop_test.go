package loop_test

import (
	"errors"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/ringway/ringway/loop"
)

func TestStopCancelsAndEndsAtOnce(t *testing.T) {
	each(t, func(t *testing.T, cfg loop.Config) {
		l := start(t, cfg)
		var ended, late error
		inTask(t, l, func(main *loop.Task) {
			l.Go("sleeper", func(task *loop.Task) {
				ended = task.Sleep(time.Hour)
				l.Go("spawned while stopping", func(task *loop.Task) { late = task.Sleep(time.Hour) })
			})
			_ = main.Yield()
		})
		began := time.Now()
		l.Stop(time.Hour)
		l.Stop(0) // the second has no say
		if err := l.Wait(); err != nil {
			t.Error(err)
		}
		if time.Since(began) > patience {
			t.Errorf("stopping took %v", time.Since(began))
		}
		if ended != loop.ErrStopped || late != loop.ErrStopped {
			t.Errorf("the tasks ended with %v and %v", ended, late)
		}
	})
}

// acceptor is an operation that never ends by itself, as a listener has it.
type acceptor struct {
	op    loop.Op
	ended bool
}

func (a *acceptor) Complete(_ *loop.Op, r loop.Result) { a.ended = !r.More }

func TestClosersRunLastFirstAndMayWait(t *testing.T) {
	each(t, func(t *testing.T, cfg loop.Config) {
		l := start(t, cfg)
		var order []string
		var ends [2]int32
		recv := new(acceptor)
		l.On(func() {
			ends = pair(t, l)
			recv.op = loop.Op{Code: loop.OpRecv, FD: ends[0], Done: recv}
			l.Submit(&recv.op)
			l.AtClose(func() { order = append(order, "first") })
			l.AtClose(func() {
				order = append(order, "second")
				l.CancelOp(&recv.op)
				l.Go("closing task", func(task *loop.Task) {
					order = append(order, "task")
					task.ClearCause()
					for !recv.ended {
						_ = task.Yield()
					}
					closeAll(t, task, ends[0], ends[1])
				})
			})
		})
		l.Stop(time.Hour)
		if err := l.Wait(); err != nil {
			t.Error(err)
		}
		if got := strings.Join(order, " "); got != "second first task" {
			t.Errorf("closers ran as %q", got)
		}
		if !recv.ended {
			t.Error("the operation in flight had no last result")
		}
	})
}

func TestStuckTaskIsNamedAndUnwound(t *testing.T) {
	each(t, func(t *testing.T, cfg loop.Config) {
		l := start(t, cfg)
		var deferred, again, closed bool
		l.Post(func() {
			l.AtClose(func() { closed = true })
			l.Go("stubborn", func(task *loop.Task) {
				defer func() { deferred = true }()
				defer func() {
					again = true
					_ = task.ParkUncancelled(nil) // even a deferred call may wait: it is unwound as well
				}()
				for {
					_ = task.ParkUncancelled(nil)
				}
			})
		})
		l.Stop(20 * time.Millisecond)
		err := l.Wait()
		if err == nil || !strings.Contains(err.Error(), "stubborn") {
			t.Errorf("Wait gave %v", err)
		}
		if !deferred || !again || !closed {
			t.Errorf("deferred calls ran: %v, %v; closers: %v", deferred, again, closed)
		}
	})
}

func TestStartFailure(t *testing.T) {
	goroutines := runtime.NumGoroutine()
	broken := errors.New("broken")
	cfg := loop.DefaultConfig(7, func(loop.DriverConfig) (loop.Driver, error) { return nil, broken })
	if l, err := loop.Start(cfg); l != nil || !errors.Is(err, broken) || !strings.Contains(err.Error(), "loop 7") {
		t.Fatalf("Start gave %v, %v", l, err)
	}
	eventually(t, "the goroutines end", func() bool { return runtime.NumGoroutine() <= goroutines })
}

// failing is a driver whose Wait fails when it is told to.
type failing struct {
	loop.Driver
	err error
}

func (d *failing) Wait(wait time.Duration) error {
	if d.err != nil {
		return d.err
	}
	return d.Driver.Wait(wait)
}

func TestDriverFailureEndsTheLoop(t *testing.T) {
	each(t, func(t *testing.T, cfg loop.Config) {
		broken := errors.New("broken")
		open, d := cfg.Driver, new(failing)
		cfg.Driver = func(sizes loop.DriverConfig) (loop.Driver, error) {
			var err error
			d.Driver, err = open(sizes)
			return d, err
		}
		l := start(t, cfg)
		l.Post(func() {
			l.Go("left alone", func(task *loop.Task) { _ = task.Sleep(time.Hour) })
			d.err = broken
		})
		if err := l.Wait(); !errors.Is(err, broken) {
			t.Errorf("Wait gave %v", err)
		}
		if l.Post(func() {}) || l.On(func() {}) {
			t.Error("a loop that has ended took a message")
		}
	})
}

func TestManyLoopsLeaveNothingBehind(t *testing.T) {
	each(t, func(t *testing.T, cfg loop.Config) {
		for range 20 {
			l := start(t, cfg)
			inTask(t, l, func(task *loop.Task) {
				for range 50 {
					l.Go("x", func(task *loop.Task) { _ = task.Sleep(time.Millisecond) })
				}
			})
			l.Stop(patience)
			if err := l.Wait(); err != nil {
				t.Fatal(err)
			}
		}
	})
}

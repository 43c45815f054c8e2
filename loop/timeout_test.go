package loop_test

import (
	"errors"
	"net"
	"os"
	"testing"
	"time"

	"github.com/ringway/ringway/loop"
)

func TestTimeoutEndsEveryKindOfWait(t *testing.T) {
	onLoops(t, func(t *testing.T, l *loop.Loop) {
		inTask(t, l, func(main *loop.Task) {
			var m loop.Mutex
			_ = m.Lock(main)
			ends := pair(t, l)
			h := l.Go("endless", func(task *loop.Task) { _ = task.Sleep(time.Hour) })
			for what, wait := range map[string]func() error{
				"sleep":   func() error { return main.Sleep(time.Hour) },
				"lock":    func() error { return m.Lock(main) },
				"receive": func() error { _, _, err := loop.NewChan[int](0).Recv(main); return err },
				"select":  func() error { _, err := loop.Select(main); return err },
				"join":    func() error { return main.Join(h) },
				"kernel":  func() error { _, err := receiveUntilCancelled(main, ends[0]); return err },
				"scope": func() error {
					return loop.WithScope(main, func(s *loop.Scope) error {
						s.Go("child", func(task *loop.Task) error { return task.Sleep(time.Hour) })
						return s.Wait()
					})
				},
			} {
				err := loop.Timeout(main, 2*time.Millisecond, wait)
				var ne net.Error
				if !errors.Is(err, os.ErrDeadlineExceeded) || !errors.Is(err, loop.ErrTimeout) || !errors.As(err, &ne) || !ne.Timeout() {
					t.Errorf("%s: Timeout gave %v", what, err)
				}
				if main.Cause() != nil || main.Sleep(time.Millisecond) != nil {
					t.Errorf("%s: the expiry outlived the Timeout", what)
				}
				if err := loop.Deadline(main, time.Now().Add(-time.Second), wait); !errors.Is(err, loop.ErrTimeout) {
					t.Errorf("%s: a Deadline in the past gave %v", what, err)
				}
			}
			l.Cancel(h, errCause)
			_ = main.Join(h)
			closeAll(t, main, ends[0], ends[1])
			if n := l.Stats(); n.Timers != 1 || n.Live != 1 {
				t.Errorf("%d timers, %d tasks are left", n.Timers, n.Live)
			}
		})
	})
}

func TestTimeoutThatDoesNotExpire(t *testing.T) {
	onLoops(t, func(t *testing.T, l *loop.Loop) {
		inTask(t, l, func(main *loop.Task) {
			err := loop.Timeout(main, time.Hour, func() error {
				left, ok := main.TimeLeft()
				if !ok || left > time.Hour || left < 59*time.Minute {
					t.Errorf("%v left, %v", left, ok)
				}
				return loop.Timeout(main, 2*time.Hour, func() error {
					if inner, _ := main.TimeLeft(); inner > time.Hour {
						t.Errorf("inside a shorter one %v are left", inner)
					}
					return errBoom
				})
			})
			if err != errBoom {
				t.Errorf("Timeout gave %v", err)
			}
			if _, ok := main.TimeLeft(); ok || l.Stats().Timers != 1 {
				t.Error("a Timeout is left")
			}
			if err := loop.Timeout(main, 1<<63-1, func() error { return main.Sleep(time.Millisecond) }); err != nil {
				t.Errorf("a Timeout without end gave %v", err)
			}
			func() {
				defer func() { _ = recover() }()
				_ = loop.Timeout(main, time.Hour, func() error { explode(); return nil })
			}()
			if n := l.Stats().Timers; n != 1 {
				t.Errorf("a panic left %d timers", n)
			}
		})
	})
}

func TestTimeoutsNest(t *testing.T) {
	const soon, never = 2 * time.Millisecond, time.Hour
	onLoops(t, func(t *testing.T, l *loop.Loop) {
		inTask(t, l, func(main *loop.Task) {
			sleep := func() error { return main.Sleep(never) }
			// The inner one expires: the outer goes on.
			err := loop.Timeout(main, never, func() error {
				if err := loop.Timeout(main, soon, sleep); err != loop.ErrTimeout {
					t.Errorf("the inner one gave %v", err)
				}
				return main.Sleep(soon)
			})
			if err != nil {
				t.Errorf("an inner expiry reached the outer one: %v", err)
			}
			// The outer one expires: the end of the inner one does not forget that.
			err = loop.Timeout(main, soon, func() error {
				if err := loop.Timeout(main, never, sleep); err != loop.ErrTimeout {
					t.Errorf("inside, the outer one's expiry gave %v", err)
				}
				return sleep()
			})
			if err != loop.ErrTimeout || main.Cause() != nil {
				t.Errorf("the outer one gave %v, and left %v", err, main.Cause())
			}
			// Both do, the inner one first, in code that goes on regardless: the outer one's is seen when the inner one has ended.
			hour := loop.NewChan[int](0)
			var after error
			err = loop.Timeout(main, 3*soon, func() error {
				_ = loop.Timeout(main, soon, func() error {
					for began := time.Now(); time.Since(began) < 6*soon; {
						_ = main.Yield()
					}
					return nil
				})
				_, _, after = hour.Recv(main)
				return after
			})
			if err != loop.ErrTimeout || after != loop.ErrTimeout || main.Cause() != nil {
				t.Errorf("both expired: %v, %v, and left %v", err, after, main.Cause())
			}
		})
	})
}

// A cancel that comes when a Timeout has expired, or before, is not forgotten with it.
func TestCancelOutlastsTimeouts(t *testing.T) {
	onLoops(t, func(t *testing.T, l *loop.Loop) {
		inTask(t, l, func(main *loop.Task) {
			for _, expired := range []bool{true, false} {
				var inside, after error
				entered := false
				h := l.Go("victim", func(task *loop.Task) {
					_ = loop.Timeout(task, time.Hour, func() error {
						return loop.Timeout(task, 2*time.Millisecond, func() error {
							entered = true
							for task.Cause() == nil && expired {
								_ = task.Yield()
							}
							for task.Cause() != errCause {
								_ = task.Yield()
							}
							for began := time.Now(); time.Since(began) < 5*time.Millisecond; { // into the expiry of the inner one
								_ = task.Yield()
							}
							inside = task.Sleep(time.Hour)
							return inside
						})
					})
					after = task.Sleep(time.Hour)
				})
				for !entered {
					_ = main.Yield()
				}
				if expired {
					_ = main.Sleep(10 * time.Millisecond)
				}
				l.Cancel(h, errCause)
				_ = main.Join(h)
				if inside != errCause || after != errCause {
					t.Errorf("expired before %v: inside %v, afterwards %v", expired, inside, after)
				}
			}
		})
	})
}

// A Timeout cancels the scopes opened in it and none around it.
func TestTimeoutAndScopes(t *testing.T) {
	onLoops(t, func(t *testing.T, l *loop.Loop) {
		inTask(t, l, func(main *loop.Task) {
			var inner, outer error
			err := loop.WithScope(main, func(s *loop.Scope) error {
				s.Go("outer", func(task *loop.Task) error { outer = task.Sleep(time.Hour); return nil })
				err := loop.Timeout(main, 2*time.Millisecond, func() error {
					return loop.WithScope(main, func(s *loop.Scope) error {
						s.Go("inner", func(task *loop.Task) error { inner = task.Sleep(time.Hour); return inner })
						return s.Wait()
					})
				})
				if err != loop.ErrTimeout || inner != loop.ErrTimeout {
					t.Errorf("inside: %v, %v", err, inner)
				}
				if err := loop.Timeout(main, 2*time.Millisecond, s.Wait); err != loop.ErrTimeout || s.Live() != 1 {
					t.Errorf("a Timeout around Wait gave %v and left %d children", err, s.Live())
				}
				return nil
			})
			if err != nil || outer != loop.ErrScopeEnded {
				t.Errorf("the scope gave %v; the outer child got %v", err, outer)
			}
		})
	})
}

func TestSleepUntil(t *testing.T) {
	onLoops(t, func(t *testing.T, l *loop.Loop) {
		inTask(t, l, func(main *loop.Task) {
			when := l.Now() + int64(5*time.Millisecond)
			if err := main.SleepUntil(when); err != nil || l.Now() < when {
				t.Errorf("SleepUntil gave %v, %v early", err, time.Duration(when-l.Now()))
			}
			if err := main.SleepUntil(when); err != nil {
				t.Error(err)
			}
		})
	})
}

package loop_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/ringway/ringway/loop"
)

// receiveUntilCancelled waits for a receive as conn does for a write: until the kernel's last word.
func receiveUntilCancelled(task *loop.Task, fd int32) (*wire, error) {
	w := &wire{op: loop.Op{Code: loop.OpRecv, FD: fd}}
	w.do(task)
	return w, task.Cause()
}

func TestScopeEndsItsChildren(t *testing.T) {
	onLoops(t, func(t *testing.T, l *loop.Loop) {
		inTask(t, l, func(main *loop.Task) {
			ends := pair(t, l)
			var causes []error
			var wires []*wire
			err := loop.WithScope(main, func(s *loop.Scope) error {
				s.Go("sleeps", func(task *loop.Task) error { causes = append(causes, task.Sleep(time.Hour)); return task.Cause() })
				s.Go("receives", func(task *loop.Task) error {
					w, err := receiveUntilCancelled(task, ends[0])
					wires, causes = append(wires, w), append(causes, err)
					return err
				})
				s.Go("ends", func(*loop.Task) error { return nil })
				yields(main, 2)
				if s.Live() != 2 {
					t.Errorf("%d children live", s.Live())
				}
				s.Go("never waited", func(task *loop.Task) error { causes = append(causes, task.Cause()); return nil })
				return errBoom
			})
			if err != errBoom {
				t.Errorf("the scope gave %v", err)
			}
			if len(causes) != 3 || causes[0] != loop.ErrScopeEnded || causes[1] != loop.ErrScopeEnded || causes[2] != loop.ErrScopeEnded {
				t.Errorf("the children's causes are %v", causes)
			}
			if len(wires) != 1 || wires[0].op.InFlight() || l.Stats().Live != 1 {
				t.Error("something of a child outlived the scope")
			}
			closeAll(t, main, ends[0], ends[1])
		})
	})
}

func TestScopeErrors(t *testing.T) {
	onLoops(t, func(t *testing.T, l *loop.Loop) {
		inTask(t, l, func(main *loop.Task) {
			var other = errors.New("other")
			err := loop.WithScope(main, func(s *loop.Scope) error {
				s.Go("fails", func(*loop.Task) error { return errBoom })
				s.Go("panics", func(*loop.Task) error { explode(); return nil })
				s.Go("fine", func(task *loop.Task) error { yields(task, 3); return nil })
				err := s.Wait()
				var p *loop.PanicError
				if !errors.Is(err, errBoom) || !errors.As(err, &p) || p.Task != "panics" || !strings.Contains(string(p.Stack), "explode") {
					t.Errorf("Wait gave %v", err)
				}
				if err := s.Wait(); err != nil {
					t.Errorf("the second Wait gave %v", err)
				}
				s.Go("fails late", func(task *loop.Task) error { _ = task.Yield(); return other })
				return nil
			})
			if err != other {
				t.Errorf("the scope gave %v", err)
			}
			err = loop.WithScope(main, func(s *loop.Scope) error {
				for i := range 100 {
					s.Go("fails", func(*loop.Task) error { return fmt.Errorf("error %d", i) })
				}
				return s.Wait()
			})
			if msg := fmt.Sprint(err); !strings.Contains(msg, "error 0\n") || !strings.Contains(msg, "and 68 more") || strings.Contains(msg, "error 40") {
				t.Errorf("a hundred errors came as %s", msg)
			}
			err = loop.WithScope(main, func(s *loop.Scope) error {
				s.Go("sleeps", func(task *loop.Task) error { return fmt.Errorf("wrapped: %w", task.Sleep(time.Hour)) })
				s.Cancel(errCause)
				s.Go("is born cancelled", func(task *loop.Task) error { return task.Sleep(time.Hour) })
				return s.Wait()
			})
			if err != nil {
				t.Errorf("the scope's own cancel came back as %v", err)
			}
		})
	})
}

func TestScopeIsCancelledWithItsTask(t *testing.T) {
	onLoops(t, func(t *testing.T, l *loop.Loop) {
		inTask(t, l, func(main *loop.Task) {
			for k := range 8 {
				var leaf, got error
				h := l.Go("owner", func(task *loop.Task) {
					got = loop.WithScope(task, func(outer *loop.Scope) error {
						return loop.WithScope(task, func(inner *loop.Scope) error {
							outer.Go("child", func(task *loop.Task) error {
								return loop.WithScope(task, func(s *loop.Scope) error {
									s.Go("leaf", func(task *loop.Task) error { leaf = task.Sleep(time.Hour); return leaf })
									return s.Wait()
								})
							})
							_ = task.Yield()
							return errors.Join(inner.Wait(), outer.Wait())
						})
					})
				})
				yields(main, k)
				l.Cancel(h, errCause)
				_ = main.Join(h)
				if k > 0 && (leaf != errCause || !errors.Is(got, errCause)) {
					t.Errorf("k %d: the leaf got %v, the scope gave %v", k, leaf, got)
				}
				if n := l.Stats().Live; n != 1 {
					t.Errorf("k %d: %d tasks live", k, n)
				}
			}
		})
	})
}

// What a task starts after it was cancelled is cancelled too.
func TestScopeOfACancelledTask(t *testing.T) {
	onLoops(t, func(t *testing.T, l *loop.Loop) {
		inTask(t, l, func(main *loop.Task) {
			var child, got, raced error
			sleeps := func(task *loop.Task) error { child = task.Sleep(time.Hour); return child }
			h := l.Go("owner", func(task *loop.Task) {
				yields(task, 1)
				got = loop.WithScope(task, func(s *loop.Scope) error { s.Go("child", sleeps); return s.Wait() })
				_, raced = loop.Race(task, sleeps)
			})
			l.Cancel(h, errCause)
			_ = main.Join(h)
			if child != errCause || got != errCause || raced != errCause {
				t.Errorf("the child got %v, the scope gave %v, a race %v", child, got, raced)
			}
		})
	})
}

// A panic in the code of a scope ends the children first.
func TestScopePanics(t *testing.T) {
	onLoops(t, func(t *testing.T, l *loop.Loop) {
		inTask(t, l, func(main *loop.Task) {
			var cause error
			var escaped *loop.Scope
			func() {
				defer func() {
					if v := recover(); v != errBoom || cause != loop.ErrScopeEnded {
						t.Errorf("recovered %v; the child got %v", v, cause)
					}
				}()
				_ = loop.WithScope(main, func(s *loop.Scope) error {
					escaped = s
					s.Go("child", func(task *loop.Task) error { cause = task.Sleep(time.Hour); return nil })
					yields(main, 1)
					explode()
					return nil
				})
			}()
			wantPanic(t, "Go in a scope that has ended", func() { escaped.Go("x", nil) })
			_ = loop.WithScope(main, func(s *loop.Scope) error {
				s.Go("child", func(task *loop.Task) error {
					wantPanic(t, "another task's Wait", func() { _ = s.Wait() })
					_ = task.Sleep(time.Hour)
					s.Go("late sibling", func(task *loop.Task) error { return task.Sleep(time.Hour) })
					return nil
				})
				yields(main, 1)
				return nil
			})
			if n := l.Stats().Live; n != 1 {
				t.Errorf("%d tasks live", n)
			}
		})
	})
}

// Unwinding a loop that did not stop in time gets through scopes, timeouts and locks without another panic.
func TestScopesAreUnwound(t *testing.T) {
	each(t, func(t *testing.T, cfg loop.Config) {
		l := start(t, cfg)
		var deferred int
		l.Post(func() {
			l.Go("stubborn", func(task *loop.Task) {
				_ = loop.WithScope(task, func(outer *loop.Scope) error {
					defer func() { deferred++ }()
					for range 3 { // each waits again while it is unwound
						defer func() { _ = task.ParkUncancelled(nil) }()
					}
					return loop.Timeout(task, time.Hour, func() error {
						return loop.WithScope(task, func(inner *loop.Scope) error {
							for _, s := range []*loop.Scope{outer, inner} {
								s.Go("child", func(task *loop.Task) error {
									var m loop.Mutex
									var c loop.Cond
									_ = m.Lock(task)
									defer func() { m.Unlock(); deferred++ }()
									task.ClearCause()
									for {
										task.ClearCause()
										_ = c.Wait(task, &m)
									}
								})
							}
							return inner.Wait()
						})
					})
				})
			})
		})
		l.On(func() {})
		l.Stop(20 * time.Millisecond)
		if err := l.Wait(); err == nil || !strings.Contains(err.Error(), "still alive") {
			t.Errorf("Wait gave %v", err)
		}
		if n := l.Stats().Panics; deferred != 3 || n != 0 {
			t.Errorf("%d deferred calls ran, %d panics", deferred, n)
		}
	})
}

func TestRace(t *testing.T) {
	onLoops(t, func(t *testing.T, l *loop.Loop) {
		inTask(t, l, func(main *loop.Task) {
			var lost error
			i, err := loop.Race(main,
				func(task *loop.Task) error { return errBoom },
				func(task *loop.Task) error { lost = task.Sleep(time.Hour); yields(task, 5); return nil },
				func(task *loop.Task) error { return task.Sleep(time.Millisecond) })
			if i != 2 || err != nil || lost != loop.ErrRaceLost || l.Stats().Live != 1 {
				t.Errorf("the race gave %d, %v; the loser got %v", i, err, lost)
			}
			i, err = loop.Race(main,
				func(task *loop.Task) error { return errBoom },
				func(task *loop.Task) error { panic("no error") })
			var p *loop.PanicError
			if i != -1 || !errors.Is(err, errBoom) || !errors.As(err, &p) {
				t.Errorf("a race without a winner gave %d, %v", i, err)
			}
			if i, err := loop.Race(main); i != -1 || err != nil {
				t.Errorf("a race of none gave %d, %v", i, err)
			}
			sleeps := func(task *loop.Task) error { return task.Sleep(time.Hour) }
			h := l.Go("racer", func(task *loop.Task) { i, err = loop.Race(task, sleeps, sleeps) })
			yields(main, 2)
			l.Cancel(h, errCause)
			_ = main.Join(h)
			if i != -1 || err != errCause || l.Stats().Live != 1 {
				t.Errorf("a cancelled race gave %d, %v", i, err)
			}
		})
	})
}

func TestAll(t *testing.T) {
	onLoops(t, func(t *testing.T, l *loop.Loop) {
		inTask(t, l, func(main *loop.Task) {
			n := 0
			counts := func(task *loop.Task) error { yields(task, n); n++; return nil }
			if err := loop.All(main, counts, counts, counts); err != nil || n != 3 {
				t.Errorf("All gave %v after %d", err, n)
			}
			var cause error
			err := loop.All(main, func(task *loop.Task) error { cause = task.Sleep(time.Hour); return cause },
				func(task *loop.Task) error { yields(task, 1); return errBoom })
			if err != errBoom || cause != errBoom || l.Stats().Live != 1 {
				t.Errorf("All gave %v; the other's cause is %v", err, cause)
			}
		})
	})
}

// The spawn site of what Race and All start is where they are called.
func TestRaceTellsTheSpawnSite(t *testing.T) {
	each(t, func(t *testing.T, cfg loop.Config) {
		cfg.TraceSpawns = true
		l := start(t, cfg)
		inTask(t, l, func(main *loop.Task) {
			look := func(task *loop.Task) error {
				for _, info := range l.Tasks() {
					if info.Name != "test" && !strings.Contains(info.Site, "scope_test.go:") {
						t.Errorf("the spawn site of %s is %q", info.Name, info.Site)
					}
				}
				return nil
			}
			_ = loop.All(main, look)
			_, _ = loop.Race(main, look)
			_ = loop.WithScope(main, func(s *loop.Scope) error { s.Go("child", look); return s.Wait() })
			g := loop.NewGroup(l)
			g.Go("member", look)
			_ = g.Wait(main)
		})
		l.Stop(patience)
		_ = l.Wait()
	})
}

package loop_test

import (
	"errors"
	"fmt"
	"slices"
	"testing"

	"github.com/ringway/ringway/loop"
)

var errCause = errors.New("cause")

// yields lets the other tasks have n turns.
func yields(t *loop.Task, n int) {
	for range n {
		_ = t.Yield()
	}
}

// joinAll waits for every task.
func joinAll(t *loop.Task, handles []loop.Handle) {
	for _, h := range handles {
		_ = t.Join(h)
	}
}

// wantPanic says whether f panics with something of this package.
func wantPanic(t *testing.T, what string, f func()) {
	t.Helper()
	defer func() {
		if s, _ := recover().(string); len(s) < 6 || s[:6] != "loop: " {
			t.Errorf("%s panicked with %q", what, s)
		}
	}()
	f()
}

func TestMutexServesInOrderAndOneAtATime(t *testing.T) {
	onLoops(t, func(t *testing.T, l *loop.Loop) {
		inTask(t, l, func(main *loop.Task) {
			var m loop.Mutex
			var order []int
			var all []loop.Handle
			inside := 0
			for i := range 10 {
				all = append(all, l.Go("locker", func(task *loop.Task) {
					for round := range 3 {
						if err := m.Lock(task); err != nil {
							t.Error(err)
						}
						if inside++; inside != 1 {
							t.Errorf("%d tasks hold the lock", inside)
						}
						order = append(order, 10*round+i)
						yields(task, 3)
						inside--
						m.Unlock()
					}
				}))
			}
			joinAll(main, all)
			if len(order) != 30 || !slices.IsSorted(order) {
				t.Errorf("the lock went round as %v", order)
			}
			if !m.TryLock() || m.TryLock() {
				t.Error("TryLock does not tell a free lock from a held one")
			}
			m.Unlock()
			wantPanic(t, "Unlock of a free lock", m.Unlock)
		})
	})
}

// object is a sync object as the cancel test sees it: enter waits for it, leave gives it up, and rest says whether it is
// as it was at the start.
type object struct {
	enter func(*loop.Task) error
	leave func()
	rest  func() bool
}

func objects() map[string]func() object {
	return map[string]func() object{
		"mutex": func() object {
			m := new(loop.Mutex)
			return object{m.Lock, m.Unlock, m.TryLock}
		},
		"rwmutex for writing": func() object {
			m := new(loop.RWMutex)
			return object{m.Lock, m.Unlock, m.TryLock}
		},
		"semaphore": func() object {
			s := loop.NewSemaphore(3)
			return object{func(t *loop.Task) error { return s.Acquire(t, 2) }, func() { s.Release(2) }, func() bool { return s.Free() == 3 }}
		},
		"semaphore in a select": func() object {
			s := loop.NewSemaphore(3)
			return object{func(t *loop.Task) error {
				_, err := loop.Select(t, loop.After(1<<62), s.AcquireCase(2))
				return err
			}, func() { s.Release(2) }, func() bool { return s.Free() == 3 }}
		},
		"channel as a lock": func() object {
			c := loop.NewChan[int](1)
			return object{func(t *loop.Task) error { return c.Send(t, 1) }, func() { c.TryRecv() }, func() bool { return c.Len() == 0 }}
		},
		"cond": condObject,
	}
}

// condObject is a lock made of a Cond.
func condObject() object {
	var m loop.Mutex
	var c loop.Cond
	held := false
	enter := func(t *loop.Task) error {
		if err := m.Lock(t); err != nil {
			return err
		}
		defer m.Unlock()
		for held {
			if err := c.Wait(t, &m); err != nil {
				return err
			}
		}
		held = true
		return nil
	}
	return object{enter, func() { held = false; c.Signal() }, func() bool { return !held && m.TryLock() }}
}

// Whenever a task is cancelled, before its wait, in it, when it has just been granted what it waits for, while it holds
// it or afterwards: it either holds or has the cause, the others are served, and in the end nobody holds anything.
func TestCancelAtEveryPoint(t *testing.T) {
	all := objects()
	onLoops(t, func(t *testing.T, l *loop.Loop) {
		for name, fresh := range all {
			for k := range 40 {
				for victim := range 4 {
					for _, last := range []bool{false, true} { // the cancel comes before what the others do in that turn, or after it
						what := fmt.Sprintf("%s, k %d, victim %d, last %v", name, k, victim, last)
						inTask(t, l, func(main *loop.Task) { cancelAfter(t, main, what, fresh(), k, victim, last) })
					}
				}
			}
		}
	})
}

func cancelAfter(t *testing.T, main *loop.Task, what string, o object, k, victim int, last bool) {
	l := main.Loop()
	inside, served := 0, 0
	var tasks []loop.Handle
	var errs [4]error
	for i := range 4 {
		tasks = append(tasks, l.Go("contender", func(task *loop.Task) {
			yields(task, i)
			if errs[i] = o.enter(task); errs[i] != nil {
				return
			}
			if inside++; inside != 1 {
				t.Errorf("%s: %d are inside", what, inside)
			}
			yields(task, 3)
			inside--
			served++
			o.leave()
		}))
	}
	cancel := func(task *loop.Task) { yields(task, k); l.Cancel(tasks[victim], errCause) }
	if last {
		tasks = append(tasks, l.Go("canceller", cancel))
	} else {
		cancel(main)
	}
	joinAll(main, tasks)
	refused := 0
	for i, err := range errs {
		if err != nil {
			refused++
		}
		if err != nil && (i != victim || err != errCause) {
			t.Errorf("%s: contender %d got %v", what, i, err)
		}
	}
	if rest := o.rest(); served+refused != 4 || !rest {
		t.Errorf("%s: %d served, %d refused, at rest %v", what, served, refused, rest)
	}
}

func TestRWMutex(t *testing.T) {
	onLoops(t, func(t *testing.T, l *loop.Loop) {
		for k := range 20 {
			for victim := range 8 {
				inTask(t, l, func(main *loop.Task) { readersAndWriters(t, main, k, victim) })
			}
		}
		inTask(t, l, func(*loop.Task) {
			var m loop.RWMutex
			wantPanic(t, "Unlock", m.Unlock)
			wantPanic(t, "RUnlock", m.RUnlock)
		})
	})
}

// readersAndWriters cancels one of them after k turns: the others come in as if it had never been there.
func readersAndWriters(t *testing.T, main *loop.Task, k, victim int) {
	l := main.Loop()
	var m loop.RWMutex
	readers, writers, together, order := 0, 0, 0, ""
	var all []loop.Handle
	const kinds = "rrwrrwrr"
	for i, kind := range kinds {
		all = append(all, l.Go("contender", func(task *loop.Task) {
			lock, unlock, count := m.RLock, m.RUnlock, &readers
			if kind == 'w' {
				lock, unlock, count = m.Lock, m.Unlock, &writers
			}
			if err := lock(task); err != nil {
				if i != victim || err != errCause {
					t.Errorf("contender %d got %v", i, err)
				}
				return
			}
			order += string(kind)
			*count++
			if together = max(together, readers); writers > 1 || writers == 1 && readers > 0 {
				t.Errorf("%d writers and %d readers are inside", writers, readers)
			}
			yields(task, 2)
			*count--
			unlock()
		}))
	}
	all = append(all, l.Go("canceller", func(task *loop.Task) {
		yields(task, k)
		// From a task that runs after those that are to run now: it meets who has been let in and has not run yet.
		_ = task.Join(l.Go("cancels", func(*loop.Task) { l.Cancel(all[victim], errCause) }))
	}))
	joinAll(main, all)
	if order != kinds && order != kinds[:victim]+kinds[victim+1:] || together < 2 {
		t.Errorf("k %d, victim %d: they came in as %q, %d readers at a time", k, victim, order, together)
	}
	if !m.TryLock() || m.TryRLock() {
		t.Error("the lock is not free at the end, or lets a reader beside a writer")
	}
}

// Who stands behind one that asks for more is let in when that one is cancelled, not only at the next release.
func TestCancelLetsInWhoStandsBehind(t *testing.T) {
	onLoops(t, func(t *testing.T, l *loop.Loop) {
		inTask(t, l, func(main *loop.Task) {
			var m loop.RWMutex
			s := loop.NewSemaphore(3)
			_, _ = m.RLock(main), s.Acquire(main, 2)
			for what, c := range map[string]struct{ first, behind func(*loop.Task) error }{
				"rwmutex":   {m.Lock, m.RLock},
				"semaphore": {func(t *loop.Task) error { return s.Acquire(t, 2) }, func(t *loop.Task) error { return s.Acquire(t, 1) }},
				"semaphore in a select": {func(t *loop.Task) error { _, err := loop.Select(t, s.AcquireCase(2)); return err },
					func(t *loop.Task) error { defer s.Release(1); return s.Acquire(t, 1) }},
			} {
				var got error
				first := l.Go("first", func(task *loop.Task) { got = c.first(task) })
				in := false
				behind := l.Go("behind", func(task *loop.Task) { in = c.behind(task) == nil })
				yields(main, 2)
				if in {
					t.Errorf("%s: who came later passed", what)
				}
				l.Cancel(first, errCause)
				yields(main, 2)
				if got != errCause || !in {
					t.Errorf("%s: the first got %v, the one behind is in: %v", what, got, in)
				}
				l.Cancel(behind, errCause)
				if what == "semaphore" {
					s.Release(1)
				}
			}
		})
	})
}

func TestSemaphore(t *testing.T) {
	onLoops(t, func(t *testing.T, l *loop.Loop) {
		inTask(t, l, func(main *loop.Task) {
			s := loop.NewSemaphore(4)
			if err := s.Acquire(main, 5); err != loop.ErrWeight {
				t.Errorf("more than there is gave %v", err)
			}
			if !s.TryAcquire(3) || s.TryAcquire(2) || s.Free() != 1 {
				t.Errorf("%d units are free", s.Free())
			}
			order := ""
			var all []loop.Handle
			for _, n := range []int{4, 1, 1} {
				all = append(all, l.Go("asks", func(task *loop.Task) {
					if err := s.Acquire(task, n); err == nil {
						order += fmt.Sprint(n)
					}
				}))
			}
			yields(main, 2)
			if order != "" || s.TryAcquire(1) {
				t.Errorf("the small ones passed the large one: %q", order)
			}
			l.Cancel(all[0], errCause)
			yields(main, 3)
			if order != "1" {
				t.Errorf("after the large one was cancelled, %q were served", order)
			}
			s.Release(3)
			joinAll(main, all)
			if order != "11" || s.Free() != 2 {
				t.Errorf("%q were served, %d are free", order, s.Free())
			}
			wantPanic(t, "Release of too many", func() { s.Release(3) })
			wantPanic(t, "a negative Acquire", func() { s.TryAcquire(-1) })
		})
	})
}

func TestCond(t *testing.T) {
	onLoops(t, func(t *testing.T, l *loop.Loop) {
		inTask(t, l, func(main *loop.Task) {
			var m loop.Mutex
			var c loop.Cond
			woken := ""
			var all []loop.Handle
			for i := range 5 {
				all = append(all, l.Go("waiter", func(task *loop.Task) {
					_ = m.Lock(task)
					err := c.Wait(task, &m)
					if m.TryLock() {
						t.Error("the lock is not held after Wait")
					}
					if (err != nil) != (i == 1 || i == 2) {
						t.Errorf("waiter %d got %v", i, err)
					}
					woken += fmt.Sprint(i)
					m.Unlock()
				}))
			}
			yields(main, 1)
			c.Signal()
			l.Cancel(all[1], errCause)
			yields(main, 4)
			if woken != "01" {
				t.Errorf("Signal and a cancel woke %q", woken)
			}
			c.Signal()
			l.Cancel(all[2], errCause) // has the signal already: it goes on to the next
			yields(main, 4)
			if woken != "0123" {
				t.Errorf("a Signal that met a cancel woke %q", woken)
			}
			c.Broadcast()
			joinAll(main, all)
		})
	})
}

func TestOnce(t *testing.T) {
	onLoops(t, func(t *testing.T, l *loop.Loop) {
		inTask(t, l, func(main *loop.Task) {
			var o loop.Once
			calls := 0
			var errs [5]error
			var all []loop.Handle
			for i := range 5 {
				all = append(all, l.Go("once", func(task *loop.Task) {
					errs[i] = o.Do(task, func() error {
						calls++
						yields(task, 3)
						if i == 0 {
							return errBoom
						}
						return nil
					})
				}))
			}
			yields(main, 2)
			l.Cancel(all[3], errCause)
			joinAll(main, all)
			if calls != 2 || errs != [5]error{errBoom, nil, nil, errCause, nil} {
				t.Errorf("%d calls, %v", calls, errs)
			}
		})
	})
}

func TestGroup(t *testing.T) {
	onLoops(t, func(t *testing.T, l *loop.Loop) {
		inTask(t, l, func(main *loop.Task) {
			g := loop.NewGroup(l)
			over := 0
			for i := range 5 {
				g.Go("member", func(task *loop.Task) error {
					yields(task, 5-i)
					over++
					if i == 2 {
						explode()
					}
					return fmt.Errorf("error %d", i)
				})
			}
			h := l.Go("cancelled", func(task *loop.Task) {
				if err := g.Wait(task); err != errCause {
					t.Errorf("a cancelled Wait gave %v", err)
				}
			})
			yields(main, 1)
			l.Cancel(h, errCause)
			if err := g.Wait(main); err == nil || err.Error() != "error 4" || over != 5 {
				t.Errorf("Wait gave %v after %d", err, over)
			}
			p := loop.NewGroup(l)
			p.Go("panics", func(*loop.Task) error { explode(); return nil })
			var pe *loop.PanicError
			if err := p.Wait(main); !errors.As(err, &pe) || !errors.Is(err, errBoom) {
				t.Errorf("a panic came as %v", err)
			}
			var zero loop.Group
			zero.Add(2)
			zero.Done()
			zero.Done()
			if err := zero.Wait(main); err != nil {
				t.Error(err)
			}
			wantPanic(t, "Done of nothing", zero.Done)
			wantPanic(t, "Go without a loop", func() { zero.Go("x", nil) })
		})
	})
}

func TestLocal(t *testing.T) {
	type cache struct{ made int }
	made := 0
	one := loop.NewLocal(func(*loop.Loop) cache { made++; return cache{made} })
	other := loop.NewLocal[int](nil)
	onLoops(t, func(t *testing.T, l *loop.Loop) {
		inTask(t, l, func(*loop.Task) {
			*other.Get(l) += 7
			a, b := one.Get(l), one.Get(l)
			if a != b || a.made != made || *other.Get(l) != 7 {
				t.Errorf("%p %p %v, %d", a, b, *a, *other.Get(l))
			}
		})
	})
	if made != len(drivers(t)) {
		t.Errorf("%d loops' values were made", made)
	}
}

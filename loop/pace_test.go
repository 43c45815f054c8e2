package loop_test

import (
	"slices"
	"testing"
	"time"

	"github.com/ringway/ringway/loop"
)

// TestPaceLetsSoManyThroughInATurn: in their order, and the loop goes on by itself until nobody waits.
func TestPaceLetsSoManyThroughInATurn(t *testing.T) {
	onLoops(t, func(t *testing.T, l *loop.Loop) {
		inTask(t, l, func(main *loop.Task) {
			const quota, tasks = 3, 20
			p := loop.NewPace(l, quota)
			var order []int
			through := map[uint64]int{}
			var all []loop.Handle
			for i := range tasks {
				all = append(all, l.Go("walker", func(task *loop.Task) {
					if err := p.Await(task); err != nil {
						t.Error(err)
					}
					order = append(order, i)
					through[l.Stats().Ticks]++
				}))
			}
			joinAll(main, all)
			if !slices.IsSorted(order) || len(order) != tasks {
				t.Errorf("they went through in the order %v", order)
			}
			if len(through) != (tasks+quota-1)/quota {
				t.Errorf("%d turns for %d tasks, %d in each", len(through), tasks, quota)
			}
			for turn, n := range through {
				if n > quota {
					t.Errorf("%d in turn %d", n, turn)
				}
			}
		})
		s := rested(t, l)
		if s.Live != 0 {
			t.Errorf("%d tasks are left", s.Live)
		}
	})
}

// rested gives the counters of a loop that no longer turns by itself.
func rested(t *testing.T, l *loop.Loop) (s loop.Stats) {
	t.Helper()
	eventually(t, "the loop rests", func() bool {
		var before loop.Stats
		l.On(func() { before = l.Stats() })
		time.Sleep(20 * time.Millisecond)
		l.On(func() { s = l.Stats() })
		return s.Ticks-before.Ticks < 20
	})
	return s
}

// TestPaceIsFairToLatecomers: who comes while others wait stands behind them, in a turn that has room too.
func TestPaceIsFairToLatecomers(t *testing.T) {
	onLoops(t, func(t *testing.T, l *loop.Loop) {
		inTask(t, l, func(main *loop.Task) {
			p := loop.NewPace(l, 1)
			var order []string
			walk := func(name string, rounds int) loop.Handle {
				return l.Go(name, func(task *loop.Task) {
					for range rounds {
						if err := p.Await(task); err != nil {
							t.Error(err)
						}
						order = append(order, name)
					}
				})
			}
			joinAll(main, []loop.Handle{walk("a", 3), walk("b", 3), walk("c", 3)})
			// a is through at once, and stands in the queue again before the others have run.
			if want := []string{"a", "a", "b", "c", "a", "b", "c", "b", "c"}; !slices.Equal(order, want) {
				t.Errorf("%v", order)
			}
		})
	})
}

// TestSharedPaceGrowsWithTheTurns: the more other tasks run in a turn, the more are let through in the next.
func TestSharedPaceGrowsWithTheTurns(t *testing.T) {
	onLoops(t, func(t *testing.T, l *loop.Loop) {
		inTask(t, l, func(main *loop.Task) {
			const others, quota, share, walkers = 50, 2, 10, 200
			p := loop.NewSharedPace(l, quota, share)
			through := map[uint64]int{}
			var all []loop.Handle
			for range walkers {
				all = append(all, l.Go("walker", func(task *loop.Task) {
					if err := p.Await(task); err != nil {
						t.Error(err)
					}
					through[l.Stats().Ticks]++
				}))
			}
			yields(main, 2) // they stand in the queue, and what they ran for that is forgotten
			clear(through)
			start := l.Stats().Ticks
			over := false
			for range others {
				l.Go("other", func(task *loop.Task) {
					for !over {
						_ = task.Yield()
					}
				})
			}
			yields(main, 6)
			over = true
			for turn := start + 2; turn < start+5; turn++ { // those let through ran too
				if n, least, most := through[turn], quota+others/share, quota+(others+3+2*(quota+others/share))/share; n < least || n > most {
					t.Errorf("%d went through in a turn behind one of %d tasks, not %d to %d", n, others, least, most)
				}
			}
			joinAll(main, all)
		})
	})
}

// TestPaceAndCancel: who gives up waits no longer, and holds nobody up who stands behind.
func TestPaceAndCancel(t *testing.T) {
	onLoops(t, func(t *testing.T, l *loop.Loop) {
		inTask(t, l, func(main *loop.Task) {
			p := loop.NewPace(l, 1)
			if err := p.Await(main); err != nil {
				t.Error(err)
			}
			var errs []error
			var all []loop.Handle
			for range 6 {
				all = append(all, l.Go("walker", func(task *loop.Task) { errs = append(errs, p.Await(task)) }))
			}
			l.Go("canceler", func(*loop.Task) { // behind them, and in the same turn
				for i := 0; i < 6; i += 2 {
					l.Cancel(all[i], errCause)
				}
			})
			joinAll(main, all)
			gaveUp := 0
			for _, err := range errs {
				if err == errCause {
					gaveUp++
				} else if err != nil {
					t.Error(err)
				}
			}
			if gaveUp != 3 || len(errs) != 6 {
				t.Errorf("%v", errs)
			}
		})
	})
}

// TestPaceAndStop: a loop that stops does not wait for those who wait.
func TestPaceAndStop(t *testing.T) {
	each(t, func(t *testing.T, cfg loop.Config) {
		l := start(t, cfg)
		var errs []error
		inTask(t, l, func(main *loop.Task) {
			p := loop.NewPace(l, 1)
			for range 1000 {
				l.Go("walker", func(task *loop.Task) {
					for {
						if err := p.Await(task); err != nil {
							errs = append(errs, err)
							return
						}
					}
				})
			}
			yields(main, 3)
		})
		l.Stop(patience)
		if err := l.Wait(); err != nil {
			t.Error(err)
		}
		if len(errs) != 1000 || errs[0] != loop.ErrStopped {
			t.Errorf("%d of 1000 tasks were told, the first %v", len(errs), errs[:min(1, len(errs))])
		}
	})
}

func TestPaceOfNobody(t *testing.T) {
	onLoops(t, func(t *testing.T, l *loop.Loop) {
		wantPanic(t, "a Pace of nobody", func() { loop.NewPace(l, 0) })
		wantPanic(t, "a share of less than none", func() { loop.NewSharedPace(l, 1, -1) })
	})
}

func TestPaceAllocatesNothing(t *testing.T) {
	onLoops(t, func(t *testing.T, l *loop.Loop) {
		inTask(t, l, func(main *loop.Task) {
			p := loop.NewPace(l, 1)
			for range 10 {
				_ = p.Await(main)
			}
			if n := testing.AllocsPerRun(100, func() { _ = p.Await(main); _ = p.Await(main) }); n != 0 {
				t.Errorf("%v allocations", n)
			}
		})
	})
}

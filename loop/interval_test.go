package loop_test

import (
	"math/rand/v2"
	"testing"
	"time"

	"github.com/ringway/ringway/loop"
)

func TestIntervalPolicies(t *testing.T) {
	const period = 20 * time.Millisecond
	onLoops(t, func(t *testing.T, l *loop.Loop) {
		for _, c := range []struct {
			policy loop.MissedTick
			missed uint64
			atOnce int // ticks that come together after a hold of three and a half periods
		}{{loop.Burst, 0, 4}, {loop.Delay, 0, 1}, {loop.Skip, 3, 1}} {
			inTask(t, l, func(main *loop.Task) {
				began := l.Now()
				i := loop.NewInterval(l, 0, period, c.policy)
				if err := i.Tick(main); err != nil || l.Now() != began {
					t.Errorf("a first tick that is due waited, or gave %v", err)
				}
				if err := i.Tick(main); err != nil || l.Now()-began < int64(period) {
					t.Errorf("the second came after %v", time.Duration(l.Now()-began))
				}
				// The third is due in one period; it is taken late by three and a half.
				_ = main.SleepUntil(began + int64(period)*11/2)
				late := l.Now() - began - int64(period)*11/2
				if late > int64(period)/3 {
					return // the machine was busy: the count below would not hold
				}
				atOnce, held := 0, l.Now()
				for ; l.Now() == held; atOnce++ {
					if err := i.Tick(main); err != nil {
						t.Error(err)
					}
				}
				if l.Now()-held > int64(period)*3/2 {
					return // busy again: the last tick was late too
				}
				if atOnce-1 != c.atOnce || i.Missed() != c.missed {
					t.Errorf("policy %d: %d ticks at once, %d missed", c.policy, atOnce-1, i.Missed())
				}
				if phase := (l.Now() - began) % int64(period); c.policy == loop.Skip && phase > int64(period)/2 {
					t.Errorf("after skipped ticks they come %v after the multiple", time.Duration(phase))
				}
			})
		}
	})
}

func TestIntervalCancelledKeepsItsTick(t *testing.T) {
	onLoops(t, func(t *testing.T, l *loop.Loop) {
		inTask(t, l, func(main *loop.Task) {
			i := loop.NewInterval(l, 10*time.Millisecond, time.Hour, loop.Burst)
			h := l.Go("ticks", func(task *loop.Task) {
				if err := i.Tick(task); err != errCause {
					t.Errorf("a cancelled Tick gave %v", err)
				}
			})
			yields(main, 1)
			l.Cancel(h, errCause)
			_ = main.Join(h)
			if n, err := loop.Select(main, i, loop.After(time.Minute)); n != 0 || err != nil {
				t.Errorf("Select gave %d, %v", n, err)
			}
			i.Reset(l)
			if n, err := loop.Select(main, i, loop.After(time.Millisecond)); n != 1 || err != nil {
				t.Errorf("after its tick was taken, Select gave %d, %v", n, err)
			}
			wantPanic(t, "an interval without a period", func() { loop.NewInterval(l, 0, 0, loop.Burst) })
		})
	})
}

// expiries counts what runs out.
type expiries struct {
	l     *loop.Loop
	n     int
	early int
	due   map[*loop.Timer]int64
}

func (e *expiries) Expire(tm *loop.Timer) {
	e.n++
	if e.due != nil && e.l.Now() < e.due[tm] {
		e.early++
	}
}

// A million timers: all run out, once each, none early, none of those that were stopped.
func TestMillionTimers(t *testing.T) {
	const million = 1_000_000
	l := start(t, loop.DefaultConfig(0, drivers(t)["epoll"])) // the wheel is the loop's: one driver is enough
	e := &expiries{l: l, due: make(map[*loop.Timer]int64, 1000)}
	timers := make([]loop.Timer, million)
	inTask(t, l, func(main *loop.Task) {
		rng := rand.New(rand.NewPCG(1, 2))
		for i := range timers {
			tm := &timers[i]
			tm.Expirer = e
			d := time.Duration(rng.Int64N(int64(700 * time.Millisecond)))
			if i%1000 == 1 { // some of those that are not stopped
				e.due[tm] = l.Now() + int64(d)
			}
			l.StartTimer(tm, d)
		}
		if n := l.Stats().Timers; n != million+1 {
			t.Errorf("%d timers run", n)
		}
		for i := 0; i < million; i += 4 {
			l.StopTimer(&timers[i])
		}
		for l.Stats().Timers > 1 && main.Sleep(10*time.Millisecond) == nil {
		}
	})
	if e.n != million*3/4 || e.early > 0 {
		t.Errorf("%d timers ran out, %d of them early", e.n, e.early)
	}
	l.Stop(patience)
	if err := l.Wait(); err != nil {
		t.Error(err)
	}
}

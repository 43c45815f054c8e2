package loop_test

import (
	"slices"
	"testing"
	"time"

	"github.com/ringway/ringway/loop"
)

// spin keeps the loop busy.
func spin(d time.Duration) {
	for began := time.Now(); time.Since(began) < d; {
	}
}

func TestMeasure(t *testing.T) {
	each(t, func(t *testing.T, cfg loop.Config) {
		cfg.Measure = true
		l := start(t, cfg)
		inTask(t, l, func(main *loop.Task) {
			stop := false
			before := l.Stats()
			l.Go("busy", func(task *loop.Task) {
				spin(20 * time.Millisecond)
				for !stop {
					_ = task.Sleep(time.Millisecond)
				}
			})
			l.Go("waits for the busy one", func(task *loop.Task) {
				for !stop {
					_ = task.Sleep(time.Millisecond)
				}
			})
			_ = main.Sleep(5 * time.Millisecond)
			info := map[string]loop.TaskInfo{}
			for _, i := range l.Tasks() {
				info[i.Name] = i
			}
			busy, waited := info["busy"], info["waits for the busy one"]
			if busy.Busy < 20*time.Millisecond || waited.Busy > busy.Busy {
				t.Errorf("busy for %v and %v", busy.Busy, waited.Busy)
			}
			if waited.WakeMax < 20*time.Millisecond || waited.WakeSum < waited.WakeMax {
				t.Errorf("waited to run for %v at most, %v in all", waited.WakeMax, waited.WakeSum)
			}
			s := l.Stats()
			if s.Busy-before.Busy < 20*time.Millisecond || s.Wake.Max < 20*time.Millisecond || s.Run.Max < 20*time.Millisecond {
				t.Errorf("the loop was busy for %v, one run %v, one wake %v", s.Busy, s.Run.Max, s.Wake.Max)
			}
			if s.Run.Count != s.Polls-1 || s.Wake.Count != s.Polls { // this task still runs
				t.Errorf("%d runs and %d wakes of %d polls", s.Run.Count, s.Wake.Count, s.Polls)
			}
			stop = true
		})
		l.Stop(patience)
		_ = l.Wait()
	})
}

func TestMeasuresNothingUnasked(t *testing.T) {
	onLoops(t, func(t *testing.T, l *loop.Loop) {
		inTask(t, l, func(main *loop.Task) {
			spin(time.Millisecond)
			_ = main.Yield()
			s := l.Stats()
			if i := l.Tasks()[0]; i.Busy+i.WakeSum+i.WakeMax+s.Busy != 0 || s.Run.Count+s.Wake.Count != 0 {
				t.Errorf("measured %+v, %+v", i, s)
			}
		})
	})
}

func TestHistogramQuantiles(t *testing.T) {
	h := new(loop.Histogram)
	if h.Quantile(0.5) != 0 {
		t.Error("the median of nothing is something")
	}
	var all []time.Duration
	for i := range 1000 {
		d := time.Duration(i*i) * 10
		all = append(all, d)
		h.Add(d)
	}
	h.Add(-time.Second) // a clock that went back counts as nothing
	h.Add(time.Hour)
	if h.Max != time.Hour || h.Count != 1002 {
		t.Errorf("%d durations, the longest %v", h.Count, h.Max)
	}
	slices.Sort(all)
	for _, q := range []float64{0.1, 0.5, 0.9, 0.99} {
		exact, got := all[int(q*1000)-2], h.Quantile(q)
		if got < exact || got > 2*exact+40 {
			t.Errorf("quantile %v is %v, want %v to double", q, got, exact)
		}
	}
	if h.Quantile(1) != time.Hour {
		t.Errorf("the last quantile is %v", h.Quantile(1))
	}
}

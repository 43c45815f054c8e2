package loop_test

import (
	"fmt"
	"math/rand/v2"
	"runtime"
	"testing"
	"time"

	"github.com/ringway/ringway/loop"
)

const million = 1_000_000

// alarm is a timer that knows when it is due.
type alarm struct {
	timer loop.Timer
	due   int64
	rings *rings
}

// rings is what a number of alarms did.
type rings struct {
	l        *loop.Loop
	count    int
	early    int
	latest   time.Duration
	order    int64 // when the last that rang was due
	disorder int
}

const resolution = int64(time.Millisecond)

func (a *alarm) Expire(*loop.Timer) {
	r := a.rings
	r.count++
	late := time.Duration(r.l.Now() - a.due)
	if late < 0 {
		r.early++
	}
	r.latest = max(r.latest, late)
	if a.due/resolution < r.order/resolution-1 { // the resolution's rounding may put neighbours in one slot
		r.disorder++
	}
	r.order = a.due
}

// A million timers run at once: each rings once, none early, in order, and those that were stopped or moved do not ring as
// they were.
func TestAMillionTimers(t *testing.T) {
	onLoops(t, func(t *testing.T, l *loop.Loop) {
		defer loop.SetCheckThreads(loop.SetCheckThreads(false)) // a system call for each start and stop
		alarms, r := make([]alarm, million), &rings{l: l}
		stopped := 0
		var began int64
		inTask(t, l, func(*loop.Task) {
			random := rand.New(rand.NewPCG(1, 2))
			began = l.Now()
			start := func(a *alarm, d time.Duration) {
				a.due = l.Now() + int64(d)
				l.StartTimer(&a.timer, d)
			}
			for i := range alarms {
				a := &alarms[i]
				a.rings, a.timer.Expirer = r, a
				start(a, time.Duration(random.Int64N(int64(2*time.Second))))
			}
			if n := l.Stats().Timers; n < million {
				t.Errorf("%d timers run", n)
			}
			for i := range alarms {
				switch i % 10 {
				case 0:
					l.StopTimer(&alarms[i].timer)
					stopped++
				case 1: // as deadlines are, all the time
					start(&alarms[i], time.Hour)
					start(&alarms[i], time.Duration(random.Int64N(int64(2*time.Second))))
				}
			}
		})
		eventually(t, "all timers ring", func() (all bool) {
			l.On(func() { all = r.count == million-stopped })
			return all
		})
		l.On(func() {
			if r.early > 0 || r.disorder > 0 {
				t.Errorf("%d rang early, %d out of order", r.early, r.disorder)
			}
			t.Logf("%d timers rang within %v, at most %v late", r.count, time.Duration(l.Now()-began), r.latest)
		})
		time.Sleep(2 * time.Millisecond)
		l.On(func() {
			if r.count != million-stopped {
				t.Errorf("%d rang, %d were to", r.count, million-stopped)
			}
		})
	})
}

type ignored struct{}

func (ignored) Expire(*loop.Timer) {}

// BenchmarkAmongTimers is what a timer costs beside so many others, spread over an hour: to stop and start one of them, and to
// move one as a deadline is moved. bytes/timer is what each takes.
func BenchmarkAmongTimers(b *testing.B) {
	for _, others := range []int{0, 1000, million} {
		for what, f := range map[string]func(l *loop.Loop, tm *loop.Timer){
			"stop and start": func(l *loop.Loop, tm *loop.Timer) {
				l.StopTimer(tm)
				l.StartTimer(tm, 30*time.Minute)
			},
			"move": func(l *loop.Loop, tm *loop.Timer) { l.StartTimer(tm, 10*time.Second) },
		} {
			b.Run(fmt.Sprintf("%d/%s", others, what), func(b *testing.B) {
				benchOn(b, func(b *testing.B, l *loop.Loop, _ *loop.Task) { benchAmong(b, l, others, f) })
			})
		}
	}
}

func benchAmong(b *testing.B, l *loop.Loop, others int, f func(l *loop.Loop, tm *loop.Timer)) {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	timers := make([]loop.Timer, others+1)
	random := rand.New(rand.NewPCG(1, 2))
	for i := range timers {
		timers[i].Expirer = ignored{}
		l.StartTimer(&timers[i], time.Duration(random.Int64N(int64(time.Hour)))+time.Minute)
	}
	runtime.ReadMemStats(&after)
	var places [4096]int
	for i := range places {
		places[i] = random.IntN(len(timers))
	}
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		f(l, &timers[places[i%len(places)]])
	}
	b.ReportMetric(float64(after.TotalAlloc-before.TotalAlloc)/float64(len(timers)), "bytes/timer")
}

// BenchmarkExpire is what it costs to let a million timers expire that are due within a second, all but the waiting.
func BenchmarkExpire(b *testing.B) {
	benchOn(b, func(b *testing.B, l *loop.Loop, main *loop.Task) {
		timers := make([]loop.Timer, million)
		rung := new(counted)
		var spent time.Duration
		for b.Loop() {
			random := rand.New(rand.NewPCG(1, 2))
			for i := range timers {
				timers[i].Expirer = rung
				l.StartTimer(&timers[i], time.Duration(random.Int64N(int64(time.Second))))
			}
			rung.n = 0
			cpu := threadCPU(b)
			for rung.n < million {
				_ = main.Sleep(50 * time.Millisecond)
			}
			spent += threadCPU(b) - cpu
		}
		b.ReportMetric(float64(spent.Nanoseconds())/float64(b.N)/million, "cpu-ns/timer")
	})
}

type counted struct{ n int }

func (c *counted) Expire(*loop.Timer) { c.n++ }

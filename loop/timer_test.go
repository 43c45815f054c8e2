package loop

import (
	"math"
	"math/rand/v2"
	"testing"
	"time"
)

// wheelModel is a wheel together with the plainest thing that does the same: a list of due ticks.
type wheelModel struct {
	t      *testing.T
	w      *wheel
	rng    *rand.Rand
	nowNs  int64
	timers []*modelTimer
	fired  int
	last   int64 // tick of the last expiry
}

type modelTimer struct {
	Timer
	m   *wheelModel
	due int64 // ticks; 0: stopped
}

func newWheelModel(t *testing.T, seed uint64, timers int) *wheelModel {
	m := &wheelModel{t: t, w: new(wheel), rng: rand.New(rand.NewPCG(seed, 0))}
	m.nowNs = m.rng.Int64N(int64(100 * time.Hour))
	m.w.init(m.nowNs)
	for range timers {
		tm := &modelTimer{m: m}
		tm.Expirer = tm
		m.timers = append(m.timers, tm)
	}
	return m
}

func (tm *modelTimer) Expire(*Timer) {
	m := tm.m
	switch {
	case tm.due == 0:
		m.t.Fatal("a stopped timer expired")
	case tm.due != m.w.now:
		m.t.Fatalf("a timer due in tick %d expired in tick %d", tm.due, m.w.now)
	case tm.due < m.last:
		m.t.Fatalf("tick %d expired after tick %d", tm.due, m.last)
	case tm.Active():
		m.t.Fatal("an expired timer is active")
	}
	m.last, tm.due = tm.due, 0
	m.fired++
	for range m.rng.IntN(3) { // what runs at an expiry starts and stops timers, its own too
		m.change()
	}
}

// duration is of any size from nothing to beyond the wheel's span, small ones as often as large ones.
func (m *wheelModel) duration() int64 {
	return m.rng.Int64N(int64(1)<<m.rng.IntN(54) + 1)
}

func (m *wheelModel) change() {
	tm := m.timers[m.rng.IntN(len(m.timers))]
	if m.rng.IntN(3) == 0 {
		m.w.stop(&tm.Timer)
		tm.due = 0
		return
	}
	when := m.nowNs + m.duration()
	m.w.start(&tm.Timer, when)
	tm.due = max(int64(math.Ceil(float64(when%tick)/float64(tick)))+when/tick, m.w.now+1)
}

// next is the first due tick, or -1.
func (m *wheelModel) next() int64 {
	first := int64(-1)
	for _, tm := range m.timers {
		if tm.due != 0 && (first < 0 || tm.due < first) {
			first = tm.due
		}
		if tm.Active() != (tm.due != 0) {
			m.t.Fatalf("Active is %v for a timer due in tick %d", tm.Active(), tm.due)
		}
	}
	return first
}

func (m *wheelModel) advance() {
	m.w.advance(m.nowNs)
	next := m.next()
	if next >= 0 && next <= m.nowNs/tick {
		m.t.Fatalf("the time is tick %d, and a timer due in tick %d has not expired", m.nowNs/tick, next)
	}
	wait := m.w.wait(m.nowNs)
	switch {
	case next < 0 && wait >= 0:
		m.t.Fatalf("no timer runs, and the wait is %v", wait)
	case next >= 0 && wait < 0:
		m.t.Fatalf("stall: a timer is due in tick %d, and the wait has no end", next)
	case next >= 0 && int64(wait) > next*tick-m.nowNs:
		m.t.Fatalf("stall: the wait is %v, the next timer is due in %v", wait, time.Duration(next*tick-m.nowNs))
	case next >= 0 && wait == 0:
		m.t.Fatalf("spin: nothing is due before tick %d, the time is tick %d, and the wait is nought", next, m.nowNs/tick)
	}
}

func TestWheelAgainstModel(t *testing.T) {
	for seed := range uint64(12) {
		m := newWheelModel(t, seed, 1+int(seed)*3)
		for range 1000 {
			for range m.rng.IntN(6) {
				m.change()
			}
			if m.rng.IntN(2) == 0 {
				m.nowNs += m.rng.Int64N(int64(1)<<m.rng.IntN(44) + 1) // up to hours
			} else if wait := m.w.wait(m.nowNs); wait > 0 {
				m.nowNs += int64(wait)
			}
			if m.rng.IntN(4) == 0 {
				m.change() // completions start timers after the clock was read and before the wheel moves
			}
			m.advance()
		}
		if m.fired == 0 && seed > 0 {
			t.Fatal("nothing expired: the test tests nothing")
		}
	}
}

// A loop that sleeps exactly as long as wait says must reach every expiry without many empty wake-ups.
func TestWheelSleepsInFewSteps(t *testing.T) {
	for seed := range uint64(30) {
		m := newWheelModel(t, 1000+seed, 1)
		tm := m.timers[0]
		d := 1 + m.rng.Int64N(int64(1)<<(20+m.rng.IntN(28)))
		m.w.start(&tm.Timer, m.nowNs+d)
		tm.due = tm.when
		steps := int64(0)
		for tm.due != 0 && tm.Active() {
			if wait := m.w.wait(m.nowNs); wait >= 0 {
				m.nowNs += int64(wait)
			}
			m.advanceOnce()
			if steps++; steps > 8+d/int64(60*time.Second) {
				t.Fatalf("seed %d: %d wake-ups for %v", seed, steps, time.Duration(d))
			}
		}
	}
}

// advanceOnce moves the wheel without the model's random changes at an expiry.
func (m *wheelModel) advanceOnce() {
	for _, tm := range m.timers {
		tm.Expirer = expireFunc(func() { tm.due = 0 })
	}
	m.w.advance(m.nowNs)
}

type expireFunc func()

func (f expireFunc) Expire(*Timer) { f() }

func TestWheelKeepsTimersWithoutEnd(t *testing.T) {
	w := new(wheel)
	w.init(int64(3 * time.Hour))
	fired := false
	tm := Timer{Expirer: expireFunc(func() { fired = true })}
	w.start(&tm, math.MaxInt64)
	for now := int64(3 * time.Hour); now < int64(1300*time.Hour); now += int64(7 * time.Hour) {
		w.advance(now)
		if fired || !tm.Active() {
			t.Fatalf("a timer without end expired after %v", time.Duration(now))
		}
	}
}

func TestRunqKeepsOrderWhenItGrows(t *testing.T) {
	var q runq
	rng := rand.New(rand.NewPCG(5, 6))
	var want []*Task
	for range 20_000 {
		if rng.IntN(5) < 3 {
			task := new(Task)
			q.push(task)
			want = append(want, task)
		} else if len(want) > 0 {
			if got := q.pop(); got != want[0] {
				t.Fatal("tasks come out in another order")
			}
			want = want[1:]
		}
		if q.len() != len(want) {
			t.Fatalf("len is %d, want %d", q.len(), len(want))
		}
	}
}

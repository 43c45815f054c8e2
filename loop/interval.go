package loop

import (
	"math"
	"time"
)

// MissedTick says what an Interval does when the next tick was due before the one before it was taken.
type MissedTick uint8

const (
	// Burst makes up for missed ticks at once, until it has caught up.
	Burst MissedTick = iota
	// Delay lets the next tick come a whole period after the late one.
	Delay
	// Skip drops missed ticks and goes on at multiples of the period from the first tick.
	Skip
)

// lateness is how late a tick may be taken before Delay moves the following ones: less is how a loop's time is, and
// would let the interval drift.
const lateness = 5 * time.Millisecond

// Interval gives ticks, one a period, to one task at a time. It is also a Case of Select. It needs no end: it runs only
// while a task waits for it.
type Interval struct {
	timer  Timer
	ticket Ticket
	period int64
	next   int64
	policy MissedTick
	missed uint64
}

// NewInterval makes an interval on l whose first tick comes after first, which may be nought, and whose others come one
// period apart. The resolution is a millisecond.
func NewInterval(l *Loop, first, period time.Duration, policy MissedTick) *Interval {
	if period <= 0 {
		panic("loop: an Interval has a period")
	}
	i := &Interval{period: int64(period), next: timerEnd(l.now, first), policy: policy}
	i.timer.Expirer = i
	return i
}

// Tick waits until the next tick is due. If the task is cancelled meanwhile, Tick returns the cause and the tick stays.
func (i *Interval) Tick(t *Task) error {
	if !i.Try(t) {
		for i.next > t.loop.now {
			if err := t.SleepUntil(i.next); err != nil {
				return err
			}
		}
		i.advance(t.loop.now)
	}
	return nil
}

// Missed is the number of ticks that Skip has dropped.
func (i *Interval) Missed() uint64 { return i.missed }

// Reset lets the next tick come a whole period from now.
func (i *Interval) Reset(l *Loop) { i.next = timerEnd(l.now, time.Duration(i.period)) }

// advance takes the tick that is due and says when the next one is.
func (i *Interval) advance(now int64) {
	late := now - i.next
	i.next += i.period
	switch {
	case i.policy == Delay && late > min(int64(lateness), i.period):
		i.next = now + i.period
	case i.policy == Skip && late >= i.period:
		n := late / i.period
		i.next += n * i.period
		i.missed += uint64(n)
	}
}

// Try is for Select.
func (i *Interval) Try(t *Task) bool {
	if t.loop.now < i.next {
		return false
	}
	i.advance(t.loop.now)
	return true
}

// Enqueue is for Select.
func (i *Interval) Enqueue(k Ticket) {
	if i.timer.Active() {
		panic("loop: a case stands in one Select at a time")
	}
	i.ticket = k
	k.Loop().StartTimerAt(&i.timer, i.next)
}

// Dequeue is for Select.
func (i *Interval) Dequeue() { i.ticket.Loop().StopTimer(&i.timer) }

// Expire is for the loop.
func (i *Interval) Expire(*Timer) {
	if i.ticket.Take() {
		i.advance(i.ticket.Loop().now)
	}
}

// TimerCase is a time in a Select. It may be used again after that.
type TimerCase struct {
	timer  Timer
	ticket Ticket
	d      time.Duration
	at     int64
	fixed  bool
}

// After gives a case that is ready when a Select has waited for d: each Select in which it stands begins anew.
func After(d time.Duration) *TimerCase {
	c := &TimerCase{d: d}
	c.timer.Expirer = c
	return c
}

// At gives a case that is ready from a time of Loop.Now's clock on, however many Selects that takes.
func At(when int64) *TimerCase {
	c := &TimerCase{at: when, fixed: true}
	c.timer.Expirer = c
	return c
}

// Try is for Select.
func (c *TimerCase) Try(t *Task) bool {
	if c.fixed {
		return t.loop.now >= c.at
	}
	return c.d <= 0
}

// Enqueue is for Select.
func (c *TimerCase) Enqueue(k Ticket) {
	if c.timer.Active() {
		panic("loop: a case stands in one Select at a time")
	}
	c.ticket = k
	if c.fixed {
		k.Loop().StartTimerAt(&c.timer, c.at)
	} else {
		k.Loop().StartTimer(&c.timer, c.d)
	}
}

// Dequeue is for Select.
func (c *TimerCase) Dequeue() { c.ticket.Loop().StopTimer(&c.timer) }

// Expire is for the loop.
func (c *TimerCase) Expire(*Timer) { c.ticket.Take() }

// timerEnd is now + d, or the end of time.
func timerEnd(now int64, d time.Duration) int64 {
	if when := now + int64(d); d < 0 || when >= now {
		return when
	}
	return math.MaxInt64
}

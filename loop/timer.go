package loop

import (
	"math"
	"math/bits"
	"time"
)

// The wheel has four levels of 256 slots: 1 ms, 256 ms, 65 s and 4.6 h wide. A timer further away than the last level
// reaches waits in its last slot and is placed again from there.
const (
	wheelBits   = 8
	wheelSlots  = 1 << wheelBits
	wheelMask   = wheelSlots - 1
	wheelLevels = 4
	wheelSpan   = int64(1) << (wheelBits * wheelLevels)
	tick        = int64(time.Millisecond)
)

// Expirer is told, on the loop and outside any task, that a timer has run out.
type Expirer interface {
	Expire(tm *Timer)
}

// Timer is one timer of a loop, part of the record that uses it. The zero value is a stopped timer; set Expirer before
// the first Start. Starting and stopping cost a few nanoseconds and allocate nothing.
type Timer struct {
	Expirer Expirer

	next, prev *Timer // ring through the slot's head
	slot       *wheelSlot
	when       int64 // ticks
}

type wheelSlot struct {
	head  Timer
	level int
	index int
}

// Active reports whether the timer is running.
func (tm *Timer) Active() bool { return tm.slot != nil }

func (tm *Timer) init(e Expirer) { tm.Expirer = e }

// wheel keeps time in ticks of a millisecond. It belongs to a loop.
type wheel struct {
	now    int64 // ticks up to which everything has expired
	count  int
	slots  [wheelLevels][wheelSlots]wheelSlot
	filled [wheelLevels][wheelSlots / 64]uint64
}

func (w *wheel) init(nowNs int64) {
	w.now = nowNs / tick
	for l := range w.slots {
		for i := range w.slots[l] {
			s := &w.slots[l][i]
			s.level, s.index = l, i
			s.head.next, s.head.prev = &s.head, &s.head
		}
	}
}

// start places tm so that it expires in the first tick at or after whenNs.
func (w *wheel) start(tm *Timer, whenNs int64) {
	if tm.slot != nil {
		w.stop(tm)
	}
	due := whenNs / tick
	if whenNs%tick > 0 { // not by adding first, which overflows for a time without end
		due++
	}
	tm.when = max(due, w.now+1)
	w.place(tm)
	w.count++
}

func (w *wheel) place(tm *Timer) {
	when := min(tm.when, w.now+wheelSpan-1)
	level := 0
	for delta := when - w.now; delta >= wheelSlots; delta >>= wheelBits {
		level++
	}
	i := int(when>>(wheelBits*level)) & wheelMask
	s := &w.slots[level][i]
	h := &s.head
	tm.slot, tm.next, tm.prev = s, h, h.prev
	h.prev.next = tm
	h.prev = tm
	w.filled[level][i/64] |= 1 << (i % 64)
}

func (w *wheel) stop(tm *Timer) {
	if tm.slot == nil {
		return
	}
	w.unlink(tm)
	w.count--
}

func (w *wheel) unlink(tm *Timer) {
	s := tm.slot
	tm.prev.next, tm.next.prev = tm.next, tm.prev
	tm.next, tm.prev, tm.slot = nil, nil, nil
	if s.head.next == &s.head {
		w.filled[s.level][s.index/64] &^= 1 << (s.index % 64)
	}
}

// advance moves the wheel to nowNs and expires what is due.
func (w *wheel) advance(nowNs int64) {
	target := nowNs / tick
	for w.now < target {
		if w.count == 0 {
			w.now = target
			return
		}
		// Skip the empty ticks up to the next filled slot or the next turn of this level.
		step := min(w.quiet(), target-w.now)
		w.now += step
		if w.now&wheelMask == 0 {
			w.cascade()
		}
		w.expireSlot(&w.slots[0][w.now&wheelMask])
	}
}

// quiet is the distance to the next tick that needs a look: a filled slot of the first level, or its wrap.
func (w *wheel) quiet() int64 {
	from := int(w.now&wheelMask) + 1
	for i := from; i < wheelSlots; {
		word := w.filled[0][i/64] >> (i % 64)
		if word != 0 {
			return int64(i + bits.TrailingZeros64(word) - from + 1)
		}
		i = (i/64 + 1) * 64
	}
	return int64(wheelSlots - from + 1)
}

// cascade moves the timers of the higher levels' present slots down.
func (w *wheel) cascade() {
	for level := 1; level < wheelLevels; level++ {
		i := int(w.now>>(wheelBits*level)) & wheelMask
		s := &w.slots[level][i]
		for tm := s.head.next; tm != &s.head; tm = s.head.next {
			w.unlink(tm)
			w.place(tm)
		}
		if i != 0 {
			return
		}
	}
}

func (w *wheel) expireSlot(s *wheelSlot) {
	for s.head.next != &s.head {
		tm := s.head.next
		if tm.when > w.now { // it waited in the last slot of the last level
			w.unlink(tm)
			w.place(tm)
			continue
		}
		w.unlink(tm)
		w.count--
		tm.Expirer.Expire(tm)
	}
}

// wait is how long the loop may sleep before advance must be called again; negative: without end.
func (w *wheel) wait(nowNs int64) time.Duration {
	if w.count == 0 {
		return -1
	}
	due := w.now + w.nextDue()
	return time.Duration(max(due*tick-nowNs, 0))
}

// nextDue is the distance in ticks to the next filled slot, or to the cascade that fills one.
func (w *wheel) nextDue() int64 {
	if q := w.quiet(); int(w.now&wheelMask)+int(q) < wheelSlots {
		return q
	}
	for level := 1; level < wheelLevels; level++ {
		cur := w.now >> (wheelBits * level)
		for d := int64(1); d <= wheelSlots; d++ {
			i := int(cur+d) & wheelMask
			if level == 1 && w.firstLevelFilled(cur+d) || w.filled[level][i/64]&(1<<(i%64)) != 0 || (i == 0 && level+1 < wheelLevels) {
				return (cur+d)<<(wheelBits*level) - w.now
			}
		}
	}
	return wheelSlots
}

// firstLevelFilled reports whether the first level holds timers of its next turn, which begins at the given slot of
// the second.
func (w *wheel) firstLevelFilled(second int64) bool {
	if second != w.now>>wheelBits+1 {
		return false
	}
	for _, word := range w.filled[0] {
		if word != 0 {
			return true
		}
	}
	return false
}

// StartTimer makes tm expire d from now; a running timer is moved.
func (l *Loop) StartTimer(tm *Timer, d time.Duration) {
	l.assertOnLoop()
	when := l.now + int64(d)
	if d > 0 && when < l.now {
		when = math.MaxInt64
	}
	l.wheel.start(tm, when)
}

// StartTimerAt makes tm expire at a time of Now's clock.
func (l *Loop) StartTimerAt(tm *Timer, when int64) {
	l.assertOnLoop()
	l.wheel.start(tm, when)
}

// StopTimer stops tm; one that is not running is left alone.
func (l *Loop) StopTimer(tm *Timer) {
	l.assertOnLoop()
	l.wheel.stop(tm)
}

// Sleep suspends the task for d. If it is cancelled meanwhile, Sleep returns the cause.
func (t *Task) Sleep(d time.Duration) error {
	t.loop.StartTimer(&t.sleep, d)
	return t.awaitSleep()
}

// SleepUntil suspends the task until a time of Now's clock. If it is cancelled meanwhile, SleepUntil returns the cause.
func (t *Task) SleepUntil(when int64) error {
	t.loop.StartTimerAt(&t.sleep, when)
	return t.awaitSleep()
}

func (t *Task) awaitSleep() error {
	l := t.loop
	for t.sleep.Active() {
		if err := t.Park(sleepWait{}); err != nil {
			l.StopTimer(&t.sleep)
			return err
		}
	}
	return nil
}

// Expire ends a Sleep.
func (t *Task) Expire(*Timer) { t.loop.Ready(t) }

type sleepWait struct{}

func (sleepWait) CancelWait(t *Task) { t.loop.Ready(t) }

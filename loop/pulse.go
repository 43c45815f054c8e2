package loop

import (
	"sync/atomic"
	"time"

	"github.com/ringway/ringway/sys"
)

// beatEvery is how many resumes of a tick make it beat again: a tick of many short tasks is no stall.
const beatEvery = 8

// busyTurns is how many turns in an alarm's time make a loop busy. One that is not stops its alarm when it rests.
const busyTurns = 8

// pulse is what a watched loop shows of itself, and a Watchdog's findings. A nil pulse is that of a loop that nobody
// watches, and costs a branch.
//
// Memory order. The loop alone stores beat, running and armed, and stores only what differs from before, so that a tick costs
// two or three stores however many tasks of one kind it runs. A Watchdog that loads running sees the whole origin: it was
// made before the store and never changes. When it finds the same beat at two looks, and the same running after each, the
// loop has not turned in between and has resumed at most seven tasks. A loop that turns stores beat and then armed; a Watchdog
// loads armed and then beat: if it sees that the alarm was set, it sees the turn.
type pulse struct {
	_       [64]byte
	beat    atomic.Uint64          // counts turns and every eighth resume, doubled; odd: the loop waits in the kernel
	running atomic.Pointer[origin] // the kind of task that runs, nil between tasks
	armed   atomic.Uint64          // how often the alarm was set
	count   uint64                 // of the loop: the beat that was stored
	shown   *origin                // of the loop: what running was set to
	_       [64]byte

	// Of the loop:
	alarm    *sys.Timerfd // goes off when it was not set anew for period
	period   time.Duration
	armAt    int64 // when it is to be set again
	windowAt int64 // when turns have been counted for a period
	turns    int
	seldom   bool // there were few

	// Of the Watchdog:
	stalls  atomic.Uint64
	delays  atomic.Uint64
	stalled atomic.Int64 // nanoseconds
	longest atomic.Int64 // nanoseconds
}

// turn says that the loop is busy, and has got on.
func (p *pulse) turn() {
	if p != nil {
		p.count += 2
		p.beat.Store(p.count)
	}
}

// arm puts the alarm off, if it was not lately. It follows each turn of the loop.
func (p *pulse) arm(now int64) {
	if p == nil {
		return
	}
	if p.turns++; now >= p.windowAt {
		p.seldom, p.turns, p.windowAt = p.turns < busyTurns, 0, now+int64(p.period)
	}
	if now >= p.armAt {
		p.alarm.Set(p.period)
		p.armed.Add(1)
		p.armAt = now + int64(p.period)/2
	}
}

// rest says that the loop is going to wait in the kernel. A busy one leaves its alarm set: it will turn before that goes off, and
// if it does not, one look says that it rests.
func (p *pulse) rest() {
	if p == nil {
		return
	}
	p.beat.Store(p.count | 1)
	if p.seldom && p.armAt != 0 {
		p.alarm.Set(0)
		p.armAt = 0
	}
}

// show says that a task of origin o runs, the n-th resume of the loop.
func (p *pulse) show(o *origin, n uint64) {
	if n%beatEvery == 0 {
		p.turn()
	}
	if p.shown != o {
		p.shown = o
		p.running.Store(o)
	}
}

// hide says that no task runs.
func (p *pulse) hide() {
	if p != nil && p.shown != nil {
		p.shown = nil
		p.running.Store(nil)
	}
}

// fill puts the findings into s.
func (p *pulse) fill(s *Stats) {
	if p != nil {
		s.Stalls, s.Delays = p.stalls.Load(), p.delays.Load()
		s.Stalled, s.StallMax = time.Duration(p.stalled.Load()), time.Duration(p.longest.Load())
	}
}

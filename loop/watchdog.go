package loop

import (
	"context"
	"log/slog"
	"runtime/pprof"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/ringway/ringway/sys"
)

// DefaultStall is how long a loop may stand still before a Watchdog says so.
const DefaultStall = 5 * time.Millisecond

// The bounds of what a Watchdog does.
const (
	minLook     = time.Millisecond       // between two looks, where the stall asked for is that short
	maxLook     = 100 * time.Millisecond // and where it is that long
	reportEvery = time.Second            // a loop's stalls that follow sooner are counted and kept without a stack, not logged
	keptStalls  = 32                     // that Stalls gives
)

// Watchdog looks at loops from outside, from one ordinary goroutine for each. When a loop that does not wait in the kernel
// has not got on for too long, it says in that loop's log which task held it, where that was spawned, what it waits for
// and its stack, and later how long it took.
//
// A loop counts as held while its thread runs or is blocked. Time in which the machine had the thread wait for a
// processor, or did not run the Watchdog either, is not held against it: it counts as a delay.
//
// A loop gets on with each turn, with every eighth resume in a turn, and when a task of another name or spawn site runs:
// so of tasks in a row of the same kind, the report can mean any.
//
// Nobody looks while all is well: a loop that turns keeps putting off an alarm, which goes off after half of the time that
// makes a stall, and only then are there looks, until it turns or rests. So a stall is seen that lasts one and a half of
// that time or longer, but for how late the Watchdog itself runs, and often a shorter one.
type Watchdog struct {
	stall  time.Duration
	period time.Duration
	looks  atomic.Uint64

	mu     sync.Mutex // held for a few instructions only, so that a loop's start and end may take it
	recent []Stall    // oldest first
}

// NewWatchdog makes a watchdog for loops that stand still for stall or longer, DefaultStall if that is nought. It
// looks at the loops that have it in their Config; one without is not watched.
func NewWatchdog(stall time.Duration) *Watchdog {
	if stall <= 0 {
		stall = DefaultStall
	}
	return &Watchdog{stall: stall, period: min(max(stall/2, minLook), maxLook)}
}

// Stall is one time that something held a loop.
type Stall struct {
	Loop  int
	Task  string // the task's name; empty: none ran
	Site  string // where the task was spawned, file:line
	Doing string // "a task", or what else the loop did: "a posted function", "a timer", "a completion", …
	Cause Cause
	Began time.Time     // when the loop was first seen not to get on
	Held  time.Duration // by then, if it lasts
	Lasts bool
	Stack string // innermost call first; empty where there was no time to look, or too many goroutines
}

// Stalls gives the last ones, oldest first. Anyone may call it, also while a loop stands still.
func (d *Watchdog) Stalls() []Stall {
	d.mu.Lock()
	defer d.mu.Unlock()
	return slices.Clone(d.recent)
}

// serials number the watched loops of a process.
var serials atomic.Uint64

// watched is what a Watchdog knows of a loop. It is its goroutine's, but for gone.
type watched struct {
	dog    *Watchdog
	id     int
	serial string // in the label of all goroutines of the loop
	log    *slog.Logger
	pulse  *pulse
	alarm  *sys.Timerfd
	thread *threadClock
	gone   atomic.Bool // the loop has ended

	beat    uint64 // as last seen, and since when
	running *origin
	since   time.Time // zero: not seen yet
	used    threadUse // at since
	last    time.Time // the last look
	late    time.Duration

	stalled    bool // that beat counts as a stall
	delayed    bool // that beat counts as a delay
	told       bool // the stall is in the log
	held       time.Duration
	reportedAt time.Time
	unreported int
}

// watch begins to look at the loop on whose thread it is called, and gives the function that ends it. The coroutines
// that the loop starts inherit the label by which the Watchdog finds their stacks; it also tells loops apart in CPU
// profiles.
func (d *Watchdog) watch(l *Loop) (unwatch func(), err error) {
	alarm, err := sys.NewTimerfd()
	if err != nil {
		return nil, err
	}
	l.pulse = &pulse{alarm: alarm, period: d.period}
	w := &watched{dog: d, id: l.cfg.ID, serial: strconv.FormatUint(serials.Add(1), 10), log: l.cfg.Log, pulse: l.pulse,
		alarm: alarm, thread: newThreadClock(l.thread)}
	pprof.SetGoroutineLabels(pprof.WithLabels(context.Background(), pprof.Labels("loop", strconv.Itoa(w.id), serialLabel, w.serial)))
	go w.run()
	l.pulse.arm(l.now)
	return func() {
		l.pulse.turn()
		alarm.Set(1)
		w.gone.Store(true) // last: who sees it closes the alarm
		pprof.SetGoroutineLabels(context.Background())
	}, nil
}

// run looks whenever the alarm has gone off, until the loop has ended. Before that it does not close the alarm, which the loop sets.
func (w *watched) run() {
	pprof.SetGoroutineLabels(context.Background()) // it was started on a loop, and is none of its goroutines
	defer w.thread.close()
	defer w.alarm.Close()
	for {
		if err := w.alarm.Wait(); err != nil {
			w.log.Warn("loop is not watched for stalls any more", "loop", w.id, "err", err)
			for !w.gone.Load() {
				time.Sleep(maxLook)
			}
			return
		}
		if !w.followUp() {
			return
		}
	}
}

// followUp looks at a loop whose alarm has gone off until it has put that off again, or rests. It reports whether it still is.
func (w *watched) followUp() (lives bool) {
	w.since, w.stalled = time.Time{}, false
	for before := w.pulse.armed.Load(); ; time.Sleep(w.dog.period) {
		if w.gone.Load() {
			w.end(time.Now())
			return false
		}
		armed := w.pulse.armed.Load()
		if rests := w.look(); rests || armed != before {
			w.end(time.Now())
			return true
		}
	}
}

// look sees whether the loop got on since the last look, a period ago or longer, and reports whether it rests. Time is
// read before what ends a measured span and after what begins one, so that a span is never shown longer than it is.
func (w *watched) look() (rests bool) {
	w.dog.looks.Add(1)
	before := time.Now()
	beat, running := w.pulse.beat.Load(), w.pulse.running.Load()
	busy := beat&1 == 0
	if beat == w.beat && running == w.running && !w.since.IsZero() {
		if busy {
			w.late += max(before.Sub(w.last)-w.dog.period, 0)
			w.last = before
			w.judge(before)
		}
		return !busy
	}
	w.end(before)
	w.beat, w.running, w.late, w.held, w.stalled, w.delayed = beat, running, 0, 0, false, false
	if busy {
		w.used = w.thread.use()
	}
	w.since = time.Now()
	w.last = w.since
	return !busy
}

// judge decides whether a busy loop that did not get on since w.since is to blame.
func (w *watched) judge(now time.Time) {
	elapsed := now.Sub(w.since)
	if elapsed < w.dog.stall {
		return
	}
	ran, held := w.thread.use().since(w.used, w.thread.wants(), elapsed, w.late)
	switch {
	case held >= w.dog.stall && !w.stalled:
		w.stalled = true
		w.pulse.stalls.Add(1)
		w.count(held)
		w.report(now, ran*2 >= held)
	case w.stalled:
		w.count(held)
	case !w.delayed:
		w.delayed = true
		w.pulse.delays.Add(1)
	}
}

// count shows how long the stall has lasted.
func (w *watched) count(held time.Duration) {
	if held <= w.held {
		return
	}
	w.pulse.stalled.Add(int64(held - w.held))
	w.pulse.longest.Store(max(w.pulse.longest.Load(), int64(held)))
	w.held = held
}

// report tells of a stall that has begun.
func (w *watched) report(now time.Time, ran bool) {
	s := Stall{Loop: w.id, Began: w.since, Held: w.held, Lasts: true, Doing: "something between tasks"}
	if w.running != nil {
		s.Task, s.Site, s.Doing = w.running.name, w.running.site.String(), "a task"
	}
	w.told = now.Sub(w.reportedAt) >= reportEvery
	if w.told {
		w.reportedAt = now
		found := w.findStack()
		s.Stack, s.Cause = found.String(), found.cause()
		if doing := found.doing(); w.running == nil && doing != "" {
			s.Doing = doing
		}
	}
	if ran {
		s.Cause = CauseRunning
	}
	w.keep(s)
	if !w.told {
		w.unreported++
		return
	}
	w.log.Warn("loop stalled", "loop", s.Loop, "held", s.Held, "by", s.Doing, "task", s.Task, "spawned", s.Site,
		"cause", s.Cause.String(), "unreported_before", w.unreported, "stack", s.Stack)
	w.unreported = 0
}

// findStack looks for what runs on the loop. When the loop has got on meanwhile, that is not what held it.
func (w *watched) findStack() stack {
	found := stackOf(w.serial)
	if w.pulse.beat.Load() != w.beat || w.pulse.running.Load() != w.running {
		return nil
	}
	return found
}

// end closes the stall that lasted until now, if there was one.
func (w *watched) end(now time.Time) {
	if !w.stalled {
		return
	}
	w.count(w.held + now.Sub(w.last))
	w.dog.mu.Lock()
	for i := range w.dog.recent {
		if s := &w.dog.recent[i]; s.Loop == w.id && s.Began.Equal(w.since) {
			s.Held, s.Lasts = w.held, false
		}
	}
	w.dog.mu.Unlock()
	if w.told {
		w.log.Warn("loop turns again", "loop", w.id, "held", w.held)
	}
}

// keep adds s to the recent stalls.
func (w *watched) keep(s Stall) {
	w.dog.mu.Lock()
	defer w.dog.mu.Unlock()
	if len(w.dog.recent) == keptStalls {
		w.dog.recent = slices.Delete(w.dog.recent, 0, 1)
	}
	w.dog.recent = append(w.dog.recent, s)
}

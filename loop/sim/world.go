package sim

import (
	"container/heap"
	"math"
	"sync"
	"time"

	"github.com/ringway/ringway/loop"
)

// Config sets a World up.
type Config struct {
	Seed        uint64
	Faults      Faults
	NonBlocking bool // sockets behave as the epoll driver wants them; otherwise as io_uring does
	Trace       int  // how many of the last events are kept as text
	Turns       int  // most turns of all loops in a Run; 0: no bound
}

// World is a simulated machine: a clock, a network, and the loops on it.
type World struct {
	cfg Config

	mu      sync.Mutex
	now     int64
	until   int64 // Run ends here
	bound   int64 // a live clock stops here
	mode    mode
	holder  *Driver // the one that runs
	drivers []*Driver
	quiet   *sync.Cond // Run and Settle wait for it
	stalled bool       // nothing will ever happen any more
	turns   int        // of this Run
	endless bool       // it had too many
	events  eventHeap
	serial  uint64 // of events, for order among equals
	dice    dice
	root    dice // the sockets' dice come from it
	net     network
	trace   trace
}

// mode says how time passes.
type mode int

const (
	frozen  mode = iota // it does not: loops do what is due and then rest
	stuck               // it does not, and no loop runs either
	running             // one loop at a time, and the clock jumps when all rest
	live                // loops run side by side, and the clock jumps when all rest
)

const never = math.MaxInt64

// New makes a World in which time stands still: what is posted to loops runs, but no timer runs out and nothing travels.
func New(cfg Config) *World {
	w := &World{cfg: cfg, now: int64(time.Hour), bound: never, dice: dice(cfg.Seed), root: dice(cfg.Seed ^ 0x5bd1e9955bd1e995)}
	w.quiet = sync.NewCond(&w.mu)
	w.net.w = w
	w.trace.limit = cfg.Trace
	return w
}

// Run lets time pass for d at most, until Freeze is called or nothing is left to happen, and then stops it again. It
// must not be called on a loop.
func (w *World) Run(d time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.turns, w.endless = 0, false
	if w.rest(); w.mode == stuck {
		return
	}
	w.mode, w.until, w.stalled = running, w.now+int64(d), false
	w.schedule()
	for w.mode == running && !w.stalled {
		w.quiet.Wait()
	}
	if w.mode != stuck {
		w.mode = frozen
		w.rest()
	}
}

// Settle waits until the loops have done what was posted to them, without time passing.
func (w *World) Settle() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.rest()
}

// rest waits until every loop waits and none has anything due.
func (w *World) rest() {
	for !w.resting() && w.mode != stuck {
		w.schedule()
		w.quiet.Wait()
	}
}

// resting reports whether every loop waits and none has anything due: only then may the clock jump, or who is slow to run, since the
// machine is loaded, would lose hours in a moment.
func (w *World) resting() bool {
	if w.holder != nil {
		return false
	}
	for _, d := range w.drivers {
		if !d.waiting || d.due() {
			return false
		}
	}
	return true
}

// Freeze ends Run when what is due at this moment has been done. Code on a loop calls it.
func (w *World) Freeze() {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.mode == running {
		w.mode = frozen
	}
}

// Live lets the loops run freely from now on, beside each other and beside other goroutines, as the conformance kit and
// the end of a scenario want it. Nothing is replayable after it.
func (w *World) Live() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.mode, w.holder = live, nil
	for _, d := range w.drivers {
		d.cond.Broadcast()
	}
}

// Hold lets the clock of a live world go on for d at most until release is called: what other goroutines take part in meanwhile
// must not cost the loops all the time that they jump over.
func (w *World) Hold(d time.Duration) (release func()) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.bound = w.now + int64(d)
	return func() {
		w.mu.Lock()
		defer w.mu.Unlock()
		w.bound = never
		w.wakeWaiters()
	}
}

// Now is the time of the world's clock.
func (w *World) Now() int64 {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.now
}

// Clock is what a wall clock of the world shows.
func (w *World) Clock() time.Time { return start.Add(time.Duration(w.Now())) }

// start is when a wall clock of a world began: far from the present, so that mixing them up shows.
var start = time.Date(2040, time.January, 1, 0, 0, 0, 0, time.UTC)

// Stalled reports whether the last Run ended because nothing was left to happen.
func (w *World) Stalled() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.stalled
}

// Endless reports whether the last Run was ended because the loops had more turns than Config.Turns: they run in circles.
func (w *World) Endless() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.endless
}

// Sockets are the world's sockets, for who sets a scenario up.
func (w *World) Sockets() loop.Sockets { return &w.net }

// event is something that happens at a time.
type event struct {
	at     int64
	serial uint64
	f      func()
}

type eventHeap []event

func (h eventHeap) Len() int { return len(h) }
func (h eventHeap) Less(i, j int) bool {
	return h[i].at < h[j].at || h[i].at == h[j].at && h[i].serial < h[j].serial
}
func (h eventHeap) Swap(i, j int) { h[i], h[j] = h[j], h[i] }
func (h *eventHeap) Push(x any)   { *h = append(*h, x.(event)) }
func (h *eventHeap) Pop() any {
	old := *h
	e := old[len(old)-1]
	old[len(old)-1] = event{}
	*h = old[:len(old)-1]
	return e
}

// at runs f at a time; at once if that is not in the future.
func (w *World) at(when int64, f func()) {
	if when <= w.now {
		f()
		return
	}
	w.serial++
	heap.Push(&w.events, event{when, w.serial, f})
	if w.mode == live {
		w.wakeWaiters() // who waits without end must look again
	}
}

// schedule gives the turn to a loop that has something to do, after moving the clock if none has and time may pass.
func (w *World) schedule() {
	if w.holder != nil || w.mode == live {
		return
	}
	if w.mode == stuck {
		w.quiet.Broadcast()
		return
	}
	for {
		if d := w.choose(); d != nil {
			w.holder = d
			d.cond.Signal()
			return
		}
		if w.mode == frozen || !w.allWait() {
			w.quiet.Broadcast()
			return
		}
		next := w.next()
		switch {
		case next == never:
			w.stalled = true
			w.quiet.Broadcast()
			return
		case next > w.until:
			w.now, w.mode = w.until, frozen
			w.quiet.Broadcast()
			return
		}
		w.advance(next)
	}
}

// choose picks one of the loops that have something to do: the seed decides, and the first one while time stands still.
func (w *World) choose() *Driver {
	var due [16]*Driver
	n := 0
	for _, d := range w.drivers {
		if d.waiting && d.due() && n < len(due) {
			due[n] = d
			n++
		}
	}
	switch {
	case n == 0:
		return nil
	case w.mode == frozen:
		return due[0]
	}
	return due[w.dice.below(n)]
}

func (w *World) allWait() bool {
	for _, d := range w.drivers {
		if !d.waiting {
			return false
		}
	}
	return true
}

// next is when the next thing happens.
func (w *World) next() int64 {
	t := int64(never)
	if len(w.events) > 0 {
		t = w.events[0].at
	}
	for _, d := range w.drivers {
		t = min(t, d.next())
	}
	return t
}

// advance moves the clock to t and lets happen what is due.
func (w *World) advance(t int64) {
	w.now = max(w.now, t)
	for len(w.events) > 0 && w.events[0].at <= w.now {
		heap.Pop(&w.events).(event).f()
	}
}

// pace is how long a live world sleeps before it lets its clock jump, so that other goroutines have a chance.
const pace = 20 * time.Microsecond

// await lets d rest until it has something to do.
func (w *World) await(d *Driver) {
	d.waiting = true
	if w.holder == d {
		w.holder = nil
	}
	if w.mode == running || w.mode == frozen {
		if w.turns++; w.turns == w.cfg.Turns {
			w.endless, w.mode = true, stuck
		}
	}
	if w.mode == running {
		w.now += w.dice.upTo(w.cfg.Faults.Turn)
		w.advance(w.now)
	}
	w.schedule()
	for {
		if w.mode != live {
			if w.holder == d {
				break
			}
			d.cond.Wait()
			continue
		}
		if d.due() {
			break
		}
		next := w.next()
		if next == never || next > w.bound || !w.resting() {
			d.cond.Wait()
			continue
		}
		w.mu.Unlock()
		time.Sleep(pace)
		w.mu.Lock()
		if w.mode == live && w.resting() && w.next() == next {
			w.advance(next)
			w.wakeWaiters()
		}
	}
	d.waiting = false
}

// wakeWaiters lets live loops look again whether they have something to do.
func (w *World) wakeWaiters() {
	for _, d := range w.drivers {
		if d.waiting {
			d.cond.Signal()
		}
	}
}

// poked says that d may have something to do.
func (w *World) poked(d *Driver) {
	if w.mode == live {
		d.cond.Signal()
		return
	}
	w.schedule()
}

// leave takes d off the world.
func (w *World) leave(d *Driver) {
	for i, x := range w.drivers {
		if x == d {
			w.drivers = append(w.drivers[:i], w.drivers[i+1:]...)
			break
		}
	}
	if w.holder == d {
		w.holder = nil
	}
	w.wakeWaiters() // those of a live world may have waited for this one
	w.schedule()
	w.quiet.Broadcast()
}

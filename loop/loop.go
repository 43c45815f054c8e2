package loop

import (
	"errors"
	"fmt"
	"log/slog"
	"math"
	"runtime"
	"time"

	"github.com/ringway/ringway/buf"
	"github.com/ringway/ringway/sys"
)

// Config says how a loop is set up. DefaultConfig fills everything but Driver.
type Config struct {
	ID          int // loops are numbered from nought
	Driver      NewDriver
	DriverSizes DriverConfig
	Pin         bool // bind the thread to processor ID
	Budget      int  // tasks resumed before the kernel is asked for news again
	PooledTasks int  // idle coroutines kept warm
	TraceSpawns bool // remember where each task was spawned: 2 ns for each on amd64, 130 elsewhere
	Measure     bool // how long tasks run and wait to run: about 100 ns for each resume
	Blocking    *Blocking
	Watchdog    *Watchdog // names what holds the loop for too long; it traces spawns too. nil: nobody looks
	Log         *slog.Logger
}

// DefaultConfig gives the settings of loop id with the given driver.
func DefaultConfig(id int, d NewDriver) Config {
	return Config{ID: id, Driver: d, DriverSizes: DefaultDriverConfig(), Budget: 256, PooledTasks: 1024, Log: slog.Default()}
}

// Stats are a loop's counters since its start, and its state now.
type Stats struct {
	Driver  DriverStats
	Ticks   uint64
	Polls   uint64 // tasks resumed
	Spawned uint64
	Panics  uint64
	Posted  uint64
	Live    int // tasks
	Pooled  int // idle coroutines
	Timers  int

	// Where Config.Measure is set:
	Busy time.Duration // all tasks' running time
	Run  Histogram     // of each time that a task ran until it waited
	Wake Histogram     // from being made runnable to running

	// Where Config.Watchdog is set; the one that lasts counts as long as it was when last looked at:
	Stalls   uint64        // times that something held the loop for too long
	Stalled  time.Duration // all together
	StallMax time.Duration // the longest
	Delays   uint64        // times that the machine did not run the loop for as long
}

// Loop is one event loop on one locked thread. Everything but Post, Stop, Wait and On is for code that runs on it.
type Loop struct {
	cfg    Config
	driver Driver
	now    int64 // monotonic nanoseconds, read once a tick

	current *Task
	runq    runq
	later   runq    // who yielded: they run when the kernel has been asked for news
	paces   []*Pace // those that tasks wait for
	ran     uint64  // tasks resumed in the turn before
	polled  uint64  // resumed up to this turn
	wheel   wheel
	box     mailbox
	stats   Stats
	pulse   *pulse // nil: nobody watches
	draw    uint32 // state of the generator for Select

	live        []*Task
	pool        []*Task
	poolLow     int // fewest pooled tasks since the last trim
	blocking    *Blocking
	ownBlocking bool
	traceSpawns bool
	closers     []func()
	trimmers    []func()
	frames      []*frame // idle records
	children    []*child // idle records
	locals      []any
	origins     map[origin]*origin // those of the tasks spawned

	giveWayAt int64
	gaveWay   uint64 // after so many ticks

	stopping bool
	stopAt   int64
	unwinds  bool // live tasks are being unwound
	done     chan struct{}
	err      error
	thread   threadID
	idle     Timer
}

// clock is the origin of every loop's monotonic time.
var clock = time.Now()

func monotonic() int64 { return int64(time.Since(clock)) }

// Monotonic is the machine's monotonic time in nanoseconds, the clock of drivers that have no other.
func Monotonic() int64 { return monotonic() }

// Start starts a loop on a thread of its own and returns when its driver is open.
func Start(cfg Config) (*Loop, error) {
	l := &Loop{cfg: cfg, blocking: cfg.Blocking, traceSpawns: cfg.TraceSpawns || cfg.Watchdog != nil, done: make(chan struct{})}
	l.draw = uint32(cfg.ID)*2654435761 | 1 // anything but nought
	if l.blocking == nil {
		l.blocking, l.ownBlocking = NewBlocking(DefaultBlockingLimits()), true
	}
	if l.cfg.Log == nil {
		l.cfg.Log = slog.Default()
	}
	if l.cfg.Budget <= 0 { // with none, no task would ever run
		l.cfg.Budget = DefaultConfig(0, nil).Budget
	}
	opened := make(chan error, 1)
	go l.main(opened)
	if err := <-opened; err != nil {
		<-l.done
		return nil, fmt.Errorf("loop %d: %w", cfg.ID, err)
	}
	return l, nil
}

// SetMaxProcs gives Go's scheduler two processors more than there are loops, so that a busy goroutine never holds the one
// that a loop needs back after a wait, and one rests beside it (law 3). It never lowers what is set.
func SetMaxProcs(loops int) {
	if want := loops + 2; runtime.GOMAXPROCS(0) < want {
		runtime.GOMAXPROCS(want)
	}
}

func (l *Loop) main(opened chan<- error) {
	runtime.LockOSThread() // never unlocked: the thread ends with the loop
	defer close(l.done)
	if l.cfg.Pin {
		if err := sys.PinThread(l.cfg.ID); err != nil {
			l.cfg.Log.Warn("cannot pin loop to a processor", "loop", l.cfg.ID, "err", err)
		}
	}
	l.thread = currentThread()
	var err error
	if l.driver, err = l.cfg.Driver(l.cfg.DriverSizes); err != nil {
		opened <- err
		return
	}
	l.now = l.driver.Now()
	l.wheel.init(l.now)
	_, kernel := l.driver.Sockets().(sys.KernelSockets)
	if !kernel { // a simulated loop's time says nothing of the thread's
		l.giveWayAt = math.MaxInt64
	}
	l.idle.Expirer = idleTrim{l}
	l.StartTimer(&l.idle, trimInterval)
	if w := l.cfg.Watchdog; w != nil && kernel {
		if unwatch, err := w.watch(l); err != nil {
			l.cfg.Log.Warn("cannot watch loop for stalls", "loop", l.cfg.ID, "err", err)
		} else {
			defer unwatch()
		}
	}
	opened <- nil
	for !l.over() {
		if err := l.tick(); err != nil {
			l.err = err
			l.cfg.Log.Error("loop failed", "loop", l.cfg.ID, "err", err)
			break
		}
	}
	l.close()
}

// tick is one turn: messages, timers, tasks up to the budget, those that they wake too, then one call that submits what
// they started and waits for news, and the news.
func (l *Loop) tick() error {
	l.stats.Ticks++
	l.ran, l.polled = l.stats.Polls-l.polled, l.stats.Polls
	if !l.box.list.Empty() {
		l.readMail(l.box.list.TakeAll())
	}
	l.wheel.advance(l.now)
	for l.later.len() > 0 {
		l.runq.push(l.later.pop())
	}
	if len(l.paces) > 0 {
		l.letThrough()
	}
	for n := l.cfg.Budget; n > 0 && l.runq.len() > 0; n-- { // those too that the others wake meanwhile
		l.resume(l.runq.pop())
	}
	l.pulse.hide()
	wait := time.Duration(0)
	if l.runq.len()+l.later.len()+len(l.paces) == 0 && !l.mayEnd() { // who may end does not wait: no news would come
		if wait = l.wheel.wait(l.now); wait != 0 {
			l.box.fallAsleep()
			if !l.box.list.Empty() { // a message came between the look and the flag
				wait = 0
			}
		}
	}
	if l.stopping {
		l.driver.Hurry()
	}
	if wait != 0 {
		l.pulse.rest()
	}
	err := l.driver.Wait(wait)
	l.box.wokenUp()
	l.pulse.turn()
	l.now = l.driver.Now()
	l.pulse.arm(l.now)
	if l.now >= l.giveWayAt {
		l.giveWay()
	}
	l.driver.Reap()
	return err
}

const (
	// giveWayEvery is less than the 10 ms after which Go's sysmon takes a goroutine for one that runs without end. It would
	// then interrupt the thread, and take the processor from it in every wait, which costs a tenth of a busy loop's time,
	// as if the loop had never passed through the scheduler; so it does.
	giveWayEvery = 5 * time.Millisecond
	// giveWayTicks is how many turns make a loop busy: one that rests loses its processor cheaply.
	giveWayTicks = 4
)

// giveWay passes through Go's scheduler, if the loop was busy.
func (l *Loop) giveWay() {
	l.giveWayAt = l.now + int64(giveWayEvery)
	if busy := l.stats.Ticks >= l.gaveWay+giveWayTicks; busy {
		runtime.Gosched()
		l.now = l.driver.Now() // others may have had their time
	}
	l.gaveWay = l.stats.Ticks
}

func (l *Loop) readMail(n *letter) {
	for n != nil {
		f, next := n.Value, n.Unlink() // before f runs, which may make room for its letter to be sent again
		l.stats.Posted++
		f()
		n = next
	}
}

func (l *Loop) resume(t *Task) {
	t.state = Running
	t.polls++
	l.stats.Polls++
	l.current = t
	if l.pulse != nil {
		l.pulse.show(t.origin, l.stats.Polls)
	}
	if l.cfg.Measure {
		l.resumeMeasured(t)
	} else {
		t.co.resume()
	}
	l.current = nil
	if t.state == Idle {
		l.recycle(t)
	}
}

// Now is the loop's monotonic time in nanoseconds, as read at the start of this tick.
func (l *Loop) Now() int64 { return l.now }

// ID is the loop's number.
func (l *Loop) ID() int { return l.cfg.ID }

// Current is the task that runs now; nil in a Completer, an Expirer or a posted function.
func (l *Loop) Current() *Task { return l.current }

// Log is the loop's logger.
func (l *Loop) Log() *slog.Logger { return l.cfg.Log }

// DriverName is the name of the loop's driver.
func (l *Loop) DriverName() string { return l.driver.Name() }

// NonBlocking reports whether sockets given to this loop must be non-blocking.
func (l *Loop) NonBlocking() bool { return l.driver.NonBlocking() }

// Sockets are the calls on descriptors of the loop's network that answer at once.
func (l *Loop) Sockets() Sockets { return l.driver.Sockets() }

// FileOps reports whether the driver carries out operations on files.
func (l *Loop) FileOps() bool {
	d, ok := l.driver.(interface{ FileOps() bool })
	return ok && d.FileOps()
}

// Submit starts an operation; op.Done gets its results.
func (l *Loop) Submit(op *Op) {
	l.assertOnLoop()
	l.driver.Submit(op)
}

// Hurry asks for the results of Quiet operations, which otherwise come with the next other event.
func (l *Loop) Hurry() { l.driver.Hurry() }

// CancelOp asks for an operation to end early.
func (l *Loop) CancelOp(op *Op) {
	l.assertOnLoop()
	l.driver.Cancel(op)
}

// Return gives back a receive buffer.
func (l *Loop) Return(b *buf.Block) {
	l.assertOnLoop()
	l.driver.Return(b)
}

// Stats gives the counters. On the loop only; use On from elsewhere.
func (l *Loop) Stats() Stats {
	s := l.stats
	s.Driver = l.driver.Stats()
	s.Live, s.Pooled, s.Timers = len(l.live), len(l.pool), l.wheel.count
	l.pulse.fill(&s)
	return s
}

// AtClose registers f to run on the loop when it ends, last registered first.
func (l *Loop) AtClose(f func()) { l.closers = append(l.closers, f) }

// OnTrim registers f to run on the loop every few seconds, to give back memory that is not in use.
func (l *Loop) OnTrim(f func()) { l.trimmers = append(l.trimmers, f) }

// On runs f on the loop and waits until it has run; false says that the loop has ended. It must not be called on a loop.
func (l *Loop) On(f func()) bool {
	ran := make(chan struct{})
	if !l.Post(func() { f(); close(ran) }) {
		return false
	}
	select {
	case <-ran:
		return true
	case <-l.done:
		select {
		case <-ran:
			return true
		default:
			return false
		}
	}
}

// Stop cancels every task with ErrStopped, those that are spawned meanwhile too, and ends the loop when they are gone.
// Tasks that are still there after grace are unwound, and Wait says so.
func (l *Loop) Stop(grace time.Duration) {
	l.Post(func() {
		if l.stopping {
			return
		}
		l.stopping, l.stopAt = true, l.now+int64(grace)
		l.StartTimer(&l.idle, grace)
		for _, t := range append([]*Task(nil), l.live...) {
			l.Cancel(t.Handle(), ErrStopped)
		}
	})
}

// Wait waits for the loop's end: nil after an orderly Stop, or what ended it.
func (l *Loop) Wait() error {
	<-l.done
	return l.err
}

// over reports whether the loop may end: it was told to, nothing lives and nothing is in flight but what never ends.
func (l *Loop) over() bool {
	if !l.stopping {
		return false
	}
	if l.mayEnd() {
		if len(l.closers) == 0 {
			l.readMail(l.box.list.Seal()) // not when it happens to be empty: senders that never pause would keep the loop
			return l.mayEnd() && len(l.closers) == 0 || l.now >= l.stopAt
		}
		l.runClosers() // what they start ends in the ticks that follow
	}
	return l.now >= l.stopAt
}

// mayEnd reports whether over has something to decide before the kernel has news.
func (l *Loop) mayEnd() bool {
	return l.stopping && len(l.live) == 0 && (len(l.closers) > 0 || l.driver.Stats().InFlight == 0)
}

func (l *Loop) runClosers() {
	closers := l.closers
	l.closers = nil
	for i := len(closers) - 1; i >= 0; i-- {
		closers[i]()
	}
}

// close ends the loop. What must still run on it (late messages, closers, the deferred calls of tasks that did not end
// in time) runs while the driver is open.
func (l *Loop) close() {
	l.readMail(l.box.list.Seal())
	l.runClosers()
	if n := len(l.live); n > 0 && l.err == nil {
		l.err = fmt.Errorf("loop %d ended with %d tasks still alive, the first %q", l.cfg.ID, n, l.live[0].origin.name)
	}
	l.unwind()
	for _, t := range l.pool {
		t.co.stop()
	}
	l.pool = nil
	if l.ownBlocking {
		l.blocking.Close()
	}
	l.box.awaitWakers()
	if err := l.driver.Close(); err != nil {
		l.err = errors.Join(l.err, err)
	}
}

// unwind ends the tasks that are still alive: Park panics with ErrStopped in them, so that their deferred calls run and
// no coroutine is left behind.
func (l *Loop) unwind() {
	l.unwinds = true
	for len(l.live) > 0 {
		last := len(l.live) - 1
		t := l.live[last]
		l.current = t
		t.co.stop()
		l.current = nil
		if len(l.live) == last+1 && l.live[last] == t { // it had never run, so nothing struck it off
			l.live = l.live[:last]
		}
	}
}

func (l *Loop) onPanic(p *PanicError) {
	l.cfg.Log.Error("task panicked", "loop", l.cfg.ID, "task", p.Task, "panic", fmt.Sprint(p.Value), "stack", string(p.Stack))
}

// assertOnLoop is small enough to be inlined into what it guards.
func (l *Loop) assertOnLoop() {
	if checkThreads {
		l.assertThread()
	}
}

func (l *Loop) assertThread() {
	if l.thread != currentThread() {
		panic("loop: called from another thread; use Post")
	}
}

// trimInterval is how often idle buffers are looked at.
const trimInterval = 5 * time.Second

// idleTrim gives memory of unused buffers back, and wakes a loop that is stopping so that it sees its deadline.
type idleTrim struct{ l *Loop }

func (i idleTrim) Expire(*Timer) {
	i.l.driver.Trim()
	i.l.trimTasks()
	for _, f := range i.l.trimmers {
		f()
	}
	i.l.StartTimer(&i.l.idle, trimInterval)
}

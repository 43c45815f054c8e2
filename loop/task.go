package loop

import (
	"errors"
	"fmt"
	"runtime/debug"
	"slices"
	"time"
)

// Runner is what a task runs. A long-lived record that implements it starts a task without allocating.
type Runner interface {
	Run(t *Task)
}

// RunFunc lets a function be a Runner.
type RunFunc func(t *Task)

// Run calls f.
func (f RunFunc) Run(t *Task) { f(t) }

// Canceler ends the wait that a task is parked in, so that Park returns the cause.
type Canceler interface {
	// CancelWait makes the task runnable (Loop.Ready), at once or as soon as the kernel lets go of its buffers.
	CancelWait(t *Task)
}

// State says what a task is doing.
type State uint8

// The states of a task.
const (
	Idle State = iota // in the pool
	Ready
	Running
	Parked
)

// String gives the state's name.
func (s State) String() string { return [...]string{"idle", "ready", "running", "parked"}[s] }

// ErrStopped is the cause that every task gets when its loop stops.
var ErrStopped = errors.New("loop stopped")

// Task is a coroutine of a loop together with what it runs now. Tasks are pooled: a *Task is valid inside Run only; a
// Handle is what others may keep.
type Task struct {
	co     coroutine
	loop   *Loop
	runner Runner
	origin *origin
	state  State
	gen    uint32
	index  int // in the registry
	polls  uint64

	waiting Canceler
	cause   error  // set by Cancel, or by the frame that expired
	expired *frame // the Timeout that cause belongs to
	frames  *frame // the Timeouts that the task is in, innermost first
	scopes  *Scope // those that the task has opened, innermost first
	child   *child // what a Scope or Group knows of this run
	err     error  // how the last run ended
	place   waiter // where it waits, if it waits for one thing
	ended   waitq  // who waits for its end
	sel     selection
	sleep   Timer
	usage   usage
}

// Handle names one run of a task.
type Handle struct {
	t   *Task
	gen uint32
}

// PanicError is how a task ends whose code panicked.
type PanicError struct {
	Task  string
	Value any
	Stack []byte
}

// Error says which task panicked, and with what.
func (e *PanicError) Error() string { return fmt.Sprintf("panic in task %q: %v", e.Task, e.Value) }

// Unwrap gives the value if it was an error.
func (e *PanicError) Unwrap() error {
	err, _ := e.Value.(error)
	return err
}

// Loop is the loop that the task belongs to.
func (t *Task) Loop() *Loop { return t.loop }

// Name is the name given at the spawn.
func (t *Task) Name() string { return t.origin.name }

// Handle names this run of the task.
func (t *Task) Handle() Handle { return Handle{t, t.gen} }

// Cause is why the task was cancelled, or nil; ErrTimeout inside a Timeout that has expired.
func (t *Task) Cause() error { return t.cause }

// ClearCause forgets a cancellation, or that a Timeout around has expired, for code that handled it and goes on.
func (t *Task) ClearCause() { t.cause, t.expired = nil, nil }

// body is the life of a pooled coroutine: run, wait in the pool, run.
func (t *Task) body() {
	for {
		t.runOnce()
		t.loop.finished(t)
		if !t.co.suspend() {
			return
		}
	}
}

func (t *Task) runOnce() {
	defer func() {
		if v := recover(); v != nil && !(t.loop.unwinds && v == ErrStopped) {
			t.err = &PanicError{Task: t.origin.name, Value: v, Stack: debug.Stack()}
		}
	}()
	t.runner.Run(t)
}

// Go starts f as a task that runs at a later point of this tick or the next.
func (l *Loop) Go(name string, f func(t *Task)) Handle { return l.spawn(name, RunFunc(f)) }

// Spawn starts r as a task. It allocates nothing once the pool is warm.
func (l *Loop) Spawn(name string, r Runner) Handle { return l.spawn(name, r) }

// spawn is not inlined, since callersOf counts calls.
//
//go:noinline
func (l *Loop) spawn(name string, r Runner) Handle {
	l.assertOnLoop()
	t := l.takeTask()
	t.runner, t.polls = r, 0
	var site callers
	if l.traceSpawns {
		site = callersOf()
	}
	if o := t.origin; o == nil || o.name != name || o.site != site {
		t.origin = l.originOf(name, site)
	}
	if l.stopping {
		t.cause = ErrStopped
	}
	t.index = len(l.live)
	l.live = append(l.live, t)
	l.stats.Spawned++
	if l.cfg.Measure {
		t.usage = usage{}
	}
	l.enqueue(t, &l.runq)
	return Handle{t, t.gen}
}

// enqueue makes t the last in q of those that are to run.
func (l *Loop) enqueue(t *Task, q *runq) {
	t.state = Ready
	if l.cfg.Measure {
		t.usage.readyAt = monotonic()
	}
	q.push(t)
}

func (l *Loop) takeTask() *Task {
	if n := len(l.pool) - 1; n >= 0 {
		t := l.pool[n]
		l.pool = l.pool[:n]
		l.poolLow = min(l.poolLow, n)
		return t
	}
	t := &Task{loop: l}
	t.sleep.init(t)
	t.co.start(t.body)
	return t
}

// finished runs at the end of a task, still inside its coroutine.
func (l *Loop) finished(t *Task) {
	last := len(l.live) - 1
	l.live[t.index] = l.live[last]
	l.live[t.index].index = t.index
	l.live[last] = nil
	l.live = l.live[:last]

	if p, ok := t.err.(*PanicError); ok {
		l.stats.Panics++
		l.onPanic(p)
	}
	if c := t.child; c != nil {
		t.child = nil
		c.end(t.err)
	}
	t.ended.grantAll()
	t.gen++
	t.runner, t.cause, t.expired, t.state = nil, nil, nil, Idle
}

// trimTasks ends the pooled coroutines that nobody needed since the last time, the coldest first.
func (l *Loop) trimTasks() {
	spare := min(l.poolLow, len(l.pool))
	for _, t := range l.pool[:spare] {
		t.co.stop()
	}
	l.pool = slices.Delete(l.pool, 0, spare)
	l.poolLow = len(l.pool)
}

// recycle puts a finished task's coroutine into the pool, outside of it.
func (l *Loop) recycle(t *Task) {
	if t.err != nil || len(l.pool) >= l.cfg.PooledTasks {
		t.err = nil
		t.co.stop()
		return
	}
	l.pool = append(l.pool, t)
}

// Park suspends the running task until somebody calls Ready for it. c ends the wait if the task is cancelled meanwhile;
// then, and if it had been cancelled before, Park returns the cause. Ready may come without reason: the caller checks
// its own condition again.
func (t *Task) Park(c Canceler) error {
	if t.cause != nil {
		return t.cause
	}
	return t.ParkUncancelled(c)
}

// ParkUncancelled is Park that waits also when the task has been cancelled before: for waits that must see the
// kernel's last word.
func (t *Task) ParkUncancelled(c Canceler) error {
	l := t.loop
	l.assertOnLoop()
	if l.current != t {
		if l.unwinds { // a deferred call waits again while its task is being unwound
			panic(ErrStopped)
		}
		panic("loop: Park outside the task")
	}
	t.waiting, t.state = c, Parked
	l.current = nil
	if !t.co.suspend() {
		panic(ErrStopped) // unwinds the coroutine of a loop that was abandoned
	}
	t.waiting = nil
	return t.cause
}

// Ready makes a parked task runnable; a task that is not parked is left alone.
func (l *Loop) Ready(t *Task) {
	l.assertOnLoop()
	if t.state == Parked {
		l.enqueue(t, &l.runq)
	}
}

// Yield lets every other runnable task and the kernel's news have a turn. It is the dear way to wait: the kernel is asked
// each time, while tasks that wake each other run on without.
func (t *Task) Yield() error {
	l := t.loop
	l.assertOnLoop()
	if l.current != t {
		panic("loop: Yield outside the task")
	}
	l.enqueue(t, &l.later)
	l.current = nil
	t.waiting = nil
	if !t.co.suspend() {
		panic(ErrStopped)
	}
	return t.cause
}

// Cancel makes the task's present or next wait return cause, and cancels what runs in the task's scopes. It has no effect
// on a run that has ended or was cancelled before; a Timeout that has expired does not count as that.
func (l *Loop) Cancel(h Handle, cause error) {
	l.assertOnLoop()
	t := h.t
	if t == nil || t.gen != h.gen || t.state == Idle || t.cause != nil && t.expired == nil {
		return
	}
	for s := t.scopes; s != nil; s = s.outer {
		s.cancelFromOutside(cause)
	}
	t.expired = nil
	t.interrupt(cause)
}

// interrupt makes the task's present or next wait return cause. A wait that an earlier cause has ended is not told again.
func (t *Task) interrupt(cause error) {
	first := t.cause == nil
	t.cause = cause
	if first && t.state == Parked && t.waiting != nil {
		t.waiting.CancelWait(t)
	}
}

// Done reports whether the run has ended.
func (h Handle) Done() bool { return h.t == nil || h.t.gen != h.gen }

// Join waits until the run behind h has ended, in the task t. If t is cancelled meanwhile, Join returns the cause; the
// other task goes on.
func (t *Task) Join(h Handle) error {
	if h.Done() {
		return nil
	}
	_, err := t.place.await(t, &h.t.ended)
	return err
}

// TaskInfo describes a live task.
type TaskInfo struct {
	Name  string
	State string
	Polls uint64 // times resumed
	Site  string // file:line of the spawn, where Config.TraceSpawns is set

	// Where Config.Measure is set: the time for which it has run, and how long it took from being made runnable to
	// running, all together and at worst.
	Busy, WakeSum, WakeMax time.Duration
}

// Tasks lists the live tasks. It must be called on the loop; use Post from elsewhere.
func (l *Loop) Tasks() []TaskInfo {
	l.assertOnLoop()
	out := make([]TaskInfo, 0, len(l.live))
	for _, t := range l.live {
		info := TaskInfo{Name: t.origin.name, State: t.state.String(), Polls: t.polls, Site: t.origin.site.String()}
		info.Busy, info.WakeSum, info.WakeMax = t.usage.busy, t.usage.wakeSum, t.usage.wakeMax
		out = append(out, info)
	}
	return out
}

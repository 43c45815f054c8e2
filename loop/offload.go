package loop

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"runtime/pprof"
	"sync"
)

// ErrOffloadFull says that the blocking pool has as much waiting work as it takes.
var ErrOffloadFull = errors.New("blocking pool is full")

// Blocking is a bounded pool of ordinary goroutines for work that blocks. Loops share it.
type Blocking struct {
	mu      sync.Mutex // held for a few instructions only, never across work
	queue   []func()
	workers int
	idle    int
	wake    *sync.Cond
	limits  BlockingLimits
	closed  bool
}

// BlockingLimits bound a blocking pool.
type BlockingLimits struct {
	Workers int // goroutines
	Queue   int // pieces of work that wait for one
	// Inline runs work at once, on the loop's own thread, and posts its result: nothing then depends on the order in which
	// threads run, as a simulation that is to be replayed needs it. There are no goroutines and no queue.
	Inline bool
}

// DefaultBlockingLimits are 32 goroutines and 4,096 waiting pieces of work.
func DefaultBlockingLimits() BlockingLimits { return BlockingLimits{Workers: 32, Queue: 4096} }

// NewBlocking makes a pool; its goroutines start when they are needed.
func NewBlocking(limits BlockingLimits) *Blocking {
	b := &Blocking{limits: limits}
	b.wake = sync.NewCond(&b.mu)
	return b
}

func (b *Blocking) submit(f func()) error {
	if b.limits.Inline {
		return b.runInline(f)
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.closed || len(b.queue) >= b.limits.Queue {
		return ErrOffloadFull
	}
	b.queue = append(b.queue, f)
	// An idle worker counts once: one that was signalled stays idle until it has run, and what is queued behind its
	// work must not wait for that.
	if b.idle < len(b.queue) && b.workers < b.limits.Workers {
		b.workers++
		go b.work()
	} else {
		b.wake.Signal()
	}
	return nil
}

func (b *Blocking) runInline(f func()) error {
	b.mu.Lock()
	closed := b.closed
	b.mu.Unlock()
	if closed {
		return ErrOffloadFull
	}
	f()
	return nil
}

func (b *Blocking) work() {
	pprof.SetGoroutineLabels(context.Background()) // it was started on a loop, and is none of its goroutines
	b.mu.Lock()
	defer b.mu.Unlock()
	for {
		for len(b.queue) == 0 {
			if b.closed {
				b.workers--
				return
			}
			b.idle++
			b.wake.Wait()
			b.idle--
		}
		f := b.queue[0]
		b.queue[0] = nil
		b.queue = b.queue[1:]
		b.mu.Unlock()
		f()
		b.mu.Lock()
	}
}

// Close lets the goroutines end once the waiting work is done.
func (b *Blocking) Close() {
	b.mu.Lock()
	b.closed = true
	b.mu.Unlock()
	b.wake.Broadcast()
}

// offloaded is one piece of work and the task that waits for it. It lives until both have let go of it.
type offloaded struct {
	task *Task
	gen  uint32
	done bool
	err  error
}

// CancelWait leaves the work to finish on its own; what it returns is dropped.
func (o *offloaded) CancelWait(t *Task) { t.loop.Ready(t) }

// Offload runs f, which may block, on a goroutine of the blocking pool while the task waits. If the task is cancelled
// meanwhile, Offload returns the cause at once and f goes on alone: f must not touch what belongs to the task then.
// A panic in f comes back as an error.
func (t *Task) Offload(f func() error) error {
	o, err := t.offload(f)
	if err != nil {
		return err
	}
	for !o.done {
		if err := t.Park(o); err != nil {
			return err
		}
	}
	return o.err
}

// OffloadUncancelled is Offload that waits for the end of f whatever happens to the task: for work that uses the task's
// buffers, or whose result must be known. f must come to its end by itself.
func (t *Task) OffloadUncancelled(f func() error) error {
	o, err := t.offload(f)
	if err != nil {
		return err
	}
	for !o.done {
		_ = t.ParkUncancelled(nil) // the cause stays with the task
	}
	return o.err
}

// offload hands f to the pool; the record tells when it is done.
func (t *Task) offload(f func() error) (*offloaded, error) {
	l := t.loop
	o := &offloaded{task: t, gen: t.gen}
	return o, l.blocking.submit(func() {
		err := runOffloaded(f)
		l.Post(func() {
			o.err, o.done = err, true
			if o.task.gen == o.gen {
				l.Ready(o.task)
			}
		})
	})
}

func runOffloaded(f func() error) (err error) {
	defer func() {
		if v := recover(); v != nil {
			err = fmt.Errorf("panic in offloaded work: %v\n%s", v, debug.Stack())
		}
	}()
	return f()
}

package sim

import (
	"errors"
	"slices"
	"sync"
	"time"

	"github.com/ringway/ringway/buf"
	"github.com/ringway/ringway/loop"
	"github.com/ringway/ringway/sys"
)

// Driver is one loop's way into a World.
type Driver struct {
	w    *World
	id   int
	cond *sync.Cond
	recv *buf.Pool
	msgs *buf.Pool // of OpRecvmsg

	queued  []*loop.Op // to be tried in the next turn
	trying  []*loop.Op
	starved []*loop.Op // receives that found no buffer
	results []result   // to be delivered by Reap
	serving []result

	waiting  bool
	woken    bool
	hurry    bool
	deadline int64
	dice     dice
	stats    loop.DriverStats
}

// result is an outcome that is known and not delivered yet.
type result struct {
	op    *loop.Op
	r     loop.Result
	at    int64 // not before
	quiet bool  // no reason to end a wait
}

// Driver opens drivers of this world, one for every loop.
func (w *World) Driver(cfg loop.DriverConfig) (loop.Driver, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	d := &Driver{w: w, id: len(w.drivers), cond: sync.NewCond(&w.mu), recv: buf.NewPool(cfg.RecvSize, cfg.RecvBlocks), deadline: never}
	d.msgs = buf.NewPool(sys.MessageBlock, cfg.Messages())
	d.dice = w.root.fork(uint64(d.id) | 1<<63)
	w.drivers = append(w.drivers, d)
	return d, nil
}

// Name is "sim".
func (d *Driver) Name() string { return "sim" }

// Now is the time of the world.
func (d *Driver) Now() int64 { return d.w.Now() }

// Sockets are the world's.
func (d *Driver) Sockets() loop.Sockets { return &d.w.net }

// NonBlocking is what the world was made for.
func (d *Driver) NonBlocking() bool { return d.w.cfg.NonBlocking }

// Submit queues op for the next Wait.
func (d *Driver) Submit(op *loop.Op) {
	if op.Driver.InFlight {
		panic("sim: operation submitted while in flight")
	}
	d.w.mu.Lock()
	defer d.w.mu.Unlock()
	op.Driver = loop.DriverState{InFlight: true}
	d.stats.Submitted++
	d.stats.InFlight++
	d.queued = append(d.queued, op)
}

// Cancel ends op, unless its result exists already; sometimes only after a while.
func (d *Driver) Cancel(op *loop.Op) {
	d.w.mu.Lock()
	defer d.w.mu.Unlock()
	if !op.Driver.InFlight || op.Driver.Cancelled {
		return
	}
	op.Driver.Cancelled = true
	if d.dice.chance(d.w.cfg.Faults.LateCancel) {
		run := &op.Driver.Next // the record may be used again by then; a fresh run has another state
		mark := new(loop.Op)
		*run = mark
		d.w.at(d.w.now+1+d.dice.upTo(lateCancel), func() {
			if op.Driver.InFlight && op.Driver.Next == mark {
				d.cancelNow(op)
			}
		})
		return
	}
	d.cancelNow(op)
}

// lateCancel is how long a cancel may take.
const lateCancel = 2 * time.Millisecond

func (d *Driver) cancelNow(op *loop.Op) {
	taken := remove(&d.queued, op) || remove(&d.starved, op)
	if s := d.w.net.socket(op.FD); !taken && s != nil {
		taken = s.unpark(op)
	}
	if taken {
		d.finish(op, loop.Result{N: -sys.ECANCELED})
		d.w.poked(d)
	}
}

func remove(list *[]*loop.Op, op *loop.Op) bool {
	i := slices.Index(*list, op)
	if i < 0 {
		return false
	}
	*list = slices.Delete(*list, i, i+1)
	return true
}

// finish keeps a result for Reap.
func (d *Driver) finish(op *loop.Op, r loop.Result) {
	at := d.w.now
	if d.w.mode == running {
		at += d.dice.upTo(d.w.cfg.Faults.Delay)
	}
	for i := range d.results { // what holds back must not be due
		if x := &d.results[i]; x.op.FD == op.FD {
			at = max(at, x.at)
		}
	}
	quiet := op.Quiet && int(r.N) == len(op.Buf)
	d.results = append(d.results, result{op, r, at, quiet})
}

// due reports whether a Wait would end now.
func (d *Driver) due() bool {
	if d.woken || len(d.queued) > 0 || d.deadline <= d.w.now {
		return true
	}
	for i := range d.results {
		if r := &d.results[i]; r.at <= d.w.now && (d.hurry || !r.quiet) {
			return true
		}
	}
	return false
}

// next is when a Wait would end by itself.
func (d *Driver) next() int64 {
	if !d.waiting {
		return never
	}
	t := d.deadline
	for i := range d.results {
		if r := &d.results[i]; d.hurry || !r.quiet {
			t = min(t, r.at)
		}
	}
	return t
}

// Hurry makes the next Wait end for quiet results too.
func (d *Driver) Hurry() { d.hurry = true }

// Wait tries what was submitted, and rests until something is due.
func (d *Driver) Wait(wait time.Duration) error {
	w := d.w
	w.mu.Lock()
	defer w.mu.Unlock()
	d.stats.Enters++
	d.attemptQueued()
	d.deadline = never
	if wait >= 0 {
		d.deadline = w.now + int64(wait)
	}
	w.await(d)
	d.woken, d.hurry, d.deadline = false, false, never
	d.attemptQueued()
	return nil
}

// attemptQueued tries what is queued.
func (d *Driver) attemptQueued() {
	d.trying, d.queued = d.queued, d.trying[:0]
	for i, op := range d.trying {
		d.trying[i] = nil
		d.attempt(op)
	}
}

// Reap delivers results whose time has come.
func (d *Driver) Reap() int {
	d.w.mu.Lock()
	defer d.w.mu.Unlock()
	d.take()
	n := len(d.serving)
	for i := range d.serving {
		s := d.serving[i]
		d.serving[i] = result{}
		if !s.r.More {
			s.op.Driver.InFlight = false
			d.stats.InFlight--
		}
		d.stats.Completed++
		d.w.note(d, s)
		d.w.mu.Unlock()
		s.op.Done.Complete(s.op, s.r)
		d.w.mu.Lock()
	}
	d.serving = d.serving[:0]
	return n
}

// take moves the results that are delivered now to serving, in their order or another.
func (d *Driver) take() {
	f := &d.w.cfg.Faults
	portion := len(d.results)
	if f.Portion > 0 && d.w.mode == running { // how often a loop turns while time stands still is not for the seed to say
		portion = min(portion, 1+d.dice.below(f.Portion))
	}
	left := d.results[:0]
	for _, r := range d.results {
		if r.at <= d.w.now && len(d.serving) < portion && !holdsBack(left, r.op.FD) {
			d.serving = append(d.serving, r)
		} else {
			left = append(left, r)
		}
	}
	clear(d.results[len(left):])
	d.results = left
	if f.Reorder && d.w.mode == running {
		d.shuffle()
	}
}

// holdsBack reports whether an earlier result on descriptor fd stays. Those of one descriptor keep their order, as the
// kernel's do: an error that a send was told must not be overtaken by the end that a receive sees after it.
func holdsBack(left []result, fd int32) bool {
	return slices.ContainsFunc(left, func(r result) bool { return r.op.FD == fd })
}

// shuffle changes the order of results, but not among those of one descriptor.
func (d *Driver) shuffle() {
	s := d.serving
	for i := len(s) - 1; i > 0; i-- {
		j := d.dice.below(i + 1)
		if s[i].op.FD != s[j].op.FD && !between(s[j+1:i], s[i].op.FD, s[j].op.FD) {
			s[i], s[j] = s[j], s[i]
		}
	}
}

func between(s []result, a, b int32) bool {
	return slices.ContainsFunc(s, func(r result) bool { return r.op.FD == a || r.op.FD == b })
}

// Wake ends a Wait, now or the next one.
func (d *Driver) Wake() {
	d.w.mu.Lock()
	defer d.w.mu.Unlock()
	d.woken = true
	d.w.poked(d)
}

// Return gives a lent buffer back.
func (d *Driver) Return(b *buf.Block) {
	d.w.mu.Lock()
	defer d.w.mu.Unlock()
	b.Put()
	d.stats.Lent--
	if len(d.starved) > 0 {
		d.queued = append(d.queued, d.starved...)
		d.starved = d.starved[:0]
	}
}

// Stats gives the counters.
func (d *Driver) Stats() loop.DriverStats { return d.stats }

// Trim gives memory of idle buffers back.
func (d *Driver) Trim() {
	d.recv.Trim()
	d.msgs.Trim()
}

// Close takes the driver off its world. Operations in flight get no result.
func (d *Driver) Close() error {
	d.w.mu.Lock()
	defer d.w.mu.Unlock()
	d.w.net.abandon(d)
	d.w.leave(d)
	return errors.Join(d.recv.Close(), d.msgs.Close())
}

package epoll

import (
	"errors"
	"syscall"
	"time"

	"github.com/ringway/ringway/buf"
	"github.com/ringway/ringway/loop"
	"github.com/ringway/ringway/sys"
	abi "github.com/ringway/ringway/sys/epoll"
)

// What one turn takes off a descriptor before others have theirs.
const (
	maxAccepts  = 64 // connections
	maxMessages = 16 // messages, by one call
)

// Driver is the epoll driver of one loop.
type Driver struct {
	ep     int
	wakeFD int
	files  []file

	bytes    lender // of OpRecv
	messages lender // of OpRecvmsg
	receiver *sys.Receiver
	blocks   []*buf.Block // given to receiver

	queued  []*loop.Op // submitted, not tried yet
	trying  []*loop.Op // the other half of a double buffer
	done    []outcome  // to be delivered by Reap
	serving []outcome
	events  []abi.Event
	woken   int // events that Wait brought
	stats   loop.DriverStats
}

type outcome struct {
	op *loop.Op
	r  loop.Result
}

// New opens a driver; the calling thread becomes its owner.
func New(cfg loop.DriverConfig) (loop.Driver, error) {
	ep, err := abi.Create()
	if err != nil {
		return nil, err
	}
	d := &Driver{ep: ep, bytes: newLender(cfg.RecvSize, cfg.RecvBlocks), messages: newLender(sys.MessageBlock, cfg.Messages()),
		receiver: sys.NewReceiver(maxMessages), events: make([]abi.Event, 512)}
	if d.wakeFD, err = sys.Eventfd(); err == nil {
		err = abi.Add(ep, int32(d.wakeFD), abi.EPOLLIN, int32(d.wakeFD), 0)
	}
	if err != nil {
		_ = sys.Close(ep)
		if d.wakeFD >= 0 {
			_ = sys.Close(d.wakeFD)
		}
		return nil, err
	}
	return d, nil
}

// Name is "epoll".
func (d *Driver) Name() string { return "epoll" }

// Now is the machine's monotonic time.
func (d *Driver) Now() int64 { return loop.Monotonic() }

// Sockets are the kernel's.
func (d *Driver) Sockets() loop.Sockets { return sys.KernelSockets{} }

// NonBlocking is true: readiness needs sockets that never wait.
func (d *Driver) NonBlocking() bool { return true }

// Submit queues op; a receive on a socket that is known to be empty goes straight to waiting.
func (d *Driver) Submit(op *loop.Op) {
	if op.Driver.InFlight {
		panic("epoll: operation submitted while in flight")
	}
	op.Driver = loop.DriverState{InFlight: true}
	d.stats.Submitted++
	d.stats.InFlight++
	if op.Code == loop.OpForget && op.FD >= 0 && int(op.FD) < len(d.files) {
		d.files[op.FD].leaving = true
	}
	if op.Code == loop.OpRecv && op.PollFirst {
		if f, e := d.file(op.FD); e == 0 && !f.ready[in] && !f.hangup && !f.leaving {
			d.park(op, f, in)
			return
		}
	}
	d.queued = append(d.queued, op)
}

// Cancel ends an operation that waits; one that has its result keeps it.
func (d *Driver) Cancel(op *loop.Op) {
	if !op.Driver.InFlight || op.Driver.Cancelled {
		return
	}
	op.Driver.Cancelled = true
	if int(op.FD) < len(d.files) && op.FD >= 0 {
		if f := &d.files[op.FD]; f.waiting[directionOf(op)] == op {
			f.waiting[directionOf(op)] = nil
			d.finish(op, loop.Result{N: -sys.ECANCELED})
			return
		}
	}
	if remove(&d.lenderOf(op).starved, op) || remove(&d.queued, op) {
		d.finish(op, loop.Result{N: -sys.ECANCELED})
	}
}

func remove(list *[]*loop.Op, op *loop.Op) bool {
	for i, o := range *list {
		if o == op {
			*list = append((*list)[:i], (*list)[i+1:]...)
			return true
		}
	}
	return false
}

// finish keeps a last result for Reap.
func (d *Driver) finish(op *loop.Op, r loop.Result) { d.done = append(d.done, outcome{op, r}) }

// Hurry has nothing to do: results never wait here.
func (d *Driver) Hurry() {}

// Wait tries what was submitted, then waits, unless that gave results already.
func (d *Driver) Wait(wait time.Duration) error {
	d.attemptQueued()
	d.serveStarved(&d.bytes)
	d.serveStarved(&d.messages)
	if d.woken > 0 { // edges that no Reap has seen come only once
		return nil
	}
	if len(d.done) > 0 || len(d.queued) > 0 {
		wait = 0
	}
	var err error
	d.stats.Enters++
	d.woken, err = abi.Wait(d.ep, d.events, wait)
	return err
}

// Reap turns readiness into results and delivers them.
func (d *Driver) Reap() int {
	for i := range d.woken {
		d.event(&d.events[i])
	}
	d.woken = 0
	d.serving, d.done = d.done, d.serving[:0]
	n := len(d.serving)
	for i := range d.serving {
		o := d.serving[i]
		d.serving[i] = outcome{}
		if !o.r.More {
			o.op.Driver.InFlight = false
			d.stats.InFlight--
		}
		d.stats.Completed++
		o.op.Done.Complete(o.op, o.r)
	}
	return n
}

func (d *Driver) event(e *abi.Event) {
	if e.Fd == int32(d.wakeFD) {
		sys.EventfdDrain(d.wakeFD)
		return
	}
	f := &d.files[e.Fd]
	if !f.registered || f.gen != e.Pad {
		return // closed since
	}
	if e.Events&(abi.EPOLLHUP|abi.EPOLLRDHUP|abi.EPOLLERR) != 0 {
		f.hangup = true
	}
	if e.Events&(abi.EPOLLIN|abi.EPOLLHUP|abi.EPOLLRDHUP|abi.EPOLLERR) != 0 {
		d.edge(f, in)
	}
	if e.Events&(abi.EPOLLOUT|abi.EPOLLHUP|abi.EPOLLERR) != 0 {
		d.edge(f, out)
	}
}

func (d *Driver) edge(f *file, dir direction) {
	f.ready[dir] = true
	if op := f.waiting[dir]; op != nil {
		f.waiting[dir] = nil
		d.attempt(op)
	}
	if op := f.waiting[out]; dir == in && op != nil && op.Code == loop.OpPoll { // it may wait for both sides
		f.waiting[out] = nil
		d.attempt(op)
	}
}

// Wake signals the eventfd.
func (d *Driver) Wake() { sys.EventfdSignal(d.wakeFD) }

// Return gives a lent buffer back; the next Wait lets a starved receive try with it.
func (d *Driver) Return(b *buf.Block) {
	b.Put()
	d.stats.Lent--
}

// Stats gives the counters.
func (d *Driver) Stats() loop.DriverStats { return d.stats }

// Trim gives memory of idle buffers back.
func (d *Driver) Trim() {
	d.bytes.pool.Trim()
	d.messages.pool.Trim()
}

// Close frees the epoll instance and the buffers.
func (d *Driver) Close() error {
	_ = d.bytes.pool.Close()
	_ = d.messages.pool.Close()
	return errors.Join(sys.Close(d.ep), sys.Close(d.wakeFD))
}

func errnoOf(err error) int32 {
	var e syscall.Errno
	if errors.As(err, &e) {
		return -int32(e)
	}
	return -sys.EINVAL
}

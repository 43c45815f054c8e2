package uring

import (
	"math/bits"
	"time"

	"github.com/ringway/ringway/buf"
	"github.com/ringway/ringway/loop"
	"github.com/ringway/ringway/sys"
	ring "github.com/ringway/ringway/sys/uring"
)

const (
	bufGroup = 0
	// firstBlocks is how many receive buffers are provided at first; more are added when the kernel runs out. Few warm
	// buffers serve better than many cold ones.
	firstBlocks = 64
)

// Driver is the io_uring driver of one loop.
type Driver struct {
	ring  *ring.Ring
	bring *ring.BufRing
	recv  *buf.Pool

	provided int  // blocks that the kernel holds
	target   int  // blocks that it should hold at rest
	addedTo  bool // the buffer ring has unpublished blocks
	slots    []*loop.Op
	free     []uint32
	backlog  opList    // submitted while the queue was full
	starved  opList    // receives that have data and found no buffer
	quiet    []quietOp // sends whose silence will be their success
	hurry    bool
	cancels  []*loop.Op // cancelled while the queue was full

	wakeFD    int
	wakeByMsg bool
	unwatched bool // the eventfd's poll has ended and must be started again
	failed    error
	stats     loop.DriverStats
}

// New opens a driver on the calling thread, which becomes its owner.
func New(cfg loop.DriverConfig) (loop.Driver, error) { return open(cfg, ring.SendMessage) }

// open is New with the way to post a message on a ring given, so that tests can refuse it as kernels before 6.13 do.
func open(cfg loop.DriverConfig, send func(fd int, userData uint64) error) (loop.Driver, error) {
	r, err := ring.Setup(uint32(cfg.Entries))
	if err != nil {
		return nil, err
	}
	entries := 1 << bits.Len(uint(max(min(cfg.RecvBlocks, 1<<15), 2)-1))
	br, err := r.RegisterBufRing(bufGroup, entries)
	if err != nil {
		r.Close()
		return nil, err
	}
	d := &Driver{ring: r, bring: br, recv: buf.NewPool(cfg.RecvSize, min(cfg.RecvBlocks, entries)), wakeFD: -1, target: firstBlocks}
	d.provide(firstBlocks)
	d.wakeByMsg = send(r.FD(), tagIgnore) == nil
	if !d.wakeByMsg {
		if d.wakeFD, err = sys.Eventfd(); err != nil {
			d.Close()
			return nil, err
		}
		d.unwatched = true // the first Wait submits the poll
	}
	return d, nil
}

// Probe says why io_uring cannot be used here, or nil.
func Probe() error { return ring.Probe() }

// Name is "uring".
func (d *Driver) Name() string { return "uring" }

// Now is the machine's monotonic time.
func (d *Driver) Now() int64 { return loop.Monotonic() }

// Sockets are the kernel's.
func (d *Driver) Sockets() loop.Sockets { return sys.KernelSockets{} }

// NonBlocking is false: on a socket with O_NONBLOCK io_uring answers EAGAIN instead of waiting.
func (d *Driver) NonBlocking() bool { return false }

// starvedWait bounds a wait while receives are starved and yet a buffer is there: the one that was given the chance had
// no data after all.
const starvedWait = 10 * time.Millisecond

// Wait submits what is pending and waits.
func (d *Driver) Wait(wait time.Duration) error {
	d.drainBacklog()
	if !d.starved.empty() && d.feedStarved() && (wait < 0 || wait > starvedWait) {
		wait = starvedWait
	}
	if d.addedTo {
		d.bring.Publish()
		d.addedTo = false
	}
	if d.failed != nil {
		return d.failed
	}
	if wait == 0 || d.ring.Completions() > 0 || d.hurry {
		d.hurry = false
		return d.ring.Submit()
	}
	return d.ring.SubmitAndWait(wait)
}

// Hurry makes the next Wait return at once if quiet sends are out.
func (d *Driver) Hurry() { d.hurry = len(d.quiet) > 0 }

// Wake posts a message on the ring, or signals an eventfd where the kernel cannot.
func (d *Driver) Wake() {
	if d.wakeByMsg {
		_ = ring.SendMessage(d.ring.FD(), tagIgnore)
		return
	}
	sys.EventfdSignal(d.wakeFD)
}

// Return gives a lent buffer back to the kernel; the next Wait lets a starved receive try for it.
func (d *Driver) Return(b *buf.Block) {
	b.Put()
	d.stats.Lent--
	if d.provided < d.target || !d.starved.empty() {
		d.provide(1)
	}
}

// feedStarved lets as many starved receives try again as the kernel has buffers, and reports whether more are waiting
// although there are buffers.
func (d *Driver) feedStarved() bool {
	for n := d.provided; n > 0 && !d.starved.empty(); n-- {
		d.push(d.starved.pop())
	}
	return d.provided > 0 && !d.starved.empty()
}

// provide hands n more blocks to the kernel, as far as the pool has them.
func (d *Driver) provide(n int) {
	for range n {
		b := d.recv.Get()
		if b == nil {
			return
		}
		d.bring.Add(b.Bytes, uint16(b.ID()))
		d.addedTo = true
		d.provided++
	}
}

// Stats gives the counters.
func (d *Driver) Stats() loop.DriverStats {
	s := d.stats
	s.Enters = d.ring.Enters
	s.InFlight = len(d.slots) - len(d.free)
	return s
}

// Trim gives memory of idle buffers back, and lets what the kernel holds shrink as receives take it.
func (d *Driver) Trim() {
	d.target = max(d.target/2, firstBlocks)
	d.recv.Trim()
}

// Close frees the ring and the buffers.
func (d *Driver) Close() error {
	err := d.ring.Close()
	_ = d.bring.Close()
	_ = d.recv.Close()
	if d.wakeFD >= 0 {
		_ = sys.Close(d.wakeFD)
	}
	return err
}

// opList is a queue of operations linked through their driver state.
type opList struct{ head, tail *loop.Op }

func (q *opList) empty() bool { return q.head == nil }

func (q *opList) push(op *loop.Op) {
	op.Driver.Next = nil
	if q.tail == nil {
		q.head = op
	} else {
		q.tail.Driver.Next = op
	}
	q.tail = op
}

func (q *opList) pop() *loop.Op {
	op := q.head
	if q.head = op.Driver.Next; q.head == nil {
		q.tail = nil
	}
	op.Driver.Next = nil
	return op
}

func (q *opList) remove(op *loop.Op) bool {
	for prev, cur := (*loop.Op)(nil), q.head; cur != nil; prev, cur = cur, cur.Driver.Next {
		if cur != op {
			continue
		}
		if prev == nil {
			q.head = cur.Driver.Next
		} else {
			prev.Driver.Next = cur.Driver.Next
		}
		if q.tail == cur {
			q.tail = prev
		}
		cur.Driver.Next = nil
		return true
	}
	return false
}

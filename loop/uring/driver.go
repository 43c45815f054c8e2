package uring

import (
	"time"

	"github.com/ringway/ringway/buf"
	"github.com/ringway/ringway/loop"
	"github.com/ringway/ringway/sys"
	ring "github.com/ringway/ringway/sys/uring"
)

// The groups of provided buffers, and how many blocks each provides at first: more are added when the kernel runs out. Few
// warm buffers serve better than many cold ones.
const (
	bytesGroup    = 0
	messagesGroup = 1
	firstBlocks   = 64
	firstMessages = 32
)

// Driver is the io_uring driver of one loop.
type Driver struct {
	ring     *ring.Ring
	bytes    *lender // of OpRecv
	messages *lender // of OpRecvmsg; nothing is provided before the first
	header   *sys.ReceiveHeader

	slots   []*loop.Op
	free    []uint32
	backlog opList    // submitted while the queue was full
	quiet   []quietOp // sends whose silence will be their success
	hurry   bool
	cancels []*loop.Op // cancelled while the queue was full

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
	d := &Driver{ring: r, header: sys.NewReceiveHeader(), wakeFD: -1}
	if d.bytes, err = openLender(r, bytesGroup, cfg.RecvSize, cfg.RecvBlocks, firstBlocks); err != nil {
		r.Close()
		return nil, err
	}
	if d.messages, err = openLender(r, messagesGroup, sys.MessageBlock, cfg.Messages(), firstMessages); err != nil {
		r.Close()
		d.bytes.close()
		return nil, err
	}
	d.bytes.provide(firstBlocks)
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
	if d.feedStarved() && (wait < 0 || wait > starvedWait) {
		wait = starvedWait
	}
	d.publish()
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
	d.stats.Lent--
	if d.bytes.owns(b) {
		d.bytes.takeBack(b)
	} else {
		d.messages.takeBack(b)
	}
}

// feedStarved lets starved receives try again, and reports whether more are waiting although there are buffers.
func (d *Driver) feedStarved() bool {
	left := !d.bytes.starved.empty() && d.bytes.feed(d.push)
	return !d.messages.starved.empty() && d.messages.feed(d.push) || left
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
	d.bytes.trim()
	d.messages.trim()
}

// Close frees the ring and the buffers.
func (d *Driver) Close() error {
	err := d.ring.Close()
	d.bytes.close()
	d.messages.close()
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

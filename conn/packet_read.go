package conn

import (
	"io"
	"net"

	"github.com/ringway/ringway/buf"
	"github.com/ringway/ringway/loop"
	"github.com/ringway/ringway/sys"
)

// maxPackets is how many messages may wait to be read before receiving pauses: then the kernel's queue fills, which drops
// datagrams and holds Unix senders up.
const maxPackets = 32

// inflow is the receiving side of a packet connection: one operation that goes on, and what it brought.
type inflow struct {
	c        *PacketConn
	op       loop.Op
	queue    []*buf.Block
	head     int
	err      error // what reading ended with, or, if it may go on, what the next read reports
	last     bool  // err is for good
	wanted   bool  // a receive is to follow the one that ends
	task     *loop.Task
	sel      *PacketCase
	deadline deadline
	one      [1]Datagram // of the calls that copy
}

func (r *inflow) init(c *PacketConn) {
	r.c = c
	r.op = loop.Op{Code: loop.OpRecvmsg, FD: c.fd, Done: r}
	r.deadline.timer.Expirer = r
}

func (r *inflow) waiting() int { return len(r.queue) - r.head }

// ready says whether a read would not wait.
func (r *inflow) ready() bool {
	return r.c.out.closed || r.waiting() > 0 || r.err != nil || r.deadline.passed(r.c.n.Loop)
}

// ReadBatch takes messages that have arrived into d, waiting for the first, and returns how many. They lend their bytes:
// Release gives them back. At the end of a connection (Unixpacket) it returns io.EOF. An error that the network reported about
// what was sent earlier, like syscall.ECONNREFUSED, is returned once.
func (c *PacketConn) ReadBatch(d []Datagram) (int, error) {
	r := &c.in
	for len(d) > 0 {
		switch {
		case c.out.closed:
			return 0, net.ErrClosed
		case r.deadline.passed(c.n.Loop):
			return 0, errDeadline
		case r.waiting() > 0:
			return r.fill(d), nil
		case r.err != nil:
			err := r.err
			if !r.last {
				r.err = nil
			}
			return 0, err
		}
		if err := r.wait(); err != nil {
			return 0, err
		}
	}
	return 0, nil
}

// wait parks the task until something comes. A receive that nobody waits for any more stays in flight: nothing is lost.
func (r *inflow) wait() error {
	r.arm()
	r.task = r.c.n.Loop.Current()
	err := r.task.Park(r)
	r.task = nil
	return err
}

// CancelWait ends a read's wait.
func (r *inflow) CancelWait(t *loop.Task) { r.c.n.Loop.Ready(t) }

// arm receives, now or when what is in flight has ended.
func (r *inflow) arm() {
	r.wanted = true
	if !r.op.InFlight() && r.err == nil {
		r.c.n.Loop.Submit(&r.op)
	}
}

// fill takes the first messages off the queue.
func (r *inflow) fill(d []Datagram) int {
	n := min(len(d), r.waiting())
	for i := range n {
		r.c.take(&d[i], r.queue[r.head])
		r.queue[r.head] = nil
		r.head++
	}
	if r.head == len(r.queue) {
		r.queue, r.head = r.queue[:0], 0
	}
	return n
}

// take makes a Datagram of a block.
func (c *PacketConn) take(d *Datagram, b *buf.Block) {
	m := sys.Received(b.Data())
	*d = Datagram{Data: m.Payload(), Truncated: m.Truncated(), block: b}
	if c.kind == UDP {
		d.From = m.From()
	}
	control, complete := m.Control()
	d.Cut = !complete
	if len(control) == 0 {
		return
	}
	var a sys.Ancillary
	d.Cut = !sys.ParseControl(control, &a) || d.Cut
	d.Local, d.Interface, d.TOS, d.Segment, d.rights = a.Local, a.Interface, a.TOS, a.Segment, a.Rights
	if d.Segment >= len(d.Data) {
		d.Segment = 0
	}
	if a.HasDrops {
		c.dropped = a.Dropped
	}
}

// Release gives back what the messages lent, and closes descriptors that came with them and that nobody took.
func (c *PacketConn) Release(d []Datagram) {
	for i := range d {
		if d[i].block == nil {
			continue
		}
		for _, fd := range d[i].Files() {
			_ = c.n.sock.Close(fd)
		}
		c.n.Loop.Return(d[i].block)
		d[i] = Datagram{}
	}
}

// Complete takes a message, or the end of receiving.
func (r *inflow) Complete(op *loop.Op, res loop.Result) {
	switch {
	case res.Block != nil:
		r.arrived(res)
	case res.N == -sys.ECANCELED || res.N == -sys.EINTR || r.c.out.closed:
	default:
		r.err = r.c.opError("read", sys.Error("recvmsg", res.N))
		r.wanted = false
	}
	if r.c.out.closed {
		r.drop()
		if !res.More {
			r.c.finishClose()
		}
	} else if !res.More && r.wanted && r.err == nil && r.waiting() < maxPackets {
		r.c.n.Loop.Submit(&r.op)
	}
	r.wake()
}

// arrived keeps a message, and pauses receiving when too many wait.
func (r *inflow) arrived(res loop.Result) {
	if r.c.kind == Unixpacket && res.Block.Len == sys.ReceivedOverhead { // the end; an empty message, which may carry descriptors, is taken for it
		var d [1]Datagram
		r.c.take(&d[0], res.Block)
		r.c.Release(d[:])
		r.err, r.last, r.wanted = io.EOF, true, false
		return
	}
	if r.head > 0 && len(r.queue) == cap(r.queue) {
		n := copy(r.queue, r.queue[r.head:])
		clear(r.queue[n:])
		r.queue, r.head = r.queue[:n], 0
	}
	r.queue = append(r.queue, res.Block)
	if r.waiting() >= maxPackets {
		if r.wanted = false; res.More {
			r.c.n.Loop.CancelOp(&r.op)
		}
	}
}

// wake lets who waits look again.
func (r *inflow) wake() {
	if r.task != nil {
		r.c.n.Loop.Ready(r.task)
	}
	if r.sel != nil && r.ready() {
		r.sel.ticket.Take()
	}
}

// Expire ends a read whose deadline has passed.
func (r *inflow) Expire(*loop.Timer) {
	if r.deadline.expire(r.c.n.Loop) {
		r.wake()
	}
}

// drop gives back what nobody will read, descriptors included.
func (r *inflow) drop() {
	for r.waiting() > 0 {
		r.c.Release(r.one[:r.fill(r.one[:])])
	}
}

func (r *inflow) close() {
	r.c.n.Loop.StopTimer(&r.deadline.timer)
	r.wanted = false
	r.drop()
	if r.op.InFlight() {
		r.c.n.Loop.CancelOp(&r.op)
	}
	if r.task != nil {
		r.c.n.Loop.Ready(r.task)
	}
	if r.sel != nil {
		r.sel.ticket.Take()
	}
}

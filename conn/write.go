package conn

import (
	"net"

	"github.com/ringway/ringway/buf"
	"github.com/ringway/ringway/loop"
	"github.com/ringway/ringway/sys"
)

// writer is the sending side of a connection: at most one send in flight. What it sends stays alive and unmoved until
// the kernel's completion: blocks that were handed over, or slices whose owner waits.
type writer struct {
	c        *Conn
	op       loop.Op
	msg      sys.Msghdr
	head     []byte // what remains to be sent: head, then body
	body     []byte
	block    *buf.Block // handed over; goes back when all is sent
	err      error      // what ended writing for good
	stop     error      // why the operation in flight was given up
	task     *loop.Task
	more     bool     // further bytes follow at once
	splicing *splicer // gives what is sent
	sent     uint64
	deadline deadline
}

func (w *writer) init(c *Conn) {
	w.c = c
	w.op = loop.Op{FD: c.fd, Done: w}
	w.deadline.timer.Expirer = w
}

// Send sends the data of b and puts b back when the kernel has taken it; b is the connection's from here on, also
// when Send fails. It does not wait for that, only for an earlier write that is still in flight. A failure shows at
// the next write, or at the reads; a block that the deadline cut short ends writing for good.
func (c *Conn) Send(b *buf.Block) error {
	w := &c.wr
	if err := w.begin(); err != nil || b.Len == 0 {
		b.Put()
		return err
	}
	w.block, w.op.Quiet = b, true
	w.submit(b.Data(), nil, false)
	w.op.Quiet = false
	return nil
}

// Write sends all of b and waits until the kernel has taken it. After a deadline or a cancelled task the count says how
// much was taken; the connection can be written to again.
func (c *Conn) Write(b []byte) (int, error) { return c.wr.write(b, nil, false) }

// WriteBufs sends head and then body in one call and waits until the kernel has taken them. more says that further
// bytes follow at once. If it fails with a part taken, writing has ended for good, since nobody knows which part.
func (c *Conn) WriteBufs(head, body []byte, more bool) error {
	n, err := c.wr.write(head, body, more)
	if err != nil && n > 0 && c.wr.err == nil {
		c.wr.err = err
	}
	return err
}

// Flush waits until everything handed over has been taken by the kernel.
func (c *Conn) Flush() error { return c.wr.idle() }

// Sent is the number of bytes that the kernel has taken since the connection was made.
func (c *Conn) Sent() uint64 { return c.wr.sent }

// WriteErr is what ended writing for good, or nil.
func (c *Conn) WriteErr() error { return c.wr.err }

func (w *writer) write(head, body []byte, more bool) (int, error) {
	if err := w.begin(); err != nil {
		return 0, err
	}
	// A task that was cancelled may hand blocks over, but not wait.
	if err := w.c.n.Loop.Current().Cause(); err != nil {
		return 0, err
	}
	if len(head)+len(body) == 0 {
		return 0, nil
	}
	before := w.sent
	w.submit(head, body, more)
	err := w.await()
	return int(w.sent - before), err
}

// idle waits until no earlier write is in flight. That one is a block of the connection's own, which a task that is
// cancelled leaves to the kernel.
func (w *writer) idle() error {
	for w.op.InFlight() && !w.c.closed {
		w.c.n.Loop.Hurry()
		w.task = w.c.n.Loop.Current()
		err := w.task.Park(w)
		w.task = nil
		if err != nil {
			return err
		}
	}
	if w.c.closed {
		return net.ErrClosed
	}
	return w.err
}

// begin waits for an earlier write and says whether another may start.
func (w *writer) begin() error {
	if err := w.idle(); err != nil {
		return err
	}
	if w.deadline.passed(w.c.n.Loop) {
		return errDeadline
	}
	return nil
}

// await waits for the end of what the task itself has in flight, also when the task is cancelled: until its last word
// the kernel may read the buffers.
func (w *writer) await() error {
	for w.op.InFlight() {
		w.task = w.c.n.Loop.Current()
		err := w.task.ParkUncancelled(w)
		w.task = nil
		if err != nil && w.op.InFlight() {
			w.giveUp(err)
		}
	}
	err := w.err
	if err == nil {
		err = w.stop
	}
	w.stop = nil
	return err
}

// CancelWait ends a wait: for a block at once, for the task's own buffers when the kernel has given them back.
func (w *writer) CancelWait(t *loop.Task) {
	if w.block != nil {
		w.c.n.Loop.Ready(t)
		return
	}
	w.giveUp(t.Cause())
}

// giveUp asks the kernel to end the operation in flight early.
func (w *writer) giveUp(why error) {
	if w.stop == nil {
		w.stop = why
	}
	w.c.n.Loop.CancelOp(&w.op)
}

func (w *writer) submit(head, body []byte, more bool) {
	w.head, w.body, w.more, w.stop = head, body, more, nil
	w.resubmit()
}

// resubmit sends what remains.
func (w *writer) resubmit() {
	op := &w.op
	op.NotLast = w.more
	if len(w.head) > 0 && len(w.body) > 0 {
		w.msg.Set(w.head, w.body)
		op.Code, op.Msg, op.Buf = loop.OpSendmsg, &w.msg, nil
	} else {
		op.Code, op.Buf = loop.OpSend, w.head
		if len(w.head) == 0 {
			op.Buf = w.body
		}
	}
	w.c.n.Loop.Submit(op)
}

// poll waits for room: a splice's wait, or that of a send which the kernel would not let wait.
func (w *writer) poll() {
	w.op.Code, w.op.Events = loop.OpPoll, sys.POLLOUT
	w.c.n.Loop.Submit(&w.op)
}

func (w *writer) left() int { return len(w.head) + len(w.body) }

// Complete takes the result of a send: what is left is sent on.
func (w *writer) Complete(op *loop.Op, res loop.Result) {
	switch {
	case op.Code == loop.OpPoll:
		if res.N < 0 && res.N != -sys.ECANCELED && w.err == nil {
			w.err = w.c.opError("write", sys.Error("poll", res.N))
		}
	case res.N >= 0:
		w.advance(int(res.N))
	case res.N == -sys.EAGAIN && w.stop == nil: // io_uring does not wait while a splice has set O_NONBLOCK
		w.poll()
		return
	case res.N == -sys.EAGAIN || res.N == -sys.EINTR || res.N == -sys.ENOBUFS:
	case res.N == -sys.ECANCELED && w.stop != nil:
	case w.err == nil:
		w.err = w.c.opError("write", sys.Error("send", res.N))
	}
	if w.left() > 0 && w.stop == nil && w.err == nil {
		w.resubmit()
		return
	}
	w.settle()
}

// settle ends an operation: buffers go back, and whoever waits goes on.
func (w *writer) settle() {
	if w.left() == 0 && w.op.Code != loop.OpPoll {
		w.stop = nil // all was taken before the kernel heard that it was given up
	}
	if w.block != nil {
		if w.stop != nil { // nobody can know where the stream broke off
			w.c.reset()
			if w.err == nil {
				w.err = w.stop
			}
			w.stop = nil
		}
		w.block.Put()
		w.block = nil
	}
	w.head, w.body, w.op.Buf = nil, nil, nil
	w.msg.Clear()
	if w.task != nil {
		w.c.n.Loop.Ready(w.task)
	}
	if w.c.closed {
		w.c.finishClose()
	}
	w.c.leave()
}

func (w *writer) advance(n int) {
	w.sent += uint64(n)
	k := min(n, len(w.head))
	w.head = w.head[k:]
	w.body = w.body[n-k:]
}

// Expire gives up a write whose deadline has passed.
func (w *writer) Expire(*loop.Timer) {
	if w.deadline.expire(w.c.n.Loop) && w.op.InFlight() {
		w.giveUp(errDeadline)
	}
}

// close ends what a task waits for; a block is sent to its end.
func (w *writer) close() {
	if !w.op.InFlight() {
		w.c.n.Loop.StopTimer(&w.deadline.timer)
	}
	w.endWait()
	if w.splicing != nil {
		w.splicing.src.rd.wake()
	}
}

// endWait gives up what a task waits for, because a connection was closed.
func (w *writer) endWait() {
	switch {
	case !w.op.InFlight():
	case w.block == nil:
		w.giveUp(net.ErrClosed)
	default:
		w.c.n.Loop.Hurry()
		if w.task != nil {
			w.c.n.Loop.Ready(w.task)
		}
	}
}

// abort gives up what is in flight.
func (w *writer) abort() {
	if w.op.InFlight() {
		w.giveUp(net.ErrClosed)
	}
}

// check says whether a splice may go on writing.
func (w *writer) check() error {
	switch {
	case w.c.closed:
		return net.ErrClosed
	case w.deadline.passed(w.c.n.Loop):
		return errDeadline
	}
	return w.err
}

// waitWritable parks until the socket has room.
func (w *writer) waitWritable() error {
	if err := w.check(); err != nil {
		return err
	}
	if err := w.c.n.Loop.Current().Cause(); err != nil {
		return err
	}
	w.stop = nil
	w.poll()
	if err := w.await(); err != nil {
		return err
	}
	return w.check()
}

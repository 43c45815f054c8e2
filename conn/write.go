package conn

import (
	"errors"
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
	err      error
	task     *loop.Task
	more     bool // further bytes follow at once
	sent     uint64
	polled   bool
	deadline deadline
}

func (w *writer) init(c *Conn) {
	w.c = c
	w.op = loop.Op{FD: c.fd, Done: w}
	w.deadline.timer.Expirer = w
}

// Send sends the data of b and puts b back when the kernel has taken it; b is the connection's from here on, also
// when Send fails. It does not wait for that, only for an earlier write that is still in flight. A failure shows at
// the next write, or at the reads.
func (c *Conn) Send(b *buf.Block) error {
	w := &c.wr
	if err := w.begin(); err != nil {
		b.Put()
		return err
	}
	w.block, w.head, w.body, w.more = b, b.Data(), nil, false
	w.submit()
	return nil
}

// Write sends all of b and waits until the kernel has taken it.
func (c *Conn) Write(b []byte) (int, error) { return c.wr.write(b, nil, false) }

// WriteBufs sends head and then body in one call and waits until the kernel has taken them. more says that further
// bytes follow at once.
func (c *Conn) WriteBufs(head, body []byte, more bool) error {
	_, err := c.wr.write(head, body, more)
	return err
}

// Flush waits until everything handed over has been taken by the kernel.
func (c *Conn) Flush() error { return c.wr.idle() }

// Sent is the number of bytes that the kernel has taken since the connection was made.
func (c *Conn) Sent() uint64 { return c.wr.sent }

// WriteErr is what made writing fail, or nil.
func (c *Conn) WriteErr() error { return c.wr.err }

func (w *writer) write(head, body []byte, more bool) (int, error) {
	if err := w.begin(); err != nil {
		return 0, err
	}
	if len(head)+len(body) == 0 {
		return 0, nil
	}
	before := w.sent
	w.head, w.body, w.more = head, body, more
	w.submit()
	err := w.idle()
	return int(w.sent - before), err
}

// idle waits until no write is in flight. It waits for the kernel's last word also when the task is cancelled, since the
// kernel may still read the buffers.
func (w *writer) idle() error {
	l := w.c.n.Loop
	for w.op.InFlight() {
		w.task = l.Current()
		err := w.task.ParkUncancelled(w)
		w.task = nil
		if err != nil && w.op.InFlight() {
			w.cancel(err)
		}
	}
	if w.err == nil && w.c.closed {
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

// CancelWait asks the kernel to give the buffers back; the completion wakes the task.
func (w *writer) CancelWait(t *loop.Task) { w.cancel(t.Cause()) }

func (w *writer) cancel(cause error) {
	if w.err == nil {
		w.err = cause
	}
	w.c.n.Loop.CancelOp(&w.op)
}

func (w *writer) submit() {
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

// Complete takes the result of a send: what is left is sent on.
func (w *writer) Complete(op *loop.Op, res loop.Result) {
	if op.Code == loop.OpPoll {
		w.polled = true
		w.wake()
		return
	}
	switch {
	case res.N >= 0:
		w.advance(int(res.N))
		if len(w.head)+len(w.body) > 0 && w.err == nil {
			w.submit()
			return
		}
	case (res.N == -sys.EAGAIN || res.N == -sys.EINTR || res.N == -sys.ENOBUFS) && w.err == nil:
		w.submit()
		return
	case w.err == nil:
		w.err = w.c.opError("write", sys.Error("send", res.N))
	}
	w.head, w.body, op.Buf = nil, nil, nil
	if w.block != nil {
		w.block.Put()
		w.block = nil
	}
	w.wake()
}

func (w *writer) wake() {
	if w.task != nil {
		w.c.n.Loop.Ready(w.task)
	}
	if w.c.closed {
		w.c.finishClose()
	}
}

func (w *writer) advance(n int) {
	w.sent += uint64(n)
	k := min(n, len(w.head))
	w.head = w.head[k:]
	w.body = w.body[n-k:]
}

// Expire cancels a write whose deadline has passed.
func (w *writer) Expire(*loop.Timer) {
	if w.deadline.expire(w.c.n.Loop) && w.op.InFlight() {
		w.cancel(errDeadline)
	}
}

func (w *writer) close() {
	if !w.op.InFlight() {
		w.c.n.Loop.StopTimer(&w.deadline.timer)
	}
}

// abort gives up what is in flight.
func (w *writer) abort() {
	if w.op.InFlight() {
		w.cancel(errAborted)
	}
}

var errAborted = errors.New("connection aborted")

// waitWritable parks until the socket has room.
func (w *writer) waitWritable() error {
	l := w.c.n.Loop
	w.op.Code, w.op.Events, w.polled = loop.OpPoll, sys.POLLOUT, false
	l.Submit(&w.op)
	for !w.polled {
		w.task = l.Current()
		err := w.task.ParkUncancelled(w)
		w.task = nil
		if err != nil && !w.polled {
			w.cancel(err)
		}
	}
	if w.err != nil {
		return w.err
	}
	if w.c.closed {
		return net.ErrClosed
	}
	return nil
}

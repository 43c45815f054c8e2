package conn

import (
	"io"
	"net"

	"github.com/ringway/ringway/buf"
	"github.com/ringway/ringway/loop"
	"github.com/ringway/ringway/sys"
)

// reader is the receiving side of a connection: at most one receive in flight, at most one lent block held. While a
// block is held nothing is received, which is the back-pressure.
type reader struct {
	c        *Conn
	op       loop.Op
	block    *buf.Block
	off      int   // bytes of block that were consumed
	err      error // what ended the stream
	task     *loop.Task
	watcher  Watcher
	drained  bool // the socket was empty after the last receive
	polled   bool // OpPoll has come back
	deadline deadline
}

func (r *reader) init(c *Conn) {
	r.c = c
	r.op = loop.Op{Code: loop.OpRecv, FD: c.fd, Done: r}
	r.deadline.timer.Expirer = r
}

// Arm starts receiving, so that the next bytes are there, or the Watcher hears of them, without anybody waiting. It
// does nothing if bytes or an end are held already.
func (c *Conn) Arm() { c.rd.arm() }

func (r *reader) arm() {
	if r.block != nil || r.err != nil || r.op.InFlight() || r.c.closed {
		return
	}
	r.op.Code, r.op.PollFirst = loop.OpRecv, r.drained
	r.c.n.Loop.Submit(&r.op)
}

// Watch sets who is told when something arrives while no task reads; nil ends it.
func (c *Conn) Watch(w Watcher) { c.rd.watcher = w }

// Buffered is what has been received and not consumed; it never waits. The bytes are valid until they are consumed.
func (c *Conn) Buffered() []byte { return c.rd.held() }

func (r *reader) held() []byte {
	if r.block == nil {
		return nil
	}
	return r.block.Bytes[r.off:r.block.Len]
}

// Err is what ended the stream of received bytes: io.EOF, an error, or nil while it goes on.
func (c *Conn) Err() error { return c.rd.err }

// ReadBuf lends the received bytes that were not consumed, at least one; it waits if there are none. The bytes are valid
// until Consume. At the end of the stream it returns io.EOF.
func (c *Conn) ReadBuf() ([]byte, error) { return c.rd.lend() }

func (r *reader) lend() ([]byte, error) {
	for r.block == nil {
		if r.err != nil {
			return nil, r.err
		}
		if err := r.wait(); err != nil {
			return nil, err
		}
	}
	return r.held(), nil
}

// wait parks the task until the receive completes, the deadline passes or the task is cancelled. In the last two cases
// the receive stays in flight: nothing that arrives is lost.
func (r *reader) wait() error {
	l := r.c.n.Loop
	if r.c.closed {
		return net.ErrClosed
	}
	if r.deadline.passed(l) {
		return errDeadline
	}
	r.arm()
	r.task = l.Current()
	err := r.task.Park(r)
	r.task = nil
	return err
}

// CancelWait ends a read's wait.
func (r *reader) CancelWait(t *loop.Task) { r.c.n.Loop.Ready(t) }

// Consume says that the first n bytes lent are done with; when all are, the buffer goes back.
func (c *Conn) Consume(n int) {
	r := &c.rd
	r.off += n
	if r.block != nil && r.off >= r.block.Len {
		if r.off > r.block.Len {
			panic("conn: more consumed than was lent")
		}
		r.drop()
	}
}

func (r *reader) drop() {
	if r.block != nil {
		r.c.n.Loop.Return(r.block)
		r.block, r.off = nil, 0
	}
}

// Read copies received bytes into b, as io.Reader says.
func (c *Conn) Read(b []byte) (int, error) {
	if len(b) == 0 {
		return 0, nil
	}
	p, err := c.rd.lend()
	if err != nil {
		return 0, err
	}
	n := copy(b, p)
	c.Consume(n)
	return n, nil
}

// Complete takes the result of a receive, or of a wait for readiness.
func (r *reader) Complete(op *loop.Op, res loop.Result) {
	if r.c.closed {
		if res.Block != nil {
			r.c.n.Loop.Return(res.Block)
		}
		r.c.finishClose()
		return
	}
	switch {
	case op.Code == loop.OpPoll:
		if res.N < 0 && res.N != -sys.ECANCELED {
			r.err = r.c.opError("poll", sys.Error("poll", res.N))
		}
		r.polled = true
	case res.N > 0:
		r.block, r.off, r.drained = res.Block, 0, res.Drained
	case res.N == 0:
		r.err = io.EOF
	case res.N == -sys.ECANCELED || res.N == -sys.EAGAIN || res.N == -sys.EINTR:
		if r.task == nil && r.watcher != nil {
			r.arm()
			return
		}
	default:
		r.err = r.c.opError("read", sys.Error("recv", res.N))
	}
	if r.task != nil {
		r.c.n.Loop.Ready(r.task)
	} else if r.watcher != nil {
		r.watcher.Readable(r.c)
	}
}

// Expire ends a read whose deadline has passed.
func (r *reader) Expire(*loop.Timer) {
	if !r.deadline.expire(r.c.n.Loop) || r.c.closed {
		return
	}
	if r.task != nil {
		r.c.n.Loop.Ready(r.task)
	} else if r.watcher != nil {
		r.watcher.Expired(r.c)
	}
}

func (r *reader) close() {
	l := r.c.n.Loop
	l.StopTimer(&r.deadline.timer)
	r.watcher = nil
	r.drop()
	if r.err == nil {
		r.err = net.ErrClosed
	}
	if r.op.InFlight() {
		l.CancelOp(&r.op)
	}
	if r.task != nil {
		l.Ready(r.task)
	}
}

// waitReadable parks until the socket has something to read, without reading it.
func (r *reader) waitReadable() error {
	l := r.c.n.Loop
	if r.op.InFlight() {
		panic("conn: waiting for readiness with a receive in flight")
	}
	r.op.Code, r.op.Events, r.polled = loop.OpPoll, sys.POLLIN|sys.POLLRDHUP, false
	l.Submit(&r.op)
	return r.waitPolled(l)
}

func (r *reader) waitPolled(l *loop.Loop) error {
	for !r.polled {
		if r.c.closed {
			return net.ErrClosed
		}
		var err error
		if r.deadline.passed(l) {
			err = errDeadline
		} else {
			r.task = l.Current()
			err = r.task.Park(r)
			r.task = nil
		}
		if err != nil {
			l.CancelOp(&r.op) // its completion finds nobody waiting
			return err
		}
	}
	return r.err
}

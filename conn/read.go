package conn

import (
	"io"
	"net"

	"github.com/ringway/ringway/buf"
	"github.com/ringway/ringway/loop"
	"github.com/ringway/ringway/sys"
)

// reader is the receiving side of a connection: at most one receive in flight. A single one brings one block, and while
// that is held nothing is received, which is the back-pressure. A multishot one goes on by itself, which saves the kernel
// setting its wait up for every message; it is ended when more than maxQueued blocks wait behind the first.
type reader struct {
	c        *Conn
	op       loop.Op
	block    *buf.Block
	queue    []*buf.Block // what came behind it
	off      int          // bytes of block that were consumed
	err      error        // what ended the stream
	task     *loop.Task
	watcher  Watcher
	multi    bool      // the next receive is to be a multishot one
	armed    bool      // a receive is wanted: it is in flight, or follows what is
	drained  bool      // the socket was empty after the last receive
	shut     bool      // CloseRead was called
	own      bool      // block is not the driver's, but came along with the connection (Attach)
	sel      *ReadCase // waits in a Select
	splicing *splicer  // takes the bytes, so nothing else may
	deadline deadline
}

func (r *reader) init(c *Conn) {
	r.c = c
	r.op = loop.Op{Code: loop.OpRecv, FD: c.fd, Done: r}
	r.deadline.timer.Expirer = r
}

// Arm starts receiving, so that the next bytes are there, or the Watcher hears of them, without anybody waiting. It
// does nothing if bytes or an end are held already. It lasts until something has come, or a Splice takes over.
func (c *Conn) Arm() { c.rd.arm() }

func (r *reader) arm() {
	if r.block != nil || r.err != nil || r.c.closed {
		return
	}
	r.armed = true
	r.receive()
}

// maxQueued is how many blocks a multishot receive may bring beyond the one that is held before it is ended.
const maxQueued = 2

// Multishot makes receives from the next one on go on by themselves, or not. That is cheaper where messages are small and
// come one at a time; a peer that sends in bulk ends it, until Multishot is called again.
func (c *Conn) Multishot(on bool) { c.rd.multi = on }

// receive submits the wanted receive as soon as nothing stands before it.
func (r *reader) receive() {
	if r.armed && r.splicing == nil && !r.op.InFlight() {
		r.op.Code, r.op.PollFirst, r.op.Multi = loop.OpRecv, r.drained, r.multi
		r.c.n.Loop.Submit(&r.op)
	}
}

// poll waits for readiness without reading.
func (r *reader) poll() {
	r.op.Code, r.op.Events = loop.OpPoll, sys.POLLIN|sys.POLLRDHUP
	r.c.n.Loop.Submit(&r.op)
}

// Watch sets who is told when something arrives while no task reads; nil ends it. It tells nothing of what is held
// already: that is for Buffered and Err.
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
	for {
		switch {
		case r.c.closed:
			return nil, net.ErrClosed
		case r.deadline.passed(r.c.n.Loop):
			return nil, errDeadline
		case r.block != nil:
			return r.held(), nil
		case r.err != nil:
			return nil, r.err
		}
		if err := r.wait(); err != nil {
			return nil, err
		}
	}
}

// wait parks the task until the receive completes, the deadline passes or the task is cancelled. In the last two cases
// the receive stays in flight: nothing that arrives is lost.
func (r *reader) wait() error {
	r.arm()
	return r.park()
}

func (r *reader) park() error {
	r.task = r.c.n.Loop.Current()
	err := r.task.Park(r)
	r.task = nil
	return err
}

// CancelWait ends a read's wait.
func (r *reader) CancelWait(t *loop.Task) { r.c.n.Loop.Ready(t) }

// Consume says that the first n bytes lent are done with; when all are, the buffer goes back.
func (c *Conn) Consume(n int) {
	r := &c.rd
	if n > len(r.held()) {
		if c.closed {
			return // Close took the bytes back
		}
		panic("conn: more consumed than was lent")
	}
	if r.off += n; r.block != nil && r.off == r.block.Len {
		r.drop()
	}
}

// drop gives the first block back; the next takes its place.
func (r *reader) drop() {
	if !r.own {
		r.c.n.Loop.Return(r.block)
	}
	r.block, r.off, r.own = nil, 0, false
	if len(r.queue) > 0 {
		r.block = r.queue[0]
		r.queue = append(r.queue[:0], r.queue[1:]...)
	}
}

func (r *reader) dropAll() {
	for r.block != nil {
		r.drop()
	}
}

// hold keeps a block that a receive brought, and decides whether receiving goes on.
func (r *reader) hold(res loop.Result) {
	r.drained = res.Drained
	if r.block == nil {
		r.block, r.off = res.Block, 0
	} else {
		r.queue = append(r.queue, res.Block)
	}
	switch {
	case !r.op.Multi:
		r.armed = false
	case len(r.queue) >= maxQueued:
		r.multi, r.armed = false, false
		if res.More {
			r.c.n.Loop.CancelOp(&r.op)
		}
	case !res.More:
		r.receive()
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
	if r.c.closed || r.shut {
		if res.Block != nil {
			r.c.n.Loop.Return(res.Block)
		}
		r.wake()
		r.c.finishClose()
		return
	}
	if r.c.detach != nil {
		r.detaching(op, res)
		return
	}
	switch {
	case op.Code == loop.OpPoll:
		r.polled(res.N)
		return
	case res.N > 0:
		r.hold(res)
	case res.N == 0:
		r.err, r.armed = r.ending(), false
	case res.N == -sys.EAGAIN && r.armed: // io_uring does not wait while a splice has set O_NONBLOCK
		r.poll()
		return
	case res.N == -sys.EAGAIN || res.N == -sys.EINTR || res.N == -sys.ECANCELED:
		r.receive()
		r.wake()
		return
	default:
		r.err, r.armed = r.c.opError("read", sys.Error("recv", res.N)), false
	}
	if !r.wake() && r.watcher != nil {
		r.watcher.Readable(r.c)
	}
}

// ending is what an end of the stream means. The kernel reports a reset once, to whichever side asks first: if that was a
// send, what the receive sees is no end. EPIPE alone says that the peer had ended its direction before.
func (r *reader) ending() error {
	if err := r.c.wr.err; err != nil && sys.IsBroken(err) {
		return err
	}
	return io.EOF
}

// polled takes the end of a wait for readiness: a splice's, or that of a receive.
func (r *reader) polled(n int32) {
	if n < 0 && n != -sys.ECANCELED {
		r.err, r.armed = r.c.opError("read", sys.Error("poll", n)), false
		if !r.wake() && r.watcher != nil {
			r.watcher.Readable(r.c)
		}
		return
	}
	r.receive()
	r.wake()
}

// ready says whether a read would not wait.
func (r *reader) ready() bool {
	return r.c.closed || r.block != nil || r.err != nil || r.deadline.passed(r.c.n.Loop)
}

// wake resumes the task that waits, if there is one.
func (r *reader) wake() bool {
	if r.sel != nil && r.ready() && r.sel.ticket.Take() {
		return true
	}
	if r.task == nil {
		return false
	}
	r.c.n.Loop.Ready(r.task)
	return true
}

// Expire ends a read whose deadline has passed.
func (r *reader) Expire(*loop.Timer) {
	if !r.deadline.expire(r.c.n.Loop) || r.c.closed {
		return
	}
	if !r.wake() && r.watcher != nil && r.splicing == nil {
		r.watcher.Expired(r.c)
	}
}

// shutdown ends reading on a connection that goes on.
func (r *reader) shutdown() {
	r.shut, r.armed = true, false
	r.dropAll()
	if r.err == nil {
		r.err = io.EOF
	}
	if r.op.InFlight() {
		r.c.n.Loop.CancelOp(&r.op)
	}
	r.wake()
}

func (r *reader) close() {
	l := r.c.n.Loop
	l.StopTimer(&r.deadline.timer)
	r.watcher, r.armed, r.err = nil, false, net.ErrClosed
	if r.splicing == nil {
		r.dropAll()
	} else { // the kernel may be sending from the block: the splice gives it back
		r.splicing.dst.wr.endWait()
	}
	if r.op.InFlight() {
		l.CancelOp(&r.op)
	}
	r.wake()
}

// quiesce ends a receive in flight, so that none takes bytes past the splice that begins. What it brought is held.
func (r *reader) quiesce() error {
	l := r.c.n.Loop
	for r.armed = false; r.op.InFlight(); {
		l.CancelOp(&r.op)
		if err := r.park(); err != nil {
			return err
		}
		if r.c.closed {
			return net.ErrClosed
		}
	}
	return nil
}

// check says whether a splice, or who waits for readiness, may go on reading.
func (r *reader) check() error {
	switch {
	case r.c.closed || r.splicing != nil && r.splicing.dst.closed:
		return net.ErrClosed
	case r.deadline.passed(r.c.n.Loop):
		return errDeadline
	}
	return r.err
}

// waitReadable parks until the socket has something to read, without reading it.
func (r *reader) waitReadable() error {
	r.poll()
	for r.op.InFlight() {
		err := r.park()
		if err == nil && r.op.InFlight() {
			err = r.check()
		}
		if err != nil {
			r.c.n.Loop.CancelOp(&r.op) // its completion finds nobody waiting
			return err
		}
	}
	return r.check()
}

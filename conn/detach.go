package conn

import (
	"errors"
	"net"

	"github.com/ringway/ringway/buf"
	"github.com/ringway/ringway/loop"
	"github.com/ringway/ringway/sys"
)

// detachment is a connection on its way out of its loop, or out of it.
type detachment struct {
	op   loop.Op
	done func(*Conn)
	away bool // done was called
}

// ErrInUse says that a connection cannot leave its loop: somebody reads, writes or splices.
var ErrInUse = errors.New("the connection is in use")

// Detach takes a connection that no task uses out of its loop's care, and calls done when that has happened, outside any task: no
// operation is in flight any more, and the descriptor may be used elsewhere. What was handed to Send is sent first, for which
// there is no bound but the write deadline; bytes that arrive meanwhile are kept (Unread), and so are an end or an error of the
// stream (Err, WriteErr). The Watcher hears nothing, and deadlines do not run. Reattach, also before done, takes the connection
// back; Close closes this process's descriptor, of which the peer notices nothing as long as there is another one.
func (c *Conn) Detach(done func(*Conn)) error {
	switch {
	case c.closed:
		return net.ErrClosed
	case c.detach != nil || c.pins > 0 || c.rd.task != nil || c.rd.sel != nil || c.wr.task != nil || c.rd.shut:
		return ErrInUse
	}
	c.detach = &detachment{done: done}
	c.detach.op = loop.Op{Code: loop.OpForget, FD: c.fd, Done: &forgotten{c, c.detach}}
	c.rd.armed = false
	c.n.Loop.StopTimer(&c.rd.deadline.timer)
	c.rd.deadline.at = 0
	if c.rd.op.InFlight() {
		c.n.Loop.CancelOp(&c.rd.op)
	}
	if c.wr.op.InFlight() {
		c.n.Loop.Hurry()
	}
	c.leave()
	return nil
}

// leave has the driver forget the descriptor once nothing is in flight on it.
func (c *Conn) leave() {
	d := c.detach
	if d == nil || d.away || d.op.InFlight() || c.rd.op.InFlight() || c.wr.op.InFlight() {
		return
	}
	c.n.Loop.StopTimer(&c.wr.deadline.timer)
	c.wr.deadline.at = 0
	c.n.Loop.Submit(&d.op)
}

// Detached reports whether the connection has left its loop.
func (c *Conn) Detached() bool { return c.detach != nil && c.detach.away }

// Reattach takes a connection back after Detach. If done was not called yet it will not be. Receiving begins with the next Arm.
// What came meanwhile is held, and the Watcher is not told of it.
func (c *Conn) Reattach() { c.detach = nil }

// forgotten takes the driver's word that it has let go of a descriptor.
type forgotten struct {
	c *Conn
	d *detachment
}

// Complete tells who asked.
func (f *forgotten) Complete(*loop.Op, loop.Result) {
	switch c := f.c; {
	case c.closed:
		c.finishClose()
	case c.detach != f.d: // it was taken back
	default:
		f.d.away = true
		f.d.done(c)
	}
}

// detaching takes the result of a receive, or of a wait for readiness, while the connection leaves its loop: whatever came is held.
func (r *reader) detaching(op *loop.Op, res loop.Result) {
	switch {
	case op.Code == loop.OpPoll:
	case res.N > 0 && r.block == nil:
		r.block, r.off = res.Block, 0
	case res.N > 0:
		r.queue = append(r.queue, res.Block)
	case res.N == 0:
		r.err = r.ending()
	case res.N != -sys.EAGAIN && res.N != -sys.EINTR && res.N != -sys.ECANCELED:
		r.err = r.c.opError("read", sys.Error("recv", res.N))
	}
	if !res.More {
		r.c.leave()
	}
}

// AppendUnread appends what was received and not consumed, and leaves it where it is.
func (c *Conn) AppendUnread(dst []byte) []byte {
	dst = append(dst, c.rd.held()...)
	for _, b := range c.rd.queue {
		dst = append(dst, b.Data()...)
	}
	return dst
}

// Attach makes a connection of an open stream socket that another loop, or another process, has detached; it owns the descriptor
// from then on. unread is what was received there and not consumed: it comes first. On failure the descriptor is the caller's.
func Attach(n *Net, fd int32, unix bool, unread []byte) (*Conn, error) {
	if err := n.sock.SetNonblock(int(fd), n.Loop.NonBlocking()); err != nil {
		return nil, err
	}
	c := New(n, fd, unix)
	if len(unread) > 0 {
		// One byte more than it holds: a block that is full would look like one of many.
		c.rd.block, c.rd.own = &buf.Block{Bytes: make([]byte, len(unread)+1), Len: len(unread)}, true
		copy(c.rd.block.Bytes, unread)
	}
	return c, nil
}

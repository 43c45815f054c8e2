package inbound

import (
	"github.com/ringway/ringway/errs"
	"github.com/ringway/ringway/loop"
	"github.com/ringway/ringway/proto/http2"
)

const (
	// h2Full is how many bytes may wait to be sent before those with more wait: three records of TLS. What is sent next is decided
	// as late as possible, and the buffer stays one that is kept for reuse.
	h2Full = 48 << 10
	// h2Frame is the most of one body that is sent before others have their turn.
	h2Frame = http2.MinMaxFrameSize
	// lowestUrgency is that of the streams behind which nobody stands (RFC 9218 §4.1).
	lowestUrgency = uint8(http2.Urgencies - 1)
)

// h2Writer is a connection as the task that writes what it has to send. It starts behind the requests that the same turn of the
// loop has made ready, so that what they send leaves in one write, and it lasts until all is sent.
type h2Writer h2Conn

// Run sends, as a task.
func (w *h2Writer) Run(t *loop.Task) {
	c := (*h2Conn)(w)
	defer c.written()
	if err := c.writeAll(t); err != nil {
		c.abort(errs.From(errs.ClientClosed, err, "send to the client"))
		return
	}
	if c.over() && !c.s.c.Closed() {
		c.hangUp()
	}
}

// written is the writer's end. One that panicked ends the connection: another writer would meet the same.
func (c *h2Conn) written() {
	v := recover()
	c.writing = false
	if v != nil {
		c.abort(errs.New(errs.Internal, "the connection could not be written to"))
	}
	if c.gone {
		c.finish()
	} else {
		c.proceed()
	}
	if v != nil {
		panic(v)
	}
}

// writeAll sends until nothing is left that may be sent.
func (c *h2Conn) writeAll(t *loop.Task) error {
	out := c.s.c
	behind := lowestUrgency
	for {
		behind = c.fill(t, behind)
		p := c.hc.Pending()
		if len(p) == 0 {
			return nil
		}
		out.SetWriteTimeout(c.s.h.terms.times.write)
		n, err := out.Write(p)
		c.hc.Wrote(n)
		if err != nil {
			return err
		}
		c.admit()
	}
}

// fill adds to what waits, from the bodies whose turn it is. One that has given its piece may have more: its task is let run before a
// less urgent one has its turn. behind is the urgency of the most urgent one whose task has yet to run, before and after.
func (c *h2Conn) fill(t *loop.Task, behind uint8) uint8 {
	c.hc.SetNow(c.s.h.n.Loop.Now())
	for c.hc.Backlog() < h2Full {
		s := c.hc.Next()
		if s == nil {
			break
		}
		urgency := s.Priority().Urgency
		if urgency > behind {
			behind = lowestUrgency
			_ = t.Yield()
			continue
		}
		if s.Owner.(*h2Request).give() {
			behind = urgency
		}
	}
	return behind
}

// admit lets those go on that waited for room.
func (c *h2Conn) admit() {
	if c.hc.Backlog() >= h2Full {
		return
	}
	for i, r := range c.crowd {
		c.s.h.n.Loop.Ready(r.Task)
		c.crowd[i] = nil
	}
	c.crowd = c.crowd[:0]
}

// hangUp ends this side of the connection, behind its last frame, and leaves the rest to the client for a while: what it has sent
// meanwhile must not become a reset that overtakes the GOAWAY.
func (c *h2Conn) hangUp() {
	c.lingers = true
	if c.s.c.CloseWrite() != nil || c.s.c.Closed() {
		if !c.s.c.Closed() {
			c.s.c.Abort()
		}
		return
	}
	c.s.c.SetReadTimeout(lingerTime)
	c.Readable(nil)
}

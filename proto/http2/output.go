package http2

// What is to be sent comes together in one buffer of the Pool, which a connection has only while something waits. It grows by the
// Pool's sizes, so that any of them can be kept: one that grows by itself would be too large for that in the end, and be made
// anew for each few bodies.

// output is the buffer to append a small frame to.
func (c *Conn) output() []byte { return c.outputFor(smallFrame) }

// smallFrame is as much as most frames need that carry no body.
const smallFrame = 256

// outputFor is the buffer to append to, with room for n bytes. It grows by the pool's sizes, so that it can be kept.
func (c *Conn) outputFor(n int) []byte {
	if cap(c.out)-len(c.out) >= n {
		return c.out
	}
	old := c.out
	c.out = c.pool.moved(old, n)
	switch {
	case old == nil:
	case c.lentOut:
		c.outgrown = append(c.outgrown, old)
	default:
		c.pool.releaseBuffer(old)
	}
	return c.out
}

// replies counts the frames in out that answer the peer. Where each of them stands is not known: those that were there when Pending lent
// what it had count until all of that is sent. While more is sent all the time the buffer may never be empty.
type replies struct {
	waiting int
	lent    int // of them, those that were lent
	end     int // of what was lent, in out; 0: nothing is
}

// lend notes that the first n bytes of out are lent, unless others are already.
func (r *replies) lend(n int) {
	if r.end == 0 {
		r.lent, r.end = r.waiting, n
	}
}

// wrote notes that the first n bytes of out are sent.
func (r *replies) wrote(n int) {
	if n >= r.end {
		r.waiting, r.lent, r.end = r.waiting-r.lent, 0, 0
	}
}

// moved notes that the first n bytes, which are sent, are out no more.
func (r *replies) moved(n int) { r.end = max(r.end-n, 0) }

// Pending is what waits to be sent. The slice stays valid, and its bytes unchanged, until Wrote.
func (c *Conn) Pending() []byte {
	c.replies.lend(len(c.out))
	c.lentOut, c.tail = true, tail{}
	return c.out[c.written:]
}

// Backlog is how many bytes wait to be sent.
func (c *Conn) Backlog() int { return len(c.out) - c.written }

// Wrote tells that the first n bytes of Pending are sent. Nothing may read the slice of Pending any more.
func (c *Conn) Wrote(n int) {
	if c.written += n; c.written > len(c.out) {
		panic("http2: more bytes sent than were pending")
	}
	c.returnOutgrown()
	c.replies.wrote(c.written)
	c.tail = tail{} // what it stands on may move
	switch {
	case c.written == len(c.out):
		if c.out != nil {
			c.pool.releaseBuffer(c.out)
		}
		c.out, c.written, c.replies = nil, 0, replies{}
	case c.written > len(c.out)/2:
		c.out = c.out[:copy(c.out, c.out[c.written:])]
		c.replies.moved(c.written)
		c.written = 0
	}
}

// returnOutgrown ends the loan of Pending.
func (c *Conn) returnOutgrown() {
	c.lentOut = false
	for i, b := range c.outgrown {
		c.pool.releaseBuffer(b)
		c.outgrown[i] = nil
	}
	c.outgrown = c.outgrown[:0]
}

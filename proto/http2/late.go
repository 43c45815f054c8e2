package http2

// Neither side can say that a stream is over and have it so: what the peer sent before it saw the RST_STREAM still comes, and that
// may be a window full of the smallest frames. None of it is abuse, so it is passed over and not paid for, as far as the streams
// that were ended here can account for it. That bounds it just as the windows do. Only beyond it is it charged as any other frame
// that brings nothing forward.

// late is what may still come for streams that were ended here. It is a sum over all of them, so that nothing has to be
// remembered of a single one, however long ago it was.
type late struct {
	bytes  int64 // of DATA: what was left of the streams' windows
	frames int64 // of the others
}

// lateFrames is what a message may have beside DATA with content: of a response an interim head, the final one, its end, and a
// RST_STREAM.
const lateFrames = 4

// endHere notes that this side ends a stream while the peer may not know.
func (c *Conn) endHere(s *Stream) {
	if s.state.canReceive() {
		c.expectLate(s.id, s.recv.left)
		return
	}
	c.endings.peers.add(s.id, maxPeerEndings)
	c.late.frames++ // a RST_STREAM
}

// expectLate notes that a stream is ended here, or not opened, of which the peer may have sent as much as its window allows. All that is
// on its way fits into the connection's window as well, so that what never came of earlier streams does not add up.
func (c *Conn) expectLate(id StreamID, window int32) {
	if c.role == Server {
		c.endings.ours.add(id, c.endings.limit)
	}
	c.late.bytes = min(c.late.bytes+int64(max(window, 0)), int64(max(c.recv.left, 0)))
	c.late.frames += lateFrames
}

// endedHere tells whether a stream that is in no table any more was ended by this side, so that what comes for it may have been
// sent before the peer knew. A client takes that for granted unless it remembers the peer's own end: it may have given up any
// number of streams, and to take a late frame for a mistake would cost all others their connection.
func (c *Conn) endedHere(id StreamID) bool {
	if c.role == Client {
		return !c.idle(id) && !c.endings.peers.has(id)
	}
	return c.endings.ours.has(id)
}

// lateData passes DATA of n bytes by, which is for a stream that was ended here.
func (c *Conn) lateData(n int32) error {
	if n == 0 {
		return c.lateFrame()
	}
	if c.late.bytes >= int64(n) {
		c.late.bytes -= int64(n)
		return nil
	}
	return c.control(costFrame)
}

// lateFrame passes another frame by.
func (c *Conn) lateFrame() error {
	if c.late.frames > 0 {
		c.late.frames--
		return nil
	}
	return c.control(costFrame)
}

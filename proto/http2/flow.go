package http2

// Flow control (RFC 9113 §5.2, §6.9). Receiving: a window is lowered by what arrives and raised again by what the application
// consumes, so that a slow reader slows its sender. Sending: a window is lowered by what is sent and raised by the peer; it
// may be negative after the peer has lowered its initial window.

// receiving is the window of bytes that the peer may send.
type receiving struct {
	left     int32 // what the peer may still send, as far as it knows
	held     int32 // received and not consumed
	consumed int32 // consumed, and the peer has not been told
	size     int32 // left + held + consumed
}

// take lowers the window by a DATA frame and reports false if the peer did not have it. A frame without content needs none (RFC 9113
// §6.9), not even of a window that settings have made negative.
func (w *receiving) take(n int32) bool {
	if n > 0 && n > w.left {
		return false
	}
	w.left -= n
	w.held += n
	return true
}

// consume gives bytes back and returns the increment that the peer should be told: none until half of the window is due, so
// that an update is sent per half window and not per read.
func (w *receiving) consume(n int32) (increment uint32) {
	if n < 0 || n > w.held {
		panic("http2: more bytes consumed than received")
	}
	w.held -= n
	w.consumed += n
	if w.consumed < (w.size+1)/2 {
		return 0
	}
	increment = uint32(w.consumed)
	w.left += w.consumed
	w.consumed = 0
	return increment
}

// raise adds an increment to a window for sending and reports false if it gets too large (RFC 9113 §6.9.1).
func raise(window *int32, increment uint32) bool {
	v := int64(*window) + int64(increment)
	if v > maxWindow {
		return false
	}
	*window = int32(v)
	return true
}

// Consumed tells that the application is done with n bytes of the body of s, which Feed has lent. That makes room for as many
// more: a WINDOW_UPDATE is appended when enough has come together.
func (c *Conn) Consumed(s *Stream, n int) {
	if n == 0 {
		return
	}
	c.consumedStream(s, int32(n))
	c.consumedConn(int32(n))
}

// consumedStream gives back to the window of a stream, which is of interest only as long as the peer may send on it.
func (c *Conn) consumedStream(s *Stream, n int32) {
	increment := s.recv.consume(n)
	if increment > 0 && s.state.canReceive() && c.failed == nil {
		c.out = WindowUpdateFrame{s.id, increment}.Append(c.output())
	}
}

func (c *Conn) consumedConn(n int32) {
	if increment := c.recv.consume(n); increment > 0 && c.failed == nil {
		c.out = WindowUpdateFrame{0, increment}.Append(c.output())
	}
}

// SendWindow is how many bytes of DATA the peer takes now of all streams together.
func (c *Conn) SendWindow() int { return int(max(0, c.sendWindow)) }

// Writable is how many bytes of DATA the windows let s send now.
func (c *Conn) Writable(s *Stream) int {
	if !s.state.canSend() {
		return 0
	}
	return int(max(0, min(s.sendWindow, c.sendWindow)))
}

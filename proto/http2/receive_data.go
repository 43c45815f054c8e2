package http2

// startData checks whom DATA is for (RFC 9113 §6.1) and lowers the windows by the whole frame, as its sender did.
func (c *Conn) startData(h FrameHeader) error {
	if err := streamZero(h, false); err != nil {
		return err
	}
	if c.idle(h.Stream) {
		return ConnectionError{ProtocolError, "DATA for a stream that is not open yet"}
	}
	n := int32(h.Length)
	if !c.recv.take(n) {
		return ConnectionError{FlowControlError, "more DATA than the connection's window"}
	}
	if h.prefixLen() > int(h.Length) {
		return sizeError(h.Type)
	}
	s := c.streams.get(h.Stream)
	if s == nil || !s.state.canReceive() {
		return c.unwantedData(h, s)
	}
	if !s.recv.take(n) {
		c.skip(int(n))
		c.in.refund = n
		return StreamError{s.id, FlowControlError, "more DATA than the stream's window"}
	}
	c.in.stream = s
	if h.Flags.Has(FlagPadded) {
		c.in.stage = stagePrefix
		return nil
	}
	return c.receiveData(h)
}

// unwantedData passes over DATA of a stream that cannot receive, which still counts for the connection's window.
func (c *Conn) unwantedData(h FrameHeader, s *Stream) error {
	c.skip(int(h.Length))
	c.in.refund = int32(h.Length)
	if s == nil && (c.endedHere(h.Stream) || c.role == Server && h.Stream > c.lastSaid) {
		return c.lateData(int32(h.Length))
	}
	if s == nil && c.endings.peers.has(h.Stream) {
		return ConnectionError{StreamClosed, "DATA for a stream that is closed"}
	}
	return StreamError{h.Stream, StreamClosed, "DATA for a stream that its sender has ended"}
}

// receiveData starts the content of a DATA frame, of which left and pad are known. Content-Length is held against it at once
// (RFC 9113 §8.1.1).
func (c *Conn) receiveData(h FrameHeader) error {
	s, n := c.in.stream, c.in.left
	end := h.Flags.Has(FlagEndStream)
	padding := int(h.Length) - n
	if s == nil || !s.state.canReceive() { // the application has given it up since the frame started
		c.skip(n + c.in.pad)
		return nil
	}
	fault := ""
	switch {
	case s.received != phaseBody:
		fault = "DATA before the head of the message"
	case s.length >= 0 && (int64(n) > s.length || end && int64(n) < s.length):
		fault = "the body has not the length that Content-Length says"
	}
	if fault != "" {
		c.skip(n + c.in.pad)
		return StreamError{s.id, ProtocolError, fault}
	}
	if s.length >= 0 {
		s.length -= int64(n)
	}
	c.in.stage = stageData
	if padding > 0 {
		c.Consumed(s, padding)
	}
	if n == 0 && !end {
		return c.control(costFrame)
	}
	if n >= tinyData {
		c.controls.earn(c.cfg.Control, earnMessage)
	}
	return nil
}

// readData lends what is there of the data.
func (c *Conn) readData(b []byte) (n int, more bool, err error) {
	in, s := &c.in, c.in.stream
	if s == nil || !s.state.canReceive() {
		// The application has given the stream up amid a frame: the rest was given back with it, or will be by Release.
		c.skip(in.left + in.pad)
		return 0, true, nil
	}
	n = min(len(b), in.left)
	in.left -= n
	if in.left > 0 && n == 0 {
		return 0, false, nil
	}
	end := in.left == 0 && in.head.Flags.Has(FlagEndStream)
	if n > 0 || end {
		c.event = Event{Kind: EventData, Stream: s, Data: b[:n:n], EndStream: end}
	}
	if in.left == 0 {
		in.stream = nil
		c.skip(in.pad)
	}
	if end {
		c.endReceived(s)
	}
	return n, true, nil
}

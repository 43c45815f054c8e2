package http2

import "encoding/binary"

// input is where the reading of frames stands.
type input struct {
	stage stage
	head  FrameHeader
	left  int // bytes of the payload, or of what the stage takes of it, that have not come
	pad   int // bytes of padding that follow
	have  int // bytes in part
	part  [collectLen]byte

	stream *Stream // whom DATA is for; nil when it is passed over
	refund int32   // bytes to give back to the connection's window when the frame has been passed over
}

// collectLen is the most of a frame that is kept when it comes in pieces, and with it the most of a GOAWAY's debug data and of
// a PRIORITY_UPDATE's value that is looked at.
const collectLen = 64

// stage is what the next bytes are.
type stage uint8

const (
	stagePreface  stage = iota
	stageFrame          // a frame header
	stageCollect        // the payload of a small frame, or the start of one whose rest is of no interest
	stageSettings       // parameters, one by one
	stagePrefix         // what stands before the content of DATA and HEADERS
	stageData           // data, lent as it comes
	stageBlock          // a fragment of a field section
	stageSkip           // padding, or what nobody wants
)

// Feed takes received bytes. It returns how many it took, and an event as soon as there is one: then it is called again with the
// rest, also when that is empty, until it returns no event. All bytes are taken then; nothing of b is kept. Data of an event
// aliases b.
//
// An error ends the connection. GOAWAY is pending then; every further call returns the error again.
func (c *Conn) Feed(b []byte, now int64) (n int, ev *Event, err error) {
	if c.failed != nil {
		return 0, nil, c.failed
	}
	c.now, c.event = now, Event{}
	c.returnLent()
	if c.due != nil {
		c.tellEnd()
		return 0, &c.event, nil
	}
	for {
		k, more, err := c.step(b[n:])
		n += k
		if err != nil {
			if err = c.absorb(err); err != nil {
				return n, nil, c.fail(err)
			}
			more = true
		}
		if c.event.Kind != EventNone {
			return n, &c.event, nil
		}
		if !more {
			return n, nil, nil
		}
	}
}

// step takes one step and reports whether another can be taken with what is there.
func (c *Conn) step(b []byte) (n int, more bool, err error) {
	switch c.in.stage {
	case stagePreface:
		return c.readPreface(b)
	case stageFrame:
		return c.readFrameHeader(b)
	case stageCollect:
		p, n, ok := c.collect(b, min(int(c.in.head.Length), collectLen))
		if !ok {
			return n, false, nil
		}
		c.skip(int(c.in.head.Length) - len(p))
		return n, true, c.receiveControl(c.in.head, p)
	case stageSettings:
		return c.readSettings(b)
	case stagePrefix:
		p, n, ok := c.collect(b, c.in.head.prefixLen())
		if !ok {
			return n, false, nil
		}
		return n, true, c.receivePrefix(c.in.head, p)
	case stageData:
		return c.readData(b)
	case stageBlock:
		return c.readBlock(b)
	}
	n = min(len(b), c.in.left)
	if c.in.left -= n; c.in.left > 0 {
		return n, false, nil
	}
	c.in.stage = stageFrame
	if refund := c.in.refund; refund > 0 {
		c.in.refund = 0
		c.consumedConn(refund)
	}
	return n, true, nil
}

// collect returns want bytes once they are there, without copying if they come at once.
func (c *Conn) collect(b []byte, want int) (p []byte, n int, ok bool) {
	in := &c.in
	if in.have == 0 && len(b) >= want {
		return b[:want], want, true
	}
	n = copy(in.part[in.have:want], b)
	if in.have += n; in.have < want {
		return nil, n, false
	}
	in.have = 0
	return in.part[:want], n, true
}

// skip passes over the next n bytes; then the next frame comes.
func (c *Conn) skip(n int) { c.in.stage, c.in.left = stageSkip, n }

func (c *Conn) readPreface(b []byte) (n int, more bool, err error) {
	in := &c.in
	n = min(len(b), len(ClientPreface)-in.have)
	if string(b[:n]) != ClientPreface[in.have:in.have+n] {
		return 0, false, ConnectionError{ProtocolError, "this is no client preface"}
	}
	if in.have += n; in.have == len(ClientPreface) {
		in.have, in.stage = 0, stageFrame
		return n, true, nil
	}
	return n, false, nil
}

func (c *Conn) readFrameHeader(b []byte) (n int, more bool, err error) {
	p, n, ok := c.collect(b, FrameHeaderLen)
	if !ok {
		return n, false, nil
	}
	h := ParseFrameHeader(p)
	c.in.head, c.in.left, c.in.pad = h, int(h.Length), 0
	return n, true, c.startFrame(h)
}

// startFrame decides what is done with a frame.
func (c *Conn) startFrame(h FrameHeader) error {
	switch {
	case h.Length > uint32(c.cfg.MaxFrameSize):
		return sizeError(h.Type)
	case !c.sawSettings && (h.Type != FrameSettings || h.Flags.Has(FlagAck)):
		return ConnectionError{ProtocolError, "the first frame is not SETTINGS"}
	case c.block.open && (h.Type != FrameContinuation || h.Stream != c.block.id):
		return ConnectionError{ProtocolError, "a field section is interrupted"}
	}
	switch h.Type {
	case FrameData:
		return c.startData(h)
	case FrameHeaders:
		return c.startHeaders(h)
	case FrameContinuation:
		return c.startContinuation(h)
	case FrameSettings:
		return c.startSettings(h)
	case FramePushPromise:
		return ConnectionError{ProtocolError, "PUSH_PROMISE where nothing may be pushed"}
	case FramePriority, FrameReset, FramePing, FrameGoAway, FrameWindowUpdate, FramePriorityUpdate:
		c.in.stage = stageCollect
		return nil
	}
	c.skip(int(h.Length))
	return c.control(costFrame)
}

// receivePrefix takes what stands before the content of DATA and HEADERS.
func (c *Conn) receivePrefix(h FrameHeader, prefix []byte) error {
	pad, err := h.padding(prefix)
	if err != nil {
		return err
	}
	c.in.pad, c.in.left = pad, int(h.Length)-len(prefix)-pad
	if h.Type == FrameData {
		return c.receiveData(h)
	}
	c.in.stage = stageBlock
	if _, _, err := headersPriority(h, prefix); err != nil {
		c.block.fault = err.(StreamError)
	}
	return nil
}

// absorb deals with an error of one stream and returns those of the connection.
func (c *Conn) absorb(err error) error {
	e, ok := err.(StreamError)
	if !ok {
		return err
	}
	if err := c.fault(costFault); err != nil {
		return err
	}
	s := c.streams.get(e.Stream)
	if s == nil {
		return c.refuse(e, nil)
	}
	if err := c.reply(); err != nil {
		return err
	}
	c.abort(s, e.Code)
	c.event = Event{Kind: EventReset, Stream: s, Code: e.Code, Local: true, Reason: e.Reason}
	return nil
}

// refuse resets a stream that is in no table. m is the message that would have opened it, if that is why.
func (c *Conn) refuse(e StreamError, m *Message) error {
	if c.idle(e.Stream) {
		return ConnectionError{e.Code, e.Reason} // RST_STREAM may not be sent for it
	}
	if err := c.reply(); err != nil {
		return err
	}
	c.expectLate(e.Stream, c.firstWindow())
	c.out = ResetFrame{e.Stream, e.Code}.Append(c.output())
	c.event = Event{Kind: EventRefused, ID: e.Stream, Code: e.Code, Reason: e.Reason, Message: m}
	return nil
}

// idle tells whether a stream has not been opened yet, by whoever may open it.
func (c *Conn) idle(id StreamID) bool {
	if id&1 == 0 {
		return true // nothing is pushed
	}
	if c.role == Server {
		return id > c.seen
	}
	return id >= c.next
}

// forget takes a stream out of everything that could still name it.
func (c *Conn) forget(s *Stream) {
	if c.in.stream == s {
		c.in.stream = nil
	}
	for p := &c.due; *p != nil; p = &(*p).due {
		if *p == s {
			*p, s.due = s.due, nil
			return
		}
	}
}

// tellEnd makes an event of the first stream whose end is still to be told.
func (c *Conn) tellEnd() {
	s := c.due
	c.due, s.due = s.due, nil
	c.event = Event{Kind: EventReset, Stream: s, Code: s.code, Reason: "the peer goes away and has not processed it"}
}

func (c *Conn) returnLent() {
	if c.lent != nil {
		c.pool.releaseMessage(c.lent)
		c.lent = nil
	}
}

func appendUint32(dst []byte, v uint32) []byte { return binary.BigEndian.AppendUint32(dst, v) }

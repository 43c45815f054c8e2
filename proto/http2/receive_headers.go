package http2

import (
	"errors"

	"golang.org/x/net/http2/hpack"

	"github.com/ringway/ringway/proto/header"
	"github.com/ringway/ringway/proto/http1"
)

// block is the field section that is being received. It must be decoded whole whatever becomes of it, because HPACK's table
// depends on all of it (RFC 9113 §4.3).
type block struct {
	open          bool // more frames must continue it
	endStream     bool
	mode          blockMode
	id            StreamID
	at            int64 // when it began
	size          int   // compressed bytes so far
	continuations int
	stream        *Stream     // whose it is; nil for a new stream and where it is ignored
	message       *Message    // what it is decoded to
	gathered      []byte      // what has come of it, if it came in pieces
	fault         StreamError // found before the fields; Reason "" for none
}

// blockMode is what becomes of a field section.
type blockMode uint8

const (
	blockIgnore  blockMode = iota // decoded for the table's sake
	blockRefuse                   // the same, and the stream is refused
	blockRequest                  // opens a stream
	blockHead                     // a response
	blockTrailers
)

// startHeaders decides what a HEADERS frame is (RFC 9113 §5.1, §8.1).
func (c *Conn) startHeaders(h FrameHeader) error {
	if err := streamZero(h, false); err != nil {
		return err
	}
	if h.prefixLen() > int(h.Length) {
		return sizeError(h.Type)
	}
	c.block = block{id: h.Stream, endStream: h.Flags.Has(FlagEndStream), at: c.now}
	if err := c.blockFor(h); err != nil {
		return err
	}
	if c.block.mode > blockRefuse {
		c.startMessage()
	}
	c.decoder.SetEmitEnabled(c.block.mode > blockRefuse)
	c.block.open = true
	c.in.stage = stageBlock
	if h.prefixLen() > 0 {
		c.in.stage = stagePrefix
	}
	return nil
}

// blockFor finds the stream and the mode.
func (c *Conn) blockFor(h FrameHeader) error {
	b := &c.block
	s := c.streams.get(h.Stream)
	switch {
	case s != nil && s.state.canReceive():
		b.stream = s
		switch {
		case s.received == phaseHead:
			b.mode = blockHead
		case !b.endStream:
			b.fault = StreamError{s.id, ProtocolError, "trailers that do not end the stream"}
		default:
			b.mode = blockTrailers
		}
		return nil
	case s != nil:
		b.fault = StreamError{s.id, StreamClosed, "HEADERS for a stream that its sender has ended"}
		return nil
	case c.role == Server && h.Stream&1 == 1 && h.Stream > c.seen:
		return c.newRequest(h.Stream)
	case c.endedHere(h.Stream):
		return c.lateFrame()
	case c.endings.peers.has(h.Stream):
		return ConnectionError{StreamClosed, "HEADERS for a stream that is closed"}
	}
	return ConnectionError{ProtocolError, "HEADERS with a stream identifier that may not be used"}
}

// newRequest decides whether the peer may open a stream.
func (c *Conn) newRequest(id StreamID) error {
	c.seen = id
	if id > c.lastSaid {
		c.expectLate(id, c.firstWindow())
		return c.control(costFrame) // it has been told that this will not be looked at (RFC 9113 §6.8)
	}
	c.lastPeer = id
	if c.open >= c.cfg.MaxConcurrentStreams {
		c.block.mode = blockRefuse
		return c.control(costFrame)
	}
	c.block.mode = blockRequest
	return nil
}

func (c *Conn) startMessage() {
	c.block.message = c.pool.message()
	k := kindTrailers
	switch b := &c.block; {
	case b.mode == blockRequest:
		k = kindRequest
	case b.mode == blockHead:
		k = kindResponse
	case b.stream.metadata:
		k = kindMetadata
	}
	c.block.message.reset(k)
}

// dropBlock gives the message back that is being received.
func (c *Conn) dropBlock() {
	c.pool.releaseMessage(c.block.message)
	if c.block.gathered != nil {
		c.pool.releaseBuffer(c.block.gathered)
	}
	c.block = block{}
}

func (c *Conn) startContinuation(h FrameHeader) error {
	if !c.block.open {
		return ConnectionError{ProtocolError, "CONTINUATION that continues nothing"}
	}
	c.block.continuations++
	if c.block.continuations > c.cfg.MaxContinuations {
		return ConnectionError{EnhanceYourCalm, tooManyContinuations}
	}
	c.in.stage = stageBlock
	if h.Length == 0 {
		return c.control(costFrame)
	}
	return nil
}

// headerField is called by the decoder for each field.
func (c *Conn) headerField(f hpack.HeaderField) {
	if c.block.mode > blockRefuse && !c.block.message.field(f.Name, f.Value, c.cfg) {
		c.decoder.SetEmitEnabled(false)
	}
}

// readBlock takes what is there of a field section, and decodes it when it is there whole. It is gathered in a buffer of the
// pool unless it comes in one piece: hpack would keep a string that came in parts in a buffer of its own, for as long as the
// connection lasts, and read it anew with each part.
func (c *Conn) readBlock(b []byte) (n int, more bool, err error) {
	in, blk := &c.in, &c.block
	n = min(len(b), in.left)
	in.left -= n
	blk.size += n
	if blk.size > c.cfg.MaxHeaderBlock {
		return n, false, ConnectionError{EnhanceYourCalm, tooLargeSection}
	}
	last := in.left == 0 && in.head.Flags.Has(FlagEndHeaders)
	whole := b[:n]
	if n > 0 && (!last || blk.gathered != nil) {
		if have := blk.gathered; cap(have)-len(have) < n {
			if blk.gathered = c.pool.moved(have, n); have != nil {
				c.pool.releaseBuffer(have)
			}
		}
		blk.gathered = append(blk.gathered, whole...)
	}
	if in.left > 0 {
		return n, false, nil
	}
	c.skip(in.pad)
	if !last {
		return n, true, nil
	}
	blk.open = false
	if blk.gathered != nil {
		whole = blk.gathered
	}
	if err := c.decode(whole); err != nil {
		return n, false, err
	}
	return n, true, c.endBlock()
}

// decode gives a whole field section to hpack, which calls headerField, unless it is known what the section means.
func (c *Conn) decode(whole []byte) error {
	var err error
	if !c.recall(whole) {
		if _, err = c.decoder.Write(whole); err == nil {
			err = c.decoder.Close()
		}
		if err == nil {
			c.remember(whole)
		}
	}
	if b := c.block.gathered; b != nil {
		c.pool.releaseBuffer(b)
		c.block.gathered = nil
	}
	switch {
	case err != nil:
		return decodingError(err)
	case c.block.message != nil && c.block.message.bomb:
		return ConnectionError{EnhanceYourCalm, tooLargeBomb}
	}
	return nil
}

func decodingError(err error) error {
	if errors.Is(err, hpack.ErrStringLength) {
		return ConnectionError{EnhanceYourCalm, tooLargeField}
	}
	return ConnectionError{CompressionError, "a field section cannot be decoded"}
}

// endBlock acts on a field section that is there whole, and keeps nothing of one that brought nothing.
func (c *Conn) endBlock() error {
	err := c.actOnBlock()
	if c.block.message != nil {
		c.pool.releaseMessage(c.block.message)
		c.block.message = nil
	}
	return err
}

func (c *Conn) actOnBlock() error {
	b := &c.block
	m := b.message
	if b.mode > blockRefuse {
		fault := m.finish(c.cfg.ExtendedConnect && c.role == Server)
		if b.fault.Reason == "" && fault != "" {
			b.fault = StreamError{b.id, ProtocolError, fault}
		}
		if m.TooLarge {
			if err := c.fault(costOversize); err != nil {
				return err
			}
		}
	}
	switch {
	case b.fault.Reason != "" && b.mode == blockRequest:
		return c.malformed(b.fault)
	case b.fault.Reason != "":
		return b.fault
	}
	switch b.mode {
	case blockRefuse:
		return c.refuse(StreamError{b.id, RefusedStream, "as many streams are open as are allowed"}, nil)
	case blockRequest:
		return c.request(m)
	case blockHead:
		return c.response(b.stream, m)
	case blockTrailers:
		return c.trailers(b.stream, m)
	}
	return nil
}

// malformed refuses the request that was received (RFC 9113 §8.1.1). Its message is lent until the next call of Feed.
func (c *Conn) malformed(e StreamError) error {
	if err := c.fault(costFault); err != nil {
		return err
	}
	c.lent, c.block.message = c.block.message, nil
	return c.refuse(e, c.lent)
}

// request opens a stream (RFC 9113 §8.3.1).
func (c *Conn) request(m *Message) error {
	b := &c.block
	if m.Method == http1.CONNECT {
		m.DelID(header.ContentLength)
		m.ContentLength = -1
	}
	if b.endStream && m.ContentLength > 0 {
		return c.malformed(StreamError{b.id, ProtocolError, "a body was announced and does not come"})
	}
	s := c.newStream(b.id, Open)
	c.open++
	s.message, s.received, s.length = m, phaseBody, m.ContentLength
	b.message = nil
	if v, ok := m.Get(header.Priority); ok {
		s.priority, _ = ParsePriority9218(v)
	}
	c.earlyPriorityOf(s)
	if b.endStream {
		c.endReceived(s)
	}
	c.event = Event{Kind: EventHeaders, Stream: s, Message: m, EndStream: b.endStream}
	return nil
}

// response takes an interim or the final head of a response (RFC 9113 §8.1, §8.3.2).
func (c *Conn) response(s *Stream, m *Message) error {
	b := &c.block
	if m.Status < 200 && !m.TooLarge {
		if b.endStream {
			return StreamError{s.id, ProtocolError, "an interim response that ends the stream"}
		}
		c.lent, b.message = m, nil
		c.event = Event{Kind: EventHeaders, Stream: s, Message: m}
		return nil
	}
	switch {
	case s.isHead || m.Status == 204 || m.Status == 304:
		s.length = 0
	case s.connect && m.Status < 300:
		m.DelID(header.ContentLength)
		m.ContentLength = -1
	default:
		s.length = m.ContentLength
	}
	if b.endStream && s.length > 0 {
		return StreamError{s.id, ProtocolError, "a body was announced and does not come"}
	}
	s.message, s.received = m, phaseBody
	s.metadata = m.TrailerRule() == header.Metadata // by the head as it came: the application may change it
	b.message = nil
	c.event = Event{Kind: EventHeaders, Stream: s, Message: m, EndStream: b.endStream}
	if b.endStream {
		c.endReceived(s)
	}
	return nil
}

// trailers take the end of a message.
func (c *Conn) trailers(s *Stream, m *Message) error {
	switch {
	case m.TooLarge:
		return StreamError{s.id, EnhanceYourCalm, "trailers that are too large"}
	case s.length > 0:
		return StreamError{s.id, ProtocolError, "the body has not the length that Content-Length says"}
	}
	s.trailers, c.block.message = m, nil
	c.event = Event{Kind: EventTrailers, Stream: s, Message: m, EndStream: true}
	c.endReceived(s)
	return nil
}

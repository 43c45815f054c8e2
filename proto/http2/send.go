package http2

import (
	"github.com/ringway/ringway/proto/header"
	"github.com/ringway/ringway/proto/http1"
)

// RequestHead is what a request to be sent starts with. Its slices are only read. For CONNECT, Scheme and Path are left out,
// unless Protocol makes it an extended one (RFC 8441).
type RequestHead struct {
	Method    []byte
	Scheme    string // "http" or "https"
	Authority []byte
	Path      []byte
	Query     []byte
	HasQuery  bool
	Protocol  []byte
}

// AppendRequest opens a stream with a request at a client. Fields may be nil; of them, Host and what concerns HTTP/1.1's connections
// is left out, TE says no more than trailers. end says that no body follows. The stream must be released. The errors are
// ErrGoingAway, ErrNoStreams, ErrNoStreamIDs, ErrNoExtendedConnect, ErrHeaderListTooLarge, or why the connection has failed.
func (c *Conn) AppendRequest(r *RequestHead, f *header.Fields, end bool) (*Stream, error) {
	if err := c.mayOpen(); err != nil {
		return nil, err
	}
	if len(r.Protocol) > 0 && !c.peer.EnableConnectProtocol {
		return nil, ErrNoExtendedConnect
	}
	size := len(r.Method) + len(r.Scheme) + len(r.Authority) + len(r.Path) + len(r.Query) + len(r.Protocol) + 6*pseudoSize
	if !c.fits(size, f) {
		return nil, ErrHeaderListTooLarge
	}
	s := c.newStream(c.next, Open)
	c.next += 2
	c.open++
	e := &c.encoder
	start := c.beginBlock()
	method := http1.MethodOf(r.Method)
	if method == http1.Other {
		e.field(header.Other, methodName, r.Method)
	} else {
		e.pseudo(methodID, methodName, method.String())
	}
	s.isHead, s.connect = method == http1.HEAD, method == http1.CONNECT
	if !s.connect || len(r.Protocol) > 0 {
		c.target(r)
	}
	if len(r.Authority) > 0 {
		e.repeating(authorityID, authorityName, r.Authority)
	}
	if len(r.Protocol) > 0 {
		e.field(header.Other, protocolName, r.Protocol)
	}
	c.fields(f, false)
	c.endBlockSent(s, start, end)
	s.sent = phaseBody
	if end {
		c.endSent(s)
	}
	return s, nil
}

// ExtendedConnect reports whether the server takes extended CONNECT (RFC 8441 §3), once its settings are known.
func (c *Conn) ExtendedConnect() (allowed, known bool) {
	return c.peer.EnableConnectProtocol, c.sawSettings
}

// target writes :scheme and :path.
func (c *Conn) target(r *RequestHead) {
	e := &c.encoder
	switch r.Scheme {
	case "https":
		e.pseudo(schemeID, schemeName, "https")
	case "http":
		e.pseudo(schemeID, schemeName, "http")
	default:
		e.field(header.Other, schemeName, []byte(r.Scheme))
	}
	if !r.HasQuery {
		e.path(r.Path)
		return
	}
	c.scratch = append(append(append(c.scratch[:0], r.Path...), '?'), r.Query...)
	e.path(c.scratch)
}

// mayOpen tells why no stream can be opened now, or nil.
func (c *Conn) mayOpen() error {
	switch {
	case c.failed != nil:
		return c.failed
	case c.role != Client:
		panic("http2: a server does not open streams")
	case c.peerGone || c.draining != drainNone:
		return ErrGoingAway
	case uint32(c.open) >= c.maxStreams():
		return ErrNoStreams
	case c.next > maxStreamID:
		return ErrNoStreamIDs
	}
	return nil
}

// maxStreams is how many streams the peer lets a client have open.
func (c *Conn) maxStreams() uint32 {
	if !c.sawSettings {
		return initialStreams
	}
	return c.peer.MaxConcurrentStreams
}

// CanOpen is how many streams AppendRequest could open now.
func (c *Conn) CanOpen() int {
	if c.mayOpen() != nil {
		return 0
	}
	return int(min(c.maxStreams()-uint32(c.open), uint32(maxStreamID-c.next)/2+1))
}

// AppendResponse sends the head of a response at a server: any number of interim ones (status 1xx, end false), then the final one.
// Fields may be nil. end says that no body follows. The error says that the stream is closed, or ErrHeaderListTooLarge.
func (c *Conn) AppendResponse(s *Stream, status int, f *header.Fields, end bool) error {
	if err := c.maySend(s, phaseHead); err != nil {
		return err
	}
	interim := status < 200
	if status < 100 || status > 999 || status == 101 || interim && end {
		panic("http2: a response that cannot be sent")
	}
	if !c.fits(pseudoSize+3, f) {
		return ErrHeaderListTooLarge
	}
	start := c.beginBlock()
	at := (status - 100) * 3
	c.encoder.pseudo(statusID, statusName, statusDigits[at:at+3])
	c.fields(f, false)
	c.endBlockSent(s, start, end)
	if !interim {
		s.sent = phaseBody
	}
	if end {
		c.endSent(s)
	}
	return nil
}

// AppendTrailers ends the sending side of a stream with trailers. The error says that the stream is closed, or ErrHeaderListTooLarge.
func (c *Conn) AppendTrailers(s *Stream, f *header.Fields) error {
	if err := c.maySend(s, phaseBody); err != nil {
		return err
	}
	if !c.fits(0, f) {
		return ErrHeaderListTooLarge
	}
	start := c.beginBlock()
	c.fields(f, true)
	c.endBlockSent(s, start, true)
	c.endSent(s)
	return nil
}

// maySend tells why a stream cannot send now, or nil. Sending out of order is a mistake of the caller.
func (c *Conn) maySend(s *Stream, want phase) error {
	if c.failed != nil {
		return c.failed
	}
	if s.state == Closed {
		return StreamError{s.id, s.code, "the stream is closed"}
	}
	if s.sent != want || !s.state.canSend() {
		panic("http2: a message is sent out of order")
	}
	return nil
}

// pseudoSize is more than a pseudo-header field's name and the overhead of a field count in the size of a field section.
const pseudoSize = 32 + len(":authority")

// fits tells whether the peer takes a field section of these fields (RFC 9113 §10.5.1). It must be known before the first field
// is encoded, because the table could not be put right afterwards.
func (c *Conn) fits(size int, f *header.Fields) bool {
	if c.peer.MaxHeaderListSize == unlimited || f == nil {
		return true
	}
	for i := range f.Len() {
		if e := f.Field(i); e.Flags&(header.Removed|header.HopByHop) == 0 {
			size += e.Name.Len() + e.Value.Len() + 32
		}
	}
	return uint64(size) <= uint64(c.peer.MaxHeaderListSize)
}

// usualHead is as much as the field sections of most messages take, before indexing.
const usualHead = 1 << 10

// beginBlock starts a HEADERS frame and gives the buffer to the encoder.
func (c *Conn) beginBlock() (start int) {
	start = len(c.outputFor(usualHead))
	c.encoder.dst = append(c.out, make([]byte, FrameHeaderLen)...)
	return start
}

// endBlockSent writes the frame header, and cuts what is longer than a frame into CONTINUATION frames.
func (c *Conn) endBlockSent(s *Stream, start int, end bool) {
	c.out, c.encoder.dst = c.encoder.dst, nil
	h := FrameHeader{Type: FrameHeaders, Flags: FlagEndHeaders, Stream: s.id}
	if end {
		h.Flags |= FlagEndStream
	}
	const size = maxSendFrame
	n := len(c.out) - start - FrameHeaderLen
	if n > size {
		c.out = splitBlock(c.out, start, n, h)
	} else {
		h.Length = uint32(n)
		h.Append(c.out[:start])
	}
	c.controls.earn(c.cfg.Control, earnMessage)
}

// splitBlock makes room for the headers of CONTINUATION frames within a field section of n bytes, from its end on.
func splitBlock(out []byte, start, n int, h FrameHeader) []byte {
	const size = maxSendFrame
	more := (n - 1) / size // CONTINUATION frames
	out = append(out, make([]byte, more*FrameHeaderLen)...)
	for i := more; i > 0; i-- {
		from := start + FrameHeaderLen + i*size
		to := from + i*FrameHeaderLen
		length := min(size, n-i*size)
		copy(out[to:to+length], out[from:from+length])
		next := FrameHeader{Length: uint32(length), Type: FrameContinuation, Stream: h.Stream}
		if i == more {
			next.Flags = FlagEndHeaders
		}
		next.Append(out[:to-FrameHeaderLen])
	}
	h.Flags &^= FlagEndHeaders
	h.Length = size
	h.Append(out[:start])
	return out
}

// fields writes the fields that pass to the next hop, their names in lower case.
func (c *Conn) fields(f *header.Fields, trailers bool) {
	if f == nil {
		return
	}
	for i := range f.Len() {
		e := f.Field(i)
		switch {
		case e.Flags&header.Removed != 0 || forbidden>>e.ID&1 != 0:
		case e.ID == header.TE: // hop-by-hop, but this hop forwards trailers
			if value := f.Bytes(e.Flags, e.Value); !trailers && header.TakesTrailers(value) {
				c.encoder.field(header.TE, teName, teTrailers)
			}
		case e.Flags&header.HopByHop != 0 || e.ID == header.Host:
		default:
			c.lower = appendLower(c.lower[:0], f.Bytes(e.Flags, e.Name))
			c.encoder.field(e.ID, c.lower, f.Bytes(e.Flags, e.Value))
		}
	}
}

var teName, teTrailers = []byte("te"), []byte("trailers")

// statusDigits holds the digits of all statuses, 100 first, so that a status is a string without making one.
var statusDigits = buildStatusDigits()

func buildStatusDigits() string {
	b := make([]byte, 0, 900*3)
	for status := 100; status <= 999; status++ {
		b = append(b, byte('0'+status/100), byte('0'+status/10%10), byte('0'+status%10))
	}
	return string(b)
}

// AppendData sends a part of a body, as far as the windows allow, and ends the stream behind it if end is set and all of p went.
// It returns how many bytes went; p is copied. What follows DATA of the same stream that waits to be sent joins that frame.
func (c *Conn) AppendData(s *Stream, p []byte, end bool) (n int, err error) {
	if err := c.maySend(s, phaseBody); err != nil {
		return 0, err
	}
	if n = c.joinTail(s, p, end); n > 0 && n == len(p) || s.sent == phaseEnded {
		return n, nil
	}
	for {
		room := min(len(p)-n, maxSendFrame)
		k, err := c.AppendDataHeader(s, room, end && room == len(p)-n)
		if err != nil {
			return n, err
		}
		if k > 0 {
			c.tail = tail{len(c.out) - FrameHeaderLen, s.id}
		}
		c.out = append(c.out, p[n:n+k]...)
		if n += k; k == 0 || n == len(p) {
			return n, nil
		}
	}
}

// tail is the last DATA frame in out, while it is not lent: its length and its flags can still change. It has none if stream is 0.
type tail struct {
	at     int
	stream StreamID
}

// joinTail lengthens the stream's last frame by as much of p as fits, if nothing stands behind it, and ends the stream with it: bodies
// come in pieces of any size, and their end often by itself, which need not be frames of their own.
func (c *Conn) joinTail(s *Stream, p []byte, end bool) (n int) {
	if c.tail.stream != s.id {
		return 0
	}
	head := c.out[c.tail.at : c.tail.at+FrameHeaderLen]
	h := ParseFrameHeader(head)
	if c.tail.at+FrameHeaderLen+int(h.Length) == len(c.out) {
		n = min(len(p), c.Writable(s), maxSendFrame-int(h.Length))
	}
	if end = end && n == len(p); n == 0 && !end {
		return 0
	}
	if h.Length += uint32(n); end {
		h.Flags |= FlagEndStream
	}
	h.Append(head[:0])
	c.out = append(c.outputFor(n), p[:n]...)
	c.dataSent(s, n, n == len(p), end)
	return n
}

// AppendDataHeader sends the header of a DATA frame of up to n bytes, as far as the windows and one frame allow, and returns
// how many there must be: exactly these are to be sent right behind what is Pending then, by whatever means (splice, or
// a vector), before anything else is appended. end holds only if all n go. Nothing is appended when none can go, unless n is
// 0 and end is set.
func (c *Conn) AppendDataHeader(s *Stream, n int, end bool) (int, error) {
	if err := c.maySend(s, phaseBody); err != nil {
		return 0, err
	}
	window := c.Writable(s)
	k := min(n, window, maxSendFrame)
	end = end && k == n
	if k == 0 && !end {
		c.schedule(s)
		return 0, nil
	}
	c.tail = tail{}
	c.out = appendDataHeader(c.outputFor(FrameHeaderLen+k), s.id, k, end)
	c.dataSent(s, k, k == n, end)
	return k, nil
}

// dataSent notes that n bytes of a body leave: all that there were, or as many as the window has let.
func (c *Conn) dataSent(s *Stream, n int, all, end bool) {
	s.sendWindow -= int32(n)
	c.sendWindow -= int32(n)
	c.owed, c.streamsOwed = c.owed+int64(n), c.streamsOwed+int64(n)
	if all || n >= tinyData { // else the peer doles out its window
		s.progressAt, c.progressAt = c.now, c.now
		c.controls.earn(c.cfg.Control, earnMessage)
	}
	if s.queued {
		c.ready.sent(s)
	}
	if end {
		c.endSent(s)
	} else {
		c.schedule(s)
	}
}

// Ping asks the peer for a sign of life; EventPingAck brings the data back. The data of a drain's own PING must not be used.
func (c *Conn) Ping(data [8]byte) {
	if c.failed != nil {
		return
	}
	c.pings++
	c.out = PingFrame{Data: data}.Append(c.output())
}

// drainPing is what is sent between the two GOAWAY of a drain.
var drainPing = [8]byte{'r', 'w', 'd', 'r', 'a', 'i', 'n', 0}

// Drain lets the connection end without losing a request (RFC 9113 §6.8). A server first says GOAWAY without naming a last stream,
// then, when the peer has answered a PING and so has seen it, or after SettingsTimeout, or when Drain is called again, GOAWAY
// with the last stream that it has seen. A client opens no more streams. When Drained says so, the connection can be closed.
func (c *Conn) Drain() {
	switch {
	case c.failed != nil || c.draining == drainLast:
	case c.role == Client:
		c.draining = drainLast
		c.appendGoAway(0, NoError, "")
	case c.draining == drainNone:
		c.draining, c.drainAt = drainSaid, c.now
		c.appendGoAway(maxStreamID, NoError, "")
		c.Ping(drainPing)
	default:
		c.lastGoAway()
	}
}

func (c *Conn) lastGoAway() {
	c.draining = drainLast
	c.appendGoAway(c.lastPeer, NoError, "")
}

// Drained tells whether Drain, or the peer's GOAWAY at a client, has come to its end: no stream is left, and all is sent.
func (c *Conn) Drained() bool {
	ending := c.draining == drainLast || c.role == Client && c.peerGone
	return ending && c.streams.n == 0 && len(c.Pending()) == 0
}

// GoAway ends the connection at once, telling why. Every call fails from then on.
func (c *Conn) GoAway(code ErrCode, debug string) { _ = c.fail(ConnectionError{code, debug}) }

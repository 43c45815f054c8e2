package http2

// State is the state of a stream (RFC 9113 §5.1). The reserved states do not occur, since nothing is pushed here, and idle
// streams have no Stream.
type State uint8

// The states of a stream.
const (
	Closed State = iota
	Open
	HalfClosedLocal  // we have ended it
	HalfClosedRemote // the peer has ended it
)

// String returns the RFC's name.
func (s State) String() string {
	return [...]string{"closed", "open", "half-closed (local)", "half-closed (remote)"}[s&3]
}

func (s State) canReceive() bool { return s == Open || s == HalfClosedLocal }
func (s State) canSend() bool    { return s == Open || s == HalfClosedRemote }

// phase is how far the messages of a stream have come, in one direction.
type phase uint8

const (
	phaseHead  phase = iota // only interim responses so far
	phaseBody               // the final head is there
	phaseEnded              // trailers or END_STREAM
)

// Stream is one request and its response. It belongs to the Conn that made it until Release, and to its Pool from then on.
type Stream struct {
	// Owner is the application's: whatever it wants to find again when an event names this stream.
	Owner any

	id       StreamID
	state    State
	received phase
	sent     phase
	released bool // by the application
	isHead   bool // HEAD: the response has no body, whatever Content-Length says
	connect  bool // CONNECT: Content-Length means nothing in a response of 2xx
	metadata bool // a response of gRPC: its trailers are metadata
	ready    bool // has data to send
	queued   bool // is in the scheduler's ring
	code     ErrCode
	priority Priority

	recv       receiving
	sendWindow int32
	length     int64 // what is left of the body received, -1 if nothing was said
	progressAt int64 // when it got data to send, or sent some in earnest

	message  *Message // the head received
	trailers *Message

	bucket     *Stream // the next in the same bucket of the table
	next, prev *Stream // in the ring of its urgency
	due        *Stream // the next of those whose end is still to be told
}

// ID is the stream's identifier.
func (s *Stream) ID() StreamID { return s.id }

// State is the stream's state.
func (s *Stream) State() State { return s.state }

// Priority is what the peer, or SetPriority, asked for.
func (s *Stream) Priority() Priority { return s.priority }

// Code is why the stream was reset, by either side.
func (s *Stream) Code() ErrCode { return s.code }

// Message is the head that was received, or nil: of the request at a server, of the final response at a client. It is valid
// until Release.
func (s *Stream) Message() *Message { return s.message }

// table finds streams by their identifier. Those of live streams are close together, so that the low bits are a hash
// without collisions in most cases. It grows with the number of streams and is kept.
type table struct {
	buckets []*Stream
	n       int
}

const minBuckets = 8

func (t *table) slot(id StreamID) **Stream { return &t.buckets[int(id>>1)&(len(t.buckets)-1)] }

func (t *table) get(id StreamID) *Stream {
	if t.n == 0 {
		return nil
	}
	s := *t.slot(id)
	for s != nil && s.id != id {
		s = s.bucket
	}
	return s
}

func (t *table) put(s *Stream) {
	if t.n >= len(t.buckets) {
		t.grow()
	}
	p := t.slot(s.id)
	s.bucket, *p = *p, s
	t.n++
}

func (t *table) grow() {
	old := t.buckets
	t.buckets = make([]*Stream, max(minBuckets, 2*len(old)))
	for _, s := range old {
		for s != nil {
			next, p := s.bucket, t.slot(s.id)
			s.bucket, *p = *p, s
			s = next
		}
	}
}

func (t *table) remove(s *Stream) {
	for p := t.slot(s.id); *p != nil; p = &(*p).bucket {
		if *p == s {
			*p, s.bucket = s.bucket, nil
			t.n--
			return
		}
	}
	panic("http2: a stream is not in the table")
}

// each calls f for every stream; f may remove the one that it is given.
func (t *table) each(f func(*Stream)) {
	if t.n == 0 {
		return
	}
	for _, s := range t.buckets {
		for s != nil {
			next := s.bucket
			f(s)
			s = next
		}
	}
}

// endings remembers how streams ended of late, because what may still come for them differs (RFC 9113 §5.1): what the peer
// sent before it saw our RST_STREAM is passed over, anything after its own end is an error. It holds up to limit of either. A client
// needs the latter only (late.go).
type endings struct {
	limit int
	ours  ring // reset by us while the peer might send
	peers ring // ended or reset by the peer
}

// leastEndings is how many of our own are remembered, however few streams may be open at a time: a client learns of that bound only
// after it has sent its first requests, which are refused beyond it while their bodies are on their way.
const leastEndings = 256

// ring is a bounded list of identifiers that forgets the oldest. It grows to its bound as needed.
type ring struct {
	ids  []StreamID
	next int
}

func (r *ring) add(id StreamID, limit int) {
	if len(r.ids) < limit {
		r.ids = append(r.ids, id)
		return
	}
	r.ids[r.next] = id
	r.next = (r.next + 1) % limit
}

func (r *ring) has(id StreamID) bool {
	for _, v := range r.ids {
		if v == id {
			return true
		}
	}
	return false
}

// maxPeerEndings is how many streams are remembered that the peer has ended. It only decides between two error codes.
const maxPeerEndings = 16

func (c *Conn) newStream(id StreamID, state State) *Stream {
	s := c.pool.stream()
	*s = Stream{id: id, state: state, length: -1, priority: DefaultPriority, sendWindow: int32(c.peer.InitialWindowSize)}
	s.recv.size = c.firstWindow()
	s.recv.left = s.recv.size
	c.streams.put(s)
	return s
}

// firstWindow is how many bytes the peer may send on a new stream.
func (c *Conn) firstWindow() int32 {
	size := int32(c.cfg.StreamWindow)
	if !c.settingsAcked {
		size = max(size, initialWindow) // the peer may not know better yet (RFC 9113 §6.9.3)
	}
	return size
}

// endReceived is END_STREAM from the peer.
func (c *Conn) endReceived(s *Stream) {
	s.received = phaseEnded
	if s.state == Open {
		s.state = HalfClosedRemote
		return
	}
	c.endings.peers.add(s.id, maxPeerEndings)
	c.close(s)
	c.resets.earn(c.cfg.Resets, earnComplete)
}

// endSent is END_STREAM to the peer.
func (c *Conn) endSent(s *Stream) {
	s.sent, s.ready = phaseEnded, false
	c.unqueue(s)
	if s.state == Open {
		s.state = HalfClosedLocal
		return
	}
	c.endings.peers.add(s.id, maxPeerEndings)
	c.close(s)
	c.resets.earn(c.cfg.Resets, earnComplete)
}

// close takes the stream out of the protocol. The application may hold it until it releases it.
func (c *Conn) close(s *Stream) {
	s.state, s.ready = Closed, false
	c.unqueue(s)
	c.streams.remove(s)
	if c.block.stream == s { // a field section for it is amid its frames: that is decoded, and means nothing any more
		c.block.stream, c.block.mode, c.block.fault = nil, blockIgnore, StreamError{}
	}
	if c.role == Client {
		c.open--
	}
}

// abort closes the stream with RST_STREAM.
func (c *Conn) abort(s *Stream, code ErrCode) {
	c.endHere(s)
	c.out = ResetFrame{s.id, code}.Append(c.output())
	s.code = code
	c.close(s)
}

// Reset ends the stream for both sides, if it is not closed yet.
func (c *Conn) Reset(s *Stream, code ErrCode) {
	if s.state != Closed && c.failed == nil {
		c.abort(s, code)
	}
}

// Release gives the stream back, which the application must do for each one that an event or AppendRequest gave it, also after it
// was reset. A stream that is not closed is reset: with NO_ERROR where the response is complete and the peer need not send
// the rest of its request (RFC 9113 §8.1), else with CANCEL. Bytes of its body that were not consumed make room for others.
// The stream, its messages and all slices of them are not to be used any more.
func (c *Conn) Release(s *Stream) {
	if s.released {
		panic("http2: a stream was released twice")
	}
	if s.state == HalfClosedLocal && c.role == Server {
		c.Reset(s, NoError)
	} else {
		c.Reset(s, Cancel)
	}
	s.released = true
	if s.state != Closed {
		c.close(s) // the connection has failed: there is nobody to tell
	}
	if s.recv.held > 0 {
		c.consumedConn(s.recv.held)
		s.recv.held = 0
	}
	if c.role == Server {
		c.open--
	}
	c.forget(s)
	c.pool.release(s)
}

package http2

import (
	"golang.org/x/net/http2/hpack"
)

// Role is which end of the connection this is.
type Role uint8

// The two roles.
const (
	Server Role = iota
	Client
)

// ClientPreface is what a client sends first (RFC 9113 §3.4).
const ClientPreface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"

// MatchPreface tells whether a connection that starts with b speaks HTTP/2 with prior knowledge (RFC 9113 §3.3): match says so,
// more that it cannot be told before more bytes are there.
func MatchPreface(b []byte) (match, more bool) {
	n := min(len(b), len(ClientPreface))
	if string(b[:n]) != ClientPreface[:n] {
		return false, false
	}
	return n == len(ClientPreface), n < len(ClientPreface)
}

// EventKind says what an Event tells.
type EventKind uint8

// The kinds of events. The comments say which fields of Event are set.
const (
	// EventNone does not occur.
	EventNone EventKind = iota
	// EventHeaders brings Message, the head of a request (a new Stream, which must be released) or of a response, interim ones
	// included; EndStream.
	EventHeaders
	// EventData brings Data, a part of a body, or only EndStream. The application calls Consumed when it is done with the bytes.
	EventData
	// EventTrailers brings Message, the trailers, with which the peer's side of the Stream ends.
	EventTrailers
	// EventReset says that Stream is closed: by the peer, or (Local) here because of a mistake of the peer. Code and Reason.
	EventReset
	// EventRefused says that a stream was reset here that the application has never got, or not any more: ID, Code, Reason. Message is the
	// request, as far as it was understood, if it was malformed.
	EventRefused
	// EventGoAway says that the peer lets the connection end: Code, Last, Data for its debug data. At a client an EventReset with
	// RefusedStream follows for each request that the peer has not looked at and that can be sent again.
	EventGoAway
	// EventSettings says that the peer's settings have changed; streams may have got room to send.
	EventSettings
	// EventPingAck answers Ping: Ping.
	EventPingAck
	// EventWindow says that Stream, or all streams where it is nil, may send more.
	EventWindow
	// EventPriority says that the peer has changed the priority of Stream.
	EventPriority
	// EventStalled says that Stream has had data to send for StallTimeout and no window to send it in. What to do about it is the
	// application's affair: usually Reset with Cancel.
	EventStalled
)

// Event is something that the peer did. It and what it points to is valid until the next call of Feed or Tick, but for Stream
// and its messages, which are valid until Release. Reason is one of a few texts of ours, without anything of the peer's.
type Event struct {
	Kind      EventKind
	EndStream bool
	Local     bool
	Code      ErrCode
	ID, Last  StreamID
	Stream    *Stream
	Message   *Message
	Data      []byte
	Reason    string
	Ping      [8]byte
}

// Conn is one end of an HTTP/2 connection, as a pure object. Received bytes go in by Feed; what it and the application send is
// appended to one buffer, which Pending shows and Wrote takes from. Tick must be called when Deadline has come.
type Conn struct {
	cfg    *Config
	pool   *Pool
	role   Role
	failed error
	now    int64
	event  Event

	in       input
	block    block
	decoder  *hpack.Decoder
	repeated *repeated // nil until a section may be
	encoder  encoder

	out      []byte
	outgrown [][]byte // what out was since Pending lent it
	lentOut  bool     // from Pending to Wrote
	written  int      // bytes of out that are on their way
	replies  replies
	tail     tail

	peer          Settings
	sawSettings   bool
	settingsAcked bool
	settingsAt    int64 // when ours were sent
	pings         int   // not answered

	recv       receiving
	sendWindow int32
	// owed and streamsOwed are the bytes of DATA sent that the peer may still return to the connection's window, and to those of
	// the streams.
	owed, streamsOwed int64

	streams  table
	ready    scheduler
	open     int      // server: streams not released; client: streams not closed
	seen     StreamID // server: the highest stream that the peer has opened
	lastPeer StreamID // server: the highest that was not passed over because of GOAWAY
	next     StreamID // client: the next of ours
	endings  endings
	late     late
	early    []earlyPriority
	due      *Stream // streams whose end is still to be told

	resets, faults, controls account

	draining   drain
	lastSaid   StreamID // in the last GOAWAY sent
	peerGone   bool     // the peer has sent GOAWAY
	peerLast   StreamID
	drainAt    int64 // when the first GOAWAY was sent
	stallAt    int64 // when to look for stalled streams; 0: never
	progressAt int64 // when a stream last sent some of a body in earnest
	lent       *Message

	lower, scratch []byte // a field's name in lower case, and :path with its query
}

// drain is how far the end of the connection has come.
type drain uint8

const (
	drainNone drain = iota
	drainSaid       // the first GOAWAY is sent: streams may still come
	drainLast       // the second: none may
)

// NewConn starts a connection: the client's preface, SETTINGS and the connection's window wait in Pending. The Config must be
// valid. now is in nanoseconds, of the clock that Feed and Tick get their times from.
func NewConn(role Role, cfg *Config, pool *Pool, now int64) *Conn {
	c := &Conn{cfg: cfg, pool: pool, role: role, now: now, peer: InitialSettings(), sendWindow: initialWindow, settingsAt: now, next: 1}
	c.peerLast, c.lastSaid = maxStreamID, maxStreamID
	c.recv = receiving{left: int32(cfg.ConnectionWindow), size: int32(cfg.ConnectionWindow)}
	c.endings.limit = max(2*cfg.MaxConcurrentStreams, leastEndings)
	c.resets = account{int32(cfg.Resets.Burst), now}
	c.faults = account{int32(cfg.Faults.Burst), now}
	c.controls = account{int32(cfg.Control.Burst), now}
	// Until our SETTINGS are acknowledged the peer's encoder may use the initial size.
	c.decoder = hpack.NewDecoder(defaultTableSize, c.headerField)
	c.decoder.SetAllowedMaxDynamicTableSize(uint32(max(cfg.HeaderTableSize, defaultTableSize)))
	c.decoder.SetMaxStringLength(cfg.MaxHeaderBlock)
	c.encoder.init(min(cfg.EncoderTableSize, defaultTableSize), cfg.EncoderTableSize)
	out := c.output()
	if role == Client {
		out = append(out, ClientPreface...)
		c.in.stage = stageFrame
	}
	out = AppendSettings(out, cfg.settings(role)...)
	if more := cfg.ConnectionWindow - initialWindow; more > 0 {
		out = WindowUpdateFrame{0, uint32(more)}.Append(out)
	}
	c.out = out
	return c
}

// Upgrade makes stream 1 of the HTTP/1.1 request with which a client asked for h2c (RFC 7540 §3.2), whose HTTP2-Settings have
// been parsed. The request has been received whole; its message is the caller's. It is called before the first Feed, and the
// response 101 is sent before anything that is Pending.
func (c *Conn) Upgrade(settings []Setting) (*Stream, error) {
	for _, s := range settings {
		if err := c.setting(s); err != nil {
			return nil, c.fail(err)
		}
	}
	s := c.newStream(1, HalfClosedRemote)
	s.received = phaseEnded
	c.seen, c.lastPeer = 1, 1
	c.open++
	return s, nil
}

// Upgraded is the client's side of Upgrade: the server has answered 101, and its response comes on stream 1.
func (c *Conn) Upgraded(head bool) *Stream {
	s := c.newStream(1, HalfClosedLocal)
	s.sent, s.isHead = phaseEnded, head
	c.next = 3
	c.open++
	return s
}

// AppendUpgrade appends the value of HTTP2-Settings that tells a server what the Config's clients want.
func (c *Config) AppendUpgrade(dst []byte) []byte {
	return AppendHTTP2Settings(dst, c.settings(Client)...)
}

// Close gives back what the connection holds of its Pool. Streams that are not released yet can still be.
func (c *Conn) Close() {
	if c.failed == nil {
		c.failed = ErrGoingAway
	}
	c.dropBlock()
	c.dropRepeated()
	c.returnLent()
	c.returnOutgrown()
	if c.out != nil {
		c.pool.releaseBuffer(c.out)
		c.out, c.written = nil, 0
	}
}

// SetNow tells the time, for what is done outside of Feed and Tick: SetReady, what is appended, and Drain begin to count from it. Without
// it they would count from when the peer was heard last, which may be any time ago.
func (c *Conn) SetNow(now int64) { c.now = max(c.now, now) }

// Err is why the connection has failed, or nil.
func (c *Conn) Err() error { return c.failed }

// Peer are the peer's settings.
func (c *Conn) Peer() Settings { return c.peer }

// Streams is the number of streams that are not closed.
func (c *Conn) Streams() int { return c.streams.n }

// Unreleased is, at a server, the number of streams that the application has not released yet.
func (c *Conn) Unreleased() int { return c.open }

// fail ends the connection: GOAWAY is appended, everything else is over.
func (c *Conn) fail(err error) error {
	if c.failed != nil {
		return c.failed
	}
	if e, ok := err.(ConnectionError); ok {
		c.appendGoAway(c.lastPeer, e.Code, e.Debug)
	}
	c.failed = err
	c.dropBlock()
	return err
}

func (c *Conn) appendGoAway(last StreamID, code ErrCode, debug string) {
	c.lastSaid = min(c.lastSaid, last)
	dst := FrameHeader{Length: uint32(8 + len(debug)), Type: FrameGoAway}.Append(c.output())
	dst = appendUint32(appendUint32(dst, uint32(c.lastSaid)), uint32(code))
	c.out = append(dst, debug...)
}

// Deadline is when Tick must be called next, or 0 for never.
func (c *Conn) Deadline() int64 {
	due := c.stallAt
	earlier := func(at int64) {
		if due == 0 || at < due {
			due = at
		}
	}
	if c.failed != nil {
		return 0
	}
	if !c.settingsAcked {
		earlier(c.settingsAt + int64(c.cfg.SettingsTimeout))
	}
	if c.draining == drainSaid {
		earlier(c.drainAt + int64(c.cfg.SettingsTimeout))
	}
	if c.block.open {
		earlier(c.block.at + int64(c.cfg.HeaderTimeout))
	}
	if at := c.restRepeated(); at != 0 {
		earlier(at)
	}
	return due
}

// Tick does what time brings: it fails when the peer has not acknowledged our SETTINGS or does not finish a field section, sends
// the second GOAWAY, forgets what a connection at rest need not know, and tells of stalled streams, one a call. It is called again until it returns no event.
func (c *Conn) Tick(now int64) (*Event, error) {
	if c.failed != nil {
		return nil, c.failed
	}
	c.now, c.event = now, Event{}
	if !c.settingsAcked && now >= c.settingsAt+int64(c.cfg.SettingsTimeout) {
		return nil, c.fail(ConnectionError{SettingsTimeout, settingsIgnored})
	}
	if c.block.open && now >= c.block.at+int64(c.cfg.HeaderTimeout) {
		return nil, c.fail(ConnectionError{EnhanceYourCalm, tooSlowSection})
	}
	if c.draining == drainSaid && now >= c.drainAt+int64(c.cfg.SettingsTimeout) {
		c.lastGoAway()
	}
	if at := c.restRepeated(); at != 0 && now >= at {
		c.dropRepeated()
	}
	if c.stallAt != 0 && now >= c.stallAt {
		if s := c.stalled(); s != nil {
			c.event = Event{Kind: EventStalled, Stream: s}
			return &c.event, nil
		}
	}
	return nil, nil
}

// stalled finds a stream that has been without a window for too long, and when to look next. While others get what the connection has of
// one, that is not the peer's doing but theirs, by their priorities.
func (c *Conn) stalled() (found *Stream) {
	timeout := int64(c.cfg.StallTimeout)
	next := int64(0)
	c.streams.each(func(s *Stream) {
		if !s.ready {
			return
		}
		if c.now >= s.progressAt+timeout {
			switch {
			case found != nil:
			case c.Writable(s) >= tinyData:
				s.progressAt = c.now // it has a window: others are before it
			case s.sendWindow >= tinyData && c.now < c.progressAt+timeout:
				s.progressAt = c.progressAt // the connection's window goes to others, which are before it
			default:
				found = s
				s.progressAt = c.now // so that it is told of once
			}
		}
		if next == 0 || s.progressAt+timeout < next {
			next = s.progressAt + timeout
		}
	})
	c.stallAt = next
	return found
}

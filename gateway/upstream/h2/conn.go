package h2

import (
	"errors"
	"fmt"
	"runtime/debug"
	"time"

	"github.com/ringway/ringway/conn"
	"github.com/ringway/ringway/loop"
	"github.com/ringway/ringway/proto/header"
	"github.com/ringway/ringway/proto/http2"
)

// Config is how connections are used. It is shared by them and not changed.
type Config struct {
	HTTP2       *http2.Config
	Streams     int           // at a time at most, beside what the server allows
	Write       time.Duration // for every wait to send; 0: any
	Idle        time.Duration // that a connection without streams is kept; 0: any
	PingAfter   time.Duration // without a byte while streams are open, until a PING asks for a sign of life; 0: never
	PingTimeout time.Duration // for its answer
}

// Owner keeps connections. Its methods run on the loop, in a task or not, and must not wait.
type Owner interface {
	// Freed says that the connection may have got room for another stream, or that its last stream has ended.
	Freed(c *Conn)
	// GoingAway says that the server lets the connection end.
	GoingAway(c *Conn, code http2.ErrCode)
	// Closed says, once, that the connection has ended. Streams may still be held, but have failed.
	Closed(c *Conn)
	// Panicked says that something of ours was brought down, which ends the connection.
	Panicked(c *Conn)
}

// Conn is one connection to a server. At rest it is this record, a pending receive and a timer.
type Conn struct {
	cfg    *Config
	io     conn.Stream
	loop   *loop.Loop
	m      *http2.Conn
	owner  Owner
	shared *shared

	streams []*Stream // those that are not released
	senders []*Stream // those that wait to send, the longest first
	dryAt   int64     // since when the server takes no bytes of any body; 0: it does
	asking  []*asker  // who waits for the server's settings
	writing bool      // a task hands over what is pending
	ending  bool      // it opens no streams any more, and ends with the last
	over    bool      // the transport is closed, or being closed
	feeding bool      // received bytes are being read: it must not end now
	doubt   bool      // it is to show a sign of life before it gets another stream
	err     error     // what has ended it
	goAway  error     // what the server said of that beforehand

	readAt int64 // when something came last
	restAt int64 // since when there is no stream
	pingAt int64 // when the PING was sent that has no answer yet; 0: there is none
	fires  int64 // when timer runs out
	timer  loop.Timer
	pings  uint64
}

// New makes an HTTP/2 connection of a transport that is fresh, which belongs to it from then on. Start is called next. Requests
// may be sent at once; the server's SETTINGS are heeded when they are there.
func New(io conn.Stream, cfg *Config, owner Owner) *Conn {
	l := io.Net().Loop
	c := &Conn{cfg: cfg, io: io, loop: l, owner: owner, shared: *perLoop.Get(l)}
	c.m = http2.NewConn(http2.Client, cfg.HTTP2, c.shared.pool, l.Now())
	c.timer.Expirer = c
	c.readAt, c.restAt = l.Now(), l.Now()
	return c
}

// Start sends the preface and begins to receive.
func (c *Conn) Start() {
	c.io.SetReadTimeout(0)
	c.io.Multishot(true)
	c.io.Watch(c)
	c.Readable(nil)
}

// Configure changes how the connection is used from now on; what the server was told stays.
func (c *Conn) Configure(cfg *Config) {
	c.cfg = cfg
	if c.err == nil {
		c.loop.StopTimer(&c.timer)
		c.settle()
	}
}

// Room is how many streams could be opened now.
func (c *Conn) Room() int {
	if c.err != nil || c.ending || c.doubt {
		return 0
	}
	return max(min(c.m.CanOpen(), c.cfg.Streams-len(c.streams)), 0)
}

// Barred reports whether the server's settings are there and let no stream be opened, although none is.
func (c *Conn) Barred() bool {
	_, known := c.m.ExtendedConnect()
	return known && !c.Ending() && !c.doubt && len(c.streams) == 0 && c.m.CanOpen() == 0
}

// Streams is the number of streams that are not released.
func (c *Conn) Streams() int { return len(c.streams) }

// Err is what has ended the connection, or nil.
func (c *Conn) Err() error { return c.err }

// Ending reports whether the connection takes no more streams.
func (c *Conn) Ending() bool { return c.err != nil || c.ending }

// Open sends the head of a request; end says that it has no body. It does not wait. The stream must be released. ErrRefused
// says that there is no room any more; http2.ErrHeaderListTooLarge that the server would not take the head.
func (c *Conn) Open(r *http2.RequestHead, f *header.Fields, end bool) (*Stream, error) {
	if c.err != nil || c.ending {
		return nil, ErrRefused
	}
	hs, err := c.m.AppendRequest(r, f, end)
	switch {
	case err == nil:
	case errors.Is(err, http2.ErrGoingAway), errors.Is(err, http2.ErrNoStreams), errors.Is(err, http2.ErrNoStreamIDs):
		c.ending = c.ending || errors.Is(err, http2.ErrNoStreamIDs)
		return nil, ErrRefused
	default:
		return nil, err
	}
	s := c.shared.take()
	s.c, s.s, s.index, s.sent, s.openedAt = c, hs, len(c.streams), end, c.loop.Now()
	hs.Owner = s
	c.streams = append(c.streams, s)
	c.kick()
	c.schedule()
	return s, nil
}

// Drain lets the connection end with its last stream.
func (c *Conn) Drain() {
	if c.err != nil {
		return
	}
	if !c.ending {
		c.ending = true
		c.m.Drain()
	}
	c.settle()
}

// settle does what is due after a change: what is pending is sent, what has come to its end ends, and the timer is set.
func (c *Conn) settle() {
	if c.err != nil || c.feeding {
		return
	}
	c.kick()
	if c.ending && len(c.streams) == 0 && !c.writing {
		c.end(errAtRest)
		return
	}
	c.schedule()
}

// end ends the connection, and with it every stream. What is pending is sent first, if that is possible.
func (c *Conn) end(why error) {
	if c.err != nil {
		return
	}
	c.err = why
	c.loop.StopTimer(&c.timer)
	c.io.Watch(nil)
	for _, s := range c.streams {
		s.fail(why)
	}
	c.wakeUnsettled()
	if c.io.Err() == nil && c.io.WriteErr() == nil && !abrupt(why) {
		c.kick()
	}
	c.finish()
	c.owner.Closed(c)
}

// abrupt reports whether nothing more is to be sent.
func abrupt(why error) bool { return why == ErrSilent || why == ErrPanicked }

// finish closes the transport, once nothing is being written.
func (c *Conn) finish() {
	if c.writing && !abrupt(c.err) || c.over {
		return
	}
	c.over = true
	if abrupt(c.err) {
		c.io.Abort()
	} else {
		_ = c.io.Close()
	}
	if !c.writing {
		c.m.Close()
	}
}

// recovered ends a connection where something of ours was brought down outside any task: the fault is the gateway's, but it must not
// end the process. What the state machine has left to say is not to be trusted.
func (c *Conn) recovered() {
	v := recover()
	if v == nil {
		return
	}
	c.loop.Log().Error("panic in a connection of HTTP/2 to a server", "peer", c.io.Remote(), "err", fmt.Sprint(v), "stack", string(debug.Stack()))
	c.feeding = false
	c.owner.Panicked(c)
	if c.err == nil {
		c.end(ErrPanicked)
	}
}

// remove takes a stream out of the connection.
func (c *Conn) remove(s *Stream) {
	last := len(c.streams) - 1
	c.streams[s.index] = c.streams[last]
	c.streams[s.index].index = s.index
	c.streams[last] = nil
	c.streams = c.streams[:last]
	if last == 0 {
		c.restAt = c.loop.Now()
	}
	if s.queued {
		c.unqueue(s)
	}
}

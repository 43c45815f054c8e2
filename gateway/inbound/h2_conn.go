package inbound

import (
	"fmt"
	"io"
	"runtime/debug"

	"github.com/ringway/ringway/buf"
	"github.com/ringway/ringway/conn"
	"github.com/ringway/ringway/errs"
	"github.com/ringway/ringway/gateway/exchange"
	"github.com/ringway/ringway/loop"
	"github.com/ringway/ringway/proto/http2"
)

// h2Conn is a session whose client speaks HTTP/2. At rest it is this record, the state of the protocol and a pending receive.
// Frames are taken as they arrive, without a task; each request gets one (h2_request.go). What they send comes together in one
// buffer, and a task that lasts as long as there is something to send writes it (h2_write.go).
type h2Conn struct {
	s  *session
	hc *http2.Conn

	requests []*h2Request // those that go on
	crowd    []*h2Request // those of them that wait for room in the buffer
	writing  bool         // a task writes
	gone     bool         // the descriptor is closed
	failed   bool         // the client broke the rules, and GOAWAY says which
	left     bool         // the client has ended its side, and is answered what it has asked for
	lingers  bool         // this side has ended, and waits for the client to do so
	stray    int          // bytes that have come since

	life h2Life
}

// h2Pools are what the connections of a loop share.
var h2Pools = loop.NewLocal(func(l *loop.Loop) *http2.Pool {
	p := http2.NewPool()
	p.Poison = buf.Poison
	return p
})

// newH2 makes the session one of HTTP/2. Its client's preface, or what follows an upgrade, has not been taken yet; start has to
// follow.
func (s *session) newH2() *h2Conn {
	h := s.h
	now := h.n.Loop.Now()
	cfg := h.terms.http2
	if cfg == nil { // a reload has taken HTTP/2 away since it was agreed on; start drains the connection
		cfg = &lastHTTP2
	}
	c := &h2Conn{s: s, hc: http2.NewConn(http2.Server, cfg, *h2Pools.Get(h.n.Loop), now)}
	c.life.start(now)
	s.h2, s.active, s.watching = c, true, false
	h.Counters.HTTP2.Connections++
	h.Counters.HTTP2.ConnectionsEver++
	return c
}

// lastHTTP2 is what holds for connections of a listener that does not speak HTTP/2 any more.
var lastHTTP2 = http2.DefaultConfig()

// start takes what is there, and whatever comes from then on.
func (c *h2Conn) start() {
	c.s.c.Watch(c)
	if c.s.h.draining || c.s.h.terms.http2 == nil {
		c.drain()
	}
	c.Readable(nil)
}

// Readable takes frames, outside any task.
func (c *h2Conn) Readable(*conn.Conn) {
	defer c.recovered()
	in := c.s.c
	for p := in.Buffered(); len(p) > 0; p = in.Buffered() {
		if c.lingers {
			c.stray += len(p)
		} else {
			c.feed(p)
		}
		in.Consume(len(p))
	}
	if in.Closed() {
		return
	}
	if err := in.Err(); err != nil || c.stray > lingerBytes {
		c.peerLeft(err)
		return
	}
	in.Multishot(true)
	in.Arm()
	c.proceed()
}

// recovered ends a connection whose frames have brought something of ours down: the fault is one of the gateway, but it must not
// end the process.
func (c *h2Conn) recovered() {
	if v := recover(); v != nil {
		c.s.h.Log.Error("panic in a connection of HTTP/2", "listener", c.s.h.Name, "err", fmt.Sprint(v), "stack", string(debug.Stack()))
		c.abort(errs.New(errs.Internal, "the connection's frames were mishandled"))
	}
}

// feed gives bytes to the protocol, and acts on what they bring.
func (c *h2Conn) feed(p []byte) {
	h := c.s.h
	now := h.n.Loop.Now()
	h.Counters.BytesIn += uint64(len(p))
	c.life.heard(now)
	for {
		n, ev, err := c.hc.Feed(p, now)
		if p = p[n:]; err != nil {
			c.fail(err)
			return
		}
		if ev == nil {
			return
		}
		c.event(ev)
	}
}

// event acts on what the client did.
func (c *h2Conn) event(ev *http2.Event) {
	counters := &c.s.h.Counters.HTTP2
	switch ev.Kind {
	case http2.EventHeaders:
		c.begin(ev)
	case http2.EventData:
		c.requestOf(ev).body.receive(ev.Data, ev.EndStream)
	case http2.EventTrailers:
		c.requestOf(ev).body.receiveTrailers(&ev.Message.Fields)
	case http2.EventReset:
		if r := c.requestOf(ev); ev.Local {
			c.faulty(ev.Stream.ID(), ev)
			r.cancel(errFaulty)
		} else {
			counters.ResetsClient++
			r.cancel(errGivenUp)
		}
	case http2.EventRefused:
		c.refused(ev)
	case http2.EventStalled:
		if r := c.requestOf(ev); r.status != exchange.StatusTunnel { // whose silence is bounded by itself
			r.reset(http2.Cancel)
			r.cancel(errStalled)
		}
	case http2.EventGoAway:
		counters.GoAwaysClient++
		c.left = true // it asks for nothing more; what goes on is answered
	case http2.EventPingAck:
		c.life.answered()
	}
}

// Why a request ends before its time. The client is not there to be answered in any of these cases, or does not listen.
var (
	errGivenUp = errs.New(errs.ClientClosed, "the client gave the stream up")
	errFaulty  = errs.New(errs.ClientClosed, "the client broke the rules of HTTP/2 on the stream")
	errStalled = errs.New(errs.ClientClosed, "the client has given the stream no window for too long")
	errFailed  = errs.New(errs.ClientClosed, "the connection was ended for an error of the client's")
)

func (c *h2Conn) requestOf(ev *http2.Event) *h2Request { return ev.Stream.Owner.(*h2Request) }

// peerLeft acts on the end of what the client sends.
func (c *h2Conn) peerLeft(err error) {
	if err == io.EOF && !c.lingers && c.s.h.terms.half == Finish && len(c.requests) > 0 {
		c.left = true
		for _, r := range c.requests {
			r.body.fail(io.ErrUnexpectedEOF)
		}
		c.proceed()
		return
	}
	c.cancelAll(errClientClosed)
	_ = c.s.c.Close()
}

// cancelAll gives up every request.
func (c *h2Conn) cancelAll(cause error) {
	for _, r := range c.requests {
		r.cancel(cause)
	}
}

// lost is why nothing can be answered any more, or nil.
func (c *h2Conn) lost() error {
	switch {
	case c.hc.Err() != nil:
		return errFailed
	case c.s.c.Closed():
		return errClientClosed
	}
	return nil
}

// abort ends the connection at once.
func (c *h2Conn) abort(cause error) {
	c.cancelAll(cause)
	c.s.c.Abort()
}

// over reports whether nothing more is to come of the connection.
func (c *h2Conn) over() bool {
	return c.hc.Err() != nil || c.hc.Drained() || c.left && len(c.requests) == 0
}

// proceed sees to what is due: something to send, the end, or a point in time.
func (c *h2Conn) proceed() {
	if c.s.c.Closed() {
		return
	}
	if !c.writing && !c.lingers && (c.hc.Backlog() > 0 || c.hc.Next() != nil || c.over()) {
		c.writing = true
		c.s.h.n.Loop.Spawn("http2 write", (*h2Writer)(c))
	}
	c.schedule()
}

// closed is called when the descriptor is gone.
func (c *h2Conn) closed() {
	c.gone = true
	c.cancelAll(errClientClosed)
	c.finish()
}

// finish forgets the session, when nothing uses it any more.
func (c *h2Conn) finish() {
	if !c.gone || c.writing || len(c.requests) > 0 {
		return
	}
	c.gone = false // once
	c.hc.Close()
	c.s.h.Counters.HTTP2.Connections--
	c.s.forget()
}

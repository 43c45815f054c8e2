package inbound

import (
	"time"

	"github.com/ringway/ringway/conn"
	"github.com/ringway/ringway/errs"
)

// errSilentPeer ends a connection whose client has not answered a PING.
var errSilentPeer = errs.New(errs.ClientClosed, "the client has not answered a PING in time")

// h2Life is what becomes of a connection with time: it is asked for a sign of life while it has requests and is silent, let go
// when it has had none for too long, and drained. Times are the loop's.
type h2Life struct {
	lastHeard int64 // when bytes came last
	restSince int64 // when the last request ended, or the connection began
	pinged    int64 // when it was asked; 0: not, or it has answered
	drained   int64 // when the first GOAWAY was sent; 0: not yet
	patience  time.Duration
	told      bool // the second GOAWAY was sent for want of an answer to the first
	awaits    bool // it is to be drained, once its first request has come or was waited for since restSince
}

// lifePing is what a PING of ours carries.
var lifePing = [8]byte{'r', 'w', 'a', 'l', 'i', 'v', 'e', 0}

func (l *h2Life) start(now int64) { l.lastHeard, l.restSince = now, now }

func (l *h2Life) heard(now int64) { l.lastHeard = now }

func (l *h2Life) answered() { l.pinged = 0 }

// schedule sets the connection's timer to what is due next.
func (c *h2Conn) schedule() {
	if c.lingers {
		return
	}
	l, t := &c.life, &c.s.h.terms.times
	due := c.hc.Deadline()
	at := func(from int64, after time.Duration) {
		if when := from + int64(after); after > 0 && (due == 0 || when < due) {
			due = when
		}
	}
	switch {
	case l.drained != 0 && !l.told:
		at(l.drained, l.patience)
	case l.awaits && l.drained == 0:
		at(l.restSince, c.s.h.patience)
	case l.drained == 0 && len(c.requests) == 0:
		at(l.restSince, t.idle)
	}
	if l.pinged != 0 {
		at(l.pinged, t.pong)
	} else if len(c.requests) > 0 {
		at(l.lastHeard, t.ping)
	}
	if due == 0 {
		c.s.c.SetReadTimeout(0)
		return
	}
	now := c.s.h.n.Loop.Now()
	c.s.c.SetReadTimeout(time.Duration(max(due-now, 1)))
}

// Expired does what time brings, outside any task.
func (c *h2Conn) Expired(*conn.Conn) {
	defer c.recovered()
	if c.lingers {
		_ = c.s.c.Close()
		return
	}
	now := c.s.h.n.Loop.Now()
	l, t := &c.life, &c.s.h.terms.times
	for {
		ev, err := c.hc.Tick(now)
		if err != nil {
			c.fail(err)
		}
		if ev == nil {
			break
		}
		c.event(ev)
	}
	switch {
	case l.pinged != 0 && t.pong > 0 && now >= l.pinged+int64(t.pong):
		c.abort(errSilentPeer)
		return
	case l.pinged == 0 && len(c.requests) > 0 && t.ping > 0 && now >= l.lastHeard+int64(t.ping):
		l.pinged = now
		c.hc.Ping(lifePing)
	}
	switch {
	case l.drained != 0 && !l.told && now >= l.drained+int64(l.patience):
		l.told = true
		c.hc.Drain()
	case l.awaits && l.drained == 0 && now >= l.restSince+int64(c.s.h.patience):
		c.drain()
	case l.drained == 0 && len(c.requests) == 0 && t.idle > 0 && now >= l.restSince+int64(t.idle):
		c.drain()
	}
	c.proceed()
}

// drain lets the connection end without losing a request (RFC 9113 §6.8): the client is told in two steps. When the whole handler drains,
// one whose client has not asked for anything yet is told only after its first request: it would have to connect anew with that, and many clients
// fail instead where a connection ends that they have just made.
func (c *h2Conn) drain() {
	l := &c.life
	if l.drained != 0 || c.hc.Err() != nil || c.s.c.Closed() {
		return
	}
	if h := c.s.h; c.s.requests == 0 && !l.awaits && h.closes && h.patience > 0 {
		l.awaits, l.restSince = true, h.n.Loop.Now()
		c.schedule()
		return
	}
	l.drained, l.patience = c.s.h.n.Loop.Now(), lingerTime
	if c.s.h.draining {
		l.patience = c.s.h.patience
	}
	c.s.h.Counters.HTTP2.GoAwaysGateway++
	c.hc.SetNow(l.drained)
	c.hc.Drain()
	c.proceed()
}

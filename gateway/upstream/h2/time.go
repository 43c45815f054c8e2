package h2

import (
	"encoding/binary"

	"github.com/ringway/ringway/loop"
)

// schedule sets the timer, if something is due before it runs out. It is not moved back: that would cost each request.
func (c *Conn) schedule() {
	at := c.due()
	if at != 0 && (!c.timer.Active() || at < c.fires) {
		c.fires = at
		c.loop.StartTimerAt(&c.timer, at)
	}
}

// due is when something must be looked after next, 0 for never.
func (c *Conn) due() int64 {
	at := c.m.Deadline()
	earlier := func(t int64) {
		if at == 0 || t < at {
			at = t
		}
	}
	switch {
	case c.pingAt != 0:
		earlier(c.pingAt + int64(c.cfg.PingTimeout))
	case len(c.streams) == 0:
		if c.cfg.Idle > 0 {
			earlier(c.restAt + int64(c.cfg.Idle))
		}
	case c.cfg.PingAfter > 0:
		earlier(c.readAt + int64(c.cfg.PingAfter))
	}
	return at
}

// Expire does what time brings.
func (c *Conn) Expire(*loop.Timer) {
	defer c.recovered()
	now := c.loop.Now()
	if _, err := c.m.Tick(now); err != nil {
		c.end(err)
		return
	}
	switch {
	case c.pingAt != 0:
		if now >= c.pingAt+int64(c.cfg.PingTimeout) {
			c.end(ErrSilent)
			return
		}
	case len(c.streams) == 0:
		if c.cfg.Idle > 0 && now >= c.restAt+int64(c.cfg.Idle) {
			c.Drain()
			return
		}
	case c.cfg.PingAfter > 0 && now >= c.readAt+int64(c.cfg.PingAfter):
		c.ping()
	}
	c.settle()
}

// ping asks the server for a sign of life.
func (c *Conn) ping() {
	if c.pingAt != 0 {
		return
	}
	c.pings++
	var data [8]byte
	binary.BigEndian.PutUint64(data[:], c.pings)
	c.pingAt = max(c.loop.Now(), 1)
	c.m.Ping(data)
}

// Doubt says that the stream has waited in vain. If nothing at all has come for half of its life, the server may be gone without
// a word: the connection gets no further streams until it has answered a PING.
func (s *Stream) Doubt() {
	c := s.c
	now := c.loop.Now()
	if c.err != nil || c.ending || c.cfg.PingTimeout == 0 || now-c.readAt < (now-s.openedAt)/2 {
		return
	}
	c.doubt = true
	c.ping()
	c.settle()
}

package h2

import (
	"bytes"
	"io"

	"github.com/ringway/ringway/conn"
	"github.com/ringway/ringway/proto/http2"
)

// Readable takes what has arrived. It runs outside any task, where the loop brings it.
func (c *Conn) Readable(*conn.Conn) {
	defer c.recovered()
	c.readAt = c.loop.Now()
	for c.err == nil {
		p := c.io.Buffered()
		if len(p) == 0 {
			break
		}
		if err := c.feed(p); err != nil {
			if bytes.HasPrefix(p, []byte("HTTP/1.")) {
				err = ErrNotHTTP2
			}
			c.end(err)
			return
		}
		c.io.Consume(len(p))
	}
	if c.err != nil {
		return
	}
	if err := c.io.Err(); err != nil {
		switch {
		case c.goAway != nil:
			err = c.goAway
		case err == io.EOF: // a body that it ends is not whole
			err = io.ErrUnexpectedEOF
		}
		c.end(err)
		return
	}
	c.io.Arm()
	c.settle()
}

// Expired does nothing: no read timeout is set.
func (c *Conn) Expired(*conn.Conn) {}

// feed passes received bytes through the state machine.
func (c *Conn) feed(p []byte) error {
	c.feeding = true
	defer func() { c.feeding = false }()
	for {
		n, ev, err := c.m.Feed(p, c.loop.Now())
		if err != nil {
			return err
		}
		p = p[n:]
		if ev == nil {
			return nil
		}
		c.handle(ev)
	}
}

// handle acts on one event. Nothing here ends the connection, since its bytes are being read.
func (c *Conn) handle(ev *http2.Event) {
	var s *Stream
	if ev.Stream != nil {
		s, _ = ev.Stream.Owner.(*Stream)
	}
	switch ev.Kind {
	case http2.EventHeaders:
		s.headers(ev)
	case http2.EventData:
		s.data(ev)
	case http2.EventTrailers:
		s.trailers, s.ended = ev.Message, true
		s.wake()
	case http2.EventReset:
		s.reset(ev)
	case http2.EventGoAway:
		c.goesAway(ev)
	case http2.EventSettings:
		c.wakeUnsettled()
		c.wakeSenders()
		c.owner.Freed(c)
	case http2.EventWindow:
		if s == nil {
			c.dryAt = 0
			c.wakeSenders()
			c.owner.Freed(c) // who waits for another connection may take this one again
		} else if s.queued {
			s.wakeSender()
		}
	case http2.EventPingAck:
		c.pingAt = 0
		if c.doubt {
			c.doubt = false
			c.owner.Freed(c)
		}
	}
}

func (c *Conn) goesAway(ev *http2.Event) {
	c.ending = true
	if ev.Code != http2.NoError {
		c.goAway = &GoAwayError{ev.Code, string(bytes.ToValidUTF8(ev.Data, []byte("?")))}
	}
	c.owner.GoingAway(c, ev.Code)
	c.owner.Freed(c)
}

package h2

import (
	"slices"
	"time"

	"github.com/ringway/ringway/loop"
	"github.com/ringway/ringway/proto/header"
)

// turn is how much a stream may send before others that wait have theirs, in bytes.
const turn = 16 << 10

// cloggedAfter is how long a connection for whose window bodies wait has had none when it counts as clogged.
const cloggedAfter = 100 * time.Millisecond

// HasWindow reports whether the server takes bytes of any body now.
func (c *Conn) HasWindow() bool { return c.m.SendWindow() > 0 }

// Clogged reports whether one more body would not get through soon: the server has taken none for a while, and others wait already.
// Requests without a body pass.
func (c *Conn) Clogged() bool {
	return len(c.senders) > 0 && !c.HasWindow() && c.loop.Now() >= c.dryAt+int64(cloggedAfter)
}

// Offer sends as much of p as the windows and what waits to be sent allow, and ends the request behind it if end is set and all
// of p went. It returns how much went, and never waits. An error says that no more is taken: the response may be complete.
func (s *Stream) Offer(p []byte, end bool) (int, error) {
	if s.refusal != nil {
		return 0, s.refusal
	}
	c := s.c
	room := max(maxPending-c.m.Backlog(), 0)
	if len(c.senders) > 0 {
		room = min(room, turn)
	}
	q := p[:min(len(p), room)]
	n, err := c.m.AppendData(s.s, q, end && len(q) == len(p))
	s.taken += uint64(n)
	if c.dryAt == 0 && !c.HasWindow() {
		c.dryAt = c.loop.Now()
	}
	if err != nil {
		s.refusal = err
		return n, err
	}
	s.sent = end && n == len(p)
	if n > 0 && s.queued {
		c.unqueue(s)
	}
	c.kick()
	return n, nil
}

// Sent is the number of bytes of the request's body that the windows have taken.
func (s *Stream) Sent() uint64 { return s.taken }

// End ends the request, with trailers where there are some.
func (s *Stream) End(trailers *header.Fields) error {
	if s.refusal != nil {
		return s.refusal
	}
	var err error
	if trailers == nil || trailers.Len() == 0 {
		_, err = s.c.m.AppendData(s.s, nil, true)
	} else {
		err = s.c.m.AppendTrailers(s.s, trailers)
	}
	if err != nil {
		s.refusal = err
		return err
	}
	s.sent = true
	s.c.kick()
	return nil
}

// AwaitRoom waits, in the task that sends, until Offer may take more; limit bounds it, 0: not at all.
func (s *Stream) AwaitRoom(t *loop.Task, limit time.Duration) error {
	c := s.c
	if s.refusal != nil {
		return s.refusal
	}
	if !s.queued {
		s.queued = true
		c.senders = append(c.senders, s)
	}
	if limit > 0 {
		c.loop.StartTimer(&s.sendTimer, limit)
	}
	s.sender, s.sendLate = t, false
	err := t.Park(s)
	s.sender = nil
	c.loop.StopTimer(&s.sendTimer)
	switch {
	case err != nil:
		return err
	case s.sendLate:
		return s.lateness()
	}
	return s.refusal
}

// roomTimer is a stream as what its timer for sending tells.
type roomTimer Stream

// Expire ends a wait for room.
func (r *roomTimer) Expire(*loop.Timer) {
	s := (*Stream)(r)
	s.sendLate = true
	s.wakeSender()
}

func (s *Stream) wakeSender() {
	if s.sender != nil {
		s.c.loop.Ready(s.sender)
	}
}

// wakeSenders has those that wait try again, the longest waiting first. Who finds no room keeps its place.
func (c *Conn) wakeSenders() {
	for _, s := range c.senders {
		s.wakeSender()
	}
}

func (c *Conn) unqueue(s *Stream) {
	s.queued = false
	if i := slices.Index(c.senders, s); i >= 0 {
		c.senders = slices.Delete(c.senders, i, i+1)
	}
}

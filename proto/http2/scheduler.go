package http2

import "math/bits"

// Who sends next (RFC 9218 §10): streams of lower urgency first; within one, those that are not incremental one after the other
// by their identifiers, those that are in turns, and the two kinds alternately where both have data. A stream takes part
// while it has data and its window lets it send.

// scheduler holds the streams that could send, in two rings for each urgency.
type scheduler struct {
	heads [2 * Urgencies]*Stream // at 2*urgency those in order, at 2*urgency+1 the incremental ones; the first to send
	used  uint16                 // bit per ring: it is not empty
	turn  uint8                  // bit per urgency: the incremental ones are next
}

func (p Priority) ring() int {
	n := int(p.Urgency) * 2
	if p.Incremental {
		n++
	}
	return n
}

// insert puts s at the end of its ring, or in its place by identifier where they send in order.
func (q *scheduler) insert(s *Stream) {
	n := s.priority.ring()
	head := q.heads[n]
	s.queued = true
	if head == nil {
		s.next, s.prev = s, s
		q.heads[n], q.used = s, q.used|1<<n
		return
	}
	after := head.prev
	if !s.priority.Incremental {
		for after.id > s.id && after != head {
			after = after.prev
		}
		if after.id > s.id { // before the head
			q.heads[n], after = s, head.prev
		}
	}
	s.prev, s.next = after, after.next
	after.next.prev, after.next = s, s
}

func (q *scheduler) remove(s *Stream) {
	n := s.priority.ring()
	switch {
	case s.next == s:
		q.heads[n], q.used = nil, q.used&^(1<<n)
	case q.heads[n] == s:
		q.heads[n] = s.next
	}
	s.next.prev, s.prev.next = s.prev, s.next
	s.next, s.prev, s.queued = nil, nil, false
}

// peek is the stream that sends next, or nil.
func (q *scheduler) peek() *Stream {
	if q.used == 0 {
		return nil
	}
	urgency := bits.TrailingZeros16(q.used) / 2
	ring := 2 * urgency
	switch q.used >> ring & 3 {
	case 2:
		ring++
	case 3:
		ring += int(q.turn >> urgency & 1)
	}
	return q.heads[ring]
}

// sent tells that s has sent: an incremental stream goes to the end of its ring, and the other kind has its turn.
func (q *scheduler) sent(s *Stream) {
	n := s.priority.ring()
	bit := uint8(1) << s.priority.Urgency
	if s.priority.Incremental {
		q.turn &^= bit
		if q.heads[n] == s {
			q.heads[n] = s.next
		}
		return
	}
	q.turn |= bit
}

// SetReady tells whether s has data to send, so that Next considers it. It stays so until it is said otherwise or the stream
// is ended.
func (c *Conn) SetReady(s *Stream, ready bool) {
	ready = ready && s.state.canSend()
	if ready && !s.ready {
		s.progressAt = c.now
		if c.stallAt == 0 {
			c.stallAt = c.now + int64(c.cfg.StallTimeout)
		}
	}
	s.ready = ready
	c.schedule(s)
}

// Next is the stream that should send DATA next, or nil when none that is ready has a window. The caller appends a frame or so
// of it with AppendData and asks again, as long as it wants to fill its buffer: how much may be Pending is its affair.
func (c *Conn) Next() *Stream {
	if c.sendWindow <= 0 || c.failed != nil {
		return nil
	}
	return c.ready.peek()
}

// SetPriority changes the priority of a stream, such as when the response itself has a Priority field (RFC 9218 §8).
func (c *Conn) SetPriority(s *Stream, p Priority) {
	if p.Urgency >= Urgencies {
		panic("http2: an urgency above 7")
	}
	queued := s.queued
	if queued {
		c.ready.remove(s)
	}
	s.priority = p
	if queued {
		c.ready.insert(s)
	}
}

// schedule puts a stream into the scheduler or takes it out, as its data and its window say.
func (c *Conn) schedule(s *Stream) {
	can := s.ready && s.sendWindow > 0
	switch {
	case can && !s.queued:
		c.ready.insert(s)
	case !can && s.queued:
		c.ready.remove(s)
	}
}

func (c *Conn) unqueue(s *Stream) {
	if s.queued {
		c.ready.remove(s)
	}
}

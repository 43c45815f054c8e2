package h2

import (
	"github.com/ringway/ringway/buf"
	"github.com/ringway/ringway/loop"
	"github.com/ringway/ringway/proto/http2"
)

// The bodies that wait for their consumers share the blocks of a loop. Each is bounded by its stream's window, which opens only as
// the consumer takes; but many whose clients take nothing could together hold every block. So when few are left, the response
// goes whose consumer has taken nothing for the longest time, and never the one that has just come.

// Serves says which task the response is for. It is ended with ErrNoBlock if the response has to be given up, since it may wait for
// a client that takes nothing, with a block on loan.
func (s *Stream) Serves(h loop.Handle) { s.serves = h }

// block gives a block for a body. Before none is left it has others return theirs: what they have on loan follows when their
// tasks have ended.
func (h *shared) block() *buf.Block {
	if h.blocks.InUse() >= h.limit-h.limit/spareShare {
		if s := h.holders.Longest(); s != nil {
			s.giveUp()
		}
	}
	return h.blocks.Get()
}

// giveUp ends the response, and gives back what of its body nobody has looked at.
func (s *Stream) giveUp() {
	if s.abandoned {
		return
	}
	s.abandoned = true
	c := s.c
	c.m.Reset(s.s, http2.EnhanceYourCalm)
	s.ended, s.trailers = false, nil // it may have been here to its end, but is no longer
	s.discard()
	s.fail(ErrNoBlock)
	c.loop.Cancel(s.serves, ErrNoBlock)
	c.kick()
}

// discard drops what waits for the consumer, but for the chunk that it has.
func (s *Stream) discard() {
	keep := 0
	if s.lent > 0 {
		keep, s.queue[0].Len = 1, s.off+s.lent
	} else {
		s.off = 0
	}
	for i, b := range s.queue[keep:] {
		b.Put()
		s.queue[keep+i] = nil
	}
	s.queue = s.queue[:keep]
	s.c.m.Consumed(s.s, s.held-s.lent)
	s.held = s.lent
	s.c.shared.holders.Remove(&s.place)
}

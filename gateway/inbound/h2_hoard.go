package inbound

import (
	"github.com/ringway/ringway/buf"
	"github.com/ringway/ringway/errs"
	"github.com/ringway/ringway/gateway/http1io"
	"github.com/ringway/ringway/proto/http2"
)

// h2Store has the blocks of a loop that bodies of requests wait in. Each body is bounded by its stream's window, but many that nobody
// takes could together hold every block. So when few are left, the request goes of whose body nothing has been taken for the
// longest time, and not the one that has just come.
type h2Store struct {
	*buf.Pool
	holders buf.Holders[h2Body]
}

// h2Spare is how few blocks are few.
const h2Spare = MaxH2Blocks / 16

var errHoarded = errs.From(errs.Overloaded, http1io.ErrNoBlocks, "keep the request's body")

// block gives a block, nil if none is left.
func (s *h2Store) block() *buf.Block {
	if s.InUse() >= MaxH2Blocks-h2Spare {
		if b := s.holders.Longest(); b != nil {
			b.giveUp()
		}
	}
	return s.Get()
}

// spare gives a block that can be done without, nil if bodies of requests may need it.
func (s *h2Store) spare() *buf.Block {
	if s.InUse() >= MaxH2Blocks/2 {
		return nil
	}
	return s.Get()
}

// taken puts b behind all others, or out of the order if it holds nothing any more.
func (s *h2Store) taken(b *h2Body) {
	s.holders.Remove(&b.place)
	if len(b.blocks) > 0 && !b.hoarded {
		s.holders.Add(&b.place, b)
	}
}

func (b *h2Body) store() *h2Store { return *h2Blocks.Get(b.r.c.s.h.n.Loop) }

// giveUp ends the request, and gives back what of its body nobody has looked at. What is lent follows with the task.
func (b *h2Body) giveUp() {
	c, stream := b.r.c, b.r.stream
	c.countReset(stream)
	c.hc.Reset(stream, http2.EnhanceYourCalm)
	keep := 0
	if b.lent {
		keep = 1
	}
	for i, block := range b.blocks[keep:] {
		c.hc.Consumed(stream, block.Len)
		block.Put()
		b.blocks[keep+i] = nil
	}
	b.blocks, b.hoarded, b.ended = b.blocks[:keep], true, false // it may have been here whole, but is no longer
	b.store().taken(b)
	b.r.cancel(errHoarded)
	c.proceed()
}

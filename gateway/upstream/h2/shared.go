package h2

import (
	"github.com/ringway/ringway/buf"
	"github.com/ringway/ringway/loop"
	"github.com/ringway/ringway/proto/http2"
)

const (
	// Block is the size of the blocks that wait for a response's consumer, in bytes.
	// Bodies hold little more than they carry.
	Block = 16 << 10
	// MaxBlocks bounds them, on each loop. A stream at rest holds none.
	MaxBlocks = 8192
	// spareShare is the part of them, one in so many, that is kept free by giving responses up.
	spareShare = 8
	// maxFree is how many streams' records are kept for reuse.
	maxFree = 1024
)

// shared is what the connections of a loop have in common.
type shared struct {
	pool    *http2.Pool
	blocks  *buf.Pool
	limit   int                 // of blocks
	holders buf.Holders[Stream] // those whose consumers have something to take
	free    []*Stream
}

var perLoop = loop.NewLocal(func(l *loop.Loop) *shared {
	s := &shared{pool: http2.NewPool(), blocks: buf.NewPool(Block, MaxBlocks), limit: MaxBlocks}
	s.pool.Poison = buf.Poison
	l.OnTrim(s.blocks.Trim)
	l.AtClose(func() {
		if s.blocks.InUse() == 0 {
			_ = s.blocks.Close() // unmapping whole mappings of ours does not fail
		}
	})
	return s
})

// BlocksInUse is the number of blocks that the streams of a loop hold.
func BlocksInUse(l *loop.Loop) int { return (*perLoop.Get(l)).blocks.InUse() }

func (h *shared) take() *Stream {
	if n := len(h.free) - 1; n >= 0 {
		s := h.free[n]
		h.free = h.free[:n]
		return s
	}
	s := new(Stream)
	s.timer.Expirer, s.sendTimer.Expirer = (*readTimer)(s), (*roomTimer)(s)
	return s
}

func (h *shared) put(s *Stream) {
	queue, interims := s.queue[:0], s.interims[:0]
	*s = Stream{queue: queue, interims: interims, timer: s.timer, sendTimer: s.sendTimer}
	if len(h.free) < maxFree {
		h.free = append(h.free, s)
	}
}

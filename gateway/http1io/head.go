package http1io

import (
	"errors"

	"github.com/ringway/ringway/buf"
	"github.com/ringway/ringway/conn"
	"github.com/ringway/ringway/proto/http1"
)

// ErrNoBlocks says that the loop has no block left to hold a message head: it is at its configured bound.
var ErrNoBlocks = errors.New("no block left for a message head")

// headParser is a request or response as far as reading its head goes.
type headParser interface {
	Parse(b []byte, lim *http1.Limits) (int, error)
	Rebase(b []byte)
}

// Head keeps the bytes of one message head, so that the receive buffer goes back at once.
type Head struct {
	block *buf.Block
}

// Read reads one head from c into p, which has been Reset, and leaves what follows it unconsumed. got reports whether
// any byte of the head had come when reading failed. The head's slices are valid until Free.
func (h *Head) Read(c conn.Stream, p headParser, lim *http1.Limits) (got bool, err error) {
	for {
		data, err := c.ReadBuf()
		if err != nil {
			return h.block != nil, err
		}
		var n int
		if h.block == nil {
			n, err = p.Parse(data, lim)
		} else {
			n, err = h.extend(c, data, p, lim)
		}
		if err != nil {
			return true, err
		}
		if h.block != nil {
			if n > 0 {
				c.Consume(len(data) - (h.block.Len - n))
				h.block.Len = n
				return true, nil
			}
			c.Consume(len(data))
			continue
		}
		keep := n
		if n == 0 {
			keep = len(data)
		}
		if err := h.store(c, data[:keep]); err != nil {
			return true, err
		}
		c.Consume(keep)
		if n > 0 {
			p.Rebase(h.block.Data())
			return true, nil
		}
	}
}

// extend adds data to the head's block and parses on.
func (h *Head) extend(c conn.Stream, data []byte, p headParser, lim *http1.Limits) (int, error) {
	if err := h.store(c, data); err != nil {
		return 0, err
	}
	n, err := p.Parse(h.block.Data(), lim)
	return n, err
}

// store appends data to the block, moving to a large one when the small one is full.
func (h *Head) store(c conn.Stream, data []byte) error {
	have := 0
	if h.block != nil {
		have = h.block.Len
	}
	if h.block == nil || have+len(data) > len(h.block.Bytes) {
		if err := h.grow(c, have+len(data)); err != nil {
			return err
		}
	}
	h.block.Len += copy(h.block.Bytes[have:], data)
	return nil
}

func (h *Head) grow(c conn.Stream, need int) error {
	var b *buf.Block
	if need <= conn.SmallBlock {
		b = c.Net().Small()
	} else {
		b = c.Net().Large()
	}
	if b == nil || need > len(b.Bytes) {
		if b != nil {
			b.Put()
		}
		return ErrNoBlocks
	}
	if h.block != nil {
		b.Len = copy(b.Bytes, h.block.Data())
		h.block.Put()
	}
	h.block = b
	return nil
}

// Free gives the head's bytes back.
func (h *Head) Free() {
	if h.block != nil {
		h.block.Put()
		h.block = nil
	}
}

package preface

import (
	"errors"
	"io"

	"github.com/ringway/ringway/buf"
	"github.com/ringway/ringway/conn"
)

// ErrNoBlocks says that the bytes of a preface that came in pieces cannot be held.
var ErrNoBlocks = errors.New("no block for the start of a connection")

// gathering is the first bytes of a connection, in one piece. As long as they came so, they lie where they were received;
// only when more are needed are those that are there moved into a block.
type gathering struct {
	c     *conn.Conn
	block *buf.Block // the bytes taken so far, Len of them
	lent  int        // how many more the connection holds
}

// more waits for bytes beyond those it gave before, and returns all of them. They are valid until the next call. An end is
// io.EOF only where nothing came before it.
func (g *gathering) more() ([]byte, error) {
	if g.lent > 0 {
		if err := g.take(g.lent); err != nil {
			return nil, err
		}
		g.lent = 0
	}
	p, err := g.c.ReadBuf()
	if err == io.EOF && g.block != nil {
		err = io.ErrUnexpectedEOF
	}
	if err != nil {
		return nil, err
	}
	g.lent = len(p)
	if g.block == nil {
		return p, nil
	}
	if err := g.room(len(p)); err != nil {
		return nil, err
	}
	n := copy(g.block.Bytes[g.block.Len:], p)
	g.lent = n
	return g.block.Bytes[:g.block.Len+n], nil
}

// take moves the first n bytes that the connection holds into the block.
func (g *gathering) take(n int) error {
	if err := g.room(n); err != nil {
		return err
	}
	g.block.Len += copy(g.block.Bytes[g.block.Len:], g.c.Buffered()[:n])
	g.c.Consume(n)
	return nil
}

// room makes the block hold n bytes more. Callers bound what they gather, by less than the largest block.
func (g *gathering) room(n int) error {
	have := 0
	if g.block != nil {
		if have = g.block.Len; have+n <= len(g.block.Bytes) {
			return nil
		}
	}
	b := g.c.Net().Small()
	if have+n > conn.SmallBlock {
		if b != nil {
			b.Put()
		}
		b = g.c.Net().Large()
	}
	if b == nil {
		return ErrNoBlocks
	}
	if g.block != nil {
		b.Len = copy(b.Bytes, g.block.Data())
		g.block.Put()
	}
	b.Len = have
	g.block = b
	return nil
}

// free gives the block back.
func (g *gathering) free() {
	if g.block != nil {
		g.block.Put()
		g.block = nil
	}
}

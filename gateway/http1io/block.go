package http1io

import (
	"github.com/ringway/ringway/buf"
	"github.com/ringway/ringway/conn"
)

// Fit makes out the data of b if it still lies there, and otherwise moves it to a large block.
func Fit(n *conn.Net, b *buf.Block, out []byte) (*buf.Block, error) {
	if cap(out) == cap(b.Bytes) {
		b.Len = len(out)
		return b, nil
	}
	b.Put()
	large := n.Large()
	if large == nil || len(out) > len(large.Bytes) {
		if large != nil {
			large.Put()
		}
		return nil, ErrNoBlocks
	}
	large.Len = copy(large.Bytes, out)
	return large, nil
}

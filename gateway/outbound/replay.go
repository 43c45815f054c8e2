package outbound

import (
	"errors"
	"io"

	"github.com/ringway/ringway/buf"
	"github.com/ringway/ringway/conn"
	"github.com/ringway/ringway/gateway/exchange"
	"github.com/ringway/ringway/gateway/http1io"
	"github.com/ringway/ringway/proto/header"
)

// replay is a request's body that keeps what was read of it, as long as that fits into a block and no response has begun: a server
// may give the request back. It stands in the exchange in place of the body until that is over.
type replay struct {
	body   exchange.Body
	net    *conn.Net
	block  *buf.Block // what was read; nil: nothing, or it is not kept
	keeps  bool       // everything that was read is in block
	at     int        // how much of it has been lent again
	ended  bool
	lent   bool // of block
	broken bool // the body cannot be read on
}

// replayOf puts a replay in place of the exchange's body, unless it stands there already.
func (h *Handler) replayOf(x *exchange.Exchange) *replay {
	if r, ok := x.Request.Body.(*replay); ok {
		return r
	}
	var r *replay
	if n := len(h.replays) - 1; n >= 0 {
		r = h.replays[n]
		h.replays = h.replays[:n]
	} else {
		r = new(replay)
	}
	*r = replay{body: x.Request.Body, net: x.Net, keeps: true}
	x.Request.Body = r
	return r
}

// endReplay puts the body back into its place.
func (h *Handler) endReplay(x *exchange.Exchange) {
	r, ok := x.Request.Body.(*replay)
	if !ok {
		return
	}
	r.lent = false
	r.stop()
	x.Request.Body = r.body
	r.body = nil
	if len(h.replays) < maxCalls {
		h.replays = append(h.replays, r)
	}
}

// Next lends what was kept, then what comes of the body.
func (r *replay) Next() ([]byte, error) {
	if r.block != nil && r.at < r.block.Len {
		p := r.block.Bytes[r.at:r.block.Len]
		r.at, r.lent = r.block.Len, true
		return p, nil
	}
	if r.lent = false; !r.keeps {
		r.stop()
	}
	if r.ended {
		return nil, io.EOF
	}
	p, err := r.body.Next()
	if err != nil {
		_, resumable := r.body.(exchange.Resumable)
		r.ended, r.broken = err == io.EOF, err != io.EOF && !(resumable && errors.Is(err, errAnswered))
		return nil, err
	}
	r.keep(p)
	return p, nil
}

// keep copies what was read, or gives up keeping if there is no room.
func (r *replay) keep(p []byte) {
	if !r.keeps {
		return
	}
	if r.block == nil && len(p) <= conn.SmallBlock {
		r.block = r.net.Small()
	}
	if r.block == nil || r.block.Len+len(p) > len(r.block.Bytes) {
		r.stop()
		return
	}
	r.block.Len += copy(r.block.Bytes[r.block.Len:], p)
	r.at = r.block.Len
}

// stop keeps nothing any more.
func (r *replay) stop() {
	r.keeps = false
	if r.block != nil && !r.lent {
		r.block.Put()
		r.block = nil
	}
}

// rewind starts from the beginning, and reports false if that is not possible.
func (r *replay) rewind() bool {
	r.at, r.lent = 0, false
	return r.keeps && !r.broken
}

// Ready reports whether Next would not wait.
func (r *replay) Ready() bool {
	return r.block != nil && r.at < r.block.Len || r.ended || r.body.Ready()
}

// Trailers are the body's.
func (r *replay) Trailers() *header.Fields { return r.body.Trailers() }

// Close is the body's.
func (r *replay) Close() { r.body.Close() }

// Complete reports whether the body was read to its end.
func (r *replay) Complete() bool {
	c, ok := r.body.(interface{ Complete() bool })
	return r.ended || ok && c.Complete()
}

// plain reports whether a body of known length cannot have trailers, so that its last bytes can end the request.
func (r *replay) plain() bool {
	_, ok := r.body.(*http1io.Body)
	return ok
}

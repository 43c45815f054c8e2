package inbound

import (
	"io"

	"github.com/ringway/ringway/buf"
	"github.com/ringway/ringway/errs"
	"github.com/ringway/ringway/gateway/exchange"
	"github.com/ringway/ringway/gateway/http1io"
	"github.com/ringway/ringway/gateway/upstream/h2"
	"github.com/ringway/ringway/proto/http2"
)

// h2Small is the size below which pieces of a body do not wait for a turn each, but together: a turn is a frame.
const h2Small = h2Block / 2

// h2Pieces are what is to be sent next of a response's body.
type h2Pieces struct {
	block *buf.Block // small pieces that wait together
	rest  []byte     // of a piece that did not fit, still lent by the body
	err   error      // what the body said behind them
}

// drop forgets them.
func (g *h2Pieces) drop() {
	if g.block != nil {
		g.block.Put()
	}
	*g = h2Pieces{}
}

// sendBody sends a body piece by piece, and what ends it.
func (r *h2Request) sendBody(body exchange.Body) error {
	c := r.c
	for {
		p, err := r.nextPiece(body)
		if err == io.EOF {
			break
		}
		if err != nil {
			return &http1io.SourceError{Err: err}
		}
		last := r.isLast(body, p)
		if err := r.write(p, last); err != nil || last {
			return err
		}
	}
	defer c.proceed()
	if trailers := body.Trailers(); trailers != nil && trailers.Len() > 0 {
		err := c.hc.AppendTrailers(r.stream, trailers)
		if err == http2.ErrHeaderListTooLarge { // without them the response would pass for whole
			err = &http1io.SourceError{Err: errs.From(errs.UpstreamResponseTooLarge, err, "send trailers")}
		}
		return err
	}
	_, err := c.hc.AppendData(r.stream, nil, true)
	return err
}

// isLast reports whether p, which the body has just lent, can end the response: nothing follows it, and no trailers. Where that is not
// known yet the end follows by itself.
func (r *h2Request) isLast(body exchange.Body, p []byte) bool {
	g := &r.pieces
	if g.block != nil && g.err == io.EOF && len(g.rest) == 0 {
		trailers := body.Trailers()
		return trailers == nil || trailers.Len() == 0
	}
	switch b := body.(type) {
	case *http1io.Body, *exchange.BytesBody: // of these, one whose length is known has no trailers
		return r.sent+int64(len(p)) == r.Response.ContentLength
	case *h2.Stream:
		return len(g.rest) == 0 && b.Last()
	}
	return false
}

// nextPiece lends what is to be sent next: a piece of the body, or what is there already of small ones if they would have to wait.
func (r *h2Request) nextPiece(body exchange.Body) ([]byte, error) {
	g := &r.pieces
	if len(g.rest) > 0 {
		p := g.rest
		g.rest = nil
		return p, nil
	}
	if err := g.err; err != nil {
		return nil, err
	}
	g.drop()
	p, err := body.Next()
	if err != nil || len(p) >= h2Small || r.atOnce(len(p)) {
		return p, err
	}
	h1, _ := body.(*http1io.Body) // what follows a chunk of it shows when that is given back
	if h1 == nil && !body.Ready() {
		return p, nil
	}
	if g.block = r.body.store().spare(); g.block == nil {
		return p, nil
	}
	for b := g.block; ; {
		n := copy(b.Bytes[b.Len:], p)
		b.Len += n
		if g.rest = p[n:]; len(g.rest) > 0 {
			break
		}
		if h1 != nil {
			h1.Release()
		}
		if !body.Ready() {
			break
		}
		if p, g.err = body.Next(); g.err != nil {
			break
		}
	}
	return g.block.Data(), nil
}

// atOnce reports whether n bytes of the body need not wait: nobody else does, and there is room for them.
func (r *h2Request) atOnce(n int) bool {
	hc := r.c.hc
	return hc.Next() == nil && hc.Backlog()+n <= h2Full && hc.Writable(r.stream) >= n
}

// write sends a piece of the body, at once or when its turn comes.
func (r *h2Request) write(p []byte, last bool) error {
	c := r.c
	if r.atOnce(len(p)) {
		n, err := c.hc.AppendData(r.stream, p, last)
		r.sent += int64(n)
		c.proceed()
		return err
	}
	if c.lost() != nil || r.stream.State() == http2.Closed {
		return errGivenUp // nobody would wake it. Its task may not know, where somebody has cleared the cause
	}
	r.out, r.last = p, last
	c.hc.SetNow(r.h.n.Loop.Now()) // from which its patience counts
	c.hc.SetReady(r.stream, true)
	for len(r.out) > 0 {
		c.proceed()
		if err := r.Task.Park(r); err != nil {
			r.out = nil
			c.hc.SetReady(r.stream, false)
			return err
		}
	}
	return nil
}

// give sends the next part of what waits, now that it is the stream's turn, and reports whether more may follow as soon as its task
// has run.
func (r *h2Request) give() (more bool) {
	n := min(len(r.out), h2Frame)
	k, err := r.c.hc.AppendData(r.stream, r.out[:n], r.last && n == len(r.out))
	r.sent += int64(k)
	if r.out = r.out[k:]; err != nil {
		r.out = nil // its task is being cancelled for the same reason
	}
	if len(r.out) > 0 {
		return false
	}
	r.c.hc.SetReady(r.stream, false)
	r.c.s.h.n.Loop.Ready(r.Task)
	return !r.last
}

package inbound

import (
	"github.com/ringway/ringway/buf"
	"github.com/ringway/ringway/conn"
	"github.com/ringway/ringway/errs"
	"github.com/ringway/ringway/gateway/exchange"
	"github.com/ringway/ringway/gateway/http1io"
	"github.com/ringway/ringway/gateway/upstream"
	"github.com/ringway/ringway/observe/metrics"
	"github.com/ringway/ringway/proto/http1"
)

// joinable is a tunnel's outbound side whose bytes may be those of one connection, plain or encrypted.
type joinable interface {
	// Take gives that connection away, with what it has received behind the response's head, to be given up by Discard; nil if
	// there is none, and then nothing has changed. The slices of the response's head stop being valid.
	Take() *upstream.Conn
}

// tunnel tells the client that its upgrade is accepted, and passes bytes on until both sides have ended, or leaves that to a relay:
// then the session has a tunnel, and no task any more. Either way the connection carries no further request.
func (r *h1Request) tunnel() {
	s := r.s
	s.watching, s.pinned = false, true
	b, err := r.tunnelHead()
	if err != nil {
		r.respond(errs.From(errs.Overloaded, err, "accept the upgrade"))
		r.DropResponse()
		r.recordAll()
		return
	}
	r.status = exchange.StatusTunnel
	s.h.Counters.CountStatus(exchange.StatusTunnel)
	s.c.SetWriteTimeout(0)
	s.c.SetReadTimeout(0)
	if k := r.take(); k != nil {
		r.join(k, b)
		return
	}
	r.out = http1io.Out{Conn: s.c, Block: b, Task: r.Task}
	r.body.Start(s.c, http1.UntilClose, -1, http1io.Limits{})
	end := r.pass(r.received(), s.h.totals(), s.c.Sent, func(body exchange.Body) error {
		r.head.Free()
		r.out.Body = body
		if err := r.out.Send(); err != nil {
			return err
		}
		return s.c.CloseWrite()
	})
	if end != metrics.Finished && end != metrics.IdleTimeout {
		s.c.Abort()
	}
	s.c.SetWriteTimeout(closeTime) // for a last message that the client does not take
	r.DropResponse()
}

// tunnelHead makes the head of the answer. Connection and Upgrade are between the client and the gateway, so they are made anew.
func (r *h1Request) tunnelHead() (*buf.Block, error) {
	b := r.Net.Small()
	if b == nil {
		return nil, http1io.ErrNoBlocks
	}
	resp := &r.Response
	out := http1.AppendStatusLine(b.Bytes[:0], exchange.StatusTunnel, resp.Reason)
	out = append(append(append(out, "Connection: Upgrade\r\nUpgrade: "...), r.Request.Upgrade...), "\r\n"...)
	out = http1.AppendFields(out, resp.Fields)
	return http1io.Fit(r.Net, b, append(out, "\r\n"...))
}

// take gives the upstream's connection if both sides' bytes are their connections', so that a relay can pass them on.
func (r *h1Request) take() *upstream.Conn {
	if t, ok := r.Response.Owner.(joinable); ok && r.Request.Body == exchange.Body(&r.body) {
		return t.Take()
	}
	return nil
}

// join leaves both connections to a relay. b is what the client gets first.
func (r *h1Request) join(k *upstream.Conn, b *buf.Block) {
	s := r.s
	t := &tunnel{s: s, up: k, cluster: r.Cluster}
	r.beginTunnel(&t.trace, r.received())
	if s.c.Send(b) != nil {
		s.c.Abort()
		k.Discard()
		t.end(metrics.ClientReset, 0, 0)
		return
	}
	s.tunnel, s.pinned = t, !s.plain() || k.Stream != conn.Stream(k.Under)
	t.begin(r.terms.times.tunnel)
}

// received is what came of the request.
func (r *h1Request) received() received {
	in := &r.in
	return received{in.MethodToken, in.Authority, in.Target, &in.Fields, int64(in.HeadLen), r.body.Read()}
}

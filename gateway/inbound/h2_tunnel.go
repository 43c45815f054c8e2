package inbound

import (
	"github.com/ringway/ringway/errs"
	"github.com/ringway/ringway/gateway/exchange"
	"github.com/ringway/ringway/observe/metrics"
	"github.com/ringway/ringway/proto/http2"
	"github.com/ringway/ringway/proto/ws"
)

// unopened is what an extended CONNECT fails with that was answered as an ordinary request, in good order: its client must not take
// that for its tunnel, and the answer's body for what the other end says (RFC 8441 §5).
func (r *h2Request) unopened() error {
	if r.Response.Owner != nil {
		return errs.New(errs.UpstreamBadResponse, "an ordinary response to a request for a tunnel").Public("the upstream has opened no tunnel")
	}
	return errs.New(errs.NotImplemented, "CONNECT was answered without a tunnel").Public("no tunnel is opened here")
}

// tunnel tells the client that its extended CONNECT is accepted (RFC 8441 §5), and passes bytes on as DATA until both sides have
// ended.
func (r *h2Request) tunnel() {
	defer r.DropResponse()
	fields := r.Response.Fields
	fields.Del(ws.AcceptField) // in the place of which HTTP/2 has the status
	err := r.room()
	if err == nil {
		err = r.c.hc.AppendResponse(r.stream, 200, fields, false)
	}
	if err != nil {
		r.fail(errs.From(errs.ClientClosed, err, "accept the upgrade"))
		r.reset(unsent(err))
		r.record(r.in)
		return
	}
	r.c.proceed()
	r.responded, r.status = true, exchange.StatusTunnel
	r.h.Counters.CountStatus(exchange.StatusTunnel)
	totals := r.h.totals()
	totals[0] = &r.h.Counters.Tunnels.BytesIn // with the frames that they come in, they are counted as received already
	if end := r.pass(r.in, totals, func() uint64 { return uint64(r.sent) }, r.sendBody); end != metrics.Finished && end != metrics.IdleTimeout {
		r.reset(http2.Cancel) // a connection that was reset, RFC 8441 §5
	}
}

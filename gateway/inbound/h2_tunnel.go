package inbound

import (
	"github.com/ringway/ringway/gateway/exchange"
	"github.com/ringway/ringway/observe/metrics"
	"github.com/ringway/ringway/proto/http2"
	"github.com/ringway/ringway/proto/ws"
)

// tunnel tells the client that its extended CONNECT is accepted (RFC 8441 §5), and passes bytes on as DATA until both sides have
// ended.
func (r *h2Request) tunnel() {
	defer r.DropResponse()
	fields := r.Response.Fields
	fields.Del(ws.AcceptField) // in the place of which HTTP/2 has the status
	if r.room() != nil {
		r.reset(http2.Cancel)
		return
	}
	if err := r.c.hc.AppendResponse(r.stream, 200, fields, false); err != nil {
		r.reset(http2.InternalError)
		return
	}
	r.c.proceed()
	r.responded, r.status = true, exchange.StatusTunnel
	r.h.Counters.CountStatus(exchange.StatusTunnel)
	if end := r.pass(r.in, r.sendBody); end != metrics.Finished && end != metrics.IdleTimeout {
		r.reset(http2.Cancel) // a connection that was reset, RFC 8441 §5
	}
}

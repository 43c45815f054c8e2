package inbound

import (
	"time"

	"github.com/ringway/ringway/conn"
	"github.com/ringway/ringway/errs"
	gwsession "github.com/ringway/ringway/gateway/session"
	"github.com/ringway/ringway/gateway/upstream"
	"github.com/ringway/ringway/observe/metrics"
)

// tunnel is what a session has become whose client has gone over to another protocol, with an upstream that speaks it: a relay
// passes the bytes on, and at rest there is no task.
type tunnel struct {
	trace
	s       *session
	up      *upstream.Conn
	cluster string // the endpoint's
	carrier carrier
	relay   *conn.Relay // the carrier where both sides are plain: only that can be handed over
	ended   bool
}

// carrier is a conn.Relay or a streamRelay.
type carrier interface {
	Stop()
	Why() conn.RelayEnd
	Moved() (there, back uint64)
}

var errTunnelReset = errs.New(errs.UpstreamReset, "the upstream broke the tunnel off")

// begin passes on what came behind the request and the response, and what comes.
func (t *tunnel) begin(idle time.Duration) {
	if !t.s.plain() || t.up.Stream != conn.Stream(t.up.Under) {
		r := &streamRelay{onEnd: t.parted, totals: t.h.totals()}
		t.carrier = r
		r.start(t.s.c, t.up.Stream, idle)
		return
	}
	t.plain().Start(t.s.under, t.up.Under, idle)
	t.leave()
}

// totals are where bytes are counted.
func (h *Handler) totals() [2]*uint64 { return [2]*uint64{&h.tunnelled[0], &h.tunnelled[1]} }

// plain makes the relay of two plain connections.
func (t *tunnel) plain() *conn.Relay {
	t.relay = &conn.Relay{Totals: t.h.totals(), OnEnd: func(*conn.Relay) { t.parted() }}
	t.carrier = t.relay
	return t.relay
}

// parted is called when the relay has ended and both connections are closed.
func (t *tunnel) parted() {
	t.up.Discard()
	stopped := metrics.IdleTimeout // it was at rest with what a side would not take
	if t.h.draining {
		stopped = metrics.Drained
	}
	end := gwsession.EndOf(t.carrier.Why(), stopped)
	if end == metrics.UpstreamReset {
		t.up.Endpoint.Counters.CountError(errTunnelReset)
	}
	t.ended = true
	in, out := t.carrier.Moved()
	t.trace.end(end, in, out)
}

package inbound

import (
	"time"

	"github.com/ringway/ringway/conn"
	"github.com/ringway/ringway/errs"
	"github.com/ringway/ringway/gateway/upstream"
	"github.com/ringway/ringway/observe/metrics"
)

// tunnel is what a session has become whose client has gone over to another protocol, with an upstream that speaks it, where both
// connections are plain: a relay passes the bytes on, without a task.
type tunnel struct {
	trace
	s       *session
	up      *upstream.Conn
	cluster string // the endpoint's
	relay   conn.Relay
	ended   bool
}

var errTunnelReset = errs.New(errs.UpstreamReset, "the upstream broke the tunnel off")

func (t *tunnel) prepare() {
	c := &t.h.Counters.Tunnels
	t.relay.Totals = [2]*uint64{&c.BytesIn, &c.BytesOut}
	t.relay.OnEnd = t.parted
}

// begin passes on what came behind the request and the response, and what comes.
func (t *tunnel) begin(idle time.Duration) {
	t.prepare()
	t.relay.Start(t.s.under, t.up.Under, idle)
	t.leave()
}

// parted is called when the relay has ended and both connections are closed.
func (t *tunnel) parted(r *conn.Relay) {
	t.up.Discard()
	end := metrics.SessionFailed
	switch r.Why() {
	case conn.RelayFinished:
		end = metrics.Finished
	case conn.RelayFirstReset:
		end = metrics.ClientReset
	case conn.RelaySecondReset:
		end = metrics.UpstreamReset
		t.up.Endpoint.Counters.CountError(errTunnelReset)
	case conn.RelayIdle:
		end = metrics.IdleTimeout
	case conn.RelayStopped:
		if t.h.draining {
			end = metrics.Drained
		}
	}
	t.ended = true
	in, out := r.Moved()
	t.trace.end(end, in, out)
}

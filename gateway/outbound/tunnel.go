package outbound

import (
	"github.com/ringway/ringway/errs"
	"github.com/ringway/ringway/gateway/http1io"
	"github.com/ringway/ringway/gateway/preface"
	"github.com/ringway/ringway/gateway/session"
	"github.com/ringway/ringway/gateway/upstream"
)

// Tunnel carries layer 4 sessions to one cluster, on one loop: it opens a connection for each.
type Tunnel struct {
	picker
}

// NewTunnel makes the tunnel to a cluster.
func NewTunnel(c *upstream.Cluster) *Tunnel { return &Tunnel{picker{Cluster: c}} }

// Open gives the session a connection of its own to one of the cluster's endpoints, on which what must come before the
// client's next byte has been sent. It is the caller's, to be given up by Discard.
func (h *Tunnel) Open(x *session.Session) (*upstream.Conn, error) {
	x.Cluster, x.DialAt = h.Cluster.Name, x.Net.Loop.Now()
	first := h.Cluster.Pick()
	if first == nil {
		return nil, errs.From(errs.UpstreamConnectFailed, noEndpoint(h.Cluster), "choose an endpoint")
	}
	e := first
	for others := 0; ; x.Retries++ {
		x.Endpoint = e.Name
		k, err := e.Open(x.Task)
		if err == nil {
			e.Counters.Requests++
			if x.Retries > 0 {
				e.Counters.Retries++
			}
			if err = h.begin(x, k); err == nil {
				x.OpenAt = x.Net.Loop.Now()
				return k, nil
			}
			k.Discard()
			e.Counters.CountError(err)
		}
		switch {
		case x.Task.Cause() != nil:
			return nil, x.Task.Cause()
		case !unreached(err) || others >= h.spare():
			return nil, err
		}
		e = h.next(first, others)
		others++
	}
}

// begin sends the PROXY header and the client's first bytes in one call, so that they make one segment: some receivers
// demand the header in the first one.
func (h *Tunnel) begin(x *session.Session, k *upstream.Conn) error {
	version := h.Cluster.Settings.SendProxy
	if version == preface.NoProxy && x.Early == nil {
		return nil // the relay sends what the client's connection holds
	}
	b := x.Net.Small()
	if b == nil {
		return errs.From(errs.Overloaded, http1io.ErrNoBlocks, "connect to "+k.Endpoint.Name)
	}
	defer b.Put()
	head := b.Bytes[:0]
	if version != preface.NoProxy {
		if !x.Source.IsValid() {
			x.Source = x.Client.Remote()
		}
		if !x.Destination.IsValid() {
			x.Destination = x.Client.Local()
		}
		head = preface.AppendProxy(head, version, x.Endpoints)
	}
	body, held := x.Client.Buffered(), true
	if x.Early != nil {
		body, held = x.Early.Data(), false
	}
	k.SetWriteTimeout(h.Cluster.Settings.Write)
	if err := k.WriteBufs(head, body, false); err != nil {
		return errs.From(errs.UpstreamReset, err, "begin session with "+k.Endpoint.Name)
	}
	x.Forwarded = len(body)
	if held {
		x.Client.Consume(len(body))
	}
	x.DropEarly()
	return nil
}

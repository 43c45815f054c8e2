package inbound

import (
	"net/netip"
	"time"

	"github.com/ringway/ringway/conn"
	"github.com/ringway/ringway/gateway/handover"
	"github.com/ringway/ringway/gateway/upstream"
	"github.com/ringway/ringway/observe/accesslog"
)

// leave takes the tunnel out of the loop as soon as it is at rest, if it is to be given.
func (t *tunnel) leave() {
	s := t.s
	if s.h.to == nil || s.stays || s.leaving || s.pinned || t.ended {
		return
	}
	s.leaving = true
	t.relay.Detach(t.left)
}

// back goes on here.
func (t *tunnel) back() {
	t.s.leaving = false
	t.relay.Resume()
}

// left gives both connections, now that nothing touches them.
func (t *tunnel) left(r *conn.Relay) {
	s := t.s
	s.leaving = false
	if s.h.to == nil || s.stays {
		t.back()
		return
	}
	moved, rec := r.State(), &t.rec
	state := handover.Upgrade{
		Tunnel: handover.Tunnel{
			Unread: [2][]byte{s.under.AppendUnread(nil), t.up.Under.AppendUnread(nil)}, Ended: moved.Ended, Moved: moved.Moved,
			Cluster: t.cluster, Endpoint: t.up.Endpoint.Name, Route: rec.Route, Retries: int(rec.Retries),
			Age: time.Duration(s.h.n.Loop.Now() - t.start), Opening: time.Duration(rec.UpstreamDuration),
		},
		RequestID: string(rec.RequestID), Method: string(rec.Method), Host: string(rec.Host), Path: string(rec.Path),
		Protocol: rec.Protocol, Referer: string(rec.Referer), UserAgent: string(rec.UserAgent),
	}
	if s.client.IsValid() {
		state.Source = s.client.String()
	}
	s.h.to(&handover.Record{
		Kind: handover.Upgraded, Listener: s.h.Name, State: handover.Encode(&state), Fds: []int{s.under.FD(), t.up.Under.FD()},
		Kept: func() {
			s.stays = true
			t.back()
		},
		Gone: func() {
			if !t.ended { // else it was cut off meanwhile
				t.gone()
			}
		},
	})
}

// gone lets go of a tunnel that another process has: there it is counted and logged.
func (t *tunnel) gone() {
	t.ended = true
	t.h.Counters.Tunnels.Open--
	t.relay.Close()
	t.up.Discard()
}

// ReceiveUpgraded takes a tunnel over from another process, with both its connections. On failure the descriptors are the caller's, as AttachBoth leaves them.
func (h *Handler) ReceiveUpgraded(fds []int, unix bool, to *upstream.Endpoint, state *handover.Upgrade) error {
	c, k, err := to.AttachBoth(fds, unix, state.Unread)
	if err != nil {
		return err
	}
	s := h.arrive(c)
	s.client, _ = netip.ParseAddrPort(state.Source)
	s.active = true
	t := &tunnel{s: s, up: k, cluster: state.Cluster}
	t.h, t.start = h, h.n.Loop.Now()-int64(state.Age)
	t.rec = accesslog.Record{
		Client: s.remote(), Method: []byte(state.Method), Host: []byte(state.Host), Path: []byte(state.Path), Referer: []byte(state.Referer),
		UserAgent: []byte(state.UserAgent), RequestID: []byte(state.RequestID), Protocol: state.Protocol, Listener: h.Name, Route: state.Route,
		Cluster: state.Cluster, Upstream: state.Endpoint, Status: 101, Retries: uint16(state.Retries), UpstreamDuration: int64(state.Opening),
	}
	h.Counters.Tunnels.Open++
	s.tunnel = t
	t.plain().Continue(c, k.Under, h.terms.times.tunnel, conn.RelayState{Ended: state.Ended, Moved: state.Moved})
	return nil
}

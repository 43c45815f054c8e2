package tcp

import (
	"net/netip"
	"time"

	"github.com/ringway/ringway/conn"
	"github.com/ringway/ringway/gateway/handover"
	"github.com/ringway/ringway/gateway/upstream"
)

// Yield stops accepting and gives every session to to, as soon as it is between two messages.
func (h *Handler) Yield(to handover.Taker) {
	h.to = to
	h.gate.Close()
	for s := range h.sessions {
		s.leave()
	}
}

// Movable is how many sessions may still be given.
func (h *Handler) Movable() int {
	n := 0
	for s := range h.sessions {
		if s.state != ended && !s.stays {
			n++
		}
	}
	return n
}

// Stay ends a Yield, without what was given: what is still here stays.
func (h *Handler) Stay() {
	for s := range h.sessions {
		s.stays = true
		if s.leaving {
			s.back()
		}
	}
}

// Resume makes the handler one again that gives nothing. That it accepts is for its Gate.
func (h *Handler) Resume() {
	h.to = nil
	for s := range h.sessions {
		s.stays = false
		if s.leaving {
			s.back()
		}
	}
}

// leave takes the session out of the loop if it is at rest, or as soon as its relay is.
func (s *tunnel) leave() {
	if s.h.to == nil || s.stays || s.leaving {
		return
	}
	switch s.state {
	case joined:
		s.leaving = true
		s.relay.Detach(s.relayLeft)
	case waiting:
		s.leaving = s.Client.Detach(s.clientLeft) == nil
	}
}

// back goes on here.
func (s *tunnel) back() {
	s.leaving = false
	switch {
	case s.state == joined:
		s.relay.Resume()
	case s.state == waiting && !s.Client.Closed():
		s.Client.Reattach()
		s.goOnWaiting()
	}
}

// goOnWaiting waits for the client's first bytes, or begins with those that are there.
func (s *tunnel) goOnWaiting() {
	d := s.terms.times.hello
	if s.header {
		d = s.terms.times.proxy
	}
	s.wait(d)
	if !s.leaving && (len(s.Client.Buffered()) > 0 || s.Client.Err() != nil) {
		s.work()
	}
}

func (s *tunnel) clientLeft(c *conn.Conn) {
	s.leaving = false
	if s.h.to == nil || s.stays || c.Err() != nil {
		s.stays = true // there is nothing more to move
		s.back()
		return
	}
	state := handover.Client{Unread: c.AppendUnread(nil), Header: s.header, Source: text(s.Source), Destination: text(s.Destination)}
	s.give(handover.Waiting, handover.Encode(&state), func() {
		s.state = ended
		_ = c.Close()
	}, c.FD())
}

func (s *tunnel) relayLeft(r *conn.Relay) {
	s.leaving = false
	if s.h.to == nil || s.stays {
		s.back()
		return
	}
	now, moved := s.h.n.Loop.Now(), r.State()
	state := handover.Tunnel{
		Unread: [2][]byte{s.Client.AppendUnread(nil), s.up.Under.AppendUnread(nil)}, Ended: moved.Ended, Moved: moved.Moved,
		Forwarded: s.Forwarded, ID: s.ID, Cluster: s.Cluster, Endpoint: s.Endpoint, Route: s.Route, ServerName: string(s.ServerName),
		Source: text(s.Source), Destination: text(s.Destination), Retries: s.Retries, Age: time.Duration(now - s.Start),
	}
	if s.OpenAt > 0 {
		state.Opening = time.Duration(s.OpenAt - s.DialAt)
	}
	s.give(handover.Relay, handover.Encode(&state), func() {
		s.state = ended // there it is counted and logged
		r.Close()
		s.up.Discard()
	}, s.Client.FD(), s.up.Under.FD())
}

func (s *tunnel) give(kind string, state []byte, gone func(), fds ...int) {
	s.h.to(&handover.Record{
		Kind: kind, Listener: s.h.Name, State: state, Fds: fds,
		Kept: func() {
			s.stays = true
			s.back()
		},
		Gone: func() {
			if s.state != ended { // else it was cut off meanwhile
				gone()
			}
		},
	})
}

func text(a netip.AddrPort) string {
	if !a.IsValid() {
		return ""
	}
	return a.String()
}

// arrive makes the session of a client's connection that comes from another process.
func (h *Handler) arrive(c *conn.Conn) *tunnel {
	h.Counters.Accepted++
	h.Counters.Active++
	s := &tunnel{h: h, terms: h.terms, door: h.gate.Enter()}
	s.Net, s.Client, s.Listener, s.ID, s.Start = h.n, c, h.Name, h.IDs.Take(), h.n.Loop.Now()
	h.sessions[s] = struct{}{}
	c.OnClosed = s.closed
	s.peer = c.Remote()
	return s
}

// ReceiveWaiting takes a session over that has yet to say where it is to go. On failure the descriptor is the caller's.
func (h *Handler) ReceiveWaiting(fd int32, unix bool, state *handover.Client) error {
	c, err := conn.Attach(h.n, fd, unix, state.Unread)
	if err != nil {
		return err
	}
	s := h.arrive(c)
	s.header = state.Header
	s.Source, _ = netip.ParseAddrPort(state.Source)
	s.Destination, _ = netip.ParseAddrPort(state.Destination)
	s.goOnWaiting()
	return nil
}

// ReceiveRelay takes a session over with both its connections. On failure the descriptors are the caller's, as AttachBoth leaves them.
func (h *Handler) ReceiveRelay(fds []int, unix bool, to *upstream.Endpoint, state *handover.Tunnel) error {
	c, k, err := to.AttachBoth(fds, unix, state.Unread)
	if err != nil {
		return err
	}
	s := h.arrive(c)
	s.up, s.state = k, joined
	s.ID, s.Cluster, s.Endpoint, s.Route, s.Retries, s.Forwarded = state.ID, state.Cluster, state.Endpoint, state.Route, state.Retries, state.Forwarded
	if state.ServerName != "" {
		s.ServerName = []byte(state.ServerName)
	}
	s.Source, _ = netip.ParseAddrPort(state.Source)
	s.Destination, _ = netip.ParseAddrPort(state.Destination)
	s.Start -= int64(state.Age)
	if state.Opening > 0 {
		s.DialAt, s.OpenAt = s.Start, s.Start+int64(state.Opening)
	}
	s.relay.Totals = [2]*uint64{&h.Counters.BytesIn, &h.Counters.BytesOut}
	s.relay.OnEnd = s.parted
	s.relay.Continue(c, k.Under, s.terms.times.tunnel, conn.RelayState{Ended: state.Ended, Moved: state.Moved})
	return nil
}

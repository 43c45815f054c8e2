package inbound

import (
	"errors"
	"net/netip"

	"github.com/ringway/ringway/conn"
	"github.com/ringway/ringway/gateway/handover"
	"github.com/ringway/ringway/gateway/secure"
)

// Yield stops accepting and gives every connection that can be handed over to to, as soon as it is between two requests. One
// that carries TLS stays, unless nothing of its handshake has come yet.
func (h *Handler) Yield(to handover.Taker) {
	h.to = to
	h.gate.Close()
	for s := range h.sessions {
		s.leave()
	}
}

// Movable is how many connections may still be given.
func (h *Handler) Movable() int {
	n := 0
	for s := range h.sessions {
		if s.plain() && !s.stays && !s.pinned && (s.tunnel == nil || !s.tunnel.ended) {
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

// errPlain refuses a connection that is to become TLS, since the listener has none any more.
var errPlain = errors.New("the listener has no TLS any more")

// Receive takes a connection over from another process. On failure the descriptor is the caller's.
func (h *Handler) Receive(fd int32, unix bool, state *handover.Client) error {
	return h.receive(fd, unix, state, nil)
}

// ReceiveHello is Receive for one whose client is to begin a handshake.
func (h *Handler) ReceiveHello(fd int32, unix bool, state *handover.Client) error {
	if h.terms.tls == nil {
		return errPlain
	}
	return h.receive(fd, unix, state, h.terms.tls)
}

func (h *Handler) receive(fd int32, unix bool, state *handover.Client, shake *secure.Terminator) error {
	c, err := conn.Attach(h.n, fd, unix, state.Unread)
	if err != nil {
		return err
	}
	s := h.arrive(c)
	s.shake, s.requests, s.header = shake, state.Requests, state.Header
	s.client, _ = netip.ParseAddrPort(state.Source) // without it, who opened the connection
	s.rest()
	if len(c.Buffered()) > 0 && !s.leaving {
		s.Readable(c)
	}
	return nil
}

// arrive makes the session of a connection that comes from another process.
func (h *Handler) arrive(c *conn.Conn) *session {
	h.Counters.Accepted++
	h.Counters.Active++
	s := &session{h: h, c: c, under: c, door: h.gate.Enter(), since: h.n.Loop.Now()}
	h.sessions[s] = struct{}{}
	c.OnClosed = s.closed
	return s
}

// plain reports whether bytes lie on the wire as they are read, so that another process can go on with them. Those of a handshake
// do, until the first of them is taken.
func (s *session) plain() bool {
	return s.h2 == nil && !s.begun && s.c == conn.Stream(s.under)
}

// leave takes the connection out of the loop, if it is at rest and to be given.
func (s *session) leave() bool {
	if s.tunnel != nil {
		s.tunnel.leave()
		return s.leaving
	}
	if s.h.to == nil || s.active || s.stays || s.leaving || !s.plain() || s.c.Closed() || s.under.Detach(s.left) != nil {
		return false
	}
	s.leaving = true
	return true
}

// left gives the connection, now that nothing touches it.
func (s *session) left(c *conn.Conn) {
	s.leaving = false
	if c.Err() != nil || c.WriteErr() != nil {
		s.leftEarly()
		_ = c.Close()
		return
	}
	if s.h.to == nil || s.stays {
		s.back()
		return
	}
	state := handover.Client{Unread: c.AppendUnread(nil), Requests: s.requests, Header: s.header}
	if s.client.IsValid() {
		state.Source = s.client.String()
	}
	kind := handover.HTTP1
	if s.shake != nil {
		kind = handover.Hello
	}
	s.h.to(&handover.Record{
		Kind: kind, Listener: s.h.Name, State: handover.Encode(&state), Fds: []int{c.FD()},
		Kept: func() {
			s.stays = true
			s.back()
		},
		Gone: func() { _ = c.Close() }, // it may have been closed meanwhile
	})
}

// back serves on here. It is not given again.
func (s *session) back() {
	if s.tunnel != nil {
		s.tunnel.back()
		return
	}
	s.leaving = false
	if s.c.Closed() {
		return
	}
	s.under.Reattach()
	s.since = s.h.n.Loop.Now() // nobody heard the client meanwhile
	s.rest()
	if len(s.c.Buffered()) > 0 || s.c.Err() != nil {
		s.Readable(s.under)
	}
}

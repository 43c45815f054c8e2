package inbound

import (
	"log/slog"
	"time"

	"github.com/ringway/ringway/conn"
	"github.com/ringway/ringway/gateway/filter"
	"github.com/ringway/ringway/gateway/handover"
	"github.com/ringway/ringway/gateway/preface"
	"github.com/ringway/ringway/gateway/route"
	"github.com/ringway/ringway/loop"
	"github.com/ringway/ringway/observe/accesslog"
	"github.com/ringway/ringway/observe/metrics"
)

// Target is what a route leads to on one loop.
type Target struct {
	Name    string
	Cluster string
	Chain   filter.Chain

	upgrades route.Upgrades
}

// Config is what a listener needs on one loop.
type Config struct {
	Name  string
	Log   *slog.Logger
	IDs   *IDs
	Clock func() time.Time // what responses are dated by; nil: time.Now
}

// IDs numbers a loop's requests from a random start.
type IDs struct{ next uint64 }

// NewIDs starts from seed, which should be random and differ between loops.
func NewIDs(seed uint64) *IDs { return &IDs{next: seed} }

// Take gives the next number.
func (i *IDs) Take() uint64 {
	// An odd constant visits every number once, and neighbours do not look alike.
	i.next += 0x9E3779B97F4A7C15
	return i.next
}

// Handler is one listener on one loop.
type Handler struct {
	Config
	Counters metrics.ListenerCounters

	n          *conn.Net
	gate       *Gate
	terms      *Terms
	access     *accesslog.Producer // nil: off
	complaints Complaints
	matcher    route.Matcher
	date       date
	sessions   map[*session]struct{}
	free       []*h1Request
	freeH2     []*h2Request
	draining   bool           // every response is its connection's last
	closes     bool           // and connections at rest are closed, but for those that have yet to be answered for the first time
	patience   time.Duration  // while draining: for what may be on its way
	tunnelled  [2]uint64      // bytes of tunnels, from clients and to them, that Counters have not
	to         handover.Taker // gets connections at rest, on the way to another process; nil: they stay
}

// New makes the handler. It serves by the terms that Apply gives it, what its Gate accepts.
func New(n *conn.Net, c Config) *Handler {
	if c.Clock == nil {
		c.Clock = time.Now
	}
	h := &Handler{Config: c, n: n, complaints: Complaints{Log: c.Log, Listener: c.Name}, sessions: map[*session]struct{}{}}
	h.date.clock = c.Clock
	h.gate = NewGate(n, h.accept)
	return h
}

// Gate is what the handler accepts from.
func (h *Handler) Gate() *Gate { return h.gate }

// Apply makes t the terms of every request that begins from now on.
func (h *Handler) Apply(t *Terms) {
	h.endTerms()
	h.terms = t
	h.Counters.HTTP2.Enabled = h.Counters.HTTP2.Enabled || t.http2 != nil
	if t.http2 == nil {
		for s := range h.sessions {
			if s.h2 != nil {
				s.h2.drain()
			}
		}
	}
	if t.tls != nil {
		t.tls.Count(&h.Counters.TLS)
	}
}

// endTerms lets go of what the terms in force hold; requests and handshakes that go on need nothing of it.
func (h *Handler) endTerms() {
	if h.terms != nil && h.terms.tls != nil {
		h.terms.tls.Close()
	}
}

// Terms are those in force.
func (h *Handler) Terms() *Terms { return h.terms }

// SetAccess makes p take what is logged from now on; nil: nothing is.
func (h *Handler) SetAccess(p *accesslog.Producer) { h.access = p }

// accept starts a connection's life.
func (h *Handler) accept(d *Door, c *conn.Conn) {
	h.Counters.Accepted++
	h.Counters.Active++
	s := &session{h: h, c: c, under: c, door: d, shake: h.terms.tls, since: h.n.Loop.Now()}
	h.sessions[s] = struct{}{}
	c.OnClosed = s.closed
	if h.terms.proxies != nil {
		switch h.terms.proxies.Judge(c.Remote().Addr()) {
		case preface.Header:
			s.header = true
		case preface.Untrusted:
			s.refuse(metrics.UntrustedProxy, errUntrusted)
			c.Abort()
			return
		case preface.Gone:
			c.Abort()
			return
		}
	}
	s.rest() // while draining, too: it came just before, and its request with it or never
}

// Label is the listener's name in metrics.
func (h *Handler) Label() string { return h.Name }

// Snapshot is the counters as they are now.
func (h *Handler) Snapshot() metrics.ListenerCounters {
	c := h.Counters
	c.Paused, c.Capped = h.gate.Waits()
	c.BytesIn, c.Tunnels.BytesIn = c.BytesIn+h.tunnelled[0], c.Tunnels.BytesIn+h.tunnelled[0]
	c.BytesOut, c.Tunnels.BytesOut = c.BytesOut+h.tunnelled[1], c.Tunnels.BytesOut+h.tunnelled[1]
	return c
}

// Drain stops accepting, closes connections at rest and lets those in use finish their request, or the handshake and the first
// request. Clients that have connected and were not answered yet have patience for that; 0: they are not waited for.
func (h *Handler) Drain(patience time.Duration) {
	h.draining, h.closes, h.patience = true, true, patience
	h.gate.Close()
	for s := range h.sessions {
		switch {
		case s.h2 != nil:
			s.h2.drain()
		case s.fresh() && patience > 0:
			s.c.SetReadTimeout(s.silence())
		case !s.active:
			_ = s.c.Close()
		}
	}
}

// Retire stops accepting and lets each connection carry the request that is on its way, or may be: a client that has not been
// told cannot know that the next one would come too late. What is silent for patience is closed.
func (h *Handler) Retire(patience time.Duration) {
	h.draining, h.patience = true, patience
	h.gate.Close()
	for s := range h.sessions {
		if s.h2 != nil {
			s.h2.drain()
		} else if !s.active {
			s.c.SetReadTimeout(patience)
		}
	}
}

// Conns is the number of open connections.
func (h *Handler) Conns() int { return len(h.sessions) }

// CloseAll ends every connection. Requests in flight are cancelled, and close theirs: what of a body lies in a buffer of
// the connection may be on its way to an upstream just now.
func (h *Handler) CloseAll() {
	h.endTerms()
	for s := range h.sessions {
		switch {
		case s.tunnel != nil:
			s.tunnel.carrier.Stop()
		case s.h2 != nil:
			s.h2.abort(loop.ErrStopped)
		case s.active:
			h.n.Loop.Cancel(s.task, loop.ErrStopped)
		default:
			s.c.Abort()
		}
	}
}

// date keeps the text of the Date field (RFC 9110 §6.6.1), made anew once a second.
type date struct {
	clock  func() time.Time
	second int64
	text   []byte
}

func (d *date) append(dst []byte, now int64) []byte {
	d.renew(now)
	return append(dst, d.text...)
}

// value is the field's value alone.
func (d *date) value(now int64) []byte {
	d.renew(now)
	return d.text[len("Date: ") : len(d.text)-len("\r\n")]
}

func (d *date) renew(now int64) {
	if s := now / int64(time.Second); s != d.second || d.text == nil {
		d.second = s
		d.text = d.clock().UTC().AppendFormat(d.text[:0], "Date: Mon, 02 Jan 2006 15:04:05 GMT\r\n")
	}
}

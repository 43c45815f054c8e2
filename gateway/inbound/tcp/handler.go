package tcp

import (
	"log/slog"
	"strconv"
	"time"

	"github.com/ringway/ringway/conn"
	"github.com/ringway/ringway/gateway/handover"
	"github.com/ringway/ringway/gateway/inbound"
	"github.com/ringway/ringway/gateway/outbound"
	"github.com/ringway/ringway/gateway/preface"
	"github.com/ringway/ringway/gateway/route"
	"github.com/ringway/ringway/loop"
	"github.com/ringway/ringway/observe/accesslog"
	"github.com/ringway/ringway/observe/metrics"
	"github.com/ringway/ringway/proto/tls"
)

// Target is what a route leads to on one loop.
type Target struct {
	Name string
	To   *outbound.Tunnel
}

// Config is what a listener needs on one loop.
type Config struct {
	Name string
	Log  *slog.Logger
	IDs  *inbound.IDs
}

// Handler is one listener on one loop.
type Handler struct {
	Config
	Counters metrics.ListenerCounters

	n          *conn.Net
	gate       *inbound.Gate
	terms      *Terms
	access     *accesslog.Producer // nil: off
	complaints inbound.Complaints
	sessions   map[*tunnel]struct{}
	hellos     []*tls.ClientHello // for reuse
	note       []byte
	draining   bool
	to         handover.Taker // gets sessions at rest, on the way to another process; nil: they stay
}

// Terms are what a listener does with sessions on one loop. They do not change; a reload gives the handler others, and a session
// keeps those that it began with.
type Terms struct {
	Names   *route.Names // compiled from Spec.Sessions
	Targets []Target     // by what Names finds

	proxies   *preface.Policy
	times     times
	helloSize int
}

type times struct{ proxy, hello, tunnel time.Duration }

// NewTerms makes the terms of s, whose sessions names was compiled from and targets are in the order of. It may be called
// outside the loop.
func NewTerms(s *inbound.Spec, names *route.Names, targets []Target) *Terms {
	t := &s.Timeouts
	terms := &Terms{Names: names, Targets: targets, proxies: preface.NewPolicy(s.Proxy), helloSize: int(s.Limits.ClientHello),
		times: times{proxy: t.ProxyHeader.Std(), hello: t.ClientHello.Std(), tunnel: t.Tunnel.Std()}}
	for i := range targets {
		if targets[i].Name == "" && s.Cluster == "" {
			targets[i].Name = "#" + strconv.Itoa(i)
		}
	}
	return terms
}

// New makes the handler. It serves by the terms that Apply gives it, what its Gate accepts.
func New(n *conn.Net, c Config) *Handler {
	h := &Handler{Config: c, n: n, complaints: inbound.Complaints{Log: c.Log, Listener: c.Name}, sessions: map[*tunnel]struct{}{}}
	h.gate = inbound.NewGate(n, h.accept)
	h.Counters.Sessions.Layer4 = true
	return h
}

// Gate is what the handler accepts from.
func (h *Handler) Gate() *inbound.Gate { return h.gate }

// Apply makes t the terms of every session that begins from now on.
func (h *Handler) Apply(t *Terms) { h.terms = t }

// SetAccess makes p take what is logged from now on; nil: nothing is.
func (h *Handler) SetAccess(p *accesslog.Producer) { h.access = p }

// accept starts a connection's life.
func (h *Handler) accept(d *inbound.Door, c *conn.Conn) {
	h.Counters.Accepted++
	h.Counters.Active++
	s := &tunnel{h: h, terms: h.terms, door: d}
	s.Net, s.Client, s.Listener, s.ID, s.Start = h.n, c, h.Name, h.IDs.Take(), h.n.Loop.Now()
	h.sessions[s] = struct{}{}
	c.OnClosed = s.closed
	s.peer = c.Remote() // it cannot be asked for when the connection has ended
	s.begin()
}

// Label is the listener's name in metrics.
func (h *Handler) Label() string { return h.Name }

// Snapshot is the counters as they are now.
func (h *Handler) Snapshot() metrics.ListenerCounters {
	c := h.Counters
	c.Paused, c.Capped = h.gate.Waits()
	return c
}

// Drain stops accepting. Sessions go on, but for those that have not sent anything yet of what they are to be routed by.
func (h *Handler) Drain(time.Duration) {
	h.draining = true
	h.gate.Close()
	for s := range h.sessions {
		if s.state == waiting {
			_ = s.Client.Close()
			s.finish(metrics.Drained)
		}
	}
}

// Retire stops accepting. Sessions go on, those too that have yet to say where they are to go: they have their own short time.
func (h *Handler) Retire(time.Duration) { h.gate.Close() }

// Conns is the number of open connections.
func (h *Handler) Conns() int { return len(h.sessions) }

// CloseAll cuts every session off; both sides see a reset.
func (h *Handler) CloseAll() {
	for s := range h.sessions {
		switch s.state {
		case working:
			h.n.Loop.Cancel(s.task, loop.ErrStopped)
		case joined:
			s.relay.Stop()
		default:
			s.finish(metrics.Drained)
		}
	}
}

// maxHellos is how many ClientHellos are kept for reuse.
const maxHellos = 64

func (h *Handler) takeHello() *tls.ClientHello {
	if n := len(h.hellos) - 1; n >= 0 {
		hello := h.hellos[n]
		h.hellos = h.hellos[:n]
		return hello
	}
	return new(tls.ClientHello)
}

func (h *Handler) putHello(hello *tls.ClientHello) {
	hello.Reset()
	if len(h.hellos) < maxHellos {
		h.hellos = append(h.hellos, hello)
	}
}

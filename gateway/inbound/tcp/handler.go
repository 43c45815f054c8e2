package tcp

import (
	"log/slog"
	"strconv"
	"time"

	"github.com/ringway/ringway/conn"
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
	Name    string
	Spec    *inbound.Spec
	Names   *route.Names // compiled from Spec.Sessions
	Targets []Target     // by what Names finds
	Log     *slog.Logger
	Access  *accesslog.Producer // nil: off
	IDs     *inbound.IDs
}

// Handler is one listener on one loop.
type Handler struct {
	Config
	Counters metrics.ListenerCounters

	n          *conn.Net
	ln         *conn.Listener
	proxies    *preface.Policy
	times      times
	helloSize  int
	complaints inbound.Complaints
	sessions   map[*tunnel]struct{}
	hellos     []*tls.ClientHello // for reuse
	note       []byte
	draining   bool
}

type times struct{ proxy, hello, tunnel time.Duration }

// New makes the handler; Serve gives it connections.
func New(n *conn.Net, c Config) *Handler {
	t := &c.Spec.Timeouts
	h := &Handler{Config: c, n: n, proxies: preface.NewPolicy(c.Spec.Proxy), helloSize: int(c.Spec.Limits.ClientHello),
		times:      times{proxy: t.ProxyHeader.Std(), hello: t.ClientHello.Std(), tunnel: t.Tunnel.Std()},
		complaints: inbound.Complaints{Log: c.Log, Listener: c.Name},
		sessions:   map[*tunnel]struct{}{},
	}
	h.Counters.Sessions.Layer4 = true
	for i := range h.Targets {
		if h.Targets[i].Name == "" && c.Spec.Cluster == "" {
			h.Targets[i].Name = "#" + strconv.Itoa(i)
		}
	}
	return h
}

// Serve accepts connections from the listening socket fd, which it owns from then on; maxConns is this loop's share of
// the listener's bound.
func (h *Handler) Serve(fd, maxConns int) {
	h.ln = conn.Listen(h.n, fd, conn.ListenConfig{Address: h.Spec.Address, MaxConns: maxConns}, h)
}

// Accept starts a connection's life.
func (h *Handler) Accept(c *conn.Conn) {
	h.Counters.Accepted++
	h.Counters.Active++
	s := &tunnel{h: h}
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
	if h.ln != nil {
		c.Paused, c.Capped = h.ln.Paused, h.ln.Capped
	}
	return c
}

// Drain stops accepting. Sessions go on, but for those that have not sent anything yet of what they are to be routed by.
func (h *Handler) Drain() {
	if h.draining {
		return
	}
	h.draining = true
	if h.ln != nil {
		h.ln.Close()
	}
	for s := range h.sessions {
		if s.state == waiting {
			_ = s.Client.Close()
			s.finish(metrics.Drained)
		}
	}
}

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

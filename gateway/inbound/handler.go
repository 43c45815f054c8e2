package inbound

import (
	"log/slog"
	"strconv"
	"time"

	"github.com/ringway/ringway/conn"
	"github.com/ringway/ringway/gateway/filter"
	"github.com/ringway/ringway/gateway/preface"
	"github.com/ringway/ringway/gateway/route"
	"github.com/ringway/ringway/loop"
	"github.com/ringway/ringway/observe/accesslog"
	"github.com/ringway/ringway/observe/metrics"
	"github.com/ringway/ringway/proto/http1"
)

// Target is what a route leads to on one loop.
type Target struct {
	Name    string
	Cluster string
	Chain   filter.Chain
}

// Config is what a listener needs on one loop.
type Config struct {
	Name    string
	Spec    *Spec
	Table   *route.Table // compiled from Spec.Routes
	Targets []Target     // by route.Rule.Index
	Log     *slog.Logger
	Access  *accesslog.Producer // nil: off
	IDs     *IDs
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
	ln         *conn.Listener
	http1      http1.Limits
	bodyMax    int64
	times      times
	half       HalfClose
	maxReqs    int
	proxies    *preface.Policy
	complaints Complaints
	forward    forwarder
	matcher    route.Matcher
	date       date
	sessions   map[*session]struct{}
	free       []*request
	draining   bool
}

type times struct{ head, idle, read, write, proxy time.Duration }

// New makes the handler; Serve gives it connections.
func New(n *conn.Net, c Config) *Handler {
	s := c.Spec
	lim := http1.DefaultLimits()
	lim.MaxHead, lim.MaxLine, lim.MaxFields = int(s.Limits.Head), int(s.Limits.Line), s.Limits.Fields
	t := &s.Timeouts
	h := &Handler{Config: c, n: n, http1: lim, bodyMax: int64(s.Limits.Body), half: s.HalfClose, maxReqs: s.Limits.Requests,
		times:   times{head: t.RequestHead.Std(), idle: t.Idle.Std(), read: t.Read.Std(), write: t.Write.Std(), proxy: t.ProxyHeader.Std()},
		forward: newForwarder(&s.Forwarded),
		proxies: preface.NewPolicy(s.Proxy), complaints: Complaints{Log: c.Log, Listener: c.Name},
		sessions: map[*session]struct{}{},
	}
	for i := range h.Targets {
		if h.Targets[i].Name == "" {
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
	s := &session{h: h, c: c, under: c}
	h.sessions[s] = struct{}{}
	c.OnClosed = s.closed
	if h.proxies != nil {
		verdict := h.proxies.Judge(c.Remote().Addr())
		if s.header = verdict == preface.Header; verdict == preface.Untrusted {
			s.refuse(metrics.UntrustedProxy, errUntrusted)
			c.Abort()
			return
		}
	}
	s.rest()
	if h.draining { // it came just before, and its request with it or never
		c.SetReadTimeout(lingerTime)
	}
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

// Drain stops accepting, closes connections at rest and lets those in use finish their request.
func (h *Handler) Drain() {
	if h.draining {
		return
	}
	h.draining = true
	if h.ln != nil {
		h.ln.Close()
	}
	for s := range h.sessions {
		if !s.active {
			_ = s.c.Close()
		}
	}
}

// Conns is the number of open connections.
func (h *Handler) Conns() int { return len(h.sessions) }

// CloseAll ends every connection. Requests in flight are cancelled, and close theirs: what of a body lies in a buffer of
// the connection may be on its way to an upstream just now.
func (h *Handler) CloseAll() {
	for s := range h.sessions {
		if s.active {
			h.n.Loop.Cancel(s.task, loop.ErrStopped)
		} else {
			s.c.Abort()
		}
	}
}

// date keeps the text of the Date field (RFC 9110 §6.6.1), made anew once a second.
type date struct {
	second int64
	text   []byte
}

func (d *date) append(dst []byte, now int64) []byte {
	if s := now / int64(time.Second); s != d.second || d.text == nil {
		d.second = s
		d.text = time.Now().UTC().AppendFormat(d.text[:0], "Date: Mon, 02 Jan 2006 15:04:05 GMT\r\n")
	}
	return append(dst, d.text...)
}

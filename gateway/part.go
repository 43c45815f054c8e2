package gateway

import (
	"slices"
	"time"

	"github.com/ringway/ringway/conn"
	"github.com/ringway/ringway/errs"
	"github.com/ringway/ringway/gateway/exchange"
	"github.com/ringway/ringway/gateway/filter"
	"github.com/ringway/ringway/gateway/inbound"
	"github.com/ringway/ringway/gateway/upstream"
	"github.com/ringway/ringway/loop"
	"github.com/ringway/ringway/observe/accesslog"
	"github.com/ringway/ringway/observe/metrics"
)

// part is what one loop has of the gateway. It is used on that loop.
type part struct {
	loop     *loop.Loop
	net      *conn.Net
	clusters map[string]*upstream.Cluster
	handlers []handler // in the order of the listeners' names
	leaving  []handler // of listeners that are no more, while they have connections
	slot     int       // which of the access log's producers is its own

	// doors are the queues that its gates have, by listener. Only who changes the gateway knows them, not the loop.
	doors map[string][]uint64
}

// handler is one listener on this loop, of whatever protocol.
type handler interface {
	// Gate is what it accepts from.
	Gate() *inbound.Gate
	// SetAccess changes where requests are logged.
	SetAccess(*accesslog.Producer)
	// Drain stops accepting and lets what goes on come to its end, at once where nothing does. Clients that have just come may be
	// given patience for their first request.
	Drain(patience time.Duration)
	// Retire stops accepting and lets every client have the answer to what it may have sent; those that are silent for so long
	// are let go.
	Retire(patience time.Duration)
	// CloseAll cuts off what still goes on.
	CloseAll()
	// Conns is the number of open connections.
	Conns() int
	// Label is the listener's name.
	Label() string
	// Snapshot is the counters as they are now.
	Snapshot() metrics.ListenerCounters
}

// newPart makes the part of a loop, with nothing in it yet. It runs on that loop.
func newPart(l *loop.Loop, heads, slot int) *part {
	lim := conn.DefaultLimits()
	lim.SmallBlocks = heads
	p := &part{loop: l, net: conn.NewNet(l, lim), slot: slot, clusters: map[string]*upstream.Cluster{}, doors: map[string][]uint64{}}
	l.OnTrim(p.net.Trim)
	return p
}

// named is the handler of a listener, nil if there is none.
func (p *part) named(name string) handler {
	for _, h := range p.handlers {
		if h.Label() == name {
			return h
		}
	}
	return nil
}

// share splits a bound over the loops; the first ones take what is left over, and each has at least one.
func share(bound, loops, id int) int {
	n := bound / loops
	if id < bound%loops {
		n++
	}
	return max(n, 1)
}

// nowhere ends the chain of a route whose filters answer.
type nowhere struct{}

func (nowhere) Handle(*exchange.Exchange) error {
	return errs.New(errs.NoEndpoint, "no filter of the route answered, and it has no cluster")
}

var _ filter.Handler = nowhere{}

// drain lets the part come to rest.
func (p *part) drain(patience time.Duration) {
	for _, h := range p.all() {
		h.Drain(patience)
	}
}

// all are the handlers, those too that are leaving.
func (p *part) all() []handler { return slices.Concat(p.handlers, p.leaving) }

// conns is the number of client connections.
func (p *part) conns() int {
	n := 0
	for _, h := range p.all() {
		n += h.Conns()
	}
	return n
}

// end closes every connection, clients' and upstreams'.
func (p *part) end() {
	for _, h := range p.all() {
		h.Drain(0)
		h.CloseAll()
	}
	for _, c := range p.clusters {
		c.Close()
	}
}

// snapshot adds the part's counters to s. One part is the first: it tells what is not counted by loop.
func (p *part) snapshot(s *metrics.Snapshot, first bool) {
	st := p.loop.Stats()
	s.Loops = append(s.Loops, metrics.Loop{ID: p.loop.ID(), LoopCounters: metrics.LoopCounters{
		Ticks: st.Ticks, Tasks: uint64(st.Live), Spawned: st.Spawned, Polls: st.Polls, Completions: st.Driver.Completed,
		Submissions: st.Driver.Submitted, Enters: st.Driver.Enters, Timers: uint64(st.Timers), Posted: st.Posted, Panics: st.Panics,
		Stalls: st.Stalls, StalledNs: uint64(st.Stalled), Delays: st.Delays,
	}})
	for _, h := range p.all() {
		s.Listeners = append(s.Listeners, metrics.Listener{Name: h.Label(), ListenerCounters: h.Snapshot()})
	}
	for _, c := range p.clusters {
		m := metrics.Cluster{Name: c.Name, ClusterCounters: c.Counters}
		if first {
			m.Endpoints, m.Available = uint64(len(c.Endpoints)), uint64(len(c.Chosen()))
		}
		s.Clusters = append(s.Clusters, m)
		for _, e := range c.Endpoints {
			s.Endpoints = append(s.Endpoints, metrics.Endpoint{Cluster: c.Name, Name: e.Name, EndpointCounters: e.Counters})
		}
	}
}

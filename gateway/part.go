package gateway

import (
	"math/rand/v2"

	"github.com/ringway/ringway/conn"
	"github.com/ringway/ringway/errs"
	"github.com/ringway/ringway/gateway/exchange"
	"github.com/ringway/ringway/gateway/filter"
	"github.com/ringway/ringway/gateway/inbound"
	"github.com/ringway/ringway/gateway/inbound/tcp"
	"github.com/ringway/ringway/gateway/outbound"
	"github.com/ringway/ringway/gateway/route"
	"github.com/ringway/ringway/gateway/upstream"
	"github.com/ringway/ringway/loop"
	"github.com/ringway/ringway/observe/metrics"
)

// part is what one loop has of the gateway. It is built and used on that loop.
type part struct {
	loop     *loop.Loop
	net      *conn.Net
	clusters map[string]*upstream.Cluster
	handlers []handler
}

// handler is one listener on this loop, of whatever protocol.
type handler interface {
	// Serve accepts connections from a listening socket, at most so many at a time.
	Serve(fd, maxConns int)
	// Drain stops accepting and lets what goes on come to its end.
	Drain()
	// CloseAll cuts off what still goes on.
	CloseAll()
	// Conns is the number of open connections.
	Conns() int
	// Label is the listener's name in metrics.
	Label() string
	// Snapshot is the counters as they are now.
	Snapshot() metrics.ListenerCounters
}

// build makes the part of loop l. sockets are this loop's listening sockets, by listener.
func (g *Gateway) build(l *loop.Loop, sockets map[string]int) *part {
	lim := conn.DefaultLimits()
	lim.SmallBlocks = g.spec.Runtime.Heads
	p := &part{loop: l, net: conn.NewNet(l, lim), clusters: map[string]*upstream.Cluster{}}
	l.OnTrim(p.net.Trim)
	for name, r := range g.resolved {
		p.clusters[name] = upstream.NewCluster(p.net, r)
	}
	for _, name := range g.names {
		h := g.handler(p, name)
		p.handlers = append(p.handlers, h)
		h.Serve(sockets[name], share(g.bounds[name], len(g.loops), l.ID()))
	}
	return p
}

// handler makes the handler of a listener.
func (g *Gateway) handler(p *part, name string) handler {
	s := g.spec.Listeners[name]
	access, ids := g.access.Producer(p.loop.ID()), inbound.NewIDs(rand.Uint64())
	if s.Protocol == inbound.TCP {
		return tcp.New(p.net, tcp.Config{
			Name: name, Spec: s, Names: g.serverNames[name], Targets: p.tunnels(s.Sessions()), Log: g.log, Access: access, IDs: ids,
		})
	}
	return inbound.New(p.net, inbound.Config{
		Name: name, Spec: s, Table: g.tables[name], Targets: p.targets(s.Routes), Log: g.log, Access: access, IDs: ids,
	})
}

// share splits a bound over the loops; the first ones take what is left over, and each has at least one.
func share(bound, loops, id int) int {
	n := bound / loops
	if id < bound%loops {
		n++
	}
	return max(n, 1)
}

func (p *part) targets(routes []route.Spec) []inbound.Target {
	out := make([]inbound.Target, len(routes))
	for i := range routes {
		r := &routes[i]
		t := inbound.Target{Name: r.Name, Cluster: r.Cluster}
		for j := range r.Filters {
			t.Chain.Filters = append(t.Chain.Filters, r.Filters[j].Build())
		}
		t.Chain.End = nowhere{}
		if c := p.clusters[r.Cluster]; c != nil {
			t.Chain.End = outbound.NewHandler(c)
		}
		out[i] = t
	}
	return out
}

// tunnels are what a layer 4 listener's routes lead to.
func (p *part) tunnels(routes []route.Spec) []tcp.Target {
	out := make([]tcp.Target, len(routes))
	for i := range routes {
		out[i] = tcp.Target{Name: routes[i].Name, To: outbound.NewTunnel(p.clusters[routes[i].Cluster])}
	}
	return out
}

// nowhere ends the chain of a route whose filters answer.
type nowhere struct{}

func (nowhere) Handle(*exchange.Exchange) error {
	return errs.New(errs.NoEndpoint, "no filter of the route answered, and it has no cluster")
}

var _ filter.Handler = nowhere{}

// drain lets the part come to rest.
func (p *part) drain() {
	for _, h := range p.handlers {
		h.Drain()
	}
}

// conns is the number of client connections.
func (p *part) conns() int {
	n := 0
	for _, h := range p.handlers {
		n += h.Conns()
	}
	return n
}

// end closes every connection, clients' and upstreams'.
func (p *part) end() {
	for _, h := range p.handlers {
		h.Drain()
		h.CloseAll()
	}
	for _, c := range p.clusters {
		c.Close()
	}
}

// snapshot adds the part's counters to s.
func (p *part) snapshot(s *metrics.Snapshot) {
	st := p.loop.Stats()
	s.Loops = append(s.Loops, metrics.Loop{ID: p.loop.ID(), LoopCounters: metrics.LoopCounters{
		Ticks: st.Ticks, Tasks: uint64(st.Live), Spawned: st.Spawned, Polls: st.Polls, Completions: st.Driver.Completed,
		Submissions: st.Driver.Submitted, Enters: st.Driver.Enters, Timers: uint64(st.Timers), Posted: st.Posted, Panics: st.Panics,
		Stalls: st.Stalls, StalledNs: uint64(st.Stalled), Delays: st.Delays,
	}})
	for _, h := range p.handlers {
		s.Listeners = append(s.Listeners, metrics.Listener{Name: h.Label(), ListenerCounters: h.Snapshot()})
	}
	for _, c := range p.clusters {
		m := metrics.Cluster{Name: c.Name, ClusterCounters: c.Counters}
		if p.loop.ID() == 0 {
			m.Endpoints, m.Available = uint64(len(c.Endpoints)), uint64(len(c.Endpoints))
		}
		s.Clusters = append(s.Clusters, m)
		for _, e := range c.Endpoints {
			s.Endpoints = append(s.Endpoints, metrics.Endpoint{Cluster: c.Name, Name: e.Name, EndpointCounters: e.Counters})
		}
	}
}

package gateway

import (
	"math/rand/v2"
	"slices"

	"github.com/ringway/ringway/conn"
	"github.com/ringway/ringway/gateway/inbound"
	"github.com/ringway/ringway/gateway/inbound/tcp"
	"github.com/ringway/ringway/gateway/outbound"
	"github.com/ringway/ringway/gateway/route"
	"github.com/ringway/ringway/gateway/secure"
	"github.com/ringway/ringway/gateway/upstream"
	"github.com/ringway/ringway/observe/accesslog"
)

// assembly is what a change of the configuration means for one loop. It is made outside of the loop, so that the loop only has
// to put it in place, between two requests: apply takes some microseconds, however many routes there are.
type assembly struct {
	part *part

	clusters map[string]*upstream.Cluster
	updates  map[*upstream.Cluster]*upstream.Resolved
	closing  []*upstream.Cluster
	handlers []handler
	leaving  []handler
	terms    []func()
	gates    []gateChange
	access   *accesslog.Producer
	relog    bool // access replaces what is there

	doors map[string][]uint64
}

// gateChange is what becomes of a listener's sockets.
type gateChange struct {
	to     *inbound.Gate
	open   []inbound.Socket
	remove []uint64
	renew  []uint64
	share  int
}

// assemble makes what part i of n needs to go from one plan to the other. from is nil where the part is new. On failure, for
// lack of descriptors, what was opened is in the assembly all the same.
func (g *Gateway) assemble(p *part, i, n int, from, to *plan) (*assembly, error) {
	a := &assembly{part: p, clusters: map[string]*upstream.Cluster{}, updates: map[*upstream.Cluster]*upstream.Resolved{}, doors: map[string][]uint64{}}
	a.relog = from == nil || from.access != to.access
	a.access = to.access.Producer(p.slot)
	for name, r := range to.resolved {
		c := p.clusters[name]
		switch {
		case c == nil:
			c = upstream.NewCluster(p.net, to.shared[name])
		case from.resolved[name] != r:
			a.updates[c] = to.shared[name]
		}
		a.clusters[name] = c
	}
	for name, c := range p.clusters {
		if a.clusters[name] == nil {
			a.closing = append(a.closing, c)
		}
	}
	for _, name := range to.names {
		h, kept := g.handler(a, name, from, to)
		a.handlers = append(a.handlers, h)
		if err := g.rehang(a, h, name, kept, i, n, to); err != nil {
			return a, err
		}
	}
	for _, h := range p.handlers {
		if !slices.Contains(a.handlers, h) {
			a.leaving = append(a.leaving, h)
		}
	}
	return a, nil
}

// handler makes the handler of a listener, or keeps the one that there is, and has it go by the plan's terms.
func (g *Gateway) handler(a *assembly, name string, from, to *plan) (h handler, kept bool) {
	s, p := to.spec.Listeners[name], a.part
	if from != nil {
		if old := from.spec.Listeners[name]; old != nil && old.Protocol == s.Protocol {
			h = p.named(name)
		}
	}
	if kept = h != nil; kept && from.keeps(name, s) {
		return h, true
	}
	ids := func() *inbound.IDs { return inbound.NewIDs(rand.Uint64()) }
	if s.Protocol == inbound.TCP {
		t, _ := h.(*tcp.Handler)
		if !kept {
			t = tcp.New(p.net, tcp.Config{Name: name, Log: g.log, IDs: ids()})
		}
		terms := tcp.NewTerms(s, to.serverNames[name], a.tunnels(s.Sessions()))
		a.terms = append(a.terms, func() { t.Apply(terms) })
		return t, kept
	}
	t, _ := h.(*inbound.Handler)
	if !kept {
		t = inbound.New(p.net, inbound.Config{Name: name, Log: g.log, IDs: ids(), Clock: g.machine.Clock})
	}
	terms := inbound.NewTerms(s, to.tables[name], a.targets(s.Routes), a.terminator(name, to))
	terms.Challenges = g.acme.Challenges()
	a.terms = append(a.terms, func() { t.Apply(terms) })
	return t, kept
}

// terminator makes the connections of a listener TLS; nil where it does not speak that. Handshakes at a time are shared by the
// loops that the plan has; after a change of their number the shares differ until the listener changes.
func (a *assembly) terminator(name string, to *plan) *secure.Terminator {
	s := to.secure[name]
	if s == nil {
		return nil
	}
	t := s.Terminator(a.part.net, share(s.Spec.Handshake.Concurrent, to.loops, a.part.loop.ID()))
	t.Protocols = to.spec.Listeners[name].Versions.ALPN()
	return t
}

// targets are what a listener's routes lead to.
func (a *assembly) targets(routes []route.Spec) []inbound.Target {
	out := make([]inbound.Target, len(routes))
	ends := map[string]*outbound.Handler{} // of clusters; routes share them
	for i := range routes {
		r := &routes[i]
		t := inbound.Target{Name: r.Name, Cluster: r.Cluster}
		for j := range r.Filters {
			t.Chain.Filters = append(t.Chain.Filters, r.Filters[j].Build())
		}
		t.Chain.End = nowhere{}
		if c := a.clusters[r.Cluster]; c != nil {
			if ends[r.Cluster] == nil {
				ends[r.Cluster] = outbound.NewHandler(c)
			}
			t.Chain.End = ends[r.Cluster]
		}
		out[i] = t
	}
	return out
}

// tunnels are what a layer 4 listener's routes lead to.
func (a *assembly) tunnels(routes []route.Spec) []tcp.Target {
	out := make([]tcp.Target, len(routes))
	for i := range routes {
		out[i] = tcp.Target{Name: routes[i].Name, To: outbound.NewTunnel(a.clusters[routes[i].Cluster])}
	}
	return out
}

// rehang works out which queues the listener is to accept from on this loop, and copies those that it has not yet.
func (g *Gateway) rehang(a *assembly, h handler, name string, kept bool, i, n int, to *plan) error {
	c := gateChange{to: h.Gate(), share: share(to.bounds[name], n, i)}
	var had []uint64
	if kept {
		had = a.part.doors[name]
	}
	e := g.sockets.find(name, to.spec.Listeners[name].Address)
	var wanted []uint64
	var err error
	var queues []queue
	if !g.shut {
		queues = e.of(i, n)
	}
	for _, q := range queues {
		wanted = append(wanted, q.id)
		if slices.Contains(had, q.id) {
			if len(e.queues) < n { // others may give it up now
				c.renew = append(c.renew, q.id)
			}
			continue
		}
		var s inbound.Socket
		if s, err = g.sockets.copy(e, q); err != nil {
			break
		}
		c.open = append(c.open, s)
	}
	for _, id := range had {
		if !slices.Contains(wanted, id) {
			c.remove = append(c.remove, id)
		}
	}
	a.gates = append(a.gates, c)
	a.doors[name] = wanted
	return err
}

// discard closes what an assembly opened that will not be applied.
func (a *assembly) discard(m Machine) {
	for _, c := range a.gates {
		for _, s := range c.open {
			_ = m.Sockets.Close(s.Fd)
		}
	}
}

// yield gives up the queues that other loops are to have, on the loop. They wait for nobody meanwhile: of two that wait the
// kernel wakes one for each connection, and if that one is just being cancelled, nobody.
func (a *assembly) yield() {
	for _, c := range a.gates {
		for _, id := range c.remove {
			c.to.Remove(id)
		}
	}
}

// yields reports whether there is something to give up.
func (a *assembly) yields() bool {
	return slices.ContainsFunc(a.gates, func(c gateChange) bool { return len(c.remove) > 0 })
}

// apply puts the assembly in place, on the loop, when all have yielded. Requests that are on their way go on as they began.
func (a *assembly) apply() {
	p := a.part
	for c, r := range a.updates {
		c.Update(r)
	}
	for _, f := range a.terms {
		f()
	}
	if a.relog {
		for _, h := range slices.Concat(a.handlers, a.leaving, p.leaving) {
			h.SetAccess(a.access)
		}
	}
	a.hang()
	for _, h := range a.leaving {
		h.Retire(retirePatience)
	}
	for _, c := range a.closing {
		c.Close()
	}
	p.clusters, p.handlers, p.leaving = a.clusters, a.handlers, append(p.leaving, a.leaving...)
}

// hang changes what the gates accept from, on the loop.
func (a *assembly) hang() {
	for _, c := range a.gates {
		for _, s := range c.open {
			c.to.Open(s)
		}
		for _, id := range c.renew {
			c.to.Renew(id)
		}
		c.to.Bound(c.share)
	}
}

var _ conn.Acceptor = (*inbound.Door)(nil)

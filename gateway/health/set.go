package health

import (
	"context"
	"net/netip"
	"reflect"
	"slices"
	"strings"
	"time"
)

// Set is what is to be checked by a configuration. It begins with Adopt.
type Set struct {
	c        *Checker
	clusters map[string]*cluster
	pingers  map[pingTerms]*pinger
	pings    map[pingTerms]pingList
}

// Prepare makes all that it takes to check those clusters. What is known of endpoints that stay is kept. A *probe.PermissionError
// says that endpoints are to be pinged and this process may not.
func (c *Checker) Prepare(clusters []Cluster) (*Set, error) {
	s := &Set{c: c, clusters: map[string]*cluster{}, pingers: map[pingTerms]*pinger{}, pings: map[pingTerms]pingList{}}
	c.mu.Lock()
	for _, cl := range clusters {
		if cl.Spec != nil {
			s.clusters[cl.Name] = s.add(cl, c.clusters[cl.Name], time.Now())
		}
	}
	had := c.pingers
	c.mu.Unlock()
	for terms, list := range s.pings {
		addresses := list.addresses()
		if p := had[terms]; p != nil && slices.Equal(p.targets, addresses) {
			s.pingers[terms] = p
			continue
		}
		p, err := newPinger(c, terms, addresses)
		if err != nil {
			s.Discard()
			return nil, err
		}
		s.pingers[terms] = p
	}
	return s, nil
}

// add makes a cluster's part, with what the one before knew. The lock is held.
func (s *Set) add(of Cluster, before *cluster, now time.Time) *cluster {
	cl := &cluster{Cluster: of, endpoints: map[string]*endpoint{}, checks: map[*endpoint][]*check{}}
	for i := range of.Endpoints {
		name := of.Endpoints[i].Address.String()
		if cl.endpoints[name] != nil {
			continue // two names of one address
		}
		var e *endpoint
		if before != nil {
			e = before.endpoints[name]
		}
		if e == nil {
			e = &endpoint{cluster: of.Name, name: name, healthy: of.Spec.Initial == Healthy, since: now, applied: 1}
		}
		cl.order, cl.endpoints[name] = append(cl.order, name), e
		for _, spec := range of.Spec.kinds() {
			cl.checks[e] = append(cl.checks[e], s.check(e, spec, of.Spec))
		}
	}
	return cl
}

// check makes an endpoint's check of a kind, or keeps the one that there is. A kind that is new takes the endpoint for what it is.
func (s *Set) check(e *endpoint, spec kindSpec, of *Spec) *check {
	k := e.of(spec.kind())
	if k == nil {
		k = &check{endpoint: e, kind: spec.kind(), spec: spec, verdict: verdict{healthy: e.healthy}, window: newWindow(of.Window)}
	}
	if p, ok := spec.(*ICMPSpec); ok {
		a := pingAddress(e.name)
		if s.pings[p.terms()] == nil {
			s.pings[p.terms()] = pingList{}
		}
		s.pings[p.terms()][a] = append(s.pings[p.terms()][a], k)
	}
	return k
}

// pingAddress is the IP address of an endpoint's name; what has none was refused with the configuration.
func pingAddress(name string) netip.Addr {
	ap, _ := netip.ParseAddrPort(name)
	return ap.Addr().Unmap()
}

// Pingable reports whether an endpoint's address, as configured, can be pinged: a Unix socket's cannot.
func Pingable(address string) bool { return !strings.HasPrefix(address, "unix:") }

// Discard lets go of a Set that is not adopted.
func (s *Set) Discard() {
	s.c.mu.Lock()
	had := s.c.pingers
	s.c.mu.Unlock()
	for terms, p := range s.pingers {
		if had[terms] != p {
			p.discard()
		}
	}
}

// Standing is as that of Checker, once the Set is adopted.
func (s *Set) Standing(cluster string, names []string, weights []int) (Standing, bool) {
	s.c.mu.Lock()
	defer s.c.mu.Unlock()
	return s.clusters[cluster].standing(names, weights)
}

// Adopt has what the Set says be checked from now on, and all standings published.
func (c *Checker) Adopt(s *Set) {
	c.mu.Lock()
	old, before := c.pingers, c.clusters
	c.clusters, c.pingers = s.clusters, s.pingers
	now := time.Now()
	kept := map[*check]bool{}
	for _, cl := range s.clusters {
		for _, e := range cl.endpoints {
			cl.adopt(c, e, kept, now)
		}
	}
	for _, cl := range before {
		for _, all := range cl.checks {
			for _, k := range all {
				if !kept[k] {
					k.end()
				}
			}
		}
	}
	for terms, p := range s.pingers {
		for i, a := range p.targets {
			p.sinks[i] = s.pings[terms][a]
		}
	}
	c.mu.Unlock()
	for terms, p := range old {
		if s.pingers[terms] != p {
			p.cancel()
		}
	}
	for terms, p := range s.pingers {
		if old[terms] != p {
			c.begin(p)
		}
	}
	c.notify()
}

// adopt has an endpoint's checks be what the cluster says, and begins those that need connections. The lock is held.
func (cl *cluster) adopt(c *Checker, e *endpoint, kept map[*check]bool, now time.Time) {
	e.checks = cl.checks[e]
	specs := cl.Spec.kinds()
	for i, k := range e.checks {
		kept[k] = true
		k.spec = specs[i]
		k.window.resize(cl.Spec.Window)
		spec, ok := k.spec.(connector)
		if !ok {
			continue
		}
		next := &job{spec: spec, to: cl.peer(e.name)}
		if old := k.job; old != nil {
			if reflect.DeepEqual(old.spec, spec) && old.to.same(&next.to) {
				continue
			}
			old.cancel()
		}
		var ctx context.Context
		ctx, next.cancel = context.WithCancel(c.background)
		k.job = next
		c.running.Go(func() { next.run(ctx, c, k) })
	}
	if w := cl.Weighing; w == nil || w.By == ByNothing {
		e.applied, e.moved = 1, time.Time{}
	}
	since := e.since
	if e.judge(now) { // the kind of check that found it unhealthy is no more
		c.turned(e, now.Sub(since))
	}
}

// peer is whom connections to an endpoint are made to.
func (cl *cluster) peer(name string) peer {
	for _, e := range cl.Endpoints {
		if e.Address.String() == name {
			return peer{address: e.Address, host: e.Host, tls: cl.TLS, sendProxy: cl.SendProxy, protocols: cl.Protocols}
		}
	}
	panic("health: an endpoint that its cluster does not have")
}

// end has what still comes of a check be of no account. The lock is held.
func (k *check) end() {
	k.gone = true
	if k.job != nil {
		k.job.cancel()
	}
}

// begin has a pinger run, and says how. Those that this host cannot ping are unhealthy as long as that lasts: it cannot reach them either.
func (c *Checker) begin(p *pinger) {
	var ctx context.Context
	ctx, p.cancel = context.WithCancel(c.background)
	c.log.Info("health checks by icmp", "addresses", len(p.targets), "interval", p.terms.interval, "sockets", p.describe())
	c.mu.Lock()
	for i, why := range p.refused {
		for range maxInARow {
			if why == nil || len(p.sinks[i]) == 0 || !p.sinks[i][0].verdict.healthy {
				break
			}
			for _, k := range p.sinks[i] {
				c.observe(k, result{failure: why.Error()}, time.Now())
			}
		}
	}
	c.mu.Unlock()
	c.running.Go(func() { p.run(ctx) })
}

package gateway

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"sync"

	"github.com/ringway/ringway/conn"
	"github.com/ringway/ringway/gateway/health"
	"github.com/ringway/ringway/gateway/upstream"
)

// standings are what health was published to leave of each cluster's weights.
type standings struct {
	mu      sync.Mutex
	state   *state // that it was published to
	cluster map[string]published
}

type published struct {
	of *upstream.Resolved
	health.Standing
}

// of is a cluster's standing; false if it is not checked.
func (s *standings) of(cluster string) (published, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	p, ok := s.cluster[cluster]
	return p, ok
}

// shares are what endpoints get of their weights, in percent, by address. Who is drained gets nothing.
func (p published) shares() map[string]int {
	all := map[string]int{}
	if p.of == nil {
		return all
	}
	for i, name := range p.of.Names() {
		if p.of.Weights[i] > 0 {
			all[name] = p.Shares[i]
		}
	}
	return all
}

// newChecker makes the gateway's health checker, one for all loops.
func (g *Gateway) newChecker() *health.Checker {
	return health.New(health.Options{Log: g.log, Loops: g.onLoop, Publish: g.publishHealth})
}

// Permitted says whether this process may do what the configuration asks of the kernel. If not, the error says how to get the
// permission.
func (s *Spec) Permitted() error {
	for _, name := range slices.Sorted(maps.Keys(s.Clusters)) {
		if err := s.Clusters[name].Health.Permitted(); err != nil {
			return fmt.Errorf("clusters.%s.health_check.icmp: %w", name, err)
		}
	}
	return nil
}

// NeedsNetRaw reports whether a worker that runs as another user has to keep CAP_NET_RAW, and this process has it to give.
func (s *Spec) NeedsNetRaw() bool {
	for _, c := range s.Clusters {
		if c.Health.RawSockets() {
			return health.RawPermitted()
		}
	}
	return false
}

// onLoop runs f on one of the loops.
func (g *Gateway) onLoop(turn int, f func(n *conn.Net)) bool {
	parts := g.current().parts
	if len(parts) == 0 {
		return false
	}
	p := parts[turn%len(parts)]
	return p.loop.Post(func() { f(p.net) })
}

// checked is what a plan's clusters are to the health checker.
func (p *plan) checked() (all []health.Cluster) {
	for name, s := range p.spec.Clusters {
		r := p.resolved[name]
		c := health.Cluster{Name: name, Spec: s.Health, Weighing: &s.Balance.Weighing, TLS: r.TLS, SendProxy: s.SendProxy, Protocols: r.Protocols()}
		for i := range r.Addresses {
			c.Endpoints = append(c.Endpoints, health.Endpoint{Host: r.Hosts[i], Address: r.Addresses[i]})
		}
		all = append(all, c)
	}
	return all
}

// prepareHealth makes what the plan's health checks need, and has clusters that are new to a loop begin with what is known of their
// endpoints already.
func (t *transaction) prepareHealth(context.Context) (err error) {
	if t.checks, err = t.g.health.Prepare(t.to.checked()); err != nil {
		return err
	}
	t.onFailure(t.checks.Discard)
	t.standings = map[string]published{}
	for name, r := range t.to.resolved {
		t.to.shared[name] = r
		if st, ok := t.checks.Standing(name, r.Names(), r.Weights); ok {
			t.to.shared[name] = r.Shared(st.Shares)
			st.Panic = false // not told yet
			t.standings[name] = published{r, st}
		}
	}
	return nil
}

// begin has clusters that are new stand as they were made.
func (s *standings) begin(all map[string]published) {
	s.mu.Lock()
	defer s.mu.Unlock()
	next := maps.Clone(all)
	maps.Copy(next, s.cluster)
	s.cluster = next
}

// withHealth gives r the shares that health leaves.
func (g *Gateway) withHealth(r *upstream.Resolved) *upstream.Resolved {
	if st, ok := g.health.Standing(r.Name, r.Names(), r.Weights); ok {
		return r.Shared(st.Shares)
	}
	return r
}

// publishHealth has every loop go by the standings of now. The health checker calls it, from one goroutine; loops that have gone
// over to another plan meanwhile leave it alone, and it is called again after every change of the plan.
func (g *Gateway) publishHealth() {
	now := g.current()
	if now.plan == nil {
		return
	}
	g.standings.mu.Lock()
	anew, had := g.standings.state != now, g.standings.cluster
	g.standings.mu.Unlock()
	next := map[string]published{}
	for name, r := range now.plan.resolved {
		st, checked := g.health.Standing(name, r.Names(), r.Weights)
		last, was := had[name]
		if !checked && !was {
			continue
		}
		to := r
		if checked {
			next[name] = published{r, st}
			g.tellPanic(name, last.Panic, st)
		}
		if !anew && last.of == r && slices.Equal(last.Shares, st.Shares) {
			continue
		}
		if checked {
			to = r.Shared(st.Shares)
		}
		for _, p := range now.everyone() {
			p.loop.Post(func() {
				if c := p.clusters[name]; c != nil {
					c.Share(to)
				}
			})
		}
	}
	g.standings.mu.Lock()
	defer g.standings.mu.Unlock()
	g.standings.state, g.standings.cluster = now, next
}

// tellPanic logs, once, that a cluster's endpoints are used whatever their health, and that this is over.
func (g *Gateway) tellPanic(cluster string, before bool, st health.Standing) {
	switch {
	case st.Panic && !before:
		g.log.Error("too few endpoints are healthy: all are used", "cluster", cluster, "healthy", st.Healthy, "endpoints", st.Of)
	case before && !st.Panic:
		g.log.Info("healthy endpoints alone are used again", "cluster", cluster, "healthy", st.Healthy, "endpoints", st.Of)
	}
}

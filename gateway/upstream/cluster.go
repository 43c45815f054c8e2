package upstream

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/ringway/ringway/conn"
	"github.com/ringway/ringway/errs"
	"github.com/ringway/ringway/gateway/handover"
	"github.com/ringway/ringway/gateway/preface"
	"github.com/ringway/ringway/gateway/secure"
	"github.com/ringway/ringway/gateway/upstream/h2"
	"github.com/ringway/ringway/observe/metrics"
	"github.com/ringway/ringway/proto/http1"
)

// Settings are a cluster's specification in the form that the data path uses.
type Settings struct {
	Connect, ResponseHead, Read, Write, Idle time.Duration
	Retries                                  int
	Pool                                     PoolSpec
	HTTP1                                    http1.Limits
	SendProxy                                preface.Version
	Version                                  Version
	HTTP2                                    HTTP2Spec
}

// Resolved is a cluster whose endpoints' names have been resolved. Loops share it.
type Resolved struct {
	Name      string
	Settings  Settings
	TLS       *secure.Client // nil: plain
	Of        []int          // of each endpoint, its place in the specification, where a name may stand for several
	Hosts     []string       // as they were written
	Addresses []conn.Address
	Weights   []int
	order     []uint16
	shares    []int     // what health leaves of the weights, in percent; nil: all
	whole     *Resolved // what shares were taken of; nil: there are none
}

// Resolve looks the endpoints' names up. It blocks, so it runs outside the loops.
func Resolve(ctx context.Context, name string, s *Spec) (*Resolved, error) {
	t := &s.Timeouts
	lim := http1.DefaultLimits()
	lim.MaxHead, lim.MaxFields = int(s.Limits.Head), s.Limits.Fields
	lim.MaxLine = min(lim.MaxHead, max(lim.MaxLine, lim.MaxHead/2))
	r := &Resolved{Name: name, Settings: Settings{
		Connect: t.Connect.Std(), ResponseHead: t.ResponseHead.Std(), Read: t.Read.Std(), Write: t.Write.Std(), Idle: t.Idle.Std(),
		Retries: s.Retries, Pool: s.Pool, HTTP1: lim, SendProxy: s.SendProxy,
		Version: s.Version, HTTP2: s.HTTP2,
	}}
	if r.Settings.Version.multiplexes() {
		if err := r.Settings.transport().HTTP2.Validate(); err != nil {
			return nil, errs.Wrapf(err, "clusters.%s", name)
		}
	}
	if s.TLS != nil {
		var err error
		if r.TLS, err = secure.NewClient(s.TLS); err != nil {
			return nil, errs.Wrapf(err, "clusters.%s.tls", name)
		}
	}
	for i := range s.Endpoints {
		e := &s.Endpoints[i]
		all, err := e.resolve(ctx)
		if err != nil {
			return nil, errs.Wrapf(err, "clusters.%s.endpoints[%d]", name, i)
		}
		for _, a := range all {
			r.Of, r.Hosts, r.Addresses, r.Weights = append(r.Of, i), append(r.Hosts, e.Address), append(r.Addresses, a), append(r.Weights, e.Weight)
		}
	}
	if n := len(r.Addresses); n > MaxEndpoints {
		return nil, fmt.Errorf("clusters.%s.endpoints: their names have %d addresses, and a cluster has at most %d endpoints", name, n, MaxEndpoints)
	}
	r.order = newOrder(r.Weights)
	return r, nil
}

// Same reports whether r and o say the same.
func (r *Resolved) Same(o *Resolved) bool {
	return r != nil && o != nil && r.Settings == o.Settings && slices.Equal(r.Weights, o.Weights) && r.TLS.Same(o.TLS) && slices.Equal(r.Hosts, o.Hosts) && slices.Equal(r.Of, o.Of) &&
		slices.EqualFunc(r.Addresses, o.Addresses, func(a, b conn.Address) bool { return a.String() == b.String() })
}

// Reweighted is r with other weights, in the order of its endpoints; 0 takes an endpoint out of the choice.
func (r *Resolved) Reweighted(weights []int) *Resolved {
	o := *r
	o.Weights, o.order, o.shares, o.whole = weights, newOrder(weights), nil, nil
	return &o
}

// Shared is r with shares of its weights, in percent and in the order of its endpoints; 0 takes an endpoint out of the choice. It
// says the same as r otherwise.
func (r *Resolved) Shared(shares []int) *Resolved {
	o := *r
	o.shares, o.whole = shares, r
	weights := make([]int, len(r.Weights))
	for i := range weights {
		weights[i] = o.weight(i)
	}
	o.order = newOrder(weights)
	return &o
}

// Names are the endpoints' addresses, by which they are told apart.
func (r *Resolved) Names() []string {
	names := make([]string, len(r.Addresses))
	for i := range r.Addresses {
		names[i] = r.Addresses[i].String()
	}
	return names
}

// Protocols are what is spoken with the endpoints, by ALPN's names.
func (r *Resolved) Protocols() []string { return r.Settings.Version.protocols() }

// weight is what endpoint i has now; it is in proportion to those of the others.
func (r *Resolved) weight(i int) int {
	if r.shares == nil {
		return r.Weights[i]
	}
	return r.Weights[i] * r.shares[i]
}

// Cluster is one loop's part of a cluster.
type Cluster struct {
	Name string
	// Settings are replaced whole by Update: what began with the old ones may go on with them.
	Settings  *Settings
	Endpoints []*Endpoint
	Counters  metrics.ClusterCounters

	n        *conn.Net
	resolved *Resolved   // without shares
	chosen   []*Endpoint // those with a weight, which the schedule is of
	schedule schedule
	closing  bool
	http2    *h2.Config     // of the settings
	to       handover.Taker // gets what is idle, on the way to another process; nil: it stays
}

// NewCluster makes the part of the loop behind n. It may be called outside the loop; everything else is for the loop.
func NewCluster(n *conn.Net, r *Resolved) *Cluster {
	c := &Cluster{Name: r.Name, n: n}
	c.Update(r)
	if len(c.schedule.order) > 0 {
		c.schedule.next = n.Loop.ID() % len(c.schedule.order) // so that loops do not all begin with the same endpoint
	}
	return c
}

// Update goes over to r. Endpoints that stay keep their connections, counters and whoever waits for them; the pools of those
// that go, or have no weight any more, are emptied, and connections in use follow when they are given back.
func (c *Cluster) Update(r *Resolved) {
	had := map[string]*Endpoint{}
	for _, e := range c.Endpoints {
		had[e.Name] = e
	}
	if c.resolved = r; r.whole != nil {
		c.resolved = r.whole
	}
	c.Settings = &r.Settings
	if r.Settings.Version.multiplexes() {
		c.http2 = r.Settings.transport()
	}
	c.Endpoints, c.chosen = make([]*Endpoint, 0, len(r.Addresses)), nil
	for i := range r.Addresses {
		name := r.Addresses[i].String()
		e := had[name]
		if e == nil {
			e = newEndpoint(c.n, c, r.Addresses[i])
		}
		host := ""
		if r.TLS != nil {
			host = r.Hosts[i]
		}
		e.speak(r.TLS, host, r.Settings.Version)
		delete(had, name)
		c.Endpoints = append(c.Endpoints, e)
		if e.retired = r.weight(i) == 0; e.retired {
			e.closeIdle()
			continue
		}
		c.chosen = append(c.chosen, e)
		e.resize()
	}
	for _, e := range had {
		e.retired = true
		e.closeIdle()
	}
	next := c.schedule.next
	if c.schedule = (schedule{order: r.order}); len(r.order) > 0 {
		c.schedule.next = next % len(r.order)
	}
}

// Share goes over to other shares of the weights that the cluster has. If it has others by now, shares of those are on their way.
func (c *Cluster) Share(r *Resolved) {
	if r.whole == c.resolved || r == c.resolved {
		c.Update(r)
	}
}

// Pick chooses the endpoint whose turn it is; nil if none may be chosen.
func (c *Cluster) Pick() *Endpoint {
	if len(c.chosen) == 0 {
		return nil
	}
	return c.chosen[c.schedule.turn()]
}

// Chosen are the endpoints that Pick chooses from.
func (c *Cluster) Chosen() []*Endpoint { return c.chosen }

// Close closes the pooled connections; those in use follow when they are given back.
func (c *Cluster) Close() {
	c.closing = true
	for _, e := range c.Endpoints {
		e.closeIdle()
	}
}

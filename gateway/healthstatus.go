package gateway

import (
	"cmp"
	"maps"
	"slices"
	"time"

	"github.com/ringway/ringway/gateway/health"
	"github.com/ringway/ringway/observe/metrics"
)

// healthMetrics is what health checks know, for the metrics.
func (g *Gateway) healthMetrics() (all []metrics.ClusterHealth) {
	reports := g.health.Reports()
	for _, name := range slices.Sorted(maps.Keys(reports)) {
		st, _ := g.standings.of(name)
		shares := st.shares()
		c := metrics.ClusterHealth{Name: name, Healthy: uint64(st.Healthy), Panic: st.Panic}
		for _, e := range reports[name].Endpoints {
			m := metrics.EndpointHealth{Name: e.Name, Healthy: e.State == health.Healthy, Turns: e.Turned, Share: float64(shares[e.Name]) / health.Whole}
			for _, k := range e.Checks {
				m.Checks = append(m.Checks, metrics.EndpointCheck{Kind: string(k.Kind), Healthy: k.State == health.Healthy, Good: k.Good, Failed: k.Failed,
					Sum: k.Sum, Smoothed: k.Smoothed, P50: k.P50, P99: k.P99, Loss: k.Loss})
			}
			c.Endpoints = append(c.Endpoints, m)
		}
		all = append(all, c)
	}
	return all
}

// ClusterHealth sums up how the endpoints of a cluster are that is checked.
type ClusterHealth struct {
	Cluster   string           `json:"cluster"`
	Endpoints int              `json:"endpoints"` // that have a weight
	Healthy   int              `json:"healthy"`
	Panic     bool             `json:"panic"` // too few are healthy, and all are used
	Each      []EndpointHealth `json:"each"`
}

// EndpointHealth is what health checks know of an endpoint.
type EndpointHealth struct {
	Address string          `json:"address"`
	State   string          `json:"state"` // healthy or unhealthy
	Since   time.Time       `json:"since"`
	Reason  string          `json:"reason,omitempty"`
	Share   int             `json:"share"` // of its weight that it gets now, in percent
	Checks  []EndpointCheck `json:"checks"`
}

// EndpointCheck is what one kind of check knows of an endpoint. Times are in seconds.
type EndpointCheck struct {
	Kind     string  `json:"kind"`
	State    string  `json:"state"`
	Good     uint64  `json:"good"`
	Failed   uint64  `json:"failed"`
	Failure  string  `json:"failure,omitempty"` // the last one
	Smoothed float64 `json:"smoothed_seconds"`
	Last     float64 `json:"last_seconds"`
	P50      float64 `json:"p50_seconds"`
	P99      float64 `json:"p99_seconds"`
	Loss     float64 `json:"loss"`
	Window   int     `json:"window"` // results that p50, p99 and loss are of
}

// healthStatus tells of all clusters that are checked.
func (g *Gateway) healthStatus() []ClusterHealth {
	out := []ClusterHealth{}
	for name, r := range g.health.Reports() {
		st, _ := g.standings.of(name)
		c := ClusterHealth{Cluster: name, Endpoints: st.Of, Healthy: st.Healthy, Panic: st.Panic}
		shares := st.shares()
		for i := range r.Endpoints {
			c.Each = append(c.Each, endpointHealth(&r.Endpoints[i], shares[r.Endpoints[i].Name]))
		}
		out = append(out, c)
	}
	slices.SortFunc(out, func(a, b ClusterHealth) int { return cmp.Compare(a.Cluster, b.Cluster) })
	return out
}

func endpointHealth(e *health.EndpointReport, share int) EndpointHealth {
	h := EndpointHealth{Address: e.Name, State: string(e.State), Since: e.Since, Reason: e.Reason, Share: share}
	for _, k := range e.Checks {
		h.Checks = append(h.Checks, EndpointCheck{Kind: string(k.Kind), State: string(k.State), Good: k.Good, Failed: k.Failed, Failure: k.Failure,
			Smoothed: k.Smoothed.Seconds(), Last: k.Last.Seconds(), P50: k.P50.Seconds(), P99: k.P99.Seconds(), Loss: k.Loss, Window: k.Window})
	}
	return h
}

// healthByAddress is what healthStatus tells, by cluster and address.
func (g *Gateway) healthByAddress() map[[2]string]*EndpointHealth {
	out := map[[2]string]*EndpointHealth{}
	for _, c := range g.healthStatus() {
		for i := range c.Each {
			out[[2]string{c.Cluster, c.Each[i].Address}] = &c.Each[i]
		}
	}
	return out
}

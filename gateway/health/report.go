package health

import (
	"math"
	"slices"
	"time"
)

// Report is what is known of the endpoints of a cluster, in the order of its configuration.
type Report struct {
	Cluster   string
	Endpoints []EndpointReport
}

// EndpointReport is what is known of an endpoint.
type EndpointReport struct {
	Name   string // its address
	State  State
	Since  time.Time
	Turned uint64 // how often it has turned
	Reason string // why it is unhealthy
	Share  int    // of its weight by what was measured, in percent
	Checks []CheckReport
}

// CheckReport is what one kind of check knows of an endpoint.
type CheckReport struct {
	Kind     Kind
	State    State
	Good     uint64
	Failed   uint64
	Failure  string // the last one's reason
	At       time.Time
	Smoothed time.Duration
	Last     time.Duration
	P50, P99 time.Duration // of the window
	Loss     float64       // of the window, from 0 to 1
	Window   int           // results in the window
	Sum      time.Duration // of all good ones
}

// Reports tells what is known, by cluster. The lock is held for one endpoint at a time, and sorting is done without: probers wait for it.
func (c *Checker) Reports() map[string]Report {
	c.mu.Lock()
	clusters := c.clusters // which is replaced, and not changed
	c.mu.Unlock()
	out := make(map[string]Report, len(clusters))
	for name, cl := range clusters {
		r := Report{Cluster: name}
		for _, n := range cl.order {
			c.mu.Lock()
			e, windows := cl.endpoints[n].report()
			c.mu.Unlock()
			for i := range windows {
				p := windows[i].percentiles(0.5, 0.99)
				e.Checks[i].P50, e.Checks[i].P99 = p[0], p[1]
			}
			r.Endpoints = append(r.Endpoints, e)
		}
		out[name] = r
	}
	return out
}

// report is what is known of the endpoint, but for percentiles: they are to be had of the windows.
func (e *endpoint) report() (r EndpointReport, windows []window) {
	r = EndpointReport{Name: e.name, State: stateOf(e.healthy), Since: e.since, Turned: e.turned, Reason: e.reason(), Share: int(math.Round(e.applied * Whole))}
	for _, k := range e.checks {
		r.Checks = append(r.Checks, CheckReport{Kind: k.kind, State: stateOf(k.verdict.healthy), Good: k.good, Failed: k.failed, Failure: k.failure, At: k.at,
			Smoothed: time.Duration(k.window.smoothed), Last: k.window.last, Loss: k.window.loss(), Window: len(k.window.results), Sum: k.sum})
		windows = append(windows, window{results: slices.Clone(k.window.results)})
	}
	return r, windows
}

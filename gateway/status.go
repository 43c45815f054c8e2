package gateway

import (
	"cmp"
	"os"
	"runtime"
	"slices"
	"strconv"
	"time"

	"github.com/ringway/ringway/observe/metrics"
	"github.com/ringway/ringway/sys"
)

// Status is how a gateway is, for people and programs that operate it.
type Status struct {
	State       string       `json:"state"` // ready, draining or stuck
	Reason      string       `json:"reason,omitempty"`
	PID         int          `json:"pid"`
	Version     string       `json:"version"`
	Driver      string       `json:"driver"`
	Started     time.Time    `json:"started"`
	Config      ConfigStatus `json:"config"`
	Listeners   int          `json:"listeners"`
	Clusters    int          `json:"clusters"`
	Loops       []LoopStatus `json:"loops"`
	Retiring    int          `json:"retiring_loops"`
	Connections uint64       `json:"connections"`
	Requests    uint64       `json:"requests"`
	Sessions    uint64       `json:"sessions"`
	// Certificates are those that are got from authorities; nil where none are.
	Certificates *CertificateStatus `json:"certificates,omitempty"`
	// Master is the process above this one; nil where there is none.
	Master *MasterStatus `json:"master,omitempty"`
	// Health is of the clusters that are checked.
	Health []ClusterHealth `json:"health,omitempty"`
}

// ConfigStatus says which configuration runs.
type ConfigStatus struct {
	Name  string    `json:"name"`
	Hash  string    `json:"hash"`
	Since time.Time `json:"since"`
}

// LoopStatus is how a loop is.
type LoopStatus struct {
	ID      int     `json:"id"`
	Tasks   uint64  `json:"tasks"`
	Timers  uint64  `json:"timers"`
	Stalls  uint64  `json:"stalls"`
	Stalled float64 `json:"stalled_seconds"`
}

// Status tells how the gateway is.
func (g *Gateway) Status() Status {
	now := g.current()
	s := Status{State: "ready", PID: os.Getpid(), Version: g.options.Version, Driver: string(g.machine.Name), Started: g.started,
		Config:    ConfigStatus{now.plan.source.Name, now.plan.hash, now.since},
		Listeners: len(now.plan.names), Clusters: len(now.plan.spec.Clusters), Retiring: len(now.retired)}
	switch err := g.Live(); {
	case err != nil:
		s.State, s.Reason = "stuck", err.Error()
		return s // whose counters cannot be asked for
	case g.draining.Load():
		s.State = "draining"
	}
	s.Certificates = g.certificateStatus()
	s.Health = g.healthStatus()
	snap := g.Snapshot()
	for i := range snap.Loops {
		l := &snap.Loops[i]
		s.Loops = append(s.Loops, LoopStatus{l.ID, l.Tasks, l.Timers, l.Stalls, float64(l.StalledNs) / float64(time.Second)})
	}
	for i := range snap.Listeners {
		l := &snap.Listeners[i]
		s.Connections += l.Active
		for _, n := range l.Requests {
			s.Requests += n
		}
		if l.Sessions.Layer4 {
			s.Sessions += l.Accepted
		}
	}
	return s
}

// withoutDetail leaves out what is not for everybody: what dying workers wrote, and what errors say that come from elsewhere.
func (s *Status) withoutDetail() {
	if c := s.Certificates; c != nil {
		c.Troubled = withoutErrors(c.Troubled)
	}
	if m := s.Master; m != nil {
		m.LastFailure, m.Crashes = "", slices.Clone(m.Crashes)
		for i := range m.Crashes {
			m.Crashes[i].Stack = ""
		}
	}
}

// versionStatus says which build runs.
type versionStatus struct {
	Version string `json:"version"`
	Go      string `json:"go"`
	Kernel  string `json:"kernel"`
	Driver  string `json:"driver"`
}

func (g *Gateway) version() versionStatus {
	return versionStatus{g.options.Version, runtime.Version(), sys.Kernel(), string(g.machine.Name)}
}

// listenerStatus is how a listener is.
type listenerStatus struct {
	Name        string            `json:"name"`
	Protocol    string            `json:"protocol"`
	Address     string            `json:"address"` // as configured
	Bound       string            `json:"bound"`
	Routes      int               `json:"routes"`
	Connections uint64            `json:"connections"`
	Limit       int               `json:"limit"` // of connections
	Accepted    uint64            `json:"accepted"`
	Requests    map[string]uint64 `json:"requests"`           // by class of status
	Sessions    map[string]uint64 `json:"sessions,omitempty"` // by how they ended
	BytesIn     uint64            `json:"bytes_in"`
	BytesOut    uint64            `json:"bytes_out"`
	Leaving     bool              `json:"leaving"` // it is not configured any more
}

func (g *Gateway) listenerStatus() []listenerStatus {
	now, snap := g.current(), g.Snapshot()
	sums := map[string]*metrics.ListenerCounters{}
	for i := range snap.Listeners {
		l := &snap.Listeners[i]
		if sums[l.Name] == nil {
			sums[l.Name] = new(metrics.ListenerCounters)
		}
		sums[l.Name].Add(&l.ListenerCounters)
	}
	out := []listenerStatus{}
	for name, c := range sums {
		l := listenerStatus{Name: name, Connections: c.Active, Accepted: c.Accepted, Requests: map[string]uint64{}, BytesIn: c.BytesIn, BytesOut: c.BytesOut}
		if s := now.plan.spec.Listeners[name]; s != nil {
			l.Protocol, l.Address, l.Bound, l.Routes, l.Limit = string(s.Protocol), s.Address, now.addrs[name], len(s.Routes), now.plan.bounds[name]
		} else {
			l.Leaving = true
		}
		for class, n := range c.Requests {
			l.Requests[strconv.Itoa(class+1)+"xx"] = n
		}
		for end, n := range c.Sessions.Ends {
			if n > 0 {
				if l.Sessions == nil {
					l.Sessions = map[string]uint64{}
				}
				l.Sessions[metrics.SessionEnd(end).String()] = n
			}
		}
		out = append(out, l)
	}
	slices.SortFunc(out, func(a, b listenerStatus) int { return cmp.Compare(a.Name, b.Name) })
	return out
}

// clusterStatus is how a cluster is.
type clusterStatus struct {
	Name       string           `json:"name"`
	Balance    string           `json:"balance"`
	Overloaded uint64           `json:"overloaded"`
	Endpoints  []endpointStatus `json:"endpoints"`
}

// endpointStatus is how an endpoint is.
type endpointStatus struct {
	Address    string            `json:"address"` // as configured
	Resolved   string            `json:"resolved"`
	Weight     int               `json:"weight"`
	Configured int               `json:"configured_weight"`
	Drained    bool              `json:"drained"`
	Requests   uint64            `json:"requests"`
	Retries    uint64            `json:"retries"`
	Connects   uint64            `json:"connects"`
	Idle       uint64            `json:"idle"`
	Active     uint64            `json:"active"`
	Errors     map[string]uint64 `json:"errors,omitempty"`
	Health     *EndpointHealth   `json:"health,omitempty"` // if it is checked
}

func (g *Gateway) clusterStatus() []clusterStatus {
	now, snap, checked := g.current(), g.Snapshot(), g.healthByAddress()
	overloaded, sums := map[string]uint64{}, map[[2]string]*metrics.EndpointCounters{}
	for i := range snap.Clusters {
		overloaded[snap.Clusters[i].Name] += snap.Clusters[i].Overloaded
	}
	for i := range snap.Endpoints {
		e := &snap.Endpoints[i]
		key := [2]string{e.Cluster, e.Name}
		if sums[key] == nil {
			sums[key] = new(metrics.EndpointCounters)
		}
		sums[key].Add(&e.EndpointCounters)
	}
	out := []clusterStatus{}
	for name, s := range now.plan.spec.Clusters {
		c := clusterStatus{Name: name, Balance: string(s.Balance.Policy), Overloaded: overloaded[name]}
		r := now.plan.resolved[name]
		for i := range r.Addresses {
			e, at := &s.Endpoints[r.Of[i]], r.Addresses[i].String()
			es := endpointStatus{Address: e.Address, Resolved: at, Weight: r.Weights[i], Configured: e.Weight, Drained: r.Weights[i] == 0, Health: checked[[2]string{name, at}]}
			if k := sums[[2]string{name, at}]; k != nil {
				es.Requests, es.Retries, es.Connects, es.Idle, es.Active = k.Requests, k.Retries, k.Connects, k.Idle, k.Active
				for kind, n := range k.Errors {
					if n > 0 {
						if es.Errors == nil {
							es.Errors = map[string]uint64{}
						}
						es.Errors[metrics.EndpointError(kind).String()] = n
					}
				}
			}
			c.Endpoints = append(c.Endpoints, es)
		}
		out = append(out, c)
	}
	slices.SortFunc(out, func(a, b clusterStatus) int { return cmp.Compare(a.Name, b.Name) })
	return out
}

// stallStatus is one time that something held a loop.
type stallStatus struct {
	Loop  int       `json:"loop"`
	Task  string    `json:"task,omitempty"`
	Site  string    `json:"site,omitempty"`
	Doing string    `json:"doing"`
	Cause string    `json:"cause"`
	Began time.Time `json:"began"`
	Held  float64   `json:"held_seconds"`
	Lasts bool      `json:"lasts"`
	Stack string    `json:"stack,omitempty"`
}

func (g *Gateway) stallStatus() []stallStatus {
	out := []stallStatus{}
	for _, s := range g.Stalls() {
		out = append(out, stallStatus{s.Loop, s.Task, s.Site, s.Doing, s.Cause.String(), s.Began, s.Held.Seconds(), s.Lasts, s.Stack})
	}
	return out
}

// taskStatus is the tasks of a loop that are alike.
type taskStatus struct {
	Loop  int    `json:"loop"`
	Name  string `json:"name"`
	State string `json:"state"`
	Site  string `json:"site,omitempty"` // where they were spawned
	Count int    `json:"count"`
	Polls uint64 `json:"polls"` // times that they were resumed, all together
}

func (g *Gateway) taskStatus() []taskStatus {
	type kind struct {
		loop              int
		name, state, site string
	}
	sums := map[kind]*taskStatus{}
	for _, p := range g.current().everyone() {
		p.loop.On(func() {
			for _, t := range p.loop.Tasks() {
				k := kind{p.loop.ID(), t.Name, t.State, t.Site}
				if sums[k] == nil {
					sums[k] = &taskStatus{Loop: k.loop, Name: k.name, State: k.state, Site: k.site}
				}
				sums[k].Count++
				sums[k].Polls += t.Polls
			}
		})
	}
	out := []taskStatus{}
	for _, t := range sums {
		out = append(out, *t)
	}
	slices.SortFunc(out, func(a, b taskStatus) int {
		return cmp.Or(cmp.Compare(a.Loop, b.Loop), -cmp.Compare(a.Count, b.Count), cmp.Compare(a.Name, b.Name), cmp.Compare(a.State, b.State))
	})
	return out
}

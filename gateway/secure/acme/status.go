package acme

import (
	"cmp"
	"maps"
	"slices"
	"sync/atomic"
	"time"
)

// State is how a name is.
type State string

// The states.
const (
	// Valid: its certificate is in use.
	Valid State = "valid"
	// Pending: it has none yet, and one is being got.
	Pending State = "pending"
	// Failing: it has none, or it could not be renewed.
	Failing State = "failing"
	// Expired: its certificate has run out.
	Expired State = "expired"
)

// Status is how a name is, for operators.
type Status struct {
	Name     string    `json:"name"`
	State    State     `json:"state"`
	OnDemand bool      `json:"on_demand,omitempty"`
	CA       string    `json:"ca"`
	Issuer   string    `json:"issuer,omitempty"`
	Since    time.Time `json:"since,omitzero"`   // when the certificate became valid
	Expires  time.Time `json:"expires,omitzero"` // when it runs out
	Stapled  bool      `json:"stapled,omitempty"`
	Tries    int       `json:"tries,omitempty"` // that failed since the last success
	Error    string    `json:"error,omitempty"`
	Next     time.Time `json:"next_try,omitzero"`
}

// counters are what has happened, since the process began.
type counters struct {
	obtained, obtainFailed, renewed, renewFailed, allowed, refused atomic.Uint64
}

// Counts are what a Registry has counted.
type Counts struct {
	Obtained, ObtainFailed, Renewed, RenewFailed uint64
	Allowed, Refused                             uint64 // answers to what was asked on demand
}

// Counts tells what has happened since the process began.
func (r *Registry) Counts() Counts {
	c := &r.counters
	return Counts{Obtained: c.obtained.Load(), ObtainFailed: c.obtainFailed.Load(), Renewed: c.renewed.Load(), RenewFailed: c.renewFailed.Load(),
		Allowed: c.allowed.Load(), Refused: c.refused.Load()}
}

// InUse reports whether any listener gets certificates.
func (r *Registry) InUse() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.clients) > 0
}

// Status tells how every name is that is looked after, in their order.
func (r *Registry) Status() []Status {
	r.mu.Lock()
	clients := slices.Collect(maps.Values(r.clients))
	r.mu.Unlock()
	now := time.Now()
	var all []Status
	for _, c := range clients {
		all = c.status(all, now)
	}
	slices.SortFunc(all, func(a, b Status) int { return cmp.Or(cmp.Compare(a.Name, b.Name), cmp.Compare(a.CA, b.CA)) })
	return all
}

func (c *client) status(all []Status, now time.Time) []Status {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, n := range c.names {
		s := Status{Name: n.text, State: Pending, OnDemand: n.demanded, CA: c.spec.CA, Tries: n.tries, Next: n.next}
		if n.err != nil {
			s.State, s.Error = Failing, reason(n.err)
		}
		if n.cert != nil {
			s.Issuer, s.Since, s.Expires, s.Stapled = n.cert.Issuer, n.cert.since(), n.cert.Expiry, len(n.cert.TLS.OCSPStaple) > 0
			switch {
			case now.After(n.cert.Expiry):
				s.State = Expired
			case n.err == nil:
				s.State = Valid
			}
		}
		all = append(all, s)
	}
	return all
}

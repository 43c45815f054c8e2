package gateway

import (
	"slices"
	"time"

	"github.com/ringway/ringway/gateway/secure/acme"
	"github.com/ringway/ringway/observe/metrics"
)

// CertificateStatus is how the certificates are that come from authorities, all together.
type CertificateStatus struct {
	Names   int       `json:"names"`
	Valid   int       `json:"valid"`
	Pending int       `json:"pending"`
	Failing int       `json:"failing"`
	Expired int       `json:"expired"`
	Expires time.Time `json:"first_expiry,omitzero"`
	// Troubled are the first names that have no certificate, or whose certificate could not be renewed.
	Troubled []acme.Status `json:"troubled,omitempty"`
}

// maxTroubled is how many names the status tells of; the list of certificates has all.
const maxTroubled = 20

// certificateStatus is nil where no certificates are got.
func (g *Gateway) certificateStatus() *CertificateStatus {
	all := g.acme.Status()
	if len(all) == 0 && !g.acme.InUse() {
		return nil
	}
	out := &CertificateStatus{Names: len(all)}
	for _, s := range all {
		switch s.State {
		case acme.Valid:
			out.Valid++
		case acme.Pending:
			out.Pending++
		case acme.Failing:
			out.Failing++
		case acme.Expired:
			out.Expired++
		}
		if s.State != acme.Valid && len(out.Troubled) < maxTroubled {
			out.Troubled = append(out.Troubled, s)
		}
		if !s.Expires.IsZero() && (out.Expires.IsZero() || s.Expires.Before(out.Expires)) {
			out.Expires = s.Expires
		}
	}
	return out
}

// certificateList is every name that is looked after.
func (g *Gateway) certificateList() []acme.Status {
	if all := g.acme.Status(); all != nil {
		return all
	}
	return []acme.Status{} // a list in JSON, too
}

// withoutErrors leaves out what authorities, and the system, say of failures.
func withoutErrors(all []acme.Status) []acme.Status {
	all = slices.Clone(all)
	for i := range all {
		all[i].Error = ""
	}
	return all
}

// certificateMetrics is the same for Prometheus.
func (g *Gateway) certificateMetrics() metrics.ACME {
	m := metrics.ACME{Enabled: g.acme.InUse()}
	if !m.Enabled {
		return m
	}
	c := g.acme.Counts()
	m.Obtained, m.ObtainFailed, m.Renewed, m.RenewFailed, m.Allowed, m.Refused = c.Obtained, c.ObtainFailed, c.Renewed, c.RenewFailed, c.Allowed, c.Refused
	m.States = map[string]uint64{string(acme.Valid): 0, string(acme.Pending): 0, string(acme.Failing): 0, string(acme.Expired): 0}
	m.Expiry = map[string]time.Time{}
	for _, s := range g.acme.Status() {
		m.States[string(s.State)]++
		switch at, had := m.Expiry[s.Name]; {
		case s.Expires.IsZero():
		case s.OnDemand:
			if m.OnDemand.IsZero() || s.Expires.Before(m.OnDemand) {
				m.OnDemand = s.Expires
			}
		case !had || s.Expires.Before(at):
			m.Expiry[s.Name] = s.Expires
		}
	}
	return m
}

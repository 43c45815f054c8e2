package metrics

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// ACME is what is known of certificates that come from authorities. It is not per loop.
type ACME struct {
	Enabled bool
	States  map[string]uint64    // names looked after, by how they are
	Expiry  map[string]time.Time // of the certificates of names that are configured

	// OnDemand is when the first of the certificates runs out that were got because clients asked; zero for none.
	OnDemand time.Time

	Obtained, ObtainFailed uint64 // first certificates of names
	Renewed, RenewFailed   uint64
	Allowed, Refused       uint64 // answers to the question whether a name may have one
}

var (
	acmeNames = prometheus.NewDesc("ringway_acme_names",
		"Names that certificates are got for, by how they are.", []string{"state"}, nil)
	acmeExpiry = prometheus.NewDesc("ringway_acme_certificate_expiry_timestamp_seconds",
		"When a name's certificate runs out; of those got on demand, the first.", []string{"name"}, nil)
	acmeOrders = prometheus.NewDesc("ringway_acme_orders_total",
		"Tries to get a certificate, the first of its name or the next, by what came of them.", []string{"kind", "result"}, nil)
	acmeAsks = prometheus.NewDesc("ringway_acme_asks_total",
		"Questions whether a name may have a certificate on demand, by the answer.", []string{"answer"}, nil)
)

var acmeDescs = []*prometheus.Desc{acmeNames, acmeExpiry, acmeOrders, acmeAsks}

// onDemand stands for the names of certificates that were got because clients asked: there may be very many.
const onDemand = "(on demand)"

// sendACME sends what is known of certificates.
func sendACME(ch chan<- prometheus.Metric, a *ACME) {
	if !a.Enabled {
		return
	}
	for state, n := range a.States {
		ch <- prometheus.MustNewConstMetric(acmeNames, prometheus.GaugeValue, float64(n), state)
	}
	for name, at := range a.Expiry {
		ch <- prometheus.MustNewConstMetric(acmeExpiry, prometheus.GaugeValue, float64(at.Unix()), label(&name))
	}
	if !a.OnDemand.IsZero() {
		ch <- prometheus.MustNewConstMetric(acmeExpiry, prometheus.GaugeValue, float64(a.OnDemand.Unix()), onDemand)
	}
	for _, o := range []struct {
		desc   *prometheus.Desc
		labels []string
		n      uint64
	}{
		{acmeOrders, []string{"first", "done"}, a.Obtained}, {acmeOrders, []string{"first", "failed"}, a.ObtainFailed},
		{acmeOrders, []string{"renewal", "done"}, a.Renewed}, {acmeOrders, []string{"renewal", "failed"}, a.RenewFailed},
		{acmeAsks, []string{"yes"}, a.Allowed}, {acmeAsks, []string{"no"}, a.Refused},
	} {
		ch <- prometheus.MustNewConstMetric(o.desc, prometheus.CounterValue, float64(o.n), o.labels...)
	}
}

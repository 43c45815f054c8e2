package report

import (
	"github.com/prometheus/client_golang/prometheus"

	"github.com/ringway/ringway/probe"
)

// Descriptors of the metrics. A target is told by its name as it was given and by its address.
var (
	labels       = []string{"target", "address"}
	sentDesc     = prometheus.NewDesc("ringway_ping_sent_total", "Probes that were sent, or should have been.", labels, nil)
	outcomeDesc  = prometheus.NewDesc("ringway_ping_outcome_total", "Probes by what became of them; those under way have no outcome yet.", append(labels, "outcome"), nil)
	extraDesc    = prometheus.NewDesc("ringway_ping_extra_total", "Packets beside the first answer of each probe, by kind.", append(labels, "kind"), nil)
	rttDesc      = prometheus.NewDesc("ringway_ping_rtt_seconds", "Round-trip time of answered probes, in the clock domain named.", append(labels, "domain"), nil)
	jitterDesc   = prometheus.NewDesc("ringway_ping_jitter_seconds", "Mean difference between successive round-trip times.", labels, nil)
	upDesc       = prometheus.NewDesc("ringway_ping_resolved", "1 if the target is probed, 0 if it has no address or no socket.", labels, nil)
	overflowDesc = prometheus.NewDesc("ringway_ping_queue_overflow_total", "Packets that the receive queues of this host dropped.", nil, nil)
	foreignDesc  = prometheus.NewDesc("ringway_ping_foreign_total", "Packets that passed the filter and were not ours.", nil, nil)
	missingDesc  = prometheus.NewDesc("ringway_ping_stamps_missing_total", "Answers whose transmit stamp did not come.", nil, nil)
)

type collector struct{ source func() *probe.Snapshot }

// NewCollector returns a collector that calls source once for every scrape. Source may be called from several goroutines at
// the same time.
func NewCollector(source func() *probe.Snapshot) prometheus.Collector { return collector{source} }

// Describe sends the descriptors of all metrics that Collect may send.
func (c collector) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{sentDesc, outcomeDesc, extraDesc, rttDesc, jitterDesc, upDesc, overflowDesc, foreignDesc, missingDesc} {
		ch <- d
	}
}

// Collect sends the metrics of one snapshot.
func (c collector) Collect(ch chan<- prometheus.Metric) {
	s := c.source()
	count := func(d *prometheus.Desc, v uint64, labels ...string) {
		ch <- prometheus.MustNewConstMetric(d, prometheus.CounterValue, float64(v), labels...)
	}
	gauge := func(d *prometheus.Desc, v float64, labels ...string) {
		ch <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v, labels...)
	}
	for i := range s.Targets {
		t := &s.Targets[i]
		address := ""
		if t.Addr.IsValid() {
			address = t.Addr.String()
		}
		if t.Err != nil {
			gauge(upDesc, 0, t.Name, address)
			continue
		}
		gauge(upDesc, 1, t.Name, address)
		count(sentDesc, t.Sent, t.Name, address)
		for _, o := range probe.Outcomes() {
			count(outcomeDesc, t.Of(o), t.Name, address, o.String())
		}
		for _, x := range probe.Extras() {
			count(extraDesc, t.Extra(x), t.Name, address, x.String())
		}
		if l := &t.Latency; l.Count > 0 {
			ch <- prometheus.MustNewConstSummary(rttDesc, l.Count, l.Sum.Seconds(),
				map[float64]float64{0: l.Min.Seconds(), 0.5: l.P50.Seconds(), 0.9: l.P90.Seconds(), 0.99: l.P99.Seconds(), 1: l.Max.Seconds()},
				t.Name, address, l.Domain.String())
			gauge(jitterDesc, l.Jitter.Seconds(), t.Name, address)
		}
	}
	count(overflowDesc, s.Session.QueueOverflow)
	count(foreignDesc, s.Session.Foreign)
	count(missingDesc, s.Session.StampsMissing)
}

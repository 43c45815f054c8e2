package metrics

import "github.com/prometheus/client_golang/prometheus"

var (
	tlsHandshakes = prometheus.NewDesc("ringway_listener_tls_handshakes_total",
		"Handshakes with clients, by how they ended.", []string{"listener", "result"}, nil)
	tlsByVersion = prometheus.NewDesc("ringway_listener_tls_connections_total",
		"Handshakes that were done, by version of TLS.", []string{"listener", "version"}, nil)
	tlsResumed = prometheus.NewDesc("ringway_listener_tls_resumed_total",
		"Handshakes that were done by resuming a session.", []string{"listener"}, nil)
	tlsRunning = prometheus.NewDesc("ringway_listener_tls_handshakes",
		"Handshakes that go on, or wait for their turn.", []string{"listener"}, nil)
	tlsDuration = prometheus.NewDesc("ringway_listener_tls_handshake_duration_seconds",
		"Time from a connection's first byte to the end of its handshake.", []string{"listener"}, nil)
)

var tlsDescs = []*prometheus.Desc{tlsHandshakes, tlsByVersion, tlsResumed, tlsRunning, tlsDuration}

// sendTLS sends what a listener counts of handshakes.
func sendTLS(ch chan<- prometheus.Metric, name string, c *TLSCounters) {
	if !c.Enabled {
		return
	}
	for i, n := range c.Results {
		ch <- prometheus.MustNewConstMetric(tlsHandshakes, prometheus.CounterValue, float64(n), name, TLSResult(i).String())
	}
	for i, n := range c.Versions {
		ch <- prometheus.MustNewConstMetric(tlsByVersion, prometheus.CounterValue, float64(n), name, tlsVersionNames[i])
	}
	ch <- prometheus.MustNewConstMetric(tlsResumed, prometheus.CounterValue, float64(c.Resumed), name)
	ch <- prometheus.MustNewConstMetric(tlsRunning, prometheus.GaugeValue, float64(c.Running), name)
	sendHistogram(ch, tlsDuration, &c.Duration, name)
}

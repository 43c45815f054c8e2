package metrics

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// ClusterHealth is what health checks know of a cluster that has some. It is not per loop.
type ClusterHealth struct {
	Name      string
	Healthy   uint64 // endpoints with a weight that are healthy
	Panic     bool   // too few are, and all are used
	Endpoints []EndpointHealth
}

// EndpointHealth is what health checks know of an endpoint.
type EndpointHealth struct {
	Name    string // its address
	Healthy bool
	Turns   uint64  // times that it became healthy or unhealthy
	Share   float64 // of its weight that it gets now, from 0 to 1
	Checks  []EndpointCheck
}

// EndpointCheck is what one kind of check knows of an endpoint.
type EndpointCheck struct {
	Kind     string
	Healthy  bool
	Good     uint64
	Failed   uint64
	Sum      time.Duration // of the good ones' times
	Smoothed time.Duration
	P50, P99 time.Duration // of the last ones
	Loss     float64       // of the last ones, from 0 to 1
}

var clusterHealthSeries = []series[ClusterHealth]{
	gauge("cluster_endpoints_healthy", "Endpoints with a weight that their health checks find healthy.", func(e *ClusterHealth) float64 { return float64(e.Healthy) }, "cluster"),
	gauge("cluster_panic", "1 while so few endpoints are healthy that all are used.", func(e *ClusterHealth) float64 { return truth(e.Panic) }, "cluster"),
}

var endpointHealthSeries = []series[EndpointHealth]{
	gauge("endpoint_healthy", "1 while all health checks find the endpoint healthy.", func(e *EndpointHealth) float64 { return truth(e.Healthy) }, "cluster", "endpoint"),
	counter("endpoint_health_turns_total", "Times that the endpoint became healthy or unhealthy.", func(e *EndpointHealth) float64 { return float64(e.Turns) }, "cluster", "endpoint"),
	gauge("endpoint_weight_share_ratio", "Share of its weight that health leaves the endpoint.", func(e *EndpointHealth) float64 { return e.Share }, "cluster", "endpoint"),
}

var endpointCheckSeries = []series[EndpointCheck]{
	gauge("endpoint_check_healthy", "1 while this kind of check finds the endpoint healthy.", func(e *EndpointCheck) float64 { return truth(e.Healthy) }, "cluster", "endpoint", "check"),
	gauge("endpoint_check_loss_ratio", "Share of the last checks that failed.", func(e *EndpointCheck) float64 { return e.Loss }, "cluster", "endpoint", "check"),
	gauge("endpoint_check_latency_smoothed_seconds", "Smoothed time of the checks that were good.", func(e *EndpointCheck) float64 { return e.Smoothed.Seconds() }, "cluster", "endpoint", "check"),
}

var (
	endpointChecks = prometheus.NewDesc("ringway_endpoint_checks_total",
		"Health checks made, by result.", []string{"cluster", "endpoint", "check", "result"}, nil)
	endpointCheckLatency = prometheus.NewDesc("ringway_endpoint_check_latency_seconds",
		"Time of the health checks that were good; quantiles are of the last ones.", []string{"cluster", "endpoint", "check"}, nil)
)

func truth(b bool) float64 {
	if b {
		return 1
	}
	return 0
}

// describeHealth sends the descriptors of what sendHealth may send.
func describeHealth(ch chan<- *prometheus.Desc) {
	describe(ch, clusterHealthSeries)
	describe(ch, endpointHealthSeries)
	describe(ch, endpointCheckSeries)
	ch <- endpointChecks
	ch <- endpointCheckLatency
}

// sendHealth sends what is known of a cluster.
func sendHealth(ch chan<- prometheus.Metric, c *ClusterHealth) {
	cluster := label(&c.Name)
	send(ch, clusterHealthSeries, c, cluster)
	for i := range c.Endpoints {
		e := &c.Endpoints[i]
		name := label(&e.Name)
		send(ch, endpointHealthSeries, e, cluster, name)
		for j := range e.Checks {
			k := &e.Checks[j]
			send(ch, endpointCheckSeries, k, cluster, name, k.Kind)
			ch <- prometheus.MustNewConstMetric(endpointChecks, prometheus.CounterValue, float64(k.Good), cluster, name, k.Kind, "good")
			ch <- prometheus.MustNewConstMetric(endpointChecks, prometheus.CounterValue, float64(k.Failed), cluster, name, k.Kind, "failed")
			quantiles := map[float64]float64{}
			if k.P50 > 0 {
				quantiles[0.5], quantiles[0.99] = k.P50.Seconds(), k.P99.Seconds()
			}
			ch <- prometheus.MustNewConstSummary(endpointCheckLatency, k.Good, k.Sum.Seconds(), quantiles, cluster, name, k.Kind)
		}
	}
}

package metrics

import (
	"slices"
	"strconv"
	"strings"

	"github.com/prometheus/client_golang/prometheus"
)

// series is one metric of an entry: its descriptor, and how to read its value
// from the entry.
type series[E any] struct {
	desc  *prometheus.Desc
	kind  prometheus.ValueType
	value func(*E) float64
}

// counter describes a series that only rises.
func counter[E any](name, help string, value func(*E) float64, labels ...string) series[E] {
	return series[E]{prometheus.NewDesc("ringway_"+name, help, labels, nil), prometheus.CounterValue, value}
}

// gauge describes a series that also falls.
func gauge[E any](name, help string, value func(*E) float64, labels ...string) series[E] {
	return series[E]{prometheus.NewDesc("ringway_"+name, help, labels, nil), prometheus.GaugeValue, value}
}

// send sends every series of the entry e.
func send[E any](ch chan<- prometheus.Metric, list []series[E], e *E, labels ...string) {
	for _, s := range list {
		ch <- prometheus.MustNewConstMetric(s.desc, s.kind, s.value(e), labels...)
	}
}

// sendHistogram sends h under desc.
func sendHistogram(ch chan<- prometheus.Metric, desc *prometheus.Desc, h *Histogram, labels ...string) {
	ch <- prometheus.MustNewConstHistogram(desc, h.Count(), float64(h.sum)/1e9, h.cumulative(), labels...)
}

// Descriptors that are not read by a plain function of one entry.
var (
	listenerRequests = prometheus.NewDesc("ringway_listener_requests_total",
		"Responses sent to clients, by class of status.", []string{"listener", "code_class"}, nil)
	listenerDuration = prometheus.NewDesc("ringway_listener_request_duration_seconds",
		"Time from a request's first byte to its response's last.", []string{"listener"}, nil)
	listenerSessions = prometheus.NewDesc("ringway_listener_sessions_total",
		"Sessions of layer 4 that have ended, and connections refused before their first request, by why.", []string{"listener", "end"}, nil)
	listenerSessionDuration = prometheus.NewDesc("ringway_listener_session_duration_seconds",
		"Time from a connection's coming to its session's end.", []string{"listener"}, nil)
	endpointConnectErrors = prometheus.NewDesc("ringway_endpoint_connect_errors_total",
		"Connections to an endpoint that did not come about, by error code.", []string{"cluster", "endpoint", "error"}, nil)
	endpointRequestErrors = prometheus.NewDesc("ringway_endpoint_request_errors_total",
		"Requests that failed after they had a connection, by error code.", []string{"cluster", "endpoint", "error"}, nil)
	endpointResponseHead = prometheus.NewDesc("ringway_endpoint_response_head_duration_seconds",
		"Time from a request's sending to its response's head.", []string{"cluster", "endpoint"}, nil)
)

// classes are the values of the label code_class.
var classes = [StatusClasses]string{"1xx", "2xx", "3xx", "4xx", "5xx"}

// collector asks source at every scrape.
type collector struct {
	source func() Snapshot
}

// NewCollector returns a collector that calls source once for every scrape
// and shows what it returns. Source may be called from several goroutines at
// the same time.
func NewCollector(source func() Snapshot) prometheus.Collector {
	return collector{source: source}
}

// Describe sends the descriptors of all metrics that Collect may send.
func (c collector) Describe(ch chan<- *prometheus.Desc) {
	describe(ch, loopSeries)
	describe(ch, listenerSeries)
	describe(ch, http2Series)
	describe(ch, clusterSeries)
	describe(ch, endpointSeries)
	describe(ch, taskSeries)
	describe(ch, accessLogSeries)
	for _, d := range []*prometheus.Desc{listenerRequests, listenerDuration, listenerSessions, listenerSessionDuration,
		endpointConnectErrors, endpointRequestErrors, endpointResponseHead} {
		ch <- d
	}
	for _, d := range slices.Concat(tunnelDescs, tlsDescs, http2Descs, acmeDescs) {
		ch <- d
	}
	describeHealth(ch)
}

func describe[E any](ch chan<- *prometheus.Desc, list []series[E]) {
	for _, s := range list {
		ch <- s.desc
	}
}

// Collect sends the metrics of one snapshot.
func (c collector) Collect(ch chan<- prometheus.Metric) {
	s := c.source()
	for _, e := range merge(s.Loops,
		func(e *Loop) int { return e.ID },
		func(to, e *Loop) { to.Add(&e.LoopCounters) }) {
		send(ch, loopSeries, &e, strconv.Itoa(e.ID))
	}
	for _, e := range merge(s.Listeners,
		func(e *Listener) string { return label(&e.Name) },
		func(to, e *Listener) { to.Add(&e.ListenerCounters) }) {
		sendListener(ch, &e)
	}
	for _, e := range merge(s.Clusters,
		func(e *Cluster) string { return label(&e.Name) },
		func(to, e *Cluster) {
			to.Endpoints += e.Endpoints
			to.Available += e.Available
			to.Add(&e.ClusterCounters)
		}) {
		send(ch, clusterSeries, &e, e.Name)
	}
	for _, e := range merge(s.Endpoints,
		func(e *Endpoint) [2]string { return [2]string{label(&e.Cluster), label(&e.Name)} },
		func(to, e *Endpoint) { to.Add(&e.EndpointCounters) }) {
		sendEndpoint(ch, &e)
	}
	for _, e := range merge(s.Tasks,
		func(e *Task) string { return label(&e.Name) },
		func(to, e *Task) { to.Add(&e.TaskCounters) }) {
		send(ch, taskSeries, &e, e.Name)
	}
	for _, e := range s.Health {
		sendHealth(ch, &e)
	}
	send(ch, accessLogSeries, &s.AccessLog)
	sendACME(ch, &s.ACME)
}

// sendListener sends what a listener has beyond plain numbers, too.
func sendListener(ch chan<- prometheus.Metric, e *Listener) {
	send(ch, listenerSeries, e, e.Name)
	sendTLS(ch, e.Name, &e.TLS)
	sendHTTP2(ch, e)
	for i, n := range e.Sessions.Ends {
		if n > 0 || e.Sessions.Layer4 {
			ch <- prometheus.MustNewConstMetric(listenerSessions, prometheus.CounterValue, float64(n), e.Name, SessionEnd(i).String())
		}
	}
	if e.Sessions.Layer4 {
		sendHistogram(ch, listenerSessionDuration, &e.Sessions.Duration, e.Name)
		return
	}
	for i, n := range e.Requests {
		ch <- prometheus.MustNewConstMetric(listenerRequests, prometheus.CounterValue, float64(n), e.Name, classes[i])
	}
	sendHistogram(ch, listenerDuration, &e.Duration, e.Name)
	sendTunnels(ch, e.Name, &e.Tunnels)
}

// sendEndpoint sends what an endpoint has beyond plain numbers, too.
func sendEndpoint(ch chan<- prometheus.Metric, e *Endpoint) {
	send(ch, endpointSeries, e, e.Cluster, e.Name)
	for i, n := range e.Errors {
		desc := endpointRequestErrors
		if i < connectErrors {
			desc = endpointConnectErrors
		}
		ch <- prometheus.MustNewConstMetric(desc, prometheus.CounterValue, float64(n),
			e.Cluster, e.Name, EndpointError(i).String())
	}
	sendHistogram(ch, endpointResponseHead, &e.ResponseHead, e.Cluster, e.Name)
}

// label makes a name one that Prometheus takes, in place, and returns it. One
// name that is not UTF-8 would otherwise fail the whole scrape.
func label(name *string) string {
	*name = strings.ToValidUTF8(*name, "\ufffd")
	return *name
}

// merge adds up the entries with the same key; one that came twice would fail
// the whole scrape. The entries keep the order in which they came first.
func merge[E any, K comparable](list []E, key func(*E) K, add func(to, e *E)) []E {
	at := make(map[K]int, len(list))
	merged := make([]E, 0, len(list))
	for i := range list {
		e := list[i] // a copy: the source may keep its slice
		k := key(&e)
		if j, ok := at[k]; ok {
			add(&merged[j], &e)
			continue
		}
		at[k] = len(merged)
		merged = append(merged, e)
	}
	return merged
}

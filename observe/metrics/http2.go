package metrics

import (
	"github.com/prometheus/client_golang/prometheus"

	"github.com/ringway/ringway/proto/http2"
)

// HTTP2Counters is what a listener counts of HTTP/2, per loop.
type HTTP2Counters struct {
	Enabled         bool                 // the listener speaks HTTP/2
	Connections     uint64               // that speak HTTP/2 now
	ConnectionsEver uint64               // that came to speak HTTP/2
	Streams         uint64               // open now
	StreamsEver     uint64               // that were opened
	ResetsClient    uint64               // streams that the client gave up
	ResetsGateway   uint64               // streams that the gateway gave up, after a mistake of the client's among them
	GoAwaysClient   uint64               // connections that their clients let end (GOAWAY)
	GoAwaysGateway  uint64               // connections that were ended by GOAWAY
	Floods          [http2.Floods]uint64 // connections ended for abuse, by kind

	// What was ended for what its client did against the rules: streams, and connections, for abuse among them. Both are among the
	// resets and the GOAWAYs of the gateway.
	StreamErrors, ConnectionErrors uint64
}

// Add adds o to c.
func (c *HTTP2Counters) Add(o *HTTP2Counters) {
	c.Enabled = c.Enabled || o.Enabled
	c.Connections += o.Connections
	c.ConnectionsEver += o.ConnectionsEver
	c.Streams += o.Streams
	c.StreamsEver += o.StreamsEver
	c.ResetsClient += o.ResetsClient
	c.ResetsGateway += o.ResetsGateway
	c.GoAwaysClient += o.GoAwaysClient
	c.GoAwaysGateway += o.GoAwaysGateway
	c.StreamErrors += o.StreamErrors
	c.ConnectionErrors += o.ConnectionErrors
	for i, n := range o.Floods {
		c.Floods[i] += n
	}
}

var http2Series = []series[Listener]{
	gauge("listener_http2_connections", "Connections that speak HTTP/2.", func(e *Listener) float64 { return float64(e.HTTP2.Connections) }, "listener"),
	counter("listener_http2_connections_total", "Connections that came to speak HTTP/2.", func(e *Listener) float64 { return float64(e.HTTP2.ConnectionsEver) }, "listener"),
	gauge("listener_http2_streams", "Streams of HTTP/2 that are open.", func(e *Listener) float64 { return float64(e.HTTP2.Streams) }, "listener"),
	counter("listener_http2_streams_total", "Streams of HTTP/2 that were opened.", func(e *Listener) float64 { return float64(e.HTTP2.StreamsEver) }, "listener"),
}

var (
	http2Resets = prometheus.NewDesc("ringway_listener_http2_resets_total",
		"Streams of HTTP/2 that were given up (RST_STREAM), by which side.", []string{"listener", "side"}, nil)
	http2GoAways = prometheus.NewDesc("ringway_listener_http2_goaways_total",
		"Connections of HTTP/2 that one side has told to end (GOAWAY), by which.", []string{"listener", "side"}, nil)
	http2Errors = prometheus.NewDesc("ringway_listener_http2_errors_total",
		"Streams and connections of HTTP/2 that were refused or ended for what their client did against the rules.", []string{"listener", "scope"}, nil)
	http2Floods = prometheus.NewDesc("ringway_listener_http2_floods_total",
		"Connections of HTTP/2 that were ended for what they cost, by the bound that was passed.", []string{"listener", "kind"}, nil)
)

var http2Descs = []*prometheus.Desc{http2Resets, http2GoAways, http2Errors, http2Floods}

// sendHTTP2 sends what a listener counts of HTTP/2.
func sendHTTP2(ch chan<- prometheus.Metric, e *Listener) {
	c := &e.HTTP2
	if !c.Enabled {
		return
	}
	send(ch, http2Series, e, e.Name)
	for _, m := range []struct {
		desc  *prometheus.Desc
		n     uint64
		label string
	}{
		{http2Resets, c.ResetsClient, "client"}, {http2Resets, c.ResetsGateway, "gateway"},
		{http2GoAways, c.GoAwaysClient, "client"}, {http2GoAways, c.GoAwaysGateway, "gateway"},
		{http2Errors, c.StreamErrors, "stream"}, {http2Errors, c.ConnectionErrors, "connection"},
	} {
		ch <- prometheus.MustNewConstMetric(m.desc, prometheus.CounterValue, float64(m.n), e.Name, m.label)
	}
	for kind := http2.NoFlood + 1; int(kind) < http2.Floods; kind++ {
		ch <- prometheus.MustNewConstMetric(http2Floods, prometheus.CounterValue, float64(c.Floods[kind]), e.Name, kind.String())
	}
}

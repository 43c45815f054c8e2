package metrics

import "github.com/prometheus/client_golang/prometheus"

// TunnelCounters is what a listener of layer 7 counts of tunnels: requests that went over to another protocol, such as WebSocket.
type TunnelCounters struct {
	Open     uint64
	BytesIn  uint64 // from clients
	BytesOut uint64 // to clients
	Ends     [sessionEnds]uint64
	Duration Histogram // from the request's first byte to the tunnel's end
}

// Add adds o to c.
func (c *TunnelCounters) Add(o *TunnelCounters) {
	c.Open += o.Open
	c.BytesIn += o.BytesIn
	c.BytesOut += o.BytesOut
	for i, n := range o.Ends {
		c.Ends[i] += n
	}
	c.Duration.Add(&o.Duration)
}

var (
	listenerTunnels = prometheus.NewDesc("ringway_listener_tunnels",
		"Tunnels open: requests that went over to another protocol.", []string{"listener"}, nil)
	listenerTunnelsEnded = prometheus.NewDesc("ringway_listener_tunnels_ended_total",
		"Tunnels that have ended, by why.", []string{"listener", "end"}, nil)
	listenerTunnelBytes = prometheus.NewDesc("ringway_listener_tunnel_bytes_total",
		"Bytes that passed through tunnels, by where to.", []string{"listener", "to"}, nil)
	listenerTunnelDuration = prometheus.NewDesc("ringway_listener_tunnel_duration_seconds",
		"Time from a request's first byte to the end of its tunnel.", []string{"listener"}, nil)

	tunnelDescs = []*prometheus.Desc{listenerTunnels, listenerTunnelsEnded, listenerTunnelBytes, listenerTunnelDuration}
)

// sendTunnels sends what a listener of layer 7 has counted of tunnels; of ends, those that came about.
func sendTunnels(ch chan<- prometheus.Metric, listener string, c *TunnelCounters) {
	ch <- prometheus.MustNewConstMetric(listenerTunnels, prometheus.GaugeValue, float64(c.Open), listener)
	ch <- prometheus.MustNewConstMetric(listenerTunnelBytes, prometheus.CounterValue, float64(c.BytesIn), listener, "upstream")
	ch <- prometheus.MustNewConstMetric(listenerTunnelBytes, prometheus.CounterValue, float64(c.BytesOut), listener, "client")
	for i, n := range c.Ends {
		if n > 0 {
			ch <- prometheus.MustNewConstMetric(listenerTunnelsEnded, prometheus.CounterValue, float64(n), listener, SessionEnd(i).String())
		}
	}
	sendHistogram(ch, listenerTunnelDuration, &c.Duration, listener)
}

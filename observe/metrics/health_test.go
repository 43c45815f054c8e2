package metrics

import (
	"testing"
	"time"
)

func TestHealthIsShown(t *testing.T) {
	text := scrape(t, func() Snapshot {
		return Snapshot{Health: []ClusterHealth{
			{Name: "c", Healthy: 1, Panic: true, Endpoints: []EndpointHealth{
				{Name: "10.0.0.1:80", Healthy: true, Turns: 4, Share: 0.25, Checks: []EndpointCheck{
					{Kind: "icmp", Healthy: true, Good: 90, Failed: 10, Sum: 180 * time.Millisecond, Smoothed: 2 * time.Millisecond,
						P50: time.Millisecond, P99: 5 * time.Millisecond, Loss: 0.1},
					{Kind: "http", Failed: 3, Loss: 1}}},
				{Name: "[::1]:80\xff"},
			}},
		}}
	})
	wantLines(t, text,
		`ringway_cluster_endpoints_healthy{cluster="c"} 1`,
		`ringway_cluster_panic{cluster="c"} 1`,
		`ringway_endpoint_healthy{cluster="c",endpoint="10.0.0.1:80"} 1`,
		"ringway_endpoint_healthy{cluster=\"c\",endpoint=\"[::1]:80\ufffd\"} 0",
		`ringway_endpoint_health_turns_total{cluster="c",endpoint="10.0.0.1:80"} 4`,
		`ringway_endpoint_weight_share_ratio{cluster="c",endpoint="10.0.0.1:80"} 0.25`,
		`ringway_endpoint_check_healthy{check="icmp",cluster="c",endpoint="10.0.0.1:80"} 1`,
		`ringway_endpoint_check_healthy{check="http",cluster="c",endpoint="10.0.0.1:80"} 0`,
		`ringway_endpoint_check_loss_ratio{check="icmp",cluster="c",endpoint="10.0.0.1:80"} 0.1`,
		`ringway_endpoint_check_latency_smoothed_seconds{check="icmp",cluster="c",endpoint="10.0.0.1:80"} 0.002`,
		`ringway_endpoint_checks_total{check="icmp",cluster="c",endpoint="10.0.0.1:80",result="good"} 90`,
		`ringway_endpoint_checks_total{check="icmp",cluster="c",endpoint="10.0.0.1:80",result="failed"} 10`,
		`ringway_endpoint_checks_total{check="http",cluster="c",endpoint="10.0.0.1:80",result="failed"} 3`,
		`ringway_endpoint_check_latency_seconds{check="icmp",cluster="c",endpoint="10.0.0.1:80",quantile="0.5"} 0.001`,
		`ringway_endpoint_check_latency_seconds{check="icmp",cluster="c",endpoint="10.0.0.1:80",quantile="0.99"} 0.005`,
		`ringway_endpoint_check_latency_seconds_sum{check="icmp",cluster="c",endpoint="10.0.0.1:80"} 0.18`,
		`ringway_endpoint_check_latency_seconds_count{check="icmp",cluster="c",endpoint="10.0.0.1:80"} 90`,
		`ringway_endpoint_check_latency_seconds_count{check="http",cluster="c",endpoint="10.0.0.1:80"} 0`,
	)
}

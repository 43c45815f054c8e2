package cli

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/ringway/ringway/gateway"
)

// TestHealthForPeople: a few endpoints are all told of, of many those that are in trouble.
func TestHealthForPeople(t *testing.T) {
	cluster := func(endpoints, troubled int) gateway.ClusterHealth {
		c := gateway.ClusterHealth{Cluster: "c", Endpoints: endpoints, Healthy: endpoints - troubled}
		for i := range endpoints {
			e := gateway.EndpointHealth{Address: fmt.Sprintf("10.0.0.%d:80", i), State: "healthy", Since: time.Now(), Share: 100,
				Checks: []gateway.EndpointCheck{{Kind: "icmp", P50: 0.0012345, Loss: 0.25, Window: 40}}}
			if i >= endpoints-troubled {
				e.State, e.Share, e.Reason = "unhealthy", 0, "icmp: no answer in time"
			}
			c.Each = append(c.Each, e)
		}
		return c
	}
	for _, test := range []struct {
		endpoints, troubled, lines int
		has                        string
	}{
		{2, 1, 5, "  10.0.0.1:80: unhealthy for 0s (icmp: no answer in time), gets 0% of its weight\n    icmp: 0s smoothed, p50 1.235ms, p99 0s, loss 25.0% of 40\n"},
		{20, 0, 41, "cluster      c, 20 of 20 endpoints healthy\n  10.0.0.0:80: healthy for 0s, gets 100% of its weight\n"},
		{100, 3, 8, "    icmp: 0s smoothed, p50 1.235ms, p99 0s, loss 25.0% of 40\n  and 97 more\n"},
		{100, 50, 42, "  and 80 more\n"},
	} {
		var b strings.Builder
		printHealth(&b, []gateway.ClusterHealth{cluster(test.endpoints, test.troubled)})
		if n := strings.Count(b.String(), "\n"); n != test.lines || !strings.Contains(b.String(), test.has) {
			t.Errorf("%d of %d in trouble: %d lines, want %d with %q:\n%s", test.troubled, test.endpoints, n, test.lines, test.has, b.String())
		}
	}
}

package metrics

import (
	"strings"
	"testing"
)

// Loops' parts of a listener are added together; one of layer 4 shows nothing of tunnels, which it has no requests for.
func TestTunnelSeries(t *testing.T) {
	var one, other, db ListenerCounters
	one.Tunnels.Open, one.Tunnels.BytesIn, one.Tunnels.BytesOut = 2, 10, 100
	one.Tunnels.Ends[Finished] = 3
	one.Tunnels.Duration.Observe(1)
	other.Tunnels.Open, other.Tunnels.BytesIn = 1, 5
	other.Tunnels.Ends[IdleTimeout] = 1
	db.Sessions.Layer4 = true
	text := scrape(t, func() Snapshot { return Snapshot{Listeners: []Listener{{"web", one}, {"web", other}, {"db", db}}} })
	wantLines(t, text,
		`ringway_listener_tunnels{listener="web"} 3`,
		`ringway_listener_tunnel_bytes_total{listener="web",to="upstream"} 15`,
		`ringway_listener_tunnel_bytes_total{listener="web",to="client"} 100`,
		`ringway_listener_tunnels_ended_total{end="finished",listener="web"} 3`,
		`ringway_listener_tunnels_ended_total{end="idle_timeout",listener="web"} 1`,
		`ringway_listener_tunnel_duration_seconds_count{listener="web"} 1`)
	for _, absent := range []string{`ringway_listener_tunnels{listener="db"}`, `end="drained",listener="web"`} {
		if strings.Contains(text, absent) {
			t.Errorf("there is %s", absent)
		}
	}
}

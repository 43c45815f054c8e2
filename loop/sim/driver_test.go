package sim_test

import (
	"testing"

	"github.com/ringway/ringway/loop"
	"github.com/ringway/ringway/loop/drivertest"
	"github.com/ringway/ringway/loop/sim"
)

// TestConformance holds the driver against the kit in a calm world, with both kinds of sockets.
func TestConformance(t *testing.T) {
	for name, nonblocking := range map[string]bool{"like io_uring": false, "like epoll": true} {
		t.Run(name, func(t *testing.T) {
			drivertest.Run(t, func(cfg loop.DriverConfig) (loop.Driver, error) {
				w := sim.New(sim.Config{Seed: 1, NonBlocking: nonblocking})
				w.Live()
				return w.Driver(cfg)
			})
		})
	}
}

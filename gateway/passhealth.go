package gateway

import (
	"context"
	"errors"
	"slices"

	"github.com/ringway/ringway/gateway/handover"
	"github.com/ringway/ringway/gateway/health"
	"github.com/ringway/ringway/process"
)

const (
	// firstHealth is the number of the first record of what is known of endpoints.
	firstHealth = firstTickets + 1<<62
	// healthAtOnce is how many endpoints one record is of.
	healthAtOnce = 256
)

// giveHealth tells the worker that takes over which endpoints are healthy, so that it need not find out by requests.
func (g *Gateway) giveHealth(ctx context.Context, to process.Giver) error {
	var all []process.Connection
	for name, known := range g.health.Known() {
		for some := range slices.Chunk(known, healthAtOnce) {
			state := handover.Encode(handover.Health{Cluster: name, Known: handover.Encode(some)})
			all = append(all, process.Connection{ID: firstHealth + uint64(len(all)), Kind: handover.HealthOf, State: state})
		}
	}
	if len(all) == 0 {
		return nil
	}
	_, err := to.Offer(ctx, all)
	return err
}

var errNothingLearnt = errors.New("its endpoints are not checked here")

// takeHealth goes by what the worker before has found out. That is not undone: if it is wrong, the checks will tell.
func (g *Gateway) takeHealth(c process.Connection) error {
	state, err := handover.Decode[handover.Health](c.State)
	if err != nil {
		return err
	}
	known, err := handover.Decode[[]health.Known](state.Known)
	if err != nil {
		return err
	}
	if len(c.Fds) > 0 || !g.health.Learn(state.Cluster, *known) {
		return errNothingLearnt
	}
	return nil
}

package gateway

import (
	"context"
	"errors"
	"maps"
	"slices"

	"github.com/ringway/ringway/gateway/handover"
	"github.com/ringway/ringway/gateway/upstream"
	"github.com/ringway/ringway/process"
)

const (
	// firstWeights is the number of the first record of weights that operators gave.
	firstWeights = firstHealth + 1<<61
	// weightsAtOnce is how many endpoints one record is of.
	weightsAtOnce = 256
)

// errHandingOver refuses a weight that the worker which takes over would not hear of.
var errHandingOver = errors.New("another worker is taking over: try again in a moment")

// giveWeights tells the worker that takes over which weights operators gave endpoints, so that none gets requests that is drained. From
// then on there are no others here, until keepWeights or Resume says that the gateway stays.
func (g *Gateway) giveWeights(ctx context.Context, to process.Giver) error {
	release, err := g.take(ctx)
	if err != nil {
		return err
	}
	defer release()
	g.weightsGiven = true
	var all []process.Connection
	for name, given := range g.overrides.holding(g.current().plan.spec) {
		for some := range slices.Chunk(given, weightsAtOnce) {
			state := handover.Encode(handover.Weights{Cluster: name, Endpoints: some})
			all = append(all, process.Connection{ID: firstWeights + uint64(len(all)), Kind: handover.Weighed, State: state})
		}
	}
	if len(all) == 0 {
		return nil
	}
	refused, err := to.Offer(ctx, all)
	if len(refused) > 0 {
		g.log.Warn("weights that an operator gave endpoints are not taken over by the new worker", "records", len(refused), "of", len(all))
	}
	return err
}

// keepWeights has weights be set here again: nobody has taken over.
func (g *Gateway) keepWeights() {
	if release, err := g.take(context.Background()); err == nil { // else it drains, and takes none any more
		g.weightsGiven = false
		release()
	}
}

// holding are the weights that hold, by cluster, in the order of the endpoints.
func (o overrides) holding(spec *Spec) map[string][]handover.Weight {
	out := map[string][]handover.Weight{}
	for name, of := range o {
		s := spec.Clusters[name]
		if s == nil {
			continue
		}
		for i := range s.Endpoints {
			e := &s.Endpoints[i]
			if w, ok := of[e.Address]; ok && w.configured == e.Weight {
				out[name] = append(out[name], handover.Weight{Address: e.Address, Weight: w.weight, Configured: w.configured})
			}
		}
	}
	return out
}

// takeWeights goes by the weights that operators gave in the worker before. Of endpoints that this configuration does not have, or gives
// another weight than the one before, it has the last word, as at a reload. It is not undone: if the hand-over fails this worker ends.
func (g *Gateway) takeWeights(c process.Connection) error {
	state, err := handover.Decode[handover.Weights](c.State)
	if err != nil {
		return err
	}
	if len(c.Fds) > 0 {
		return errors.New("weights have no descriptors")
	}
	for _, w := range state.Endpoints {
		if w.Weight < 0 || w.Weight > upstream.MaxWeight {
			return &WeightError{w.Weight}
		}
	}
	ctx, cancel := context.WithTimeout(context.Background(), yieldLimit)
	defer cancel()
	release, err := g.take(ctx)
	if err != nil {
		return err
	}
	defer release()
	s := g.current().plan.spec.Clusters[state.Cluster]
	if s == nil {
		return nil
	}
	of := maps.Clone(g.overrides[state.Cluster])
	if of == nil {
		of = map[string]override{}
	}
	taken := 0
	for _, w := range state.Endpoints {
		if slices.ContainsFunc(s.Endpoints, func(e upstream.EndpointSpec) bool { return e.Address == w.Address && e.Weight == w.Configured }) {
			of[w.Address] = override{weight: w.Weight, configured: w.Configured}
			taken++
		}
	}
	if taken > 0 {
		g.reweigh(state.Cluster, of)
		g.log.Info("weights of operators are kept", "cluster", state.Cluster, "endpoints", taken)
	}
	return nil
}

package gateway

import (
	"context"
	"fmt"
	"maps"
	"slices"

	"github.com/ringway/ringway/gateway/upstream"
)

// overrides are the weights that operators gave endpoints while the gateway runs: by cluster, then by address as configured. One
// holds until it is taken back, the configuration gives the endpoint another weight, or the endpoint is no more.
type overrides map[string]map[string]override

type override struct {
	weight     int // 0: drained
	configured int // what the configuration said then
}

// of is the weight of an endpoint.
func (o overrides) of(cluster string, e *upstream.EndpointSpec) int {
	if w, ok := o[cluster][e.Address]; ok && w.configured == e.Weight {
		return w.weight
	}
	return e.Weight
}

// apply gives r the weights that hold.
func (o overrides) apply(r *upstream.Resolved, s *upstream.Spec) *upstream.Resolved {
	weights := make([]int, len(r.Of))
	for i, of := range r.Of {
		weights[i] = o.of(r.Name, &s.Endpoints[of])
	}
	if slices.Equal(weights, r.Weights) {
		return r
	}
	return r.Reweighted(weights)
}

// UnknownError names what does not exist.
type UnknownError struct{ What string }

// Error says so.
func (e *UnknownError) Error() string { return e.What }

// WeightError refuses a weight.
type WeightError struct{ Weight int }

// Error says what a weight is.
func (e *WeightError) Error() string {
	return fmt.Sprintf("a weight is 0 to %d, not %d", upstream.MaxWeight, e.Weight)
}

// SetWeight gives an endpoint another weight until the configuration does, and takes that back when weight is nil. 0 drains it:
// it gets no more requests and its idle connections are closed, but those on their way go on. The endpoint is named as in the
// configuration.
func (g *Gateway) SetWeight(ctx context.Context, cluster, endpoint string, weight *int) error {
	release, err := g.take(ctx)
	if err != nil {
		return err
	}
	defer release()
	if g.weightsGiven || g.shut { // gone to another worker, or not come from it yet
		return errHandingOver
	}
	from := g.current()
	s := from.plan.spec.Clusters[cluster]
	if s == nil {
		return &UnknownError{"there is no cluster " + cluster}
	}
	i := slices.IndexFunc(s.Endpoints, func(e upstream.EndpointSpec) bool { return e.Address == endpoint })
	if i < 0 {
		return &UnknownError{fmt.Sprintf("cluster %s has no endpoint %s", cluster, endpoint)}
	}
	if weight != nil && (*weight < 0 || *weight > upstream.MaxWeight) {
		return &WeightError{*weight}
	}
	of := maps.Clone(g.overrides[cluster])
	if of == nil {
		of = map[string]override{}
	}
	if delete(of, endpoint); weight != nil {
		of[endpoint] = override{weight: *weight, configured: s.Endpoints[i].Weight}
	}
	g.reweigh(cluster, of)
	g.log.Info("weight changed", "cluster", cluster, "endpoint", endpoint, "weight", g.overrides.of(cluster, &s.Endpoints[i]))
	return nil
}

// reweigh has every loop go by other weights of operators for a cluster that there is.
func (g *Gateway) reweigh(cluster string, of map[string]override) {
	from := g.current()
	s := from.plan.spec.Clusters[cluster]
	g.overrides = maps.Clone(g.overrides)
	g.overrides[cluster] = of
	to, plan := *from, *from.plan
	plan.resolved = maps.Clone(plan.resolved)
	r := g.overrides.apply(plan.resolved[cluster], s)
	plan.resolved[cluster], to.plan = r, &plan
	with := g.withHealth(r)
	for _, p := range from.everyone() {
		p.loop.On(func() {
			if c := p.clusters[cluster]; c != nil {
				c.Update(with)
			}
		})
	}
	g.change(&to)
	g.health.Refresh()
}

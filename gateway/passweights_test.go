package gateway

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/ringway/ringway/gateway/handover"
	"github.com/ringway/ringway/process"
)

// straight gives what is offered to another gateway of the same process.
type straight struct {
	to  *Gateway
	err error
}

func (s straight) Alike() bool                  { return true }
func (s straight) Commit(context.Context) error { return s.err }
func (s straight) Offer(_ context.Context, all []process.Connection) ([]uint64, error) {
	return s.to.Import(all), s.err
}

// weightOf is what the one endpoint of importing has.
func weightOf(g *Gateway) int { return g.current().plan.resolved["out"].Weights[0] }

// TestWeightsGoOn: what an operator gave an endpoint holds in the worker that takes over, and none is set that would be lost on the way.
func TestWeightsGoOn(t *testing.T) {
	ctx, drained := context.Background(), 0
	old, next := importing(t), importing(t)
	if err := old.SetWeight(ctx, "out", "127.0.0.1:9", &drained); err != nil {
		t.Fatal(err)
	}
	if err := old.giveWeights(ctx, straight{to: next}); err != nil || weightOf(next) != 0 {
		t.Fatalf("%v: the weight is %d", err, weightOf(next))
	}
	if err := old.SetWeight(ctx, "out", "127.0.0.1:9", nil); !errors.Is(err, errHandingOver) {
		t.Errorf("%v", err)
	}
	if err := next.SetWeight(ctx, "out", "127.0.0.1:9", nil); err != nil || weightOf(next) != 1 {
		t.Errorf("it cannot be taken back: %v, %d", err, weightOf(next))
	}
	if err := old.Resume(); err != nil {
		t.Fatal(err)
	}
	if err := old.SetWeight(ctx, "out", "127.0.0.1:9", nil); err != nil || weightOf(old) != 1 {
		t.Errorf("who goes on after all: %v, %d", err, weightOf(old))
	}
	s := &Service{g: old}
	if err := s.Export(ctx, straight{next, errors.New("it is gone")}); err != nil && s.yielded {
		t.Error(err)
	}
	if err := old.SetWeight(ctx, "out", "127.0.0.1:9", &drained); err != nil {
		t.Errorf("after a hand-over that failed: %v", err)
	}
}

// TestTakeWeights: the new configuration has the last word, and what cannot be is refused.
func TestTakeWeights(t *testing.T) {
	g := importing(t)
	for _, c := range []struct {
		name, state string
		fds         int
		taken       bool
		weight      int
	}{
		{"no such cluster", `{"cluster": "gone", "endpoints": [{"address": "127.0.0.1:9", "weight": 7, "configured": 1}]}`, 0, true, 1},
		{"no such endpoint", `{"cluster": "out", "endpoints": [{"address": "127.0.0.1:10", "weight": 7, "configured": 1}]}`, 0, true, 1},
		{"configured otherwise", `{"cluster": "out", "endpoints": [{"address": "127.0.0.1:9", "weight": 7, "configured": 3}]}`, 0, true, 1},
		{"too much", `{"cluster": "out", "endpoints": [{"address": "127.0.0.1:9", "weight": 1000000, "configured": 1}]}`, 0, false, 1},
		{"negative", `{"cluster": "out", "endpoints": [{"address": "127.0.0.1:9", "weight": -1, "configured": 1}]}`, 0, false, 1},
		{"with a descriptor", `{"cluster": "out", "endpoints": [{"address": "127.0.0.1:9", "weight": 7, "configured": 1}]}`, 1, false, 1},
		{"torn", `{"cluster": "out", "endpoints": [{`, 0, false, 1},
		{"as it is", `{"cluster": "out", "endpoints": [{"address": "127.0.0.1:9", "weight": 7, "configured": 1, "later": 1}], "later": 2}`, 0, true, 7},
	} {
		t.Run(strings.ReplaceAll(c.name, " ", "_"), func(t *testing.T) {
			refused := g.Import([]process.Connection{{ID: 7, Kind: handover.Weighed, State: []byte(c.state), Fds: files(t, c.fds)}})
			if taken := len(refused) == 0; taken != c.taken || weightOf(g) != c.weight {
				t.Errorf("refused %v, the weight is %d", refused, weightOf(g))
			}
		})
	}
}

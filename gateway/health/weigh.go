package health

import (
	"math"
	"time"

	"github.com/ringway/ringway/config"
)

// Weighing is how what was measured changes the weights of a cluster's endpoints, as it stands in the configuration. An endpoint
// gets its weight times
//
//	share = max(least_share, L × M), at most 1
//	L = (best + latency_slack) / (latency + latency_slack)    by latency: smoothed; best is that of the best healthy endpoint
//	M = 1 - loss / loss_limit                                 by loss: of the window
//
// where L or M is 1 if the cluster is not weighed by it, or nothing was measured yet.
type Weighing struct {
	By           WeightBy        `yaml:"weight_by" doc:"What lessens an endpoint's weight: its latency, its loss, or both, as the health check measures them (icmp if there is one, else tcp, else http, else grpc)."`
	LeastShare   Share           `yaml:"least_share" doc:"What an endpoint keeps of its weight however slow or lossy it is, while it is healthy."`
	LatencySlack config.Duration `yaml:"latency_slack" doc:"Added to all latencies before they are compared: differences far below it do not count."`
	LossLimit    Share           `yaml:"loss_limit" doc:"Loss at which an endpoint has no more than the least share; half of it halves the weight."`
	Settle       Share           `yaml:"settle" doc:"A share stays as it is until what it should be differs from it by this part of it."`
	Hold         config.Duration `yaml:"hold" doc:"How long a share stays as it is at least."`
}

// WeightBy names what weights are lessened by.
type WeightBy string

// What there is.
const (
	ByNothing        WeightBy = "none"
	ByLatency        WeightBy = "latency"
	ByLoss           WeightBy = "loss"
	ByLatencyAndLoss WeightBy = "latency_and_loss"
)

// EnumValues are the words there are.
func (WeightBy) EnumValues() []string {
	return []string{string(ByNothing), string(ByLatency), string(ByLoss), string(ByLatencyAndLoss)}
}

// SetDefaults leaves weights as they are.
func (w *Weighing) SetDefaults() {
	*w = Weighing{By: ByNothing, LeastShare: 10, LatencySlack: config.Duration(time.Millisecond), LossLimit: 20, Settle: 20, Hold: config.Duration(5 * time.Second)}
}

// Validate reports numbers that the formula has no place for.
func (w *Weighing) Validate(c *config.Check) {
	if w.LeastShare < 1 || w.LeastShare > 100 {
		c.At("least_share").Errorf("least_share is 1%% to 100%%, not %v: who is to get nothing is drained, or unhealthy", w.LeastShare)
	}
	if d := w.LatencySlack.Std(); d < time.Microsecond || d > time.Minute {
		c.At("latency_slack").Errorf("latency_slack is 1µs to 1m, not %v", d)
	}
	if w.LossLimit < 1 {
		c.At("loss_limit").Errorf("loss_limit is 1%% to 100%%, not %v", w.LossLimit)
	}
	if w.Settle < 0 {
		c.At("settle").Errorf("settle is 0%% to 100%%, not off: then nothing would ever change")
	}
	if d := w.Hold.Std(); d < 0 || d > time.Hour {
		c.At("hold").Errorf("hold is at most 1h, not %v", d)
	}
}

func (w *Weighing) byLatency() bool { return w.By == ByLatency || w.By == ByLatencyAndLoss }
func (w *Weighing) byLoss() bool    { return w.By == ByLoss || w.By == ByLatencyAndLoss }

// measure is what is known of an endpoint.
type measure struct {
	known   bool
	latency float64 // smoothed, in nanoseconds
	loss    float64 // from 0 to 1
}

// best is the least latency, and false if there is none.
func best(all []measure) (least float64, ok bool) {
	for _, m := range all {
		if m.known && m.latency > 0 && (!ok || m.latency < least) {
			least, ok = m.latency, true
		}
	}
	return least, ok
}

// share is what an endpoint should have of its weight, in the whole of what is known of all healthy ones.
func (w *Weighing) share(m measure, best float64) float64 {
	if !m.known {
		return 1
	}
	share := 1.0
	if slack := float64(w.LatencySlack); w.byLatency() && m.latency > 0 {
		share = (best + slack) / (m.latency + slack)
	}
	if w.byLoss() {
		share *= 1 - m.loss/w.LossLimit.of()
	}
	return min(max(share, w.LeastShare.of()), 1)
}

// settled is the share to have after applied where wanted is what it should be.
func (w *Weighing) settled(applied, wanted float64) float64 {
	if math.Abs(wanted-applied) <= w.Settle.of()*applied {
		return applied
	}
	return wanted
}

// Whole is all of an endpoint's weight in a Standing.
const Whole = 100

// Standing is what health leaves of a cluster's weights.
type Standing struct {
	Shares  []int // of each endpoint's weight, in percent; 0: it is not to be chosen
	Healthy int   // endpoints that have a weight and are healthy
	Of      int   // endpoints that have a weight
	Panic   bool  // too few are healthy, so that all are used
}

// member is what a Standing has to know of an endpoint.
type member struct {
	weight  int // that operators or the configuration give it; 0: drained
	healthy bool
	unknown bool // it has yet to prove that it is healthy, and was given no chance
	share   float64
}

// stand works a cluster's standing out. Who is drained stays so whatever its health is, and is not counted. There is no panic while
// somebody may still prove healthy who is not taken for it.
func stand(all []member, threshold Share) Standing {
	s := Standing{Shares: make([]int, len(all))}
	unknown := false
	for _, m := range all {
		if m.weight > 0 {
			s.Of++
			unknown = unknown || m.unknown
			if m.healthy {
				s.Healthy++
			}
		}
	}
	s.Panic = threshold != Off && !unknown && s.Healthy < s.Of && float64(s.Healthy) <= threshold.of()*float64(s.Of)
	for i, m := range all {
		switch {
		case s.Panic:
			s.Shares[i] = Whole
		case m.healthy:
			s.Shares[i] = min(max(int(math.Round(m.share*Whole)), 1), Whole)
		}
	}
	return s
}

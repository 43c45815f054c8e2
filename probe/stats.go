package probe

import (
	"net/netip"
	"time"

	"github.com/ringway/ringway/proto/icmp"
)

// Counters are the counts of a target, or of all together.
type Counters struct {
	// Sent counts probes that were handed to the kernel, or should have been: it is the sum of all outcomes and of what is
	// in flight.
	Sent      uint64
	ByOutcome [outcomes]uint64 // indexed by Outcome; none is InFlight
	ByExtra   [extras]uint64   // indexed by Extra
}

// Of is how many probes have that outcome; of InFlight, how many have none yet.
func (c *Counters) Of(o Outcome) uint64 {
	if o == InFlight {
		return c.Sent - c.Finished()
	}
	return c.ByOutcome[o]
}

// Extra is how often that was seen.
func (c *Counters) Extra(x Extra) uint64 { return c.ByExtra[x] }

// Finished is how many probes have an outcome.
func (c *Counters) Finished() (n uint64) {
	for _, v := range c.ByOutcome[Answered:] {
		n += v
	}
	return n
}

// Lost is how many probes have an outcome other than Answered.
func (c *Counters) Lost() uint64 { return c.Finished() - c.ByOutcome[Answered] }

// Loss is the share of probes with an outcome that were not answered, from 0 to 1.
func (c *Counters) Loss() float64 {
	n := c.Finished()
	if n == 0 {
		return 0
	}
	return float64(n-c.ByOutcome[Answered]) / float64(n)
}

// Sub is what was counted since the earlier reading.
func (c Counters) Sub(earlier Counters) Counters {
	c.Sent -= earlier.Sent
	for i := range c.ByOutcome {
		c.ByOutcome[i] -= earlier.ByOutcome[i]
	}
	for i := range c.ByExtra {
		c.ByExtra[i] -= earlier.ByExtra[i]
	}
	return c
}

// Add adds what another counted.
func (c *Counters) Add(o *Counters) {
	c.Sent += o.Sent
	for i := range c.ByOutcome {
		c.ByOutcome[i] += o.ByOutcome[i]
	}
	for i := range c.ByExtra {
		c.ByExtra[i] += o.ByExtra[i]
	}
}

// target is the state of one target in the ledger.
type target struct {
	dest     netip.Addr // where probes are sent to
	addr     netip.Addr // the same without a zone, as answers name it
	family   icmp.Family
	seq      uint32 // of the next probe
	newest   uint32 // one more than the highest number that was answered
	counters Counters
	latency  latency
	recent   [recentLength]int32 // microseconds, or a Recent constant
	recentAt uint8
	last     Event // the last that was neither an answer nor a timeout; zero if there was none
	period   Counters
}

func newTarget(addr netip.Addr) target {
	t := target{dest: addr, addr: addr.WithZone(""), family: familyOf(addr)}
	for i := range t.recent {
		t.recent[i] = RecentNone
	}
	return t
}

// remember puts a time, or a loss, at the end of the sparkline.
func (t *target) remember(v int32) {
	t.recent[t.recentAt] = v
	t.recentAt = (t.recentAt + 1) % recentLength
}

// recentInOrder copies the sparkline's values, the oldest first.
func (t *target) recentInOrder() []time.Duration {
	out := make([]time.Duration, 0, recentLength)
	for i := range recentLength {
		switch v := t.recent[(int(t.recentAt)+i)%recentLength]; v {
		case RecentNone:
		case RecentLost:
			out = append(out, RecentLost)
		default:
			out = append(out, time.Duration(v)*time.Microsecond/recentScale)
		}
	}
	return out
}

// recentScale is the fraction of a microsecond that the sparkline's values count: 2^31 of them are seven minutes.
const recentScale = 5

func (t *target) finish(o Outcome) { t.counters.ByOutcome[o]++ }

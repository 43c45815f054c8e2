package upstream

// schedule is smooth weighted round robin: over the sum of the weights each endpoint comes as often as its weight, spread
// out instead of in a burst. The order is worked out once, outside the loops, which share it; a turn is an index.
type schedule struct {
	order []uint16
	next  int
}

// MaxEndpoints is the most endpoints that a cluster may have.
const MaxEndpoints = 4096

// maxTurns bounds the length of an order, and with it the work of making one. Weights whose sum is larger are scaled down
// to it, each to one turn at least.
const maxTurns = 2 * MaxEndpoints

// newOrder works the order out for at most MaxEndpoints weights. What has none is left out: the order is of places among those
// that have one.
func newOrder(weights []int) []uint16 {
	var some []int
	for _, w := range weights {
		if w > 0 {
			some = append(some, w)
		}
	}
	shares, total := shares(some)
	current := make([]int, len(shares))
	order := make([]uint16, total)
	for i := range order {
		best := 0
		for j, w := range shares {
			current[j] += w
			if current[j] > current[best] {
				best = j
			}
		}
		current[best] -= total
		order[i] = uint16(best)
	}
	return order
}

// shares are the weights without their common divisor, scaled down if they are still too many turns.
func shares(weights []int) (out []int, total int) {
	div, sum := 0, 0
	for _, w := range weights {
		div, sum = gcd(div, w), sum+w
	}
	for _, w := range weights {
		n := w / div
		if sum/div > maxTurns {
			n = max(w*(maxTurns-len(weights))/sum, 1)
		}
		out, total = append(out, n), total+n
	}
	return out, total
}

func (s *schedule) turn() int {
	i := s.order[s.next]
	if s.next++; s.next == len(s.order) {
		s.next = 0
	}
	return int(i)
}

func gcd(a, b int) int {
	for b != 0 {
		a, b = b, a%b
	}
	return a
}

package upstream

// schedule is smooth weighted round robin: over the sum of the weights each endpoint comes as often as its weight, spread
// out instead of in a burst. The order is worked out once; a turn is an index.
type schedule struct {
	order []uint16
	next  int
}

// newSchedule works the order out. start shifts the first turn, so that loops do not all begin with the same endpoint.
func newSchedule(weights []int, start int) schedule {
	div, total := 0, 0
	for _, w := range weights {
		div = gcd(div, w)
	}
	for _, w := range weights {
		total += w / div
	}
	current := make([]int, len(weights))
	order := make([]uint16, total)
	for i := range order {
		best := 0
		for j, w := range weights {
			current[j] += w / div
			if current[j] > current[best] {
				best = j
			}
		}
		current[best] -= total
		order[i] = uint16(best)
	}
	return schedule{order: order, next: start % max(total, 1)}
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

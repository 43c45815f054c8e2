package main

import "slices"

// median returns the middle of the values, the mean of the middle two when
// their count is even, and 0 for none. The argument keeps its order.
func median(values []float64) float64 {
	if len(values) == 0 {
		return 0
	}
	sorted := slices.Sorted(slices.Values(values))
	middle := len(sorted) / 2
	if len(sorted)%2 == 1 {
		return sorted[middle]
	}
	return (sorted[middle-1] + sorted[middle]) / 2
}

// spread is a median with the extremes it lies between. A reader needs them to
// tell a difference from noise.
type spread struct {
	Median, Low, High float64
}

// spreadOf returns the spread of the values, all zero for none.
func spreadOf(values []float64) spread {
	if len(values) == 0 {
		return spread{}
	}
	return spread{Median: median(values), Low: slices.Min(values), High: slices.Max(values)}
}

// ratios divides subject by peer round by round. Rounds that one of them
// lacks, or in which the peer's value is not positive, give no ratio.
func ratios(subject, peer map[int]float64) []float64 {
	var out []float64
	for round, value := range subject {
		if divisor, ok := peer[round]; ok && divisor > 0 {
			out = append(out, value/divisor)
		}
	}
	slices.Sort(out)
	return out
}

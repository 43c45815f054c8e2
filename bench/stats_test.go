package main

import (
	"slices"
	"testing"
)

func TestMedian(t *testing.T) {
	tests := []struct {
		name   string
		values []float64
		want   float64
	}{
		{"none", nil, 0},
		{"one", []float64{7}, 7},
		{"odd count, unsorted", []float64{9, 1, 5}, 5},
		{"even count takes the mean of the middle two", []float64{4, 1, 10, 2}, 3},
		{"an outlier does not move it", []float64{1, 1, 1, 1, 1e9}, 1},
		{"equal values", []float64{2, 2, 2, 2}, 2},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			before := slices.Clone(test.values)
			if got := median(test.values); got != test.want {
				t.Errorf("median(%v) = %v, want %v", test.values, got, test.want)
			}
			if !slices.Equal(before, test.values) {
				t.Errorf("median reordered its argument: %v, was %v", test.values, before)
			}
		})
	}
}

func TestSpread(t *testing.T) {
	if got, want := spreadOf([]float64{3, 9, 1}), (spread{Median: 3, Low: 1, High: 9}); got != want {
		t.Errorf("spreadOf = %+v, want %+v", got, want)
	}
	if got := spreadOf(nil); got != (spread{}) {
		t.Errorf("spreadOf(nil) = %+v, want zeros", got)
	}
}

// TestRatiosStayWithinARound holds why ratios are formed per round: when the
// machine is slower in round 2, the ratio must not see it.
func TestRatiosStayWithinARound(t *testing.T) {
	subject := map[int]float64{1: 8, 2: 16, 3: 8, 4: 5}
	peer := map[int]float64{1: 10, 2: 20, 3: 10, 5: 1, 4: 0}
	got := ratios(subject, peer)
	if want := []float64{0.8, 0.8, 0.8}; !slices.Equal(got, want) {
		t.Errorf("ratios = %v, want %v", got, want)
	}
}

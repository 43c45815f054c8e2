package upstream

import (
	"fmt"
	"math/rand/v2"
	"testing"
)

func TestSmoothSequence(t *testing.T) {
	for _, test := range []struct {
		weights []int
		want    string
	}{
		{[]int{1}, "0"},
		{[]int{1, 1, 1}, "012"},
		{[]int{5, 1, 1}, "0010200"}, // the sequence that nginx's log message gives for a, b, c
		{[]int{1, 2}, "101"},
		{[]int{10, 20, 10}, "1021"}, // the weights' common divisor changes nothing
	} {
		s, got := schedule{order: newOrder(test.weights)}, ""
		for range 2 * len(s.order) {
			got += fmt.Sprint(s.turn())
		}
		if got != test.want+test.want {
			t.Errorf("%v: %s, not %s twice", test.weights, got, test.want)
		}
	}
}

// TestFairness: over one turn of the schedule everyone comes as often as its weight says, and at no time is anyone more
// than the number of endpoints away from its share.
func TestFairness(t *testing.T) {
	for range 200 {
		weights, total := make([]int, 1+rand.IntN(8)), 0
		for i := range weights {
			weights[i] = 1 + rand.IntN(50)
			total += weights[i]
		}
		s, counts := schedule{order: newOrder(weights)}, make([]int, len(weights))
		for n := 1; n <= total; n++ {
			counts[s.turn()]++
			for i, w := range weights {
				if off := float64(counts[i]) - float64(n*w)/float64(total); off > float64(len(weights)) || off < -float64(len(weights)) {
					t.Fatalf("%v: after %d turns endpoint %d is %.1f from its share", weights, n, i, off)
				}
			}
		}
		for i, w := range weights {
			if counts[i] != w {
				t.Fatalf("%v: %v turns", weights, counts)
			}
		}
	}
}

// TestLargeWeightsAreScaled: the order stays short whatever the weights are, and keeps their proportions.
func TestLargeWeightsAreScaled(t *testing.T) {
	weights := make([]int, MaxEndpoints)
	for i := range weights {
		weights[i] = 1 + i%MaxWeight
	}
	order := newOrder(weights[:100:100])
	if len(order) != 5050 {
		t.Errorf("%d turns for a sum of 5050", len(order))
	}
	counts := make([]int, 3)
	order = newOrder([]int{1000 * 999, 1000*500 - 1, 1})
	for _, i := range order {
		counts[i]++
	}
	if len(order) > maxTurns || counts[2] != 1 || counts[0] < 2*counts[1]-10 || counts[0] > 2*counts[1]+10 {
		t.Errorf("%d turns, %v", len(order), counts)
	}
	if n := len(newOrder(weights)); n > maxTurns {
		t.Errorf("%d turns for %d endpoints", n, len(weights))
	}
}

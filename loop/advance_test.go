package loop

import (
	"slices"
	"testing"
	"time"
)

// When each policy lets ticks come that are taken at the given times, in milliseconds, with a period of 10.
func TestAdvance(t *testing.T) {
	for _, c := range []struct {
		what   string
		policy MissedTick
		taken  []int64
		next   []int64 // after each
		missed uint64
	}{
		{"on time", Burst, []int64{0, 10, 20}, []int64{10, 20, 30}, 0},
		{"a little late", Burst, []int64{1, 13, 20}, []int64{10, 20, 30}, 0},
		{"a little late", Delay, []int64{1, 13, 20}, []int64{10, 20, 30}, 0}, // it must not drift
		{"a little late", Skip, []int64{1, 19, 20}, []int64{10, 20, 30}, 0},
		{"missed", Burst, []int64{0, 45, 45, 45, 45, 50}, []int64{10, 20, 30, 40, 50, 60}, 0},
		{"missed", Delay, []int64{0, 45, 55, 75}, []int64{10, 55, 65, 85}, 0},
		{"missed", Skip, []int64{0, 45, 50}, []int64{10, 50, 60}, 3},
		{"missed to the full period", Skip, []int64{0, 40, 50}, []int64{10, 50, 60}, 3},
		{"missed by one", Skip, []int64{0, 20}, []int64{10, 30}, 1},
	} {
		i := &Interval{period: 10 * int64(time.Millisecond), policy: c.policy}
		var next []int64
		for _, at := range c.taken {
			i.advance(at * int64(time.Millisecond))
			next = append(next, i.next/int64(time.Millisecond))
		}
		if !slices.Equal(next, c.next) || i.missed != c.missed {
			t.Errorf("%s, policy %d: taken at %v, ticks were due at %v (want %v), %d missed", c.what, c.policy, c.taken, next, c.next, i.missed)
		}
	}
}

package health

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"time"
)

func weighing(by WeightBy) *Weighing {
	w := new(Weighing)
	w.SetDefaults()
	w.By = by
	return w
}

func TestShare(t *testing.T) {
	ms := float64(time.Millisecond)
	for _, test := range []struct {
		name string
		by   WeightBy
		m    measure
		want float64
	}{
		{"the best", ByLatency, measure{true, 1 * ms, 0}, 1},
		{"three times as slow, with the slack", ByLatency, measure{true, 3 * ms, 0}, 0.5},
		{"at the bound", ByLatency, measure{true, 1000 * ms, 0}, 0.1},
		{"what is far below the slack does not count", ByLatency, measure{true, 1.02 * ms, 0}, 0.99},
		{"loss is not asked for", ByLatency, measure{true, 1 * ms, 0.5}, 1},
		{"half of the limit", ByLoss, measure{true, 1000 * ms, 0.1}, 0.5},
		{"the limit", ByLoss, measure{true, 1 * ms, 0.2}, 0.1},
		{"beyond it", ByLoss, measure{true, 1 * ms, 0.9}, 0.1},
		{"both", ByLatencyAndLoss, measure{true, 3 * ms, 0.1}, 0.25},
		{"nothing known", ByLatencyAndLoss, measure{}, 1},
		{"no answer yet, only loss", ByLatencyAndLoss, measure{true, 0, 0.1}, 0.5},
	} {
		if got := weighing(test.by).share(test.m, 1*ms); math.Abs(got-test.want) > 0.001 {
			t.Errorf("%s: %v, want %v", test.name, got, test.want)
		}
	}
}

// TestShareIsBounded: whatever is measured, a share is within its bounds, and who is slower or loses more never gets more.
func TestShareIsBounded(t *testing.T) {
	for range 10_000 {
		w := weighing([]WeightBy{ByLatency, ByLoss, ByLatencyAndLoss}[rand.IntN(3)])
		w.LeastShare, w.LossLimit = Share(1+rand.IntN(100)), Share(1+rand.IntN(100))
		a := measure{true, rand.Float64() * 1e9, rand.Float64()}
		b := measure{true, a.latency + rand.Float64()*1e8, min(a.loss+rand.Float64()/10, 1)}
		least, _ := best([]measure{a, b, {}})
		x, y := w.share(a, least), w.share(b, least)
		if x < y || y < w.LeastShare.of() || x > 1 {
			t.Fatalf("%+v: %+v gets %v, %+v gets %v", w, a, x, b, y)
		}
	}
}

func TestSettled(t *testing.T) {
	w := weighing(ByLatency)
	for _, test := range []struct{ applied, wanted, want float64 }{
		{1, 0.9, 1}, {1, 0.8, 1}, {1, 0.79, 0.79}, {0.5, 0.55, 0.5}, {0.5, 0.61, 0.61}, {0.1, 1, 1}, {0.1, 0.11, 0.1},
	} {
		if got := w.settled(test.applied, test.wanted); got != test.want {
			t.Errorf("%v, wanted %v: %v, not %v", test.applied, test.wanted, got, test.want)
		}
	}
}

func TestStand(t *testing.T) {
	h, u := member{1, true, false, 1}, member{1, false, false, 1}
	drained, gone := member{0, true, false, 1}, member{0, false, false, 1}
	slow, unknown := member{1, true, false, 0.254}, member{1, false, true, 1}
	for _, test := range []struct {
		name      string
		all       []member
		threshold Share
		shares    []int
		healthy   int
		of        int
		panics    bool
	}{
		{"all healthy", []member{h, h, h}, 0, []int{100, 100, 100}, 3, 3, false},
		{"one is not", []member{h, u, h}, 0, []int{100, 0, 100}, 2, 3, false},
		{"one is slow", []member{h, slow, u}, 0, []int{100, 25, 0}, 2, 3, false},
		{"none is", []member{u, u}, 0, []int{100, 100}, 0, 2, true},
		{"none is, and none is used", []member{u, u}, Off, []int{0, 0}, 0, 2, false},
		{"at the threshold", []member{h, u}, 50, []int{100, 100}, 1, 2, true},
		{"above it", []member{h, h, u}, 50, []int{100, 100, 0}, 2, 3, false},
		{"panic is by the weights alone", []member{slow, u, u}, 50, []int{100, 100, 100}, 1, 3, true},
		{"who is drained does not count", []member{h, drained, gone, gone}, 50, []int{100, 100, 0, 0}, 1, 1, false},
		{"all that has a weight is unhealthy", []member{u, drained}, 0, []int{100, 100}, 0, 1, true},
		{"all healthy is no panic at any threshold", []member{h, h}, 100, []int{100, 100}, 2, 2, false},
		{"one may still prove healthy", []member{u, unknown}, 0, []int{0, 0}, 0, 2, false},
		{"nobody", nil, 0, []int{}, 0, 0, false},
		{"all drained", []member{drained}, 50, []int{100}, 0, 0, false},
		{"the least share is one", []member{{1, true, false, 0.001}}, 0, []int{1}, 1, 1, false},
	} {
		got := stand(test.all, test.threshold)
		if !slices.Equal(got.Shares, test.shares) || got.Healthy != test.healthy || got.Of != test.of || got.Panic != test.panics {
			t.Errorf("%s: %+v", test.name, got)
		}
	}
}

// TestWeighDoesNotFlap: a latency that swings within what settles changes a share never, and one that swings widely at most once
// every hold.
func TestWeighDoesNotFlap(t *testing.T) {
	run := func(swing float64) (changes int) {
		cl := &cluster{Cluster: Cluster{Weighing: weighing(ByLatency)}, endpoints: map[string]*endpoint{}}
		var slow *check
		for _, name := range []string{"fast", "slow"} {
			e := &endpoint{name: name, healthy: true, applied: 1}
			k := &check{endpoint: e, window: newWindow(100)}
			e.checks = []*check{k}
			cl.endpoints[name] = e
			slow = k
			for range 50 {
				k.window.add(true, 5*time.Millisecond)
			}
		}
		now := time.Now()
		for i := range 600 { // ten minutes
			now = now.Add(time.Second)
			slow.window.smoothed = 15e6 * (1 + swing*float64(i%2))
			if cl.weigh(now) {
				changes++
			}
		}
		if e := slow.endpoint; e.applied < 0.1 || e.applied >= 1 {
			t.Errorf("swing %v: share %v", swing, e.applied)
		}
		return changes
	}
	if n := run(0.2); n != 1 {
		t.Errorf("within what settles: %d changes", n)
	}
	if n := run(3); n < 2 || n > 600/5+1 {
		t.Errorf("beyond it: %d changes in 600 s with a hold of 5 s", n)
	}
}

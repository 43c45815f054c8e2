package health

import (
	"math"
	"math/rand/v2"
	"testing"
	"time"
)

func TestWindowForgets(t *testing.T) {
	w := newWindow(4)
	step := func(ok bool, took time.Duration, loss float64, p50, p99 time.Duration) {
		t.Helper()
		w.add(ok, took)
		if p := w.percentiles(0.5, 0.99); w.loss() != loss || p[0] != p50 || p[1] != p99 {
			t.Errorf("loss %v, percentiles %v; want %v, %v, %v", w.loss(), p, loss, p50, p99)
		}
	}
	if w.loss() != 0 || w.percentiles(0.5)[0] != 0 {
		t.Error("an empty window knows something")
	}
	step(false, 0, 1, 0, 0)
	step(true, 10, 0.5, 10, 10)
	step(true, 30, 1.0/3, 10, 30)
	step(true, 20, 0.25, 20, 30)
	step(true, 40, 0, 20, 40) // the failure is forgotten
	step(false, 0, 0.25, 30, 40)
	step(false, 0, 0.5, 20, 40)
	w.resize(3)
	if len(w.results) != 3 || w.loss() != 2.0/3 || w.percentiles(1)[0] != 40 {
		t.Errorf("after a resize to 3: %v, loss %v", w.results, w.loss())
	}
	w.resize(8)
	w.add(true, 50)
	if w.loss() != 0.5 || w.percentiles(1)[0] != 50 || w.last != 50 {
		t.Errorf("after a resize to 8: %v, loss %v", w.results, w.loss())
	}
}

// TestWindowAgainstCounting: whatever comes, the window says what counting its last results says.
func TestWindowAgainstCounting(t *testing.T) {
	for range 100 {
		size := 10 + rand.IntN(30)
		w, all := newWindow(size), []bool{}
		for range 5 * size {
			ok := rand.IntN(4) > 0
			all = append(all, ok)
			w.add(ok, time.Duration(rand.IntN(1000)))
			if rand.IntN(40) == 0 {
				size = 10 + rand.IntN(30)
				all = all[max(0, len(all)-min(size, len(w.results))):]
				w.resize(size)
			}
			last, bad := all[max(0, len(all)-size):], 0
			for _, ok := range last {
				if !ok {
					bad++
				}
			}
			if len(w.results) != len(last) || w.losses != bad {
				t.Fatalf("%d results with %d failures, want %d with %d", len(w.results), w.losses, len(last), bad)
			}
		}
	}
}

func TestSmoothing(t *testing.T) {
	w := newWindow(10)
	w.add(true, 8*time.Millisecond)
	if w.smoothed != 8e6 {
		t.Errorf("the first time gives %v", w.smoothed)
	}
	w.add(false, 0)
	w.add(true, 16*time.Millisecond)
	if w.smoothed != 9e6 {
		t.Errorf("8 ms and 16 ms give %v, not 9 ms", w.smoothed)
	}
	for range 100 {
		w.add(true, 2*time.Millisecond)
	}
	if math.Abs(w.smoothed-2e6) > 1e4 {
		t.Errorf("after a hundred of 2 ms: %v", w.smoothed)
	}
}

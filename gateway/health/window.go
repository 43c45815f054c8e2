package health

import (
	"math"
	"slices"
	"time"
)

// window is the last results of a check: its loss, its latency's percentiles, and beside them the smoothed latency.
type window struct {
	results  []int64 // nanoseconds, or lost; a ring once it is full
	next     int
	losses   int
	smoothed float64 // nanoseconds; 0: no good result yet
	last     time.Duration
}

// lost stands for a failure.
const lost = int64(-1)

// smoothing is how much a new time counts in the smoothed latency, as in RFC 6298.
const smoothing = 1.0 / 8

func newWindow(size int) window { return window{results: make([]int64, 0, size)} }

// add takes a result in.
func (w *window) add(ok bool, took time.Duration) {
	v := lost
	if ok {
		v = max(int64(took), 0)
		w.last = took
		if w.smoothed == 0 {
			w.smoothed = float64(v)
		}
		w.smoothed += smoothing * (float64(v) - w.smoothed)
	} else {
		w.losses++
	}
	if len(w.results) < cap(w.results) {
		w.results = append(w.results, v)
		return
	}
	if w.results[w.next] == lost {
		w.losses--
	}
	w.results[w.next] = v
	w.next = (w.next + 1) % len(w.results)
}

// resize keeps as many of the last results as there is room for.
func (w *window) resize(size int) {
	if cap(w.results) == size {
		return
	}
	old := w.inOrder()
	to := newWindow(size)
	to.smoothed, to.last = w.smoothed, w.last
	for _, v := range old[max(len(old)-size, 0):] {
		if to.results = append(to.results, v); v == lost {
			to.losses++
		}
	}
	*w = to
}

// inOrder is the results, the oldest first.
func (w *window) inOrder() []int64 { return slices.Concat(w.results[w.next:], w.results[:w.next]) }

// loss is the share of failures, from 0 to 1.
func (w *window) loss() float64 {
	if len(w.results) == 0 {
		return 0
	}
	return float64(w.losses) / float64(len(w.results))
}

// percentiles are the times within which those shares of the good results came; 0 if there is none.
func (w *window) percentiles(shares ...float64) []time.Duration {
	out := make([]time.Duration, len(shares))
	good := make([]int64, 0, len(w.results))
	for _, v := range w.results {
		if v != lost {
			good = append(good, v)
		}
	}
	if len(good) == 0 {
		return out
	}
	slices.Sort(good)
	for i, s := range shares {
		// The nearest rank: the least time that at least the share of all is within.
		rank := int(math.Ceil(s * float64(len(good))))
		out[i] = time.Duration(good[min(max(rank, 1), len(good))-1])
	}
	return out
}

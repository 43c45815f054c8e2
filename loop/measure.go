package loop

import (
	"math/bits"
	"time"
)

// histogramBuckets reach up to 4.6 minutes.
const histogramBuckets = 39

// Histogram counts durations by powers of two of nanoseconds.
type Histogram struct {
	Count   uint64
	Sum     time.Duration
	Max     time.Duration
	Buckets [histogramBuckets]uint64 // bucket i: shorter than 1<<i ns, and not in an earlier one; the last has all that is longer too
}

func (h *Histogram) add(d time.Duration) {
	h.Count++
	h.Sum += d
	h.Max = max(h.Max, d)
	h.Buckets[min(bits.Len64(uint64(max(d, 0))), histogramBuckets-1)]++
}

// Quantile is a duration that the share q of all does not exceed, at most double what it is.
func (h *Histogram) Quantile(q float64) time.Duration {
	left := uint64(q * float64(h.Count))
	for i, n := range h.Buckets {
		if n > left {
			return min(h.Max, time.Duration(1)<<i)
		}
		left -= n
	}
	return h.Max
}

// usage is what is measured of a task's run.
type usage struct {
	readyAt int64 // when it was made runnable
	busy    time.Duration
	wakeSum time.Duration
	wakeMax time.Duration
}

// resumeMeasured resumes t between two looks at the clock.
func (l *Loop) resumeMeasured(t *Task) {
	u := &t.usage
	began := monotonic()
	wake := time.Duration(began - u.readyAt)
	u.wakeSum += wake
	u.wakeMax = max(u.wakeMax, wake)
	l.stats.Wake.add(wake)
	t.co.resume()
	run := time.Duration(monotonic() - began)
	u.busy += run
	l.stats.Busy += run
	l.stats.Run.add(run)
}

package metrics

import (
	"math/bits"
	"time"
)

// bucketBounds are the inclusive upper bounds of a Histogram's buckets in
// nanoseconds, 50 µs to 60 s in steps of 2 to 2.5. Decimal bounds let an alert
// ask for le="0.1". A last bucket takes what is longer.
var bucketBounds = [...]int64{
	50e3, 100e3, 250e3, 500e3,
	1e6, 2.5e6, 5e6, 10e6, 25e6, 50e6, 100e6, 250e6, 500e6,
	1e9, 2.5e9, 5e9, 10e9, 30e9, 60e9,
}

const bucketCount = len(bucketBounds) + 1

// firstBucket gives, by the bit length of a duration, the bucket of the
// shortest duration of that length. No two bounds have the same bit length,
// so the right bucket is that one or the next.
var firstBucket = func() (t [65]uint8) {
	for n := range t {
		shortest := uint64(0)
		if n > 0 {
			shortest = 1 << (n - 1)
		}
		for t[n] < uint8(len(bucketBounds)) && shortest > uint64(bucketBounds[t[n]]) {
			t[n]++
		}
	}
	return t
}()

// Histogram counts durations in fixed buckets. One goroutine or loop writes
// it; a copy is a plain assignment made by that same writer. The zero value
// is ready.
type Histogram struct {
	buckets [bucketCount]uint64 // each for itself, not cumulative
	sum     uint64              // nanoseconds
}

// Observe counts a duration of ns nanoseconds. A negative one, which a clock
// set back can produce, counts as zero.
func (h *Histogram) Observe(ns int64) {
	ns = max(ns, 0)
	i := int(firstBucket[bits.Len64(uint64(ns))])
	if i < len(bucketBounds) && ns > bucketBounds[i] {
		i++
	}
	h.buckets[i]++
	h.sum += uint64(ns)
}

// Add adds the counts of o to h.
func (h *Histogram) Add(o *Histogram) {
	for i, n := range o.buckets {
		h.buckets[i] += n
	}
	h.sum += o.sum
}

// Count returns how many durations were observed.
func (h *Histogram) Count() uint64 {
	var n uint64
	for _, b := range h.buckets {
		n += b
	}
	return n
}

// Sum returns the total of the durations observed.
func (h *Histogram) Sum() time.Duration { return time.Duration(h.sum) }

// cumulative returns the buckets as Prometheus wants them: by upper bound in
// seconds, each with all that is not longer.
func (h *Histogram) cumulative() map[float64]uint64 {
	m := make(map[float64]uint64, len(bucketBounds))
	var n uint64
	for i, bound := range bucketBounds {
		n += h.buckets[i]
		m[float64(bound)/1e9] = n
	}
	return m
}

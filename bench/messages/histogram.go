package main

import (
	"math/bits"
	"time"
)

// subBuckets is into how many parts the histogram divides each power of two: a quantile is off by 1/16 at most.
const subBuckets = 16

// histogram counts durations by size.
type histogram struct {
	count   int64
	buckets [64 * subBuckets]int64
}

func (h *histogram) add(d time.Duration) {
	h.count++
	h.buckets[bucketOf(uint64(max(d, 0)))]++
}

// bucketOf numbers sizes without gaps: those below subBuckets are buckets of their own.
func bucketOf(v uint64) int {
	if v < subBuckets {
		return int(v)
	}
	shift := bits.Len64(v) - bits.Len64(subBuckets)
	return shift*subBuckets + int(v>>shift)
}

// upper is the largest duration in a bucket.
func upper(bucket int) time.Duration {
	if bucket < subBuckets {
		return time.Duration(bucket)
	}
	shift := bucket/subBuckets - 1
	return time.Duration((uint64(bucket%subBuckets+subBuckets)+1)<<shift - 1)
}

// quantile is a duration that the share q of all does not exceed, and nought if there are none.
func (h *histogram) quantile(q float64) time.Duration {
	rest := int64(q * float64(h.count))
	for i, n := range h.buckets {
		if rest -= n; rest < 0 {
			return upper(i)
		}
	}
	return 0
}

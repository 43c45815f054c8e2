package probe

import (
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
)

// Bounds and precision of the histograms: a target's tells a time within 1 %, the total's within 0.1 %. Targets have sparse
// ones, since there may be ten thousand of them and a host's times lie close together.
const (
	minLatency   = int64(1)
	maxLatency   = int64(10 * time.Minute)
	targetDigits = 2
	totalDigits  = 3
)

// recentLength is how many of the last probes a sparkline shows.
const recentLength = 32

// Recent values that are no times.
const (
	RecentNone = -1 // no probe yet
	RecentLost = -2
)

// latency collects the times of one target, all of one domain.
type latency struct {
	domain     Domain
	histogram  *hdrhistogram.PackedHistogram
	count      uint64
	sum        int64
	min, max   int64
	last       int64
	jitter     int64 // sum of the differences between successive times
	windowMin  int64 // since the last period's end
	windowMax  int64
	windowSum  int64
	windowN    uint64
	windowDiff int64
}

// add takes one time in. A better domain than the one so far replaces what was collected in it; a worse is refused, so that
// no mixture is ever shown. dropped is how many times were thrown away.
func (l *latency) add(d time.Duration, domain Domain) (dropped uint64) {
	if domain < l.domain {
		return 1
	}
	if domain > l.domain {
		dropped = l.count
		*l = latency{domain: domain}
	}
	if l.histogram == nil {
		l.histogram = hdrhistogram.NewPacked(minLatency, maxLatency, targetDigits)
	}
	v := int64(d)
	// A time beyond the histogram's bounds cannot be: no timeout is as long.
	_ = l.histogram.RecordValue(min(max(v, minLatency), maxLatency))
	if l.count == 0 || v < l.min {
		l.min = v
	}
	if l.windowN == 0 || v < l.windowMin {
		l.windowMin = v
	}
	l.max, l.windowMax = max(l.max, v), max(l.windowMax, v)
	if l.count > 0 {
		diff := max(v-l.last, l.last-v)
		l.jitter += diff
		l.windowDiff += diff
	}
	l.last = v
	l.sum += v
	l.windowSum += v
	l.count++
	l.windowN++
	return dropped
}

// endWindow begins a new period.
func (l *latency) endWindow() {
	l.windowMin, l.windowMax, l.windowSum, l.windowN, l.windowDiff = 0, 0, 0, 0, 0
}

// Latency is what is known of the times of a target, or of all.
type Latency struct {
	Domain        Domain
	Count         uint64
	Min, Avg, Max time.Duration
	P50, P90, P99 time.Duration
	Jitter        time.Duration // mean difference between successive times (RFC 3393)
	Last          time.Duration
	Sum           time.Duration
	Significant   int // digits that the percentiles are exact to
	PeriodMin     time.Duration
	PeriodAvg     time.Duration
	PeriodMax     time.Duration
	PeriodCount   uint64
}

var percentiles = []float64{50, 90, 99}

// summary reads the collected times.
func (l *latency) summary() Latency {
	s := Latency{Domain: l.domain, Count: l.count, Min: time.Duration(l.min), Max: time.Duration(l.max), Last: time.Duration(l.last),
		Sum: time.Duration(l.sum), Significant: targetDigits, PeriodMin: time.Duration(l.windowMin), PeriodMax: time.Duration(l.windowMax),
		PeriodCount: l.windowN}
	if l.count == 0 {
		return s
	}
	s.Avg = time.Duration(l.sum / int64(l.count))
	if l.count > 1 {
		s.Jitter = time.Duration(l.jitter / int64(l.count-1))
	}
	if l.windowN > 0 {
		s.PeriodAvg = time.Duration(l.windowSum / int64(l.windowN))
	}
	p := l.histogram.ValueAtPercentilesSlice(percentiles)
	// A bucket's upper edge may lie beyond the largest time in it.
	s.P50, s.P90, s.P99 = l.bound(p[0]), l.bound(p[1]), l.bound(p[2])
	return s
}

func (l *latency) bound(v int64) time.Duration { return time.Duration(min(max(v, l.min), l.max)) }

// totalLatency collects the times of all targets, one dense histogram a domain, made when first needed.
type totalLatency struct {
	histograms [domains]*hdrhistogram.Histogram
	min, max   [domains]int64
	sum        [domains]int64
	n          [domains]uint64
}

func (t *totalLatency) add(d time.Duration, domain Domain) {
	h := t.histograms[domain]
	if h == nil {
		h = hdrhistogram.New(minLatency, maxLatency, totalDigits)
		t.histograms[domain] = h
	}
	v := int64(d)
	_ = h.RecordValue(min(max(v, minLatency), maxLatency))
	if t.n[domain] == 0 || v < t.min[domain] {
		t.min[domain] = v
	}
	t.max[domain] = max(t.max[domain], v)
	t.sum[domain] += v
	t.n[domain]++
}

// best is the domain that most was measured in; the better of two that are alike.
func (t *totalLatency) best() Domain {
	best := NoDomain
	for d := User; d < domains; d++ {
		if t.n[d] > 0 && t.n[d] >= t.n[best] {
			best = d
		}
	}
	return best
}

// summary reads the times of one domain.
func (t *totalLatency) summary(d Domain) Latency {
	s := Latency{Domain: d, Count: t.n[d], Min: time.Duration(t.min[d]), Max: time.Duration(t.max[d]), Sum: time.Duration(t.sum[d]), Significant: totalDigits}
	if s.Count == 0 {
		return s
	}
	s.Avg = s.Sum / time.Duration(s.Count)
	p := t.histograms[d].ValueAtPercentilesSlice(percentiles)
	bound := func(v int64) time.Duration { return time.Duration(min(max(v, t.min[d]), t.max[d])) }
	s.P50, s.P90, s.P99 = bound(p[0]), bound(p[1]), bound(p[2])
	return s
}

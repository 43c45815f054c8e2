package live

import (
	"strings"
	"time"

	"github.com/ringway/ringway/probe"
)

// bars are the heights of a sparkline, the least first.
var bars = []rune("▁▂▃▄▅▆▇█")

// lost is how a probe without an answer is drawn.
const lost = '×'

// sparkline draws the last times, scaled from the least to the largest of them, with marks for losses.
func sparkline(recent []time.Duration, width int) string {
	if len(recent) > width {
		recent = recent[len(recent)-width:]
	}
	var low, high time.Duration
	seen := false
	for _, d := range recent {
		if d == probe.RecentLost {
			continue
		}
		if !seen || d < low {
			low = d
		}
		high, seen = max(high, d), true
	}
	var b strings.Builder
	b.WriteString(strings.Repeat(" ", width-len(recent)))
	for _, d := range recent {
		switch {
		case d == probe.RecentLost:
			b.WriteRune(lost)
		case high == low:
			b.WriteRune(bars[0])
		default:
			b.WriteRune(bars[int(int64(d-low)*int64(len(bars)-1)/int64(high-low))])
		}
	}
	return b.String()
}

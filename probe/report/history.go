package report

import (
	"time"

	"github.com/ringway/ringway/probe"
)

// Point is what one period brought, of a target or of all.
type Point struct {
	At            time.Duration // since the beginning
	Min, Avg, Max time.Duration
	Answered      uint64 // of these the times are
	Finished      uint64
	Lost          uint64
}

// Bounds of a history. When it is full, two neighbouring points become one, so that a chart always shows the whole run.
const (
	maxPoints  = 600
	maxCharted = 40
)

// History keeps the points that charts are drawn of. Of many targets it keeps all together only.
type History struct {
	All     series
	Targets []series // empty if there are too many to draw
}

type series struct {
	Points []Point
	every  int   // periods that a point stands for
	held   int   // periods that open holds
	open   Point // not complete yet
}

// Add takes the period that ended in.
func (h *History) Add(s *probe.Snapshot) {
	all := Point{At: s.Elapsed, Answered: s.Period.Of(probe.Answered), Finished: s.Period.Finished(), Lost: s.Period.Lost()}
	if len(s.Targets) <= maxCharted && h.Targets == nil {
		h.Targets = make([]series, len(s.Targets))
	}
	var sum time.Duration
	var n uint64
	for i := range s.Targets {
		t := &s.Targets[i]
		l := &t.Latency
		if l.PeriodCount > 0 {
			if n == 0 || l.PeriodMin < all.Min {
				all.Min = l.PeriodMin
			}
			all.Max = max(all.Max, l.PeriodMax)
			sum += l.PeriodAvg * time.Duration(l.PeriodCount)
			n += l.PeriodCount
		}
		if h.Targets != nil {
			h.Targets[i].add(Point{At: s.Elapsed, Min: l.PeriodMin, Avg: l.PeriodAvg, Max: l.PeriodMax, Answered: l.PeriodCount,
				Finished: t.Period.Finished(), Lost: t.Period.Lost()})
		}
	}
	if n > 0 {
		all.Avg = sum / time.Duration(n)
	}
	all.Answered = n
	h.All.add(all)
}

func (s *series) add(p Point) {
	s.every = max(s.every, 1)
	if s.held == 0 {
		s.open = p
	} else {
		s.open = join(s.open, p)
	}
	if s.held++; s.held < s.every {
		return
	}
	s.held = 0
	s.Points = append(s.Points, s.open)
	if len(s.Points) < maxPoints {
		return
	}
	for i := range len(s.Points) / 2 {
		s.Points[i] = join(s.Points[2*i], s.Points[2*i+1])
	}
	s.Points = s.Points[:len(s.Points)/2]
	s.every *= 2
}

// all are the points, the one that is not complete included.
func (s *series) all() []Point {
	if s.held == 0 {
		return s.Points
	}
	return append(s.Points[:len(s.Points):len(s.Points)], s.open)
}

// join makes one point of two that follow each other.
func join(a, b Point) Point {
	p := Point{At: b.At, Finished: a.Finished + b.Finished, Lost: a.Lost + b.Lost, Answered: a.Answered + b.Answered}
	switch {
	case a.Answered == 0:
		p.Min, p.Avg, p.Max = b.Min, b.Avg, b.Max
	case b.Answered == 0:
		p.Min, p.Avg, p.Max = a.Min, a.Avg, a.Max
	default:
		p.Min, p.Max = min(a.Min, b.Min), max(a.Max, b.Max)
		p.Avg = (a.Avg*time.Duration(a.Answered) + b.Avg*time.Duration(b.Answered)) / time.Duration(a.Answered+b.Answered)
	}
	return p
}

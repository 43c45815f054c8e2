package probe

import (
	"context"
	"net/netip"
	"time"
)

// DefaultMaxHops is how far a trace looks.
const DefaultMaxHops = 30

// TraceOptions say how to trace.
type TraceOptions struct {
	MaxHops int // default 30
}

// Path is the way to one target.
type Path struct {
	Target  Target
	Hops    []Hop  // up to the target, or the last that answered
	Reached bool   // the target answered
	Reason  string // why the way ended before, if somebody said so
}

// Hop is what answered at one distance.
type Hop struct {
	TTL      int
	Sent     uint64
	Answered uint64 // by whomever
	Routers  []Router
	Latency  Latency
}

// Router is one that answered at a hop; several where the way is not the same for all probes.
type Router struct {
	Addr    netip.Addr
	Answers uint64
}

// DefaultTraceCount and DefaultTraceInterval are how many probes each hop gets, and how far apart a target's probes are.
const (
	DefaultTraceCount    = 3
	DefaultTraceInterval = 20 * time.Millisecond
)

// Trace finds the ways to all targets at once. Each hop gets Options.Count probes; hops behind the target get none as soon as it
// has answered. If ctx ends, it returns what was found by then.
func Trace(ctx context.Context, targets []Target, o Options, t TraceOptions) ([]Path, error) {
	if o.Count == 0 {
		o.Count = DefaultTraceCount
	}
	if o.Interval == 0 {
		o.Interval = DefaultTraceInterval
	}
	if t.MaxHops == 0 {
		t.MaxHops = DefaultMaxHops
	}
	var traces *tracePlan
	p, err := newProber(targets, o, func(order []int, o Options, start int64) plan {
		traces = newTracePlan(order, len(targets), o, t.MaxHops, start)
		return traces
	})
	if err != nil {
		return nil, err
	}
	if err := p.Run(ctx); err != nil {
		return nil, err
	}
	return traces.paths(p.targets), nil
}

// tracePlan visits the hops from the nearest outwards, all targets at each, as many rounds as probes are asked for.
type tracePlan struct {
	order    []int
	hops     int // at most
	rounds   uint64
	size     int
	interval int64
	start    int64
	round    uint64
	ttl      int // of the next probe
	index    int // of its target in order
	steps    int64
	traced   []traced // by target
}

// traced is what is known of one target's way.
type traced struct {
	hops     []hopState
	end      int // the distance of the target, or of whoever said that there is no way on; nought as long as that is not known
	reached  bool
	reason   string
	furthest int
}

type hopState struct {
	sent, answered uint64
	routers        []Router
	latency        latency
}

func newTracePlan(order []int, targets int, o Options, hops int, start int64) *tracePlan {
	p := &tracePlan{order: order, hops: hops, rounds: o.Count, size: o.Size, interval: int64(o.Interval), start: start, ttl: 1, traced: make([]traced, targets)}
	for _, i := range order {
		p.traced[i].hops = make([]hopState, hops)
	}
	return p
}

func (p *tracePlan) finished() bool { return p.round >= p.rounds || len(p.order) == 0 }

// skip moves to the next probe that is wanted. A hop that no target needs takes no time.
func (p *tracePlan) skip() {
	for !p.finished() {
		for ; p.index < len(p.order); p.index++ {
			if t := &p.traced[p.order[p.index]]; t.end == 0 || p.ttl <= t.end {
				return
			}
		}
		p.index = 0
		p.steps++
		if !p.wanted(p.ttl + 1) {
			p.ttl, p.round = 1, p.round+1
			continue
		}
		p.ttl++
	}
}

// wanted reports whether any target may lie at that distance or behind it.
func (p *tracePlan) wanted(ttl int) bool {
	if ttl > p.hops {
		return false
	}
	for _, i := range p.order {
		if e := p.traced[i].end; e == 0 || ttl <= e {
			return true
		}
	}
	return false
}

func (p *tracePlan) next(now int64) (spec, int64, bool) {
	p.skip()
	if p.finished() {
		return spec{}, never, false
	}
	due := p.start + p.steps*p.interval + int64(p.index)*p.interval/int64(len(p.order))
	if due > now {
		return spec{}, due, false
	}
	if lag := now - due; lag > minLag {
		p.start += lag
	}
	target := p.order[p.index]
	p.traced[target].hops[p.ttl-1].sent++
	p.index++
	return spec{target: target, ttl: uint8(p.ttl), size: p.size}, due, true
}

// observe takes an answer in. A router that dropped the probe says so by TTLExceeded; the target itself answers, or somebody
// says that it cannot be reached.
func (p *tracePlan) observe(e *Event) {
	if e.TTL == 0 || e.Extra != None {
		return
	}
	t := &p.traced[e.Target]
	ttl := int(e.TTL)
	switch e.Outcome {
	case Answered:
		t.finish(ttl, true, "")
	case Unreachable, OtherError, TooBig:
		t.finish(ttl, false, e.Reason())
	case TTLExceeded:
	case SendFailed:
		t.finish(ttl, false, e.Reason())
		return
	default:
		return
	}
	t.furthest = max(t.furthest, ttl)
	h := &t.hops[ttl-1]
	h.answered++
	h.latency.add(e.RTT, e.Domain)
	for i := range h.routers {
		if h.routers[i].Addr == e.From {
			h.routers[i].Answers++
			return
		}
	}
	h.routers = append(h.routers, Router{e.From, 1})
}

// finish says that the way ends at that distance. The target's own answer weighs more than an error, and the nearest of
// its answers is its distance.
func (t *traced) finish(ttl int, reached bool, reason string) {
	switch {
	case t.reached && !reached, t.reached == reached && t.end != 0 && ttl >= t.end:
		return
	}
	t.end, t.reached, t.reason = ttl, reached, reason
}

func (p *tracePlan) paths(targets []Target) []Path {
	out := make([]Path, len(targets))
	for i, target := range targets {
		t := &p.traced[i]
		out[i] = Path{Target: target, Reached: t.reached, Reason: t.reason}
		last := t.end
		if last == 0 {
			last = t.furthest
		}
		for ttl := 1; ttl <= last; ttl++ {
			h := &t.hops[ttl-1]
			out[i].Hops = append(out[i].Hops, Hop{TTL: ttl, Sent: h.sent, Answered: h.answered, Routers: h.routers, Latency: h.latency.summary()})
		}
	}
	return out
}

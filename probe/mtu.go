package probe

import (
	"context"
	"net/netip"
	"time"

	"github.com/ringway/ringway/proto/icmp"
)

// PathMTU is what a search found for one target.
type PathMTU struct {
	Target    Target
	MTU       int        // the largest packet that was answered, with its IP header; nought if none was
	Router    netip.Addr // who said that larger ones do not pass, if somebody did
	BlackHole bool       // larger ones vanish, and nobody says why
	Local     bool       // the interface of this host is the limit
	Reason    string     // why there is no result
	Probes    int        // that it took
}

// Sizes of packets, with the IP header: what every link takes (RFC 791, RFC 8200 §5), and what is common.
const (
	leastIPv4  = 68
	leastIPv6  = 1280
	mostIP     = 65535
	ethernet   = 1500
	jumbo      = 9000
	ipv4Header = 20
	ipv6Header = 40
	mtuTries   = 3                    // probes of one size before it counts as too big
	mtuPause   = 5 * time.Millisecond // between a target's answer and its next probe
)

// SearchMTU finds for each target how large a packet may be to pass without being fragmented. What a router says is taken up at
// once, and tried; where nobody says anything, halving finds the size.
func SearchMTU(ctx context.Context, targets []Target, o Options) ([]PathMTU, error) {
	o.DontFragment = true
	o.Count, o.Duration, o.Size, o.SizeStep, o.SizeMax = 0, 0, 0, 0, MaxSize
	var search *mtuPlan
	p, err := newProber(targets, o, func(order []int, _ Options, start int64) plan {
		search = newMTUPlan(order, targets, start)
		return search
	})
	if err != nil {
		return nil, err
	}
	if err := p.Run(ctx); err != nil {
		return nil, err
	}
	return search.results(p.targets), nil
}

// mtuPlan halves the range of sizes of each target until nothing is left of it.
type mtuPlan struct {
	searches []mtuSearch // by target
	ready    []mtuReady  // in the order of their times
	open     int         // searches without a result
}

type mtuReady struct {
	target int
	due    int64
}

// mtuSearch is one target's: the largest size known to pass, the smallest known not to.
type mtuSearch struct {
	family    icmp.Family
	low, high int
	size      int // being tried
	named     int // what a router named, and was not tried
	tries     int
	probes    int
	done      bool
	result    PathMTU
}

func newMTUPlan(order []int, targets []Target, start int64) *mtuPlan {
	p := &mtuPlan{searches: make([]mtuSearch, len(targets)), open: len(order)}
	for n, i := range order {
		s := &p.searches[i]
		s.family = familyOf(targets[i].Addr)
		s.high = mostIP + 1
		s.size = s.least()
		p.ready = append(p.ready, mtuReady{i, start + int64(n)*int64(time.Millisecond)})
	}
	return p
}

func (s *mtuSearch) least() int {
	if s.family == icmp.V6 {
		return leastIPv6
	}
	return leastIPv4
}

// headers is what a packet has beside its payload.
func (s *mtuSearch) headers() int {
	if s.family == icmp.V6 {
		return ipv6Header + icmp.HeaderLength
	}
	return ipv4Header + icmp.HeaderLength
}

func (p *mtuPlan) finished() bool { return p.open == 0 }

func (p *mtuPlan) next(now int64) (spec, int64, bool) {
	if len(p.ready) == 0 {
		return spec{}, never, false
	}
	r := p.ready[0]
	if r.due > now {
		return spec{}, r.due, false
	}
	p.ready = p.ready[:copy(p.ready, p.ready[1:])]
	s := &p.searches[r.target]
	s.probes++
	return spec{target: r.target, size: s.size - s.headers()}, r.due, true
}

func (p *mtuPlan) observe(e *Event) {
	s := &p.searches[e.Target]
	if s.done || e.Extra != None || e.Size != s.size-s.headers() {
		return
	}
	switch e.Outcome {
	case Answered:
		s.low, s.tries = s.size, 0
	case TooBig:
		if s.low == 0 {
			s.result.Reason = "not even the least packet passes: " + e.Reason()
			p.finish(s)
			return
		}
		s.tooBig(e)
	case SendFailed, Unreachable, TTLExceeded, OtherError:
		s.result.Reason = e.Reason()
		p.finish(s)
		return
	default: // lost or damaged: once may be chance
		if s.tries++; s.tries < mtuTries {
			p.again(e)
			return
		}
		if s.low == 0 {
			s.result.Reason = "no answer"
			p.finish(s)
			return
		}
		s.high, s.tries = s.size, 0
		s.result.BlackHole, s.result.Router, s.result.Local = true, netip.Addr{}, false
	}
	if s.high-s.low <= 1 {
		p.finish(s)
		return
	}
	s.size = s.choose()
	p.again(e)
}

// tooBig takes in that a size does not pass, and what the router named instead.
func (s *mtuSearch) tooBig(e *Event) {
	s.high, s.tries = s.size, 0
	s.result.Router, s.result.Local, s.result.BlackHole = e.From, e.Err != nil, false
	if e.MTU >= s.low && e.MTU < s.high {
		s.high, s.named = e.MTU+1, e.MTU
	}
}

// choose is the size to try next: what is common where it can be, or is the edge already, else the middle.
func (s *mtuSearch) choose() int {
	if n := s.named; s.low < n && n < s.high {
		s.named = 0 // once: it may be a lie
		return n
	}
	for _, n := range []int{ethernet, ethernet + 1, jumbo, jumbo + 1} {
		if s.low < n && n < s.high {
			return n
		}
	}
	return (s.low + s.high) / 2
}

func (p *mtuPlan) again(e *Event) {
	p.ready = append(p.ready, mtuReady{e.Target, e.At + int64(mtuPause)})
}

func (p *mtuPlan) finish(s *mtuSearch) {
	s.done = true
	p.open--
}

func (p *mtuPlan) results(targets []Target) []PathMTU {
	out := make([]PathMTU, len(targets))
	for i := range out {
		s := &p.searches[i]
		out[i] = s.result
		out[i].Target, out[i].MTU, out[i].Probes = targets[i], s.low, s.probes
		if !s.done && targets[i].Err == nil && out[i].Reason == "" {
			out[i].Reason = "not finished"
		}
	}
	return out
}

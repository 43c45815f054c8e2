package probe

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/ringway/ringway/proto/icmp"
)

// path is a network in front of a plan: it answers every probe at once, as a real one with such links would.
type path struct {
	hops   int              // the target's distance
	mtu    int              // of the narrowest link
	silent bool             // its router says nothing of what it drops
	liar   int              // the MTU that it names instead; below nought, it names none
	local  int              // the MTU of this host's interface; nought for none
	mute   map[int]bool     // distances that do not answer
	filter int              // the distance at which a firewall refuses
	dead   bool             // nobody answers
	at     func(int) string // the address at a distance
}

func (n *path) answer(p spec, f icmp.Family, now int64) Event {
	e := Event{Target: p.target, TTL: p.ttl, Size: p.size, Family: f, At: now, RTT: time.Duration(max(int(p.ttl), 1)) * time.Millisecond, Domain: Software}
	ttl := int(p.ttl)
	header := 20
	if f == icmp.V6 {
		header = 40
	}
	size := p.size + header + icmp.HeaderLength
	from := func(hop int) { e.From = netip.MustParseAddr(n.at(hop)) }
	switch {
	case n.dead:
		e.Outcome = Timeout
	case n.local > 0 && size > n.local:
		e.Outcome, e.Err = TooBig, errTooBig
	case n.mtu > 0 && size > n.mtu && n.silent:
		e.Outcome = Timeout
	case n.mtu > 0 && size > n.mtu:
		e.Outcome, e.Kind, e.MTU = TooBig, icmp.PacketTooBig, n.mtu
		if n.liar != 0 {
			e.MTU = max(n.liar, 0)
		}
		from(3)
	case n.filter > 0 && (ttl == 0 || ttl >= n.filter):
		e.Outcome, e.Kind, e.Code = Unreachable, icmp.Unreachable, 13
		from(n.filter)
	case ttl > 0 && ttl < n.hops && n.mute[ttl]:
		e.Outcome = Timeout
	case ttl > 0 && ttl < n.hops:
		e.Outcome, e.Kind = TTLExceeded, icmp.TimeExceeded
		from(ttl)
	default:
		e.Outcome = Answered
		from(n.hops)
	}
	return e
}

// play runs a plan against networks, one a target, until it is finished: how many probes that took.
func play(t *testing.T, p plan, nets []*path, families []icmp.Family) (sent int) {
	t.Helper()
	now := int64(0)
	for !p.finished() {
		s, due, ok := p.next(now)
		if !ok {
			if due == never && !p.finished() {
				t.Fatal("it waits for nothing")
			}
			now = due
			continue
		}
		if sent++; sent > 10_000 {
			t.Fatal("it does not end")
		}
		e := nets[s.target].answer(s, families[s.target], now)
		p.observe(&e)
	}
	return sent
}

func TestSearchMTUPlan(t *testing.T) {
	at := func(hop int) string { return fmt.Sprintf("10.0.0.%d", hop) }
	for name, c := range map[string]struct {
		net    path
		six    bool
		want   int
		reason string
		hole   bool
		local  bool
		most   int // probes
	}{
		"ethernet, by this host":       {path{local: 1500}, false, 1500, "", false, true, 4},
		"jumbo, by this host":          {path{local: 9000}, false, 9000, "", false, true, 6},
		"loopback":                     {path{}, false, 65535, "", false, false, 25},
		"a router says it":             {path{local: 1500, mtu: 1400}, false, 1400, "", false, false, 4},
		"an odd one":                   {path{local: 9000, mtu: 4711}, false, 4711, "", false, false, 8},
		"black hole":                   {path{local: 1500, mtu: 1400, silent: true}, false, 1400, "", true, false, 60},
		"a router that names no size":  {path{local: 1500, mtu: 1400, liar: -1}, false, 1400, "", false, false, 20},
		"a router that names too much": {path{local: 1500, mtu: 1400, liar: 1450}, false, 1400, "", false, false, 20},
		"IPv6":                         {path{local: 1500, mtu: 1280}, true, 1280, "", false, false, 4},
		"nobody there":                 {path{dead: true}, false, 0, "no answer", false, false, 3},
		"a firewall":                   {path{filter: 2}, false, 0, "administratively prohibited", false, false, 1},
		"not even the least":           {path{mtu: 60}, false, 0, "not even the least", false, false, 1},
	} {
		t.Run(name, func(t *testing.T) {
			c.net.at, c.net.hops = at, 5
			target, family := Target{Addr: testAddrs[0]}, icmp.V4
			if c.six {
				target, family = Target{Addr: testAddrs[2]}, icmp.V6
			}
			p := newMTUPlan([]int{0}, []Target{target}, 0)
			n := play(t, p, []*path{&c.net}, []icmp.Family{family})
			got := p.results([]Target{target})[0]
			if got.MTU != c.want || !strings.HasPrefix(got.Reason, c.reason) || (c.reason == "") != (got.Reason == "") || got.BlackHole != c.hole || got.Local != c.local || got.Probes != n || n > c.most {
				t.Errorf("%+v after %d probes", got, n)
			}
			if c.net.mtu > 1000 && !c.hole && got.Router.String() != at(3) {
				t.Errorf("said by %v", got.Router)
			}
		})
	}
}

func TestTracePlan(t *testing.T) {
	at := func(hop int) string { return fmt.Sprintf("10.0.0.%d", hop) }
	nets := []*path{{hops: 5, at: at}, {hops: 3, at: at, mute: map[int]bool{2: true}}, {hops: 9, at: at, filter: 4}, {hops: 4, at: at, dead: true}}
	targets := make([]Target, len(nets))
	p := newTracePlan([]int{0, 1, 2, 3}, len(nets), Options{Count: 3, Size: 56, Interval: time.Millisecond}, 12, 0)
	sent := play(t, p, nets, []icmp.Family{icmp.V4, icmp.V4, icmp.V4, icmp.V4})
	if want := 3 * (5 + 3 + 4 + 12); sent != want {
		t.Errorf("%d probes, want %d: none goes beyond a target", sent, want)
	}
	paths := p.paths(targets)
	for i, want := range []string{
		"reached 1:10.0.0.1x3 2:10.0.0.2x3 3:10.0.0.3x3 4:10.0.0.4x3 5:10.0.0.5x3",
		"reached 1:10.0.0.1x3 2: 3:10.0.0.3x3",
		"administratively prohibited 1:10.0.0.1x3 2:10.0.0.2x3 3:10.0.0.3x3 4:10.0.0.4x3",
		"",
	} {
		got := paths[i].Reason
		if paths[i].Reached {
			got = "reached"
		}
		for _, h := range paths[i].Hops {
			got += fmt.Sprintf(" %d:", h.TTL)
			for _, r := range h.Routers {
				got += fmt.Sprintf("%vx%d", r.Addr, r.Answers)
			}
			if h.Sent != 3 || h.Answered > 0 && (h.Latency.Count != 3 || h.Latency.Min != time.Duration(h.TTL)*time.Millisecond) {
				t.Errorf("target %d: %+v", i, h)
			}
		}
		if got != want {
			t.Errorf("target %d: %q, want %q", i, got, want)
		}
	}
}

// The real thing, as far as loopback goes: one hop, and an MTU that the interface sets.
func TestTraceAndMTUOnLoopback(t *testing.T) {
	targets := append(loopback(t, "127.0.0.1", "127.0.0.2"), Target{Name: "x", Err: errors.New("no address")})
	p := open(t, targets[:1], Options{})
	p.Close()
	paths, err := Trace(context.Background(), targets, Options{Interval: 2 * time.Millisecond}, TraceOptions{})
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range paths[:2] {
		if !p.Reached || len(p.Hops) != 1 || p.Hops[0].Answered != 3 || p.Hops[0].Routers[0].Addr != p.Target.Addr || p.Hops[0].Latency.Count != 3 {
			t.Errorf("%+v", p)
		}
	}
	if p := paths[2]; p.Reached || p.Hops != nil || p.Target.Err == nil {
		t.Errorf("%+v", p)
	}
	found, err := SearchMTU(context.Background(), targets, Options{})
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range found[:2] {
		if m.MTU != 65535 || m.Reason != "" || m.BlackHole {
			t.Errorf("%+v", m)
		}
	}
	if m := found[2]; m.MTU != 0 || m.Target.Err == nil {
		t.Errorf("%+v", m)
	}
}

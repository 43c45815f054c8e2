package probe

import (
	"testing"
	"time"
)

// drain takes all that is due at now.
func drain(p plan, now int64) (got []spec, due int64) {
	for {
		s, d, ok := p.next(now)
		if !ok {
			return got, d
		}
		got = append(got, s)
	}
}

func TestCycleSpreadsTargets(t *testing.T) {
	c := &cycle{order: []int{0, 1, 2, 3}, interval: second, rounds: 2, until: never, sizes: sweep{from: 56}, start: 100}
	var when []int64
	for now := int64(100); !c.finished(); {
		got, due := drain(c, now)
		if len(got) != 1 || got[0].target != len(when)%4 || got[0].size != 56 {
			t.Fatalf("at %d: %+v", now, got)
		}
		when = append(when, now-100)
		now = due
	}
	if len(when) != 8 {
		t.Fatalf("%d probes", len(when))
	}
	for i, at := range when {
		if want := int64(i) * second / 4; at != want {
			t.Errorf("probe %d at %v, want %v", i, time.Duration(at), time.Duration(want))
		}
	}
}

// A pause of the process is no reason for a burst: at most what minLag covers goes at once, and nothing is left out. What was lost is
// made up for by rounds that are a quarter shorter.
func TestCycleAfterAPause(t *testing.T) {
	c := &cycle{order: []int{0}, interval: ms, rounds: 1000, until: never, start: 0}
	got, _ := drain(c, 0)
	if len(got) != 1 {
		t.Fatalf("%d at the start", len(got))
	}
	got, due := drain(c, 500*ms)
	if len(got) != 1 || due != 500*ms+3*ms/4 || c.slipped != 499*time.Millisecond-time.Millisecond/4 {
		t.Errorf("%d after a pause, the next at %v, slipped %v", len(got), time.Duration(due), c.slipped)
	}
	if got, _ = drain(c, 503*ms); len(got) != 4 {
		t.Errorf("%d after a short one, want 4", len(got))
	}
	total := 6
	for now := 505 * ms; !c.finished(); now += ms {
		got, _ = drain(c, now)
		total += len(got)
	}
	if total != 1000 {
		t.Errorf("%d probes, want 1000", total)
	}
}

// A busy machine lowers no rate: after pauses, no two probes of a target are closer than three quarters of the interval, and in the
// end as many were sent as without. A pause that is no busy machine's stays lost beyond a bound.
func TestCycleMakesUpForPauses(t *testing.T) {
	for _, test := range []struct {
		pause, slipped time.Duration
		sent           int
	}{{100 * time.Millisecond, 0, 3000}, {time.Second, 0, 3000}, {8 * time.Second, 3 * time.Second, 2700}} {
		c := &cycle{order: []int{0, 1, 2}, interval: 10 * ms, until: never}
		last, n := [3]int64{-second, -second, -second}, 0
		for now := int64(0); now < 10*second+int64(20*time.Second); now += ms / 8 {
			if now == second {
				now += int64(test.pause)
			}
			got, _ := drain(c, now)
			for _, s := range got {
				if gap := now - last[s.target]; gap < 10*ms*3/4-ms/8 && now > second+int64(test.pause)+10*ms {
					t.Fatalf("%v: two probes of a target within %v", test.pause, time.Duration(gap))
				}
				last[s.target] = now
				n++
			}
		}
		if want := 3 * test.sent; n < want-3 || n > want+3 || c.slipped.Round(10*time.Millisecond) != test.slipped {
			t.Errorf("after a pause of %v %d probes, want %d; slipped %v, want %v", test.pause, n, want, c.slipped, test.slipped)
		}
	}
}

// With many targets there is more time to catch up in, since each gets one probe of those that are behind.
func TestCycleCatchesUpWithManyTargets(t *testing.T) {
	c := &cycle{order: make([]int, 1000), interval: second, rounds: 10, until: never}
	if got, _ := drain(c, 49*ms); len(got) != 50 || c.slipped != 0 {
		t.Errorf("%d within the bound, slipped %v", len(got), c.slipped)
	}
	if got, _ := drain(c, 49*ms+100*ms); len(got) != 1 || c.slipped != 99*time.Millisecond {
		t.Errorf("%d beyond it, slipped %v", len(got), c.slipped)
	}
}

func TestCycleEnds(t *testing.T) {
	c := &cycle{order: []int{0, 1}, interval: second, until: 3 * second}
	n := 0
	for now := int64(0); !c.finished(); now += ms {
		got, _ := drain(c, now)
		n += len(got)
	}
	if n != 6 {
		t.Errorf("%d probes in three seconds, want 6", n)
	}
	if _, due, ok := (&cycle{until: never}).next(0); ok || due != never {
		t.Error("no targets, and yet something to send")
	}
}

func TestSweep(t *testing.T) {
	for _, c := range []struct {
		s    sweep
		want []int
	}{
		{sweep{from: 56}, []int{56, 56, 56}},
		{sweep{64, 256, 64}, []int{64, 128, 192, 256, 64}},
		{sweep{64, 250, 64}, []int{64, 128, 192, 64}},
	} {
		for i, want := range c.want {
			if got := c.s.at(uint64(i)); got != want {
				t.Errorf("%+v, round %d: %d, want %d", c.s, i, got, want)
			}
		}
	}
}

package probe

import "time"

// spec is a probe that is to be sent.
type spec struct {
	target int
	ttl    uint8 // nought for the socket's
	size   int
}

// plan decides what is sent when. It has no clock: times are nanoseconds that are given to it.
type plan interface {
	// next takes the probe that is due at now; if none is, ok is false and due says when one will be. A due of never means
	// that the plan has nothing more to send unless an event changes that.
	next(now int64) (p spec, due int64, ok bool)
	// observe tells the plan of an outcome.
	observe(e *Event)
	// finished reports that nothing will be sent any more.
	finished() bool
}

// never is no time at all.
const never = int64(1<<63 - 1)

// How far sending may be behind its times. What is more is not caught up with at once, because a target would get it as a burst: the
// times of all that follow move. Up to half of its interval, a target gets no two probes for one.
const (
	minLag = int64(5 * time.Millisecond)
	maxLag = int64(50 * time.Millisecond)
)

// What was lost so is made up for in the rounds that follow, each of which takes as much less than an interval as recovery is a
// part of it, so that a busy machine lowers no rate and a target's probes keep their distance. A pause beyond maxOwed is not one of
// a busy machine; the rest of it stays lost.
const (
	recovery = 4
	maxOwed  = int64(5 * time.Second)
)

// cycle visits the targets one after the other, each once in an interval, with the times of different targets spread evenly
// over it.
type cycle struct {
	order    []int // the targets
	interval int64 // between two probes of one target
	rounds   uint64
	until    int64 // no probe is due at or after it; never without a bound
	sizes    sweep
	start    int64 // of round nought
	round    uint64
	index    int           // within the round
	slipped  time.Duration // behind what was asked for
	owed     int64         // of it, what is still to be made up for
}

// sweep is the sizes that a target's probes take in turn.
type sweep struct{ from, to, step int }

func (s sweep) at(round uint64) int {
	if s.step <= 0 || s.to <= s.from {
		return s.from
	}
	steps := uint64((s.to-s.from)/s.step) + 1
	return s.from + int(round%steps)*s.step
}

func (c *cycle) finished() bool {
	return len(c.order) == 0 || c.rounds > 0 && c.round >= c.rounds || c.dueTime() >= c.until
}

// dueTime is when the next probe is due.
func (c *cycle) dueTime() int64 {
	if len(c.order) == 0 {
		return never
	}
	return c.start + int64(c.round)*c.interval + int64(c.index)*c.interval/int64(len(c.order))
}

func (c *cycle) next(now int64) (spec, int64, bool) {
	if c.finished() {
		return spec{}, never, false
	}
	due := c.dueTime()
	if due > now {
		return spec{}, due, false
	}
	if lag := now - due; lag > min(max(c.interval/2, minLag), maxLag) {
		c.start += lag
		c.slipped += time.Duration(lag)
		c.owed = min(c.owed+lag, maxOwed)
	}
	p := spec{target: c.order[c.index], size: c.sizes.at(c.round)}
	if c.index++; c.index == len(c.order) {
		c.index, c.round = 0, c.round+1
		back := min(c.owed, c.interval/recovery)
		c.start -= back
		c.owed -= back
		c.slipped -= time.Duration(back)
	}
	return p, due, true
}

func (c *cycle) observe(*Event) {}

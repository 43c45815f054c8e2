package health

import (
	"time"
)

// result is how one check of an endpoint ended.
type result struct {
	failure string // why it failed, in a few words that are the same each time; empty: it is good
	took    time.Duration
}

// check is one kind of check of one endpoint. It is kept from one configuration to the next, and guarded by the checker's lock.
type check struct {
	endpoint *endpoint
	kind     Kind
	spec     kindSpec
	gone     bool // not configured any more: what still comes does not count

	verdict verdict
	window  window
	good    uint64
	failed  uint64
	sum     time.Duration // of the good ones
	failure string        // the last one's
	at      time.Time

	job *job // of a check that needs a connection
}

// endpoint is what is known of an endpoint of a cluster.
type endpoint struct {
	cluster string
	name    string // its address
	checks  []*check
	healthy bool
	since   time.Time
	turned  uint64 // how often it was healthy and then not, or the other way

	applied float64   // share of its weight by what was measured
	moved   time.Time // when applied changed last
}

// of is the endpoint's check of a kind, nil if it has none.
func (e *endpoint) of(k Kind) *check {
	for _, c := range e.checks {
		if c.kind == k {
			return c
		}
	}
	return nil
}

// observe takes a result in, and reports whether the endpoint has turned by it.
func (c *check) observe(r result, now time.Time) (turned bool) {
	if c.gone {
		return false
	}
	ok := r.failure == ""
	c.at = now
	if ok {
		c.good++
		c.sum += r.took
	} else {
		c.failed++
		c.failure = r.failure
	}
	c.window.add(ok, r.took)
	return c.verdict.observe(ok, c.spec.pace()) && c.endpoint.judge(now)
}

// judge has the endpoint be what its checks say, and reports whether that is something else than before.
func (e *endpoint) judge(now time.Time) (turned bool) {
	healthy := e.faulty() == nil
	if turned = healthy != e.healthy; turned {
		e.healthy, e.since, e.turned = healthy, now, e.turned+1
	}
	return turned
}

// faulty is a check that finds the endpoint unhealthy, one that has proved it before others; nil if none does.
func (e *endpoint) faulty() (found *check) {
	for _, c := range e.checks {
		if !c.verdict.healthy && (found == nil || !found.verdict.proved) {
			found = c
		}
	}
	return found
}

// reason says why the endpoint is unhealthy; empty if it is not.
func (e *endpoint) reason() string {
	c := e.faulty()
	switch {
	case c == nil:
		return ""
	case c.failure == "":
		return string(c.kind) + ": nothing is known yet"
	}
	return string(c.kind) + ": " + c.failure
}

// leastResults is how many results it takes before they count for a weight.
const leastResults = 3

// measure is what the first kind of check knows, whose latency is the best measure.
func (e *endpoint) measure() measure {
	if len(e.checks) == 0 {
		return measure{}
	}
	w := &e.checks[0].window
	return measure{known: len(w.results) >= leastResults, latency: w.smoothed, loss: w.loss()}
}

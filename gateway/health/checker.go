package health

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"github.com/ringway/ringway/conn"
	"github.com/ringway/ringway/gateway/preface"
	"github.com/ringway/ringway/gateway/secure"
)

// Options are what a Checker needs of the gateway.
type Options struct {
	Log   *slog.Logger
	Loops Loops
	// Publish is called whenever a Standing may have changed, by one goroutine at a time, which it may hold up.
	Publish func()
}

// Checker checks the endpoints of all clusters. Its methods may be called from any goroutine but a loop's; Prepare and Adopt by
// one at a time.
type Checker struct {
	log     *slog.Logger
	loops   Loops
	publish func()
	changed chan struct{} // has a token when something is to be published or logged
	learnt  chan chan struct{}

	background context.Context
	cancel     context.CancelFunc
	running    sync.WaitGroup

	mu       sync.Mutex // held for moments only: probers wait for it
	clusters map[string]*cluster
	pingers  map[pingTerms]*pinger
	turns    []turn // not logged yet
}

// Cluster is what a Checker is to know of a cluster.
type Cluster struct {
	Name      string
	Spec      *Spec // nil: nothing is checked
	Weighing  *Weighing
	TLS       *secure.Client // nil: plain
	SendProxy preface.Version
	Protocols []string // by ALPN's names, those that requests are sent by
	Endpoints []Endpoint
}

// Endpoint is one of a cluster's.
type Endpoint struct {
	Host    string // as configured
	Address conn.Address
}

// cluster is the endpoints of a cluster that is checked.
type cluster struct {
	Cluster
	order     []string // the endpoints' names
	endpoints map[string]*endpoint
	checks    map[*endpoint][]*check // which of them hold when the Set is adopted
}

// turn is an endpoint's becoming healthy or unhealthy.
type turn struct {
	cluster, endpoint, reason string
	healthy                   bool
	lasted                    time.Duration
}

// New makes a Checker that has nothing to check yet.
func New(o Options) *Checker {
	c := &Checker{log: o.Log, loops: o.Loops, publish: o.Publish, changed: make(chan struct{}, 1), learnt: make(chan chan struct{})}
	c.background, c.cancel = context.WithCancel(context.Background())
	c.running.Go(c.follow)
	return c
}

// Close ends all checks and returns when they have.
func (c *Checker) Close() {
	c.cancel()
	c.running.Wait()
}

// Refresh has all standings published again: what they are of has changed.
func (c *Checker) Refresh() { c.notify() }

// notify has what changed be published and logged.
func (c *Checker) notify() {
	select {
	case c.changed <- struct{}{}:
	default:
	}
}

// take takes a result in for those that of names, which is called under the lock.
func (c *Checker) take(r result, of func() []*check) {
	now := time.Now()
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, k := range of() {
		c.observe(k, r, now)
	}
}

// observe takes a result in. The lock is held.
func (c *Checker) observe(k *check, r result, now time.Time) {
	e := k.endpoint
	since := e.since
	if k.observe(r, now) {
		c.turned(e, now.Sub(since))
		c.notify()
	}
}

// turned has it logged that an endpoint has turned, after so long. The lock is held.
func (c *Checker) turned(e *endpoint, after time.Duration) {
	c.turns = append(c.turns, turn{e.cluster, e.name, e.reason(), e.healthy, after})
}

// weighEvery is how often shares are looked at.
const weighEvery = time.Second

// follow publishes and logs what changes, until the Checker is closed.
func (c *Checker) follow() {
	tick := time.NewTicker(weighEvery)
	defer tick.Stop()
	for {
		select {
		case <-c.background.Done():
			return
		case <-c.changed:
			c.logTurns()
			c.weigh(time.Now())
			c.publish()
		case done := <-c.learnt:
			c.publish()
			close(done)
		case <-tick.C:
			if c.weigh(time.Now()) {
				c.publish()
			}
		}
	}
}

// logTurns logs each turn once.
func (c *Checker) logTurns() {
	c.mu.Lock()
	turns := c.turns
	c.turns = nil
	c.mu.Unlock()
	for _, t := range turns {
		after := t.lasted.Round(time.Millisecond)
		if t.healthy {
			c.log.Info("endpoint is healthy again", "cluster", t.cluster, "endpoint", t.endpoint, "after", after)
		} else {
			c.log.Warn("endpoint is unhealthy", "cluster", t.cluster, "endpoint", t.endpoint, "reason", t.reason, "after", after)
		}
	}
}

// weigh gives the endpoints of all clusters the shares that are due, and reports whether any has changed.
func (c *Checker) weigh(now time.Time) (changed bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, cl := range c.clusters {
		changed = cl.weigh(now) || changed
	}
	return changed
}

func (cl *cluster) weigh(now time.Time) (changed bool) {
	w := cl.Weighing
	if w == nil || w.By == ByNothing {
		return false
	}
	var healthy []measure
	for _, e := range cl.endpoints {
		if e.healthy {
			healthy = append(healthy, e.measure())
		}
	}
	least, ok := best(healthy)
	for _, e := range cl.endpoints {
		if !e.healthy || !ok || now.Sub(e.moved) < w.Hold.Std() {
			continue
		}
		if to := w.settled(e.applied, w.share(e.measure(), least)); to != e.applied {
			e.applied, e.moved, changed = to, now, true
		}
	}
	return changed
}

// Standing is what health leaves of a cluster's weights now; weights are those of its endpoints, by name and in that order. Of a
// cluster that is not checked there is none.
func (c *Checker) Standing(cluster string, names []string, weights []int) (Standing, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.clusters[cluster].standing(names, weights)
}

func (cl *cluster) standing(names []string, weights []int) (Standing, bool) {
	if cl == nil {
		return Standing{}, false
	}
	all := make([]member, len(names))
	for i, name := range names {
		all[i] = member{weight: weights[i], healthy: cl.Spec.Initial == Healthy, unknown: cl.Spec.Initial == Unhealthy, share: 1}
		if e := cl.endpoints[name]; e != nil {
			all[i].healthy, all[i].share = e.healthy, e.applied
			c := e.faulty()
			all[i].unknown = c != nil && !c.verdict.proved
		}
	}
	return stand(all, cl.Spec.Panic), true
}

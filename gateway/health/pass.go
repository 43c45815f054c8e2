package health

import "time"

// Known is what is known of an endpoint, in the form in which it goes to a process that takes over.
type Known struct {
	Address string       `json:"address"`
	Since   time.Time    `json:"since"` // that it is what it is
	Share   float64      `json:"share"` // of its weight by what was measured
	Checks  []KnownCheck `json:"checks"`
}

// KnownCheck is what one kind of check has found out.
type KnownCheck struct {
	Kind     Kind    `json:"kind"`
	Healthy  bool    `json:"healthy"`
	Failure  string  `json:"failure,omitempty"`
	Smoothed float64 `json:"smoothed,omitempty"` // nanoseconds
}

// Known tells what has been proved, by cluster.
func (c *Checker) Known() map[string][]Known {
	c.mu.Lock()
	defer c.mu.Unlock()
	all := map[string][]Known{}
	for name, cl := range c.clusters {
		for _, n := range cl.order {
			e := cl.endpoints[n]
			k := Known{Address: e.name, Since: e.since, Share: e.applied}
			for _, c := range e.checks {
				if c.verdict.proved {
					k.Checks = append(k.Checks, KnownCheck{c.kind, c.verdict.healthy, c.failure, c.window.smoothed})
				}
			}
			if len(k.Checks) > 0 {
				all[name] = append(all[name], k)
			}
		}
	}
	return all
}

// Learn takes over what another process has found out about endpoints of a cluster, and returns when that was published. What this
// one does not check it leaves alone. It reports whether there was anything to learn.
func (c *Checker) Learn(cluster string, all []Known) bool {
	c.mu.Lock()
	learnt, now := false, time.Now()
	for _, k := range all {
		if cl := c.clusters[cluster]; cl != nil && cl.endpoints[k.Address] != nil {
			learnt = cl.endpoints[k.Address].learn(&k, cl.Weighing, now) || learnt
		}
	}
	c.mu.Unlock()
	if learnt {
		done := make(chan struct{})
		select {
		case c.learnt <- done:
			<-done
		case <-c.background.Done():
		}
	}
	return learnt
}

// learn takes over what is known of the endpoint. The checker's lock is held.
func (e *endpoint) learn(k *Known, w *Weighing, now time.Time) (learnt bool) {
	for _, from := range k.Checks {
		c := e.of(from.Kind)
		if c == nil {
			continue
		}
		learnt = true
		c.verdict = verdict{healthy: from.Healthy, proved: true}
		if c.failure == "" {
			c.failure = from.Failure
		}
		if c.window.smoothed == 0 {
			c.window.smoothed = max(from.Smoothed, 0)
		}
	}
	if !learnt {
		return false
	}
	e.healthy, e.since = e.faulty() == nil, k.Since
	if w != nil && w.By != ByNothing && k.Share > 0 && k.Share <= 1 {
		e.applied, e.moved = k.Share, now
	}
	return true
}

package acme

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"maps"
	"runtime/pprof"
	"slices"
	"sync"
	"time"
)

// loadLimit is how long a Claim waits for certificates that are in the folder: the next handshakes are to find them. Nothing but the
// folder is waited for; what takes longer there comes later.
const loadLimit = 2 * time.Second

var errClosed = errors.New("the gateway is ending")

// Registry is all that a gateway has of ACME.
type Registry struct {
	log        *slog.Logger
	challenges *Challenges
	counters   counters

	mu      sync.Mutex
	clients map[string]*client
	closed  bool
}

// NewRegistry makes a Registry in which nothing is claimed.
func NewRegistry(log *slog.Logger) *Registry {
	return &Registry{log: log, challenges: newChallenges(), clients: map[string]*client{}}
}

// Challenges are those that the gateway's listeners are to answer.
func (r *Registry) Challenges() *Challenges { return r.challenges }

// Claim is what one listener has: certificates for its names, and for others on demand.
type Claim struct {
	names  []string
	set    map[string]struct{}
	of     *client
	before map[string]*Certificate // what the claim before it had of names that this one has nothing for yet
	end    sync.Once
}

// Claim has certificates got and renewed for the names, which are in their normal form. Those that are in the folder are there when it
// returns. before is the claim that this one is to replace, of another authority perhaps, or nil: what it has is shown until there
// is something else. The error is a StorageError where the folder cannot be written.
func (r *Registry) Claim(spec *Spec, names []string, before *Claim) (*Claim, error) {
	key, err := keyOf(spec)
	if err != nil {
		return nil, err
	}
	r.mu.Lock()
	if r.closed {
		r.mu.Unlock()
		return nil, errClosed
	}
	c := r.clients[key]
	if c == nil {
		if c, err = newClient(r, key, *spec); err != nil {
			r.mu.Unlock()
			return nil, err
		}
		r.clients[key] = c
	}
	looking := c.claim(names)
	r.mu.Unlock()
	awaitAll(looking, loadLimit)
	claim := &Claim{names: names, set: map[string]struct{}{}, of: c, before: map[string]*Certificate{}}
	for _, n := range names {
		claim.set[n] = struct{}{}
		if before != nil && c.lookup(n) == nil {
			claim.before[n] = before.lookup(n)
		}
	}
	return claim, nil
}

// lookup is the certificate of a name that the claim has, or had before.
func (c *Claim) lookup(name string) *Certificate {
	if cert := c.of.lookup(name); cert != nil {
		return cert
	}
	return c.before[name]
}

// awaitAll waits until all channels are closed, but not for longer than limit.
func awaitAll(all []<-chan struct{}, limit time.Duration) {
	end := time.NewTimer(limit)
	defer end.Stop()
	for _, c := range all {
		select {
		case <-c:
		case <-end.C:
			return
		}
	}
}

// keyOf tells clients apart: by all that is configured but the names.
func keyOf(spec *Spec) (string, error) {
	plain := *spec
	plain.Names = nil
	data, err := json.Marshal(plain)
	if err == nil && spec.EAB != nil {
		data = append(data, spec.EAB.Key...) // which hides itself from JSON
	}
	return string(data), err
}

// Close gives the claim up. Names that nobody else claims are not looked after any more.
func (c *Claim) Close() {
	c.end.Do(func() {
		r := c.of.registry
		r.mu.Lock()
		last := c.of.release(c.names)
		if last && r.clients[c.of.key] == c.of {
			delete(r.clients, c.of.key)
		}
		r.mu.Unlock()
		if last {
			c.of.close()
		}
	})
}

// Lookup gives the certificate for a name, nil if there is none. Loops may call it.
func (c *Claim) Lookup(name string) *Certificate {
	if _, named := c.set[name]; !named && c.of.asker == nil {
		return nil
	}
	cert := c.lookup(name)
	if cert != nil {
		cert.use()
	}
	return cert
}

// Names reports whether the claim names name: then there is, or will be, a certificate for it. Loops may call it.
func (c *Claim) Names(name string) bool {
	_, named := c.set[name]
	return named
}

// OnDemand reports whether Obtain may get certificates for names that are not claimed. Loops may call it.
func (c *Claim) OnDemand() bool { return c.of.asker != nil }

// First gives a certificate for who asks for no name, nil if there is none yet. Loops may call it.
func (c *Claim) First() *Certificate {
	for _, n := range c.names {
		if cert := c.lookup(n); cert != nil {
			return cert
		}
	}
	return nil
}

// Obtain gets a certificate for a name that a client asks for. done is called once, on another goroutine. Loops may call Obtain.
func (c *Claim) Obtain(name string, done func(*Certificate, error)) {
	go func() {
		pprof.SetGoroutineLabels(context.Background()) // it is started on a loop, and is none of its goroutines
		c.of.demand(name, done)
	}()
}

// Close ends what the claims that are left have begun.
func (r *Registry) Close() {
	r.mu.Lock()
	r.closed = true
	left := slices.Collect(maps.Values(r.clients))
	clear(r.clients)
	r.mu.Unlock()
	var all sync.WaitGroup
	for _, c := range left {
		all.Go(c.close)
	}
	all.Wait()
}

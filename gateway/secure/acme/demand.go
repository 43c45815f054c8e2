package acme

import (
	"context"
	"errors"
	"time"

	"github.com/caddyserver/certmagic"
)

var errUnused = errors.New("no client has asked for it since it was got")

// demand gets a certificate for a name that a client asks for.
func (c *client) demand(text string, done func(*Certificate, error)) {
	if cert, err := c.await(text, done); cert != nil || err != nil {
		done(cert, err)
	}
}

// await has done called when the name's certificate has come, or returns at once what is known already.
func (c *client) await(text string, done func(*Certificate, error)) (*Certificate, error) {
	if fault := c.spec.NameFault(text); fault != "" {
		return nil, errors.New(fault)
	}
	text, _ = Normal(text) // NameFault has seen to it
	c.mu.Lock()
	defer c.mu.Unlock()
	n := c.names[text]
	switch {
	case c.asker == nil || n != nil && !n.demanded:
		return nil, ErrPending
	case n != nil && n.cert != nil:
		return n.cert, nil
	case n != nil:
		n.waiting = append(n.waiting, done)
		return nil, nil
	case c.ctx.Err() != nil:
		return nil, errClosed
	}
	if err := c.asker.refused.get(text, time.Now()); err != nil {
		return nil, err
	}
	if c.meeting >= c.spec.OnDemand.Concurrent {
		return nil, ErrBusy
	}
	if c.demanded >= c.spec.OnDemand.Names {
		return nil, ErrFull
	}
	n = &name{text: text, demanded: true, looked: make(chan struct{}), waiting: []func(*Certificate, error){done}}
	c.names[text] = n
	c.demanded++
	c.meeting++
	c.begin(n, c.meet)
	return nil, nil
}

// meet gets the certificate of a name that a client has asked for, and answers all who wait for it.
func (c *client) meet(ctx context.Context, n *name) {
	err := c.asker.permit(ctx, n.text)
	count := &c.registry.counters.allowed
	if err != nil {
		count = &c.registry.counters.refused
	}
	count.Add(1)
	if err == nil {
		err = c.first(ctx, n.text)
	}
	close(n.looked)
	ended := ctx.Err() != nil
	c.mu.Lock()
	c.meeting--
	waiting, cert := n.waiting, n.cert
	n.waiting = nil
	if cert == nil && err == nil {
		err = errClosed
	}
	if err != nil {
		c.drop(n)
		c.asker.refused.put(n.text, err, time.Now())
	}
	claimed := err != nil && n.claims > 0
	if claimed { // a reload has named it meanwhile
		again := &name{text: n.text, claims: n.claims, looked: make(chan struct{})}
		c.names[n.text] = again
		c.begin(again, c.acquire)
	}
	c.mu.Unlock()
	if err != nil && !errors.As(err, new(*NotAllowedError)) && !ended {
		c.log.Warn("no certificate obtained on demand", "name", n.text, "ca", c.spec.CA, "err", reason(err))
	}
	for _, done := range waiting {
		if err != nil {
			done(nil, err)
		} else {
			done(cert, nil)
		}
	}
}

// first gets a certificate from the folder if it is still good, else from the authority.
func (c *client) first(ctx context.Context, text string) error {
	err := c.mend(ctx, text, c.load(ctx, text))
	if missing(err) {
		return c.obtain(ctx, text)
	}
	if cert := c.lookup(text); err == nil && cert != nil && time.Now().After(cert.Expiry) {
		if err = c.config.RenewCertSync(ctx, text, false); err == nil {
			err = c.load(ctx, text)
		}
	}
	return err
}

// mayRenew says whether a certificate is worth its renewal: one that a client once asked for has to be allowed still, and to have
// been used.
func (c *client) mayRenew(ctx context.Context, text string) error {
	c.mu.Lock()
	n := c.names[text]
	ours := n != nil && n.demanded && n.claims == 0 && n.cert != nil && len(n.waiting) == 0
	used := ours && n.cert.used.Load()
	c.mu.Unlock()
	if !ours {
		return nil
	}
	err := errUnused
	if used {
		err = c.asker.permit(ctx, text)
	}
	var no *NotAllowedError
	if err == nil || !errors.As(err, &no) && !errors.Is(err, errUnused) { // who is asked does not answer: it was allowed before
		return nil
	}
	c.log.Info("certificate not renewed: the name is no longer looked after", "name", text, "why", err)
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.names[text] == n {
		c.drop(n)
	}
	c.cache.RemoveManaged([]certmagic.SubjectIssuer{{Subject: text}})
	return err
}

package acme

import (
	"bytes"
	"context"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"time"

	"github.com/caddyserver/certmagic"
	"golang.org/x/crypto/ocsp"

	"github.com/ringway/ringway/gateway/secure/responder"
)

const (
	// proofsAtATime is how many questions are asked at a time. Further ones wait for their turn.
	proofsAtATime = 16
	// proofRetry is how long a responder is left alone after an answer, and proofCheck how often is looked what is due.
	proofRetry = 5 * time.Minute
	proofCheck = time.Minute
	// proofLife is how long a proof is good for that does not say so.
	proofLife = 24 * time.Hour
)

var (
	errRevoked  = errors.New("the authority has revoked the certificate")
	errReplaced = errors.New("another certificate is shown meanwhile")
)

// proof is an OCSP response that says that a certificate is good (RFC 6960).
type proof struct {
	raw   []byte
	due   time.Time // when to ask for another one: early enough to try often
	until time.Time // when clients no longer take it
}

// provable reports whether a responder can be asked for a proof.
func (c *Certificate) provable(now time.Time) bool { return c.proofKey != "" && now.Before(c.Expiry) }

// proofKey is where the proof for a certificate lies in the folder; empty if none can be had: no responder is named, or the issuer's
// certificate, which OCSP needs, did not come with it.
func proofKey(from certmagic.Certificate) string {
	if len(from.Leaf.OCSPServer) == 0 || len(from.Certificate.Certificate) < 2 {
		return ""
	}
	var bundle []byte
	for _, der := range from.Certificate.Certificate {
		bundle = append(bundle, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})...)
	}
	return certmagic.StorageKeys.OCSPStaple(&from, bundle)
}

// readProof takes a response for a proof, unless clients would not.
func (c *Certificate) readProof(raw []byte, now time.Time) (p proof, err error) {
	issuer, err := x509.ParseCertificate(c.TLS.Certificate[1])
	if err != nil {
		return p, err
	}
	r, err := ocsp.ParseResponseForCert(raw, c.TLS.Leaf, issuer)
	if err != nil {
		return p, err
	}
	p = proof{raw: raw, until: r.NextUpdate}
	if r.NextUpdate.IsZero() {
		p.until = r.ThisUpdate.Add(proofLife)
	}
	by := r.Certificate
	if by != nil && by.NotAfter.Before(p.until) {
		p.until = by.NotAfter
	}
	switch {
	case by != nil && !by.Equal(issuer) && !slices.Contains(by.ExtKeyUsage, x509.ExtKeyUsageOCSPSigning): // RFC 6960 §4.2.2.2
		return p, errors.New("it is signed by someone who may not sign OCSP responses")
	case r.Status == ocsp.Revoked:
		return p, fmt.Errorf("%w on %s", errRevoked, r.RevokedAt.UTC().Format(time.RFC3339))
	case r.Status != ocsp.Good:
		return p, fmt.Errorf("it says that the certificate is not good (status %d)", r.Status)
	case !now.Before(p.until):
		return p, fmt.Errorf("it was to be renewed by %s", p.until.UTC().Format(time.RFC3339))
	case p.until.After(c.Expiry):
		return p, fmt.Errorf("it is to be good until %s, and the certificate runs out before", p.until.UTC().Format(time.RFC3339))
	}
	p.due = r.ThisUpdate.Add(p.until.Sub(r.ThisUpdate) / 2)
	return p, nil
}

// askProof asks the responder that the certificate names.
func (c *Certificate) askProof(ctx context.Context) ([]byte, error) {
	issuer, err := x509.ParseCertificate(c.TLS.Certificate[1])
	if err != nil {
		return nil, err
	}
	return responder.Ask(ctx, c.TLS.Leaf, issuer)
}

// keptProof is the proof that lies in the folder; without bytes if there is none that is good.
func (c *client) keptProof(cert *Certificate, now time.Time) proof {
	if !cert.provable(now) {
		return proof{}
	}
	raw, err := c.storage.Load(c.ctx, cert.proofKey)
	if err != nil {
		return proof{}
	}
	p, err := cert.readProof(raw, now)
	if err != nil { // it has run out, or is damaged: the next one takes its place
		return proof{}
	}
	return p
}

// beginProof has a proof got for the certificate of a name, if one can be had. The mutex is held.
func (c *client) beginProof(n *name) {
	n.ask = time.Time{}
	if cert := n.cert; cert.provable(time.Now()) && c.ctx.Err() == nil {
		c.work.Go(func() { c.prove(n, cert) })
	}
}

// prove gets a proof, and has it shown: from the folder, where another process may have left one, else from the responder. What is
// shown meanwhile is the certificate without it.
func (c *client) prove(n *name, cert *Certificate) {
	now := time.Now()
	p := c.keptProof(cert, now)
	if p.raw != nil && now.Before(p.due) {
		c.proven(n, cert, p, nil)
		return
	}
	select {
	case c.questions <- struct{}{}:
	case <-c.ctx.Done():
		return
	}
	var raw []byte
	err := errReplaced
	if now := c.lookup(n.text); now != nil && now.hash == cert.hash {
		raw, err = cert.askProof(c.ctx)
	}
	<-c.questions
	if err == nil {
		p, err = cert.readProof(raw, time.Now())
	}
	if c.ctx.Err() != nil || err == errReplaced {
		return
	}
	if errors.Is(err, errRevoked) {
		c.replace(n, cert, err)
		return
	}
	if err == nil {
		if e := c.storage.Store(c.ctx, cert.proofKey, raw); e != nil {
			c.log.Warn("OCSP response not kept", "name", n.text, "err", e)
		}
	}
	c.proven(n, cert, p, err)
}

// proven has loops show a proof, or notes why there is none.
func (c *client) proven(n *name, cert *Certificate, p proof, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.names[n.text] != n || n.cert.hash != cert.hash {
		return // it is of no use any more
	}
	n.ask = time.Now().Add(proofRetry)
	if err != nil {
		level := slog.LevelDebug
		if n.unproven == nil {
			level = slog.LevelWarn
		}
		n.unproven = err
		c.log.Log(c.ctx, level, "no OCSP response, trying again", "name", n.text, "err", err, "still_stapled", len(n.cert.TLS.OCSPStaple) > 0)
		return
	}
	if p.due.After(n.ask) {
		n.ask = p.due
	}
	n.provenUntil, n.unproven, n.revoked = p.until, nil, 0
	if !bytes.Equal(n.cert.TLS.OCSPStaple, p.raw) {
		c.staple(n, p.raw)
		c.log.Info("certificate has a new OCSP response", "name", n.text, "until", p.until)
	}
}

// staple has loops show another proof, nil for none. The mutex is held.
func (c *client) staple(n *name, raw []byte) {
	n.cert = n.cert.with(raw)
	c.certificates.Store(n.text, n.cert)
}

// keepProofs looks after proofs until the client is closed.
func (c *client) keepProofs() {
	tick := time.NewTicker(proofCheck)
	defer tick.Stop()
	for {
		select {
		case <-c.ctx.Done():
			return
		case now := <-tick.C:
			c.checkProofs(now)
		}
	}
}

// checkProofs takes back proofs that run out before the next look, since a stale one is worse than none, and asks for those that are due.
func (c *client) checkProofs(now time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, n := range c.names {
		if n.cert == nil {
			continue
		}
		if len(n.cert.TLS.OCSPStaple) > 0 && now.Add(proofCheck).After(n.provenUntil) {
			c.staple(n, nil)
			c.log.Warn("OCSP response has run out, none is stapled", "name", n.text)
		}
		if !n.ask.IsZero() && !now.Before(n.ask) {
			c.beginProof(n)
		}
	}
}

// replace has a certificate renewed that was revoked, unless another process has done so. It is shown until there is another one.
func (c *client) replace(n *name, cert *Certificate, why error) {
	c.mu.Lock()
	try := n.revoked
	c.mu.Unlock()
	if try > 0 { // the one that was got for one that was revoked is revoked, too: authorities count orders
		select {
		case <-c.ctx.Done():
			return
		case <-time.After(backoff(try, why)):
		}
	}
	err := c.load(c.ctx, n.text)
	if now := c.lookup(n.text); now == nil || now.hash != cert.hash {
		return
	}
	c.log.Warn("certificate revoked, getting another one", "name", n.text, "err", why)
	c.mu.Lock()
	n.revoked++ // before what comes is asked for a proof
	c.mu.Unlock()
	failed := c.config.RenewCertSync(c.ctx, n.text, true)
	err = errors.Join(err, failed)
	c.mu.Lock()
	defer c.mu.Unlock()
	if failed != nil {
		n.revoked--
	}
	if c.names[n.text] == n && n.cert.hash == cert.hash {
		n.ask = time.Now().Add(backoff(max(n.tries, 1), err))
	}
}

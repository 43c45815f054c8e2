package acme

import (
	"crypto"
	"crypto/tls"
	"errors"
	"sync/atomic"
	"time"

	"github.com/caddyserver/certmagic"
)

// Certificate is one that clients can be shown. It does not change: a renewal, or another proof from OCSP, makes a new one.
type Certificate struct {
	TLS    tls.Certificate // with its Leaf, and the proof to staple
	Key    crypto.Signer
	Issuer string
	Expiry time.Time

	hash     string
	proofKey string      // where its proof lies in the folder; empty: none can be had
	used     atomic.Bool // by a handshake, since it was got
}

var errKey = errors.New("its key cannot sign")

func newCertificate(from certmagic.Certificate) (*Certificate, error) {
	key, ok := from.PrivateKey.(crypto.Signer)
	if !ok || from.Leaf == nil {
		return nil, errKey
	}
	return &Certificate{TLS: from.Certificate, Key: key, Issuer: from.Leaf.Issuer.String(), Expiry: from.Leaf.NotAfter,
		hash: from.Hash(), proofKey: proofKey(from)}, nil
}

// use notes that a handshake shows the certificate. It is written once: loops share it.
func (c *Certificate) use() {
	if !c.used.Load() {
		c.used.Store(true)
	}
}

// with is the same certificate with another proof, nil for none.
func (c *Certificate) with(raw []byte) *Certificate {
	next := &Certificate{TLS: c.TLS, Key: c.Key, Issuer: c.Issuer, Expiry: c.Expiry, hash: c.hash, proofKey: c.proofKey}
	next.TLS.OCSPStaple = raw
	next.used.Store(c.used.Load())
	return next
}

// since is when the certificate became valid, by which a renewal is told from what it replaced: it may run out earlier.
func (c *Certificate) since() time.Time { return c.TLS.Leaf.NotBefore }

// lifetime is how long the certificate is good for, all together.
func (c *Certificate) lifetime() time.Duration { return c.Expiry.Sub(c.since()) }

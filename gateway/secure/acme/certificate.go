package acme

import (
	"crypto"
	"crypto/tls"
	"errors"
	"slices"
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

	hash string
	used atomic.Bool // by a handshake, since it was got
}

var errKey = errors.New("its key cannot sign")

func newCertificate(from certmagic.Certificate) (*Certificate, error) {
	key, ok := from.PrivateKey.(crypto.Signer)
	if !ok || from.Leaf == nil {
		return nil, errKey
	}
	return &Certificate{TLS: from.Certificate, Key: key, Issuer: from.Leaf.Issuer.String(), Expiry: from.Leaf.NotAfter, hash: from.Hash()}, nil
}

// use notes that a handshake shows the certificate. It is written once: loops share it.
func (c *Certificate) use() {
	if !c.used.Load() {
		c.used.Store(true)
	}
}

// same reports whether o is the same certificate with the same proof.
func (c *Certificate) same(o *Certificate) bool {
	return c != nil && c.hash == o.hash && slices.Equal(c.TLS.OCSPStaple, o.TLS.OCSPStaple)
}

// since is when the certificate became valid, by which a renewal is told from what it replaced: it may run out earlier.
func (c *Certificate) since() time.Time { return c.TLS.Leaf.NotBefore }

// lifetime is how long the certificate is good for, all together.
func (c *Certificate) lifetime() time.Duration { return c.Expiry.Sub(c.since()) }

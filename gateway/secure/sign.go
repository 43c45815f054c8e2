package secure

import (
	"crypto"
	"errors"
	"io"

	"github.com/ringway/ringway/gateway/secure/keyless"
	"github.com/ringway/ringway/loop"
)

// publicHalf is a signer that only says whose it would be.
type publicHalf struct{ key crypto.PublicKey }

var errNotHere = errors.New("secure: the key is not here")

// Public is the public key.
func (p publicHalf) Public() crypto.PublicKey { return p.key }

// Sign fails.
func (p publicHalf) Sign(io.Reader, []byte, crypto.SignerOpts) ([]byte, error) {
	return nil, errNotHere
}

// offloaded signs for the handshakes of one loop, in the task that runs the handshake: it waits while the blocking pool, or
// the key server, signs, and the loop goes on with other tasks meanwhile. crypto/tls holds locks of that one connection then,
// which nobody else wants before its handshake is over.
type offloaded struct {
	publicHalf
	loop   *loop.Loop
	key    crypto.Signer   // nil: only the key server has it
	server *keyless.Client // nil: no key server
	report *reporter
}

// Sign signs, with the key server first if there is one.
func (s *offloaded) Sign(random io.Reader, digest []byte, opts crypto.SignerOpts) ([]byte, error) {
	t := s.loop.Current()
	if s.server != nil {
		sig, err := s.server.Sign(t, s.publicHalf.key, digest, opts)
		if err == nil {
			return sig, nil
		}
		s.report.keyServer(s.loop.Now(), err, s.key != nil)
		if s.key == nil || t.Cause() != nil {
			return nil, err
		}
	}
	var sig []byte
	err := t.OffloadUncancelled(func() (err error) {
		sig, err = s.key.Sign(random, digest, opts)
		return err
	})
	return sig, err
}

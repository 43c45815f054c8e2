package secure

import (
	"crypto"
	"crypto/tls"
	"errors"

	"github.com/ringway/ringway/gateway/secure/acme"
	"github.com/ringway/ringway/loop"
)

// claimNames has certificates got for what names there are no files for.
func (s *Server) claimNames(files *snapshot, o Options) (err error) {
	s.names = o.Names
	if o.ACME == nil {
		if s.Spec.ACME != nil {
			return errors.New("certificates cannot be got here")
		}
		return nil
	}
	s.challenges = o.ACME.Challenges()
	if s.Spec.ACME == nil {
		return nil
	}
	names := o.Names
	if len(s.Spec.ACME.Names) == 0 {
		names = uncovered(names, files.certificates)
	}
	var before *acme.Claim
	if o.Before != nil {
		before = o.Before.claim
	}
	s.claim, err = o.ACME.Claim(s.Spec.ACME, names, before)
	return err
}

// uncovered are the names that none of the certificates is for.
func uncovered(names []string, list []*certificate) (rest []string) {
	var offers []*offer
	for _, c := range list {
		offers = append(offers, &offer{of: c})
	}
	files := newNames(offers, true)
	for _, name := range names {
		if _, ok := files.of(name); !ok {
			rest = append(rest, name)
		}
	}
	return rest
}

// managed chooses among certificates on one loop where ACME gets some of them. None of it waits, but for a certificate that is
// got on demand; that wait is the handshake's task's, and the loop goes on.
type managed struct {
	t     *Terminator
	files *names
	claim *acme.Claim
}

// choose gives the certificate for a client: that of a file which is for the very name, one that was got, that of a file with a wildcard,
// one that is got now, the first one.
func (m *managed) choose(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
	name := plainName(hello.ServerName)
	if name == "" {
		return m.first(hello)
	}
	if _, ok := m.files.exact[name]; ok {
		return m.files.choose(hello)
	}
	if c := m.claim.Lookup(name); c != nil {
		return m.t.shown(&c.TLS, c.Key), nil
	}
	if _, ok := m.files.of(name); ok {
		return m.files.choose(hello)
	}
	switch {
	case m.claim.Names(name):
		m.t.lacking(name, acme.ErrPending)
		return nil, nil // crypto/tls then says unrecognized_name, which is better than another name's certificate
	case m.claim.OnDemand():
		return m.obtain(name)
	case m.files.refuse:
		return nil, nil
	}
	return m.first(hello)
}

// first gives the certificate for a client that asks for none of the names.
func (m *managed) first(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
	if len(m.files.others) > 0 {
		return m.files.choose(hello)
	}
	if c := m.claim.First(); c != nil {
		return m.t.shown(&c.TLS, c.Key), nil
	}
	return nil, nil
}

// errImpatient says that enough handshakes wait already.
var errImpatient = errors.New("too many handshakes wait for certificates")

// obtain waits until there is a certificate for the name, or there is to be none.
func (m *managed) obtain(name string) (*tls.Certificate, error) {
	t := m.t
	if t.waiting >= t.patient {
		t.lacking(name, errImpatient)
		return nil, nil
	}
	t.waiting++
	defer func() { t.waiting-- }()
	type outcome struct {
		cert *acme.Certificate
		err  error
	}
	came := loop.NewChan[outcome](1)
	m.claim.Obtain(name, func(c *acme.Certificate, err error) {
		t.n.Loop.Post(func() { came.TrySend(outcome{c, err}) })
	})
	o, _, err := came.Recv(t.n.Loop.Current())
	if err != nil { // the client's time is over; what was begun goes on for the next one
		t.lacking(name, err)
		return nil, err
	}
	if o.err != nil {
		t.lacking(name, o.err)
		return nil, nil
	}
	return t.shown(&o.cert.TLS, o.cert.Key), nil
}

// shown is a certificate with a signer of this loop's.
func (t *Terminator) shown(c *tls.Certificate, key crypto.Signer) *tls.Certificate {
	own := *c
	own.PrivateKey = &offloaded{publicHalf: publicHalf{key.Public()}, loop: t.n.Loop, key: key, report: t.report}
	return &own
}

// lacking tells of a handshake that failed for want of a certificate.
func (t *Terminator) lacking(name string, why error) {
	kind := "no_certificate"
	if why == acme.ErrPending {
		kind += name // one of those that are configured
	}
	t.report.warn(t.n.Loop.Now(), kind, "no certificate for a client", "server_name", name, "err", why)
}

// forChallenge gives a configuration of its own to an authority that looks for proof of control of a name (RFC 8737 §3): without
// client certificates, and with nothing spoken afterwards.
func (t *Terminator) forChallenge(hello *tls.ClientHelloInfo) (*tls.Config, error) {
	if len(hello.SupportedProtos) != 1 || hello.SupportedProtos[0] != acme.Protocol {
		return nil, nil
	}
	name, all := plainName(hello.ServerName), t.server.challenges
	cert := all.Certificate(name)
	if cert == nil {
		if look := all.Look(name); look != nil {
			err := t.n.Loop.Current().OffloadUncancelled(func() error { cert = look.Certificate(); return nil })
			if errors.Is(err, loop.ErrOffloadFull) { // it has not begun, and will not
				look.Drop()
			}
			if err != nil {
				return nil, err
			}
		}
	}
	if cert == nil {
		return nil, nil // crypto/tls then says no_application_protocol
	}
	key, ok := cert.PrivateKey.(crypto.Signer)
	if !ok {
		return nil, errNotHere
	}
	t.report.log.Info("control of a name is proven to the authority", "name", name, "challenge", string(acme.TLSALPN01), "listener", t.report.listener, "peer", hello.Conn.RemoteAddr())
	return &tls.Config{
		Certificates: []tls.Certificate{*t.shown(cert, key)}, NextProtos: []string{acme.Protocol},
		MinVersion: tls.VersionTLS12, SessionTicketsDisabled: true,
	}, nil
}

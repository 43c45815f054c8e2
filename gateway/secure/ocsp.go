package secure

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"time"

	"golang.org/x/crypto/ocsp"

	"github.com/ringway/ringway/gateway/secure/responder"
)

const (
	ocspRetry  = 5 * time.Minute
	ocspAtOnce = 8 // authorities that are asked at a time, of a listener
)

// staple is the proof for one certificate that is asked for, and when to ask again.
type staple struct {
	serial  string // of the certificate that it is for
	raw     []byte
	until   time.Time
	due     time.Time
	refused string // what was logged last
}

// answer is what came of asking for a proof.
type answer struct {
	of    *staple
	cert  *certificate
	raw   []byte
	until time.Time
	err   error
}

// stapled gives the snapshot its proofs: those from files that are good, and those that were fetched.
func (s *Server) stapled(snap *snapshot) *snapshot {
	next := *snap
	next.certificates = nil
	for _, c := range snap.certificates {
		with := *c
		with.shown.OCSPStaple, with.proven = s.proof(c)
		next.certificates = append(next.certificates, &with)
	}
	return &next
}

// proof is the OCSP response to staple now, and until when; nil for none: a bad one would be worse than none.
func (s *Server) proof(c *certificate) (raw []byte, until time.Time) {
	switch c.spec.OCSP {
	case "":
		return nil, until
	case FetchOCSP:
		if st := s.staples[c.spec.Cert]; st != nil && st.serial == c.leaf().SerialNumber.String() && time.Now().Before(st.until) {
			return st.raw, st.until
		}
		return nil, until
	}
	raw, fault := readFile(c.spec.OCSP)
	if fault == nil {
		r, err := checkProof(c, raw, time.Now())
		if err == nil {
			delete(s.refused, c.spec.OCSP)
			return raw, r.NextUpdate
		}
		fault = &FileError{File: c.spec.OCSP, Err: err}
	}
	if s.refused[c.spec.OCSP] != fault.Error() {
		s.refused[c.spec.OCSP] = fault.Error()
		s.log.Warn("OCSP response of no use, none is stapled", "listener", s.name, "err", fault)
	}
	return nil, until
}

// dropStale takes back proofs whose time has passed.
func (s *Server) dropStale(now time.Time) {
	for _, c := range s.current.Load().certificates {
		if !c.proven.IsZero() && now.After(c.proven) {
			s.current.Store(s.stapled(s.current.Load()))
			return
		}
	}
}

// issuer is the certificate that has signed the server's.
func (c *certificate) issuer() (*x509.Certificate, error) {
	if len(c.shown.Certificate) < 2 {
		return nil, errors.New("the certificate file does not hold its issuer's certificate, which OCSP needs")
	}
	return x509.ParseCertificate(c.shown.Certificate[1])
}

// checkProof reports a response that clients would not take.
func checkProof(c *certificate, raw []byte, now time.Time) (*ocsp.Response, error) {
	issuer, err := c.issuer()
	if err != nil {
		return nil, err
	}
	r, err := ocsp.ParseResponseForCert(raw, c.leaf(), issuer)
	switch {
	case err != nil:
		return nil, err
	case r.Status != ocsp.Good:
		return nil, fmt.Errorf("it says that the certificate is not good (status %d)", r.Status)
	case !r.NextUpdate.IsZero() && now.After(r.NextUpdate):
		return nil, fmt.Errorf("it was to be renewed by %s", r.NextUpdate.UTC().Format(time.RFC3339))
	}
	return r, nil
}

// loadProof reports a file that holds no OCSP response. One that is of another certificate, or too old, is none to refuse: it comes from
// elsewhere than the certificate, and may come later.
func loadProof(c *certificate) *FileError {
	raw, fault := readFile(c.spec.OCSP)
	if fault != nil {
		fault.bearable = true // nothing is stapled then
		return fault
	}
	if _, err := ocsp.ParseResponseForCert(raw, c.leaf(), nil); err == nil { // among several
		return nil
	}
	if _, err := ocsp.ParseResponse(raw, nil); err != nil {
		return &FileError{File: c.spec.OCSP, Err: fmt.Errorf("holds no OCSP response in DER: %w", err), bearable: true}
	}
	return nil
}

// fetchStaples has the proofs that are due asked for, each in a goroutine of its own: an authority that does not answer keeps nothing waiting.
// What comes of it comes to answered.
func (s *Server) fetchStaples() {
	now := time.Now()
	for _, c := range s.current.Load().certificates {
		if c.spec.OCSP != FetchOCSP {
			continue
		}
		st := s.staples[c.spec.Cert]
		if serial := c.leaf().SerialNumber.String(); st == nil || st.serial != serial {
			st = &staple{serial: serial}
			s.staples[c.spec.Cert] = st
		}
		if now.Before(st.due) || s.asking == ocspAtOnce {
			continue
		}
		st.due = now.Add(ocspRetry)
		s.asking++
		s.ended.Go(func() {
			a := answer{of: st, cert: c}
			a.raw, a.until, a.err = fetchProof(s.life, c)
			s.answers <- a // there is room for all
		})
	}
}

// answered publishes a proof that came.
func (s *Server) answered(a answer) {
	s.asking--
	now, st := time.Now(), a.of
	if a.err != nil {
		if text := a.err.Error(); text != st.refused {
			st.refused = text
			s.log.Warn("no OCSP response, trying again", "listener", s.name, "file", a.cert.spec.Cert, "err", a.err, "still_stapled", now.Before(st.until))
		}
		return
	}
	st.raw, st.until, st.refused = a.raw, a.until, ""
	st.due = now.Add(st.until.Sub(now) / 2) // early enough to try often before it runs out
	s.current.Store(s.stapled(s.current.Load()))
}

// fetchProof asks the authority, and tells until when its answer is good.
func fetchProof(ctx context.Context, c *certificate) (raw []byte, until time.Time, err error) {
	if len(c.leaf().OCSPServer) == 0 {
		return nil, until, errors.New("the certificate names no OCSP responder")
	}
	issuer, err := c.issuer()
	if err != nil {
		return nil, until, err
	}
	if raw, err = responder.Ask(ctx, c.leaf(), issuer); err != nil {
		return nil, until, err
	}
	now := time.Now()
	r, err := checkProof(c, raw, now)
	if err != nil {
		return nil, until, err
	}
	if until = r.NextUpdate; until.IsZero() {
		until = now.Add(24 * time.Hour)
	}
	return raw, until, nil
}

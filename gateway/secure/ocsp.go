package secure

import (
	"bytes"
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"

	"golang.org/x/crypto/ocsp"
)

const (
	ocspLimit   = 64 << 10
	ocspTimeout = 10 * time.Second
	ocspRetry   = 5 * time.Minute
)

// staple is the proof for one certificate that is asked for, and when to ask again.
type staple struct {
	serial  string // of the certificate that it is for
	raw     []byte
	until   time.Time
	due     time.Time
	refused string // what was logged last
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

// fetchStaples asks for the proofs that are due, and publishes what came.
func (s *Server) fetchStaples() {
	now, changed := time.Now(), false
	for _, c := range s.current.Load().certificates {
		if c.spec.OCSP != FetchOCSP {
			continue
		}
		st := s.staples[c.spec.Cert]
		if serial := c.leaf().SerialNumber.String(); st == nil || st.serial != serial {
			st = &staple{serial: serial}
			s.staples[c.spec.Cert] = st
		}
		if now.Before(st.due) {
			continue
		}
		had := now.Before(st.until)
		err := st.fetch(c, now)
		if err != nil && err.Error() != st.refused {
			st.refused = err.Error()
			s.log.Warn("no OCSP response, trying again", "listener", s.name, "file", c.spec.Cert, "err", err, "still_stapled", had)
		}
		changed = changed || err == nil
	}
	if changed {
		s.current.Store(s.stapled(s.current.Load()))
	}
}

// fetch asks the authority (RFC 6960 appendix A).
func (st *staple) fetch(c *certificate, now time.Time) error {
	st.due = now.Add(ocspRetry)
	if len(c.leaf().OCSPServer) == 0 {
		return errors.New("the certificate names no OCSP responder")
	}
	issuer, err := c.issuer()
	if err != nil {
		return err
	}
	question, err := ocsp.CreateRequest(c.leaf(), issuer, nil)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.Background(), ocspTimeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, c.leaf().OCSPServer[0], bytes.NewReader(question))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/ocsp-request")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer func() { _ = resp.Body.Close() }()
	raw, err := io.ReadAll(io.LimitReader(resp.Body, ocspLimit))
	if err != nil {
		return err
	}
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("the OCSP responder answers %s", resp.Status)
	}
	r, err := checkProof(c, raw, now)
	if err != nil {
		return err
	}
	st.raw, st.until, st.refused = raw, r.NextUpdate, ""
	if st.until.IsZero() {
		st.until = now.Add(24 * time.Hour)
	}
	st.due = now.Add(st.until.Sub(now) / 2) // early enough to try often before it runs out
	return nil
}

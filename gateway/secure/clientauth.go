package secure

import (
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"strings"
	"time"

	"github.com/ringway/ringway/loop"
	"github.com/ringway/ringway/proto/header"
)

// ClientCertificate is what a client has shown of itself, and had verified. It is what rules and logs see.
type ClientCertificate struct {
	Subject     string // RFC 2253, as CN=device 7,O=Example
	Issuer      string
	Serial      string   // hexadecimal
	Names       []string // subject alternative names: DNS:, email:, IP: and URI: with their values
	NotAfter    time.Time
	Fingerprint [sha256.Size]byte // of the whole certificate

	raw   []byte
	texts [properties][]byte // made when somebody asks
}

// Property is something that a certificate says.
type Property uint8

// The properties, and how Text writes them.
const (
	Subject     Property = iota // RFC 2253
	Issuer                      // the same
	Serial                      // hexadecimal
	Names                       // subject alternative names, with ", " between them; those that hold a comma are left out
	Fingerprint                 // SHA-256, hexadecimal
	Encoded                     // the whole certificate, as RFC 9440 §2.2 writes it: Base64 between colons
	properties
)

// Text is a property as it can stand in a header field; nil if it is empty or cannot, since whoever wrote the certificate chose it.
// It must not be changed, and belongs to the loop that the connection is on.
func (c *ClientCertificate) Text(p Property) []byte {
	if c.texts[p] == nil {
		text := c.text(p)
		if !header.ValidValue(text) {
			text = text[:0]
		}
		c.texts[p] = text
	}
	if len(c.texts[p]) == 0 {
		return nil
	}
	return c.texts[p]
}

func (c *ClientCertificate) text(p Property) []byte {
	switch p {
	case Subject:
		return []byte(c.Subject)
	case Issuer:
		return []byte(c.Issuer)
	case Serial:
		return []byte(c.Serial)
	case Names:
		var all []byte
		for _, n := range c.Names {
			switch {
			case strings.Contains(n, ","): // a reader would take it for two
			case len(all) == 0:
				all = append(all, n...)
			default:
				all = append(append(all, ", "...), n...)
			}
		}
		return all
	case Fingerprint:
		return hex.AppendEncode(nil, c.Fingerprint[:])
	}
	return append(base64.StdEncoding.AppendEncode([]byte{':'}, c.raw), ':')
}

func newClientCertificate(x *x509.Certificate) *ClientCertificate {
	c := &ClientCertificate{Subject: x.Subject.String(), Issuer: x.Issuer.String(), Serial: x.SerialNumber.Text(16),
		NotAfter: x.NotAfter, Fingerprint: sha256.Sum256(x.Raw), raw: x.Raw}
	for _, n := range x.DNSNames {
		c.Names = append(c.Names, "DNS:"+n)
	}
	for _, n := range x.EmailAddresses {
		c.Names = append(c.Names, "email:"+n)
	}
	for _, n := range x.IPAddresses {
		c.Names = append(c.Names, "IP:"+n.String())
	}
	for _, n := range x.URIs {
		c.Names = append(c.Names, "URI:"+n.String())
	}
	return c
}

// CertificateError says by which rule a peer's certificate was not accepted. It is for the log: the peer gets an alert.
type CertificateError struct {
	Rule    string // missing, expired, not_yet_valid, unknown_authority, wrong_usage, wrong_name, invalid
	Subject string
	Err     error
}

// Error tells the rule, whose certificate it is, and what the verification said.
func (e *CertificateError) Error() string {
	return "certificate not accepted: " + e.Rule + ": " + e.Subject + ": " + strings.TrimPrefix(e.Err.Error(), "x509: ")
}

// Unwrap is what the verification said.
func (e *CertificateError) Unwrap() error { return e.Err }

// ruleOf names the rule that err is about.
func ruleOf(err error, x *x509.Certificate, now time.Time) string {
	var invalid x509.CertificateInvalidError
	switch {
	case errors.As(err, new(x509.UnknownAuthorityError)):
		return "unknown_authority"
	case errors.As(err, new(x509.HostnameError)):
		return "wrong_name"
	case !errors.As(err, &invalid):
		return "invalid"
	case invalid.Reason == x509.IncompatibleUsage:
		return "wrong_usage"
	case invalid.Reason == x509.Expired && now.Before(x.NotBefore):
		return "not_yet_valid"
	case invalid.Reason == x509.Expired:
		return "expired"
	}
	return "invalid"
}

// verify checks a peer's chain off the loop, in the task that runs the handshake. It is called for resumed sessions too: what
// was trusted when the session began need not be any more.
func verify(l *loop.Loop, chain []*x509.Certificate, opts x509.VerifyOptions) error {
	opts.Intermediates = x509.NewCertPool()
	for _, x := range chain[1:] {
		opts.Intermediates.AddCert(x)
	}
	opts.CurrentTime = time.Now()
	return l.Current().OffloadUncancelled(func() error {
		_, err := chain[0].Verify(opts)
		if err == nil {
			return nil
		}
		return &CertificateError{Rule: ruleOf(err, chain[0], opts.CurrentTime), Subject: chain[0].Subject.String(), Err: err}
	})
}

// askClients makes c ask for certificates of the authorities in pool.
func askClients(c *tls.Config, l *loop.Loop, mode ClientAuthMode, pool *x509.CertPool) {
	c.ClientAuth, c.ClientCAs = tls.RequestClientCert, pool // the pool is only named to the client; verify checks
	c.VerifyConnection = func(s tls.ConnectionState) error {
		var err error
		switch {
		case len(s.PeerCertificates) > 0:
			err = verify(l, s.PeerCertificates, x509.VerifyOptions{Roots: pool, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}})
		case mode == Require:
			err = errNoCertificate
		}
		return err
	}
}

var errNoCertificate error = &CertificateError{Rule: "missing", Subject: "(none)", Err: errors.New("the client showed none")}

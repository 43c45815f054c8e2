package secure

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"net"
	"os"
	"strings"
	"time"
)

// certificate is one that clients are shown. It does not change: a new file or a new proof makes a new one.
type certificate struct {
	spec   *CertificateSpec
	shown  tls.Certificate // PrivateKey is a signer that only knows its public half: loops put their own in its place
	key    crypto.Signer   // nil: only the key server has it
	names  []string        // lower case; a wildcard begins with "*."
	expiry time.Time
	proven time.Time // until when the stapled proof is good; zero: without end, or none is stapled
}

// leaf is the certificate itself.
func (c *certificate) leaf() *x509.Certificate { return c.shown.Leaf }

// FileError says which file is of no use, and why.
type FileError struct {
	File string
	Err  error
	key  bool
}

// Error names the file first.
func (e *FileError) Error() string { return e.File + ": " + e.Err.Error() }

// Unwrap is the reason.
func (e *FileError) Unwrap() error { return e.Err }

func readFile(path string) ([]byte, *FileError) {
	data, err := os.ReadFile(path)
	if err != nil {
		var p *os.PathError
		if errors.As(err, &p) {
			err = p.Err // it names the file again
		}
		return nil, &FileError{File: path, Err: err}
	}
	return data, nil
}

// loadCertificate reads and checks a certificate and its key.
func loadCertificate(s *CertificateSpec, now time.Time) (*certificate, *FileError) {
	data, fault := readFile(s.Cert)
	if fault != nil {
		return nil, fault
	}
	chain, err := parseChain(data)
	if err == nil {
		err = checkLeaf(chain[0], now)
	}
	if err != nil {
		return nil, &FileError{File: s.Cert, Err: err}
	}
	c := &certificate{spec: s, names: namesOf(chain[0]), expiry: chain[0].NotAfter}
	for _, x := range chain {
		c.shown.Certificate = append(c.shown.Certificate, x.Raw)
	}
	c.shown.Leaf, c.shown.PrivateKey = chain[0], publicHalf{chain[0].PublicKey}
	if s.Key != "" {
		if c.key, fault = loadKey(s, data); fault != nil {
			return nil, fault
		}
	}
	return c, nil
}

// loadKey reads the key of the certificate cert, which is in PEM.
func loadKey(s *CertificateSpec, cert []byte) (crypto.Signer, *FileError) {
	data, fault := readFile(s.Key)
	if fault != nil {
		fault.key = true
		return nil, fault
	}
	pair, err := tls.X509KeyPair(cert, data)
	if err != nil {
		msg := strings.TrimPrefix(err.Error(), "tls: ")
		if strings.Contains(msg, "does not match") {
			msg = "is not the key of the certificate " + s.Cert
		}
		return nil, &FileError{File: s.Key, Err: errors.New(msg), key: true}
	}
	signer, ok := pair.PrivateKey.(crypto.Signer)
	if !ok {
		return nil, &FileError{File: s.Key, Err: errors.New("holds a key that cannot sign"), key: true}
	}
	return signer, nil
}

// parseChain reads the certificates of a PEM file, the first of which is the server's.
func parseChain(data []byte) ([]*x509.Certificate, error) {
	var chain []*x509.Certificate
	for {
		var block *pem.Block
		if block, data = pem.Decode(data); block == nil {
			break
		}
		if block.Type != "CERTIFICATE" {
			continue
		}
		x, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return nil, fmt.Errorf("certificate %d in it cannot be read: %w", len(chain)+1, err)
		}
		chain = append(chain, x)
	}
	if len(chain) == 0 {
		return nil, errors.New("holds no certificate in PEM")
	}
	for i := 1; i < len(chain); i++ {
		if !bytes.Equal(chain[i-1].RawIssuer, chain[i].RawSubject) {
			return nil, fmt.Errorf("certificate %d in it is not of the issuer of the one before: the server's comes first, then each one's issuer", i+1)
		}
	}
	return chain, nil
}

// checkLeaf reports a certificate that clients would not take.
func checkLeaf(x *x509.Certificate, now time.Time) error {
	const day = "2006-01-02 15:04 MST"
	switch {
	case now.After(x.NotAfter):
		return fmt.Errorf("the certificate expired at %s", x.NotAfter.UTC().Format(day))
	case now.Before(x.NotBefore):
		return fmt.Errorf("the certificate is valid only from %s on", x.NotBefore.UTC().Format(day))
	case len(x.ExtKeyUsage) > 0 && !servesTLS(x):
		return errors.New("the certificate is not one for servers (extended key usage)")
	}
	return nil
}

func servesTLS(x *x509.Certificate) bool {
	for _, u := range x.ExtKeyUsage {
		if u == x509.ExtKeyUsageServerAuth || u == x509.ExtKeyUsageAny {
			return true
		}
	}
	return false
}

// namesOf are the names that a certificate is for. Clients ask for no addresses, but the log may show them.
func namesOf(x *x509.Certificate) []string {
	var names []string
	for _, n := range x.DNSNames {
		names = append(names, strings.ToLower(strings.TrimSuffix(n, ".")))
	}
	for _, ip := range x.IPAddresses {
		names = append(names, net.IP(ip).String())
	}
	if len(names) == 0 && x.Subject.CommonName != "" {
		names = append(names, strings.ToLower(x.Subject.CommonName))
	}
	return names
}

// ecdsaFirst orders certificates of one name: a signature with ECDSA costs a fraction of one with RSA, and the few clients
// that cannot verify it are found out by what they offer.
func ecdsaFirst(a, b *certificate) int {
	rank := func(c *certificate) int {
		if _, ok := c.leaf().PublicKey.(*ecdsa.PublicKey); ok {
			return 0
		}
		return 1
	}
	return rank(a) - rank(b)
}

// loadAuthorities reads the certificates of authorities.
func loadAuthorities(path string) (*x509.CertPool, *FileError) {
	data, fault := readFile(path)
	if fault != nil {
		return nil, fault
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(data) {
		return nil, &FileError{File: path, Err: errors.New("holds no certificate in PEM")}
	}
	return pool, nil
}

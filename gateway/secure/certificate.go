package secure

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"net"
	"os"
	"strings"
	"time"

	"github.com/ringway/ringway/gateway/secure/keyless"
)

// certificate is one that clients are shown. It does not change: a new file or a new proof makes a new one.
type certificate struct {
	spec   *CertificateSpec
	shown  tls.Certificate // PrivateKey is a signer that only knows its public half: loops put their own in its place
	key    crypto.Signer   // nil: only the key server has it
	names  []string        // lower case; a wildcard begins with "*."
	expiry time.Time
	proven time.Time // until when the stapled proof is good; zero: without end, or none is stapled
	sum    sum       // of its file
}

// sum tells contents of files apart; the zero value is nobody's.
type sum [sha256.Size]byte

// leaf is the certificate itself.
func (c *certificate) leaf() *x509.Certificate { return c.shown.Leaf }

// FileError says which file is of no use, and why.
type FileError struct {
	File string
	Err  error
	key  bool
	// bearable: TLS works with what the file holds, or without it, and only the other side does not take it.
	bearable bool
	held     sum // what is in the file
}

// Error names the file first.
func (e *FileError) Error() string { return e.File + ": " + e.Err.Error() }

// Unwrap is the reason.
func (e *FileError) Unwrap() error { return e.Err }

// Bearable reports whether a fault is one of a file that a gateway can serve with nevertheless, such as a certificate that has expired.
// A start and a reload refuse such files, so that somebody looks. Who takes the place of a gateway that served goes on with them: all that is
// not about this file is served at least, and the next file is taken over as soon as it is there.
func Bearable(fault error) bool {
	_, ok := bearable(fault)
	return ok
}

// bearable is Bearable, and what is in the file.
func bearable(fault error) (held sum, ok bool) {
	f, ok := errors.AsType[*FileError](fault)
	if !ok || !f.bearable {
		return sum{}, false
	}
	return f.held, true
}

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

// loadCertificate reads and checks a certificate and its key. There is one beside a fault that is bearable.
func loadCertificate(s *CertificateSpec, now time.Time) (*certificate, *FileError) {
	data, fault := readFile(s.Cert)
	if fault != nil {
		return nil, fault
	}
	chain, err := parseChain(data)
	if err != nil {
		return nil, &FileError{File: s.Cert, Err: err}
	}
	c := &certificate{spec: s, names: namesOf(chain[0]), expiry: chain[0].NotAfter, sum: sha256.Sum256(data)}
	for _, x := range chain {
		c.shown.Certificate = append(c.shown.Certificate, x.Raw)
	}
	c.shown.Leaf, c.shown.PrivateKey = chain[0], publicHalf{chain[0].PublicKey}
	if s.Key != "" {
		if c.key, fault = loadKey(s, data); fault != nil {
			return nil, fault
		}
	}
	return c, c.fault(now)
}

// fault is why clients do not take the certificate.
func (c *certificate) fault(now time.Time) *FileError {
	if err := checkLeaf(c.leaf(), now); err != nil {
		return &FileError{File: c.spec.Cert, Err: err, bearable: true, held: c.sum}
	}
	return nil
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
		switch {
		case strings.Contains(msg, "does not match"):
			msg = "is not the key of the certificate " + s.Cert
		case holdsEncrypted(data):
			msg = keyless.ErrEncrypted.Error()
		}
		return nil, &FileError{File: s.Key, Err: errors.New(msg), key: true}
	}
	signer, ok := pair.PrivateKey.(crypto.Signer)
	if !ok {
		return nil, &FileError{File: s.Key, Err: errors.New("holds a key that cannot sign"), key: true}
	}
	return signer, nil
}

// holdsEncrypted reports whether a key in PEM takes a passphrase.
func holdsEncrypted(data []byte) bool {
	for {
		var block *pem.Block
		if block, data = pem.Decode(data); block == nil {
			return false
		}
		if keyless.Encrypted(block) {
			return true
		}
	}
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

// rsaBits is the shortest RSA key that browsers and OpenSSL take of a server.
const rsaBits = 2048

// checkLeaf reports a certificate that clients would not take.
func checkLeaf(x *x509.Certificate, now time.Time) error {
	if err := checkTime(x.NotBefore, x.NotAfter, now); err != nil {
		return fmt.Errorf("the certificate %w", err)
	}
	if len(x.ExtKeyUsage) > 0 && !servesTLS(x) {
		return errors.New("the certificate is not one for servers (extended key usage)")
	}
	if key, ok := x.PublicKey.(*rsa.PublicKey); ok && key.N.BitLen() < rsaBits {
		return fmt.Errorf("the certificate has an RSA key of %d bits, and clients take %d at least", key.N.BitLen(), rsaBits)
	}
	return nil
}

// checkTime reports what is not valid now.
func checkTime(from, until, now time.Time) error {
	const day = "2006-01-02 15:04 MST"
	switch {
	case now.After(until):
		return fmt.Errorf("expired at %s", until.UTC().Format(day))
	case now.Before(from):
		return fmt.Errorf("is valid only from %s on", from.UTC().Format(day))
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

// authorities are certificates of those who vouch for others.
type authorities struct {
	file  string
	pool  *x509.CertPool
	from  time.Time // when the first of them becomes valid
	until time.Time // when the last of them expires
	sum   sum       // of the file
}

// loadAuthorities reads the certificates of authorities. There are some beside a fault that is bearable.
func loadAuthorities(path string, now time.Time) (*authorities, *FileError) {
	data, fault := readFile(path)
	if fault != nil {
		return nil, fault
	}
	a := &authorities{file: path, pool: x509.NewCertPool(), sum: sha256.Sum256(data)}
	some := false
	for rest := data; ; {
		var block *pem.Block
		if block, rest = pem.Decode(rest); block == nil {
			break
		}
		x, err := x509.ParseCertificate(block.Bytes)
		if block.Type != "CERTIFICATE" || err != nil {
			continue // lists of many have some that Go does not read
		}
		a.pool.AddCert(x)
		if !some || x.NotBefore.Before(a.from) {
			a.from = x.NotBefore
		}
		if !some || x.NotAfter.After(a.until) {
			a.until = x.NotAfter
		}
		some = true
	}
	if !some {
		return nil, &FileError{File: path, Err: errors.New("holds no certificate in PEM")}
	}
	return a, a.fault(now)
}

// fault is why nobody can be verified by them. Of several, some may be out of date.
func (a *authorities) fault(now time.Time) *FileError {
	if err := checkTime(a.from, a.until, now); err != nil {
		return &FileError{File: a.file, Err: fmt.Errorf("what it holds %w", err), bearable: true, held: a.sum}
	}
	return nil
}

package acme

import (
	"crypto/x509"
	"encoding/base64"
	"errors"
	"fmt"
	"net/mail"
	"net/netip"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/caddyserver/certmagic"
	"golang.org/x/net/idna"

	"github.com/ringway/ringway/config"
)

// LetsEncrypt is the directory of the authority that certificates come from by default.
const LetsEncrypt = "https://acme-v02.api.letsencrypt.org/directory"

// Spec is automatic certificates as they stand in the configuration of a listener.
type Spec struct {
	Names      []string      `yaml:"names" doc:"Names to get certificates for, one for each; default: the hosts of the listener's routes."`
	Email      string        `yaml:"email" doc:"Of the account: where the authority may write when something is wrong."`
	CA         string        `yaml:"ca" doc:"Directory URL of the authority; default: Let's Encrypt. To use it is to agree to its terms of service."`
	CARoot     string        `yaml:"ca_root" doc:"File with the authorities that vouch for the CA's own server, in PEM; default: this machine's."`
	EAB        *EABSpec      `yaml:"eab" doc:"An account that the authority knows already (external account binding)."`
	KeyType    KeyType       `yaml:"key_type" doc:"Kind of the certificates' keys."`
	Profile    string        `yaml:"profile" doc:"Profile of certificates, where the authority has several, as Let's Encrypt's shortlived; default: the authority's choice."`
	Challenges []Challenge   `yaml:"challenges" doc:"How control of a name may be proven; default: both."`
	Storage    string        `yaml:"storage" doc:"Folder for accounts, keys and certificates, which workers can write to; several machines may share it. Default: $STATE_DIRECTORY, /var/lib/ringway for root, $XDG_DATA_HOME/ringway or ~/.local/share/ringway."`
	OnDemand   *OnDemandSpec `yaml:"on_demand" doc:"Get a certificate when a client first asks for a name that there is none for."`
}

// SetDefaults chooses Let's Encrypt, and keys for ECDSA with P-256.
func (s *Spec) SetDefaults() { s.CA, s.KeyType = LetsEncrypt, P256 }

// Validate reports what cannot be had.
func (s *Spec) Validate(c *config.Check) {
	for i, name := range s.Names {
		if fault := s.NameFault(name); fault != "" {
			c.At("names", i).Errorf("%s", fault)
		}
	}
	if u, err := url.Parse(s.CA); err != nil || u.Scheme != "https" || u.Host == "" {
		c.At("ca").Errorf("the directory of an authority is an https URL, as %s", LetsEncrypt)
	}
	if s.Email != "" {
		if a, err := mail.ParseAddress(s.Email); err != nil || a.Address != s.Email {
			c.At("email").Errorf("not an address for mail: want name@example.com")
		}
	}
	if s.CARoot != "" {
		if _, err := loadRoots(s.CARoot); err != nil {
			c.At("ca_root").Errorf("%v", err)
		}
	}
	if s.Storage != "" && !filepath.IsAbs(s.Storage) {
		c.At("storage").Errorf("a folder for keys is written in full, from / on: it must not depend on where the gateway is started")
	}
	if c.Has("challenges") && len(s.Challenges) == 0 && !c.At("challenges").Failed() {
		c.At("challenges").Errorf("without a way to prove control of a name there are no certificates; leave it out for both")
	}
}

// NameFault says why there can be no certificate for a name; empty if there can.
func (s *Spec) NameFault(name string) string {
	plain, err := Normal(name)
	switch {
	case strings.Contains(name, "*"):
		return "a wildcard certificate needs the DNS challenge, which there is none of: list the names, use on_demand, or give a certificate by file"
	case err != nil:
		return err.Error()
	case s.CA == LetsEncrypt && (!strings.Contains(plain, ".") || !certmagic.SubjectQualifiesForPublicCert(plain)):
		return "not a name on the internet: a public authority gives no certificate for it"
	}
	return ""
}

// Normal is the form of a name in certificates, and in what loops look up.
func Normal(name string) (string, error) {
	plain, err := idna.Lookup.ToASCII(strings.ToLower(strings.TrimSuffix(name, ".")))
	for _, s := range [...]string{name, plain} { // also one that is an address only in its normal form
		if _, err := netip.ParseAddr(s); err == nil {
			return "", errors.New("an address, of which no client tells the server in TLS: want a name")
		}
	}
	if err != nil || !plausible(plain) {
		return "", fmt.Errorf("%q is not a host name", name)
	}
	return plain, nil
}

// The lengths of names and of their labels (RFC 1035 §2.3.4).
const (
	maxName  = 253
	maxLabel = 63
)

// plausible reports whether a name in its normal form may be one that there is a certificate for. It may stand in requests that
// anybody can send.
func plausible(name string) bool {
	label := 0
	for i := range len(name) {
		switch b := name[i]; {
		case b == '.' && label > 0:
			label = 0
		case b >= 'a' && b <= 'z' || b >= '0' && b <= '9' || b == '-':
			label++
		default:
			return false
		}
		if label > maxLabel {
			return false
		}
	}
	return label > 0 && len(name) <= maxName
}

// EABSpec binds the account to one that the authority knows by other means (RFC 8555 §7.3.4).
type EABSpec struct {
	KeyID string        `yaml:"key_id" config:"required" doc:"What the authority calls the key."`
	Key   config.Secret `yaml:"key" config:"required" doc:"The key, in base64url as the authority gives it."`
}

// Validate reports a key that is none.
func (s *EABSpec) Validate(c *config.Check) {
	if _, err := base64.RawURLEncoding.DecodeString(s.macKey()); err != nil || s.Key == "" {
		c.At("key").Errorf("not a key in base64url")
	}
}

// macKey is the key without padding, which some authorities add.
func (s *EABSpec) macKey() string { return strings.TrimRight(string(s.Key), "=") }

// OnDemandSpec is about names that are known only when a client asks for them.
type OnDemandSpec struct {
	Ask        string          `yaml:"ask" config:"required" doc:"URL that says whether a name may have a certificate: it is asked with ?domain=NAME, 200 is yes, anything else no."`
	Timeout    config.Duration `yaml:"timeout" doc:"For its answer; without one it is no."`
	Names      int             `yaml:"max_names" doc:"Names that are looked after at a time; clients of more are refused."`
	Concurrent int             `yaml:"concurrent" doc:"Names that certificates are being got for at a time; clients of more are refused for now."`
}

// SetDefaults fills in 5 s, 10,000 names, and 32 at a time.
func (s *OnDemandSpec) SetDefaults() {
	s.Timeout, s.Names, s.Concurrent = config.Duration(5*time.Second), 10_000, 32
}

// Validate reports an URL that cannot be asked: without permission anybody could have certificates made for any name.
func (s *OnDemandSpec) Validate(c *config.Check) {
	if u, err := url.Parse(s.Ask); err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		c.At("ask").Errorf("want the URL of a service that says which names may have a certificate, as http://127.0.0.1:9123/may")
	}
	if s.Timeout <= 0 {
		c.At("timeout").Errorf("the answer needs a bound, as 5s: a handshake waits for it")
	}
	if s.Names < 1 || s.Names > 1_000_000 {
		c.At("max_names").Errorf("max_names is 1 to 1000000")
	}
	if s.Concurrent < 1 || s.Concurrent > 1000 {
		c.At("concurrent").Errorf("concurrent is 1 to 1000")
	}
}

// KeyType is a kind of key.
type KeyType string

// The kinds.
const (
	P256    KeyType = "p256"
	P384    KeyType = "p384"
	RSA2048 KeyType = "rsa2048"
	RSA4096 KeyType = "rsa4096"
)

// EnumValues are the kinds there are. They are certmagic's names, too.
func (KeyType) EnumValues() []string {
	return []string{string(P256), string(P384), string(RSA2048), string(RSA4096)}
}

// Challenge is a way to prove control of a name.
type Challenge string

// The ways: a file that is fetched from port 80, and a handshake on port 443.
const (
	HTTP01    Challenge = "http-01"
	TLSALPN01 Challenge = "tls-alpn-01"
)

// EnumValues are the ways there are.
func (Challenge) EnumValues() []string { return []string{string(HTTP01), string(TLSALPN01)} }

// Uses reports whether control may be proven so.
func (s *Spec) Uses(c Challenge) bool {
	for _, o := range s.Challenges {
		if o == c {
			return true
		}
	}
	return len(s.Challenges) == 0
}

// loadRoots reads the authorities of the CA's own server.
func loadRoots(path string) (*x509.CertPool, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(data) {
		return nil, fmt.Errorf("%s: holds no certificate in PEM", path)
	}
	return pool, nil
}

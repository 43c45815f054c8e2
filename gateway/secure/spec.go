package secure

import (
	"crypto/tls"
	"strconv"
	"time"

	"github.com/ringway/ringway/config"
	"github.com/ringway/ringway/gateway/secure/acme"
)

// Spec is the TLS of a listener as it stands in the configuration.
type Spec struct {
	Certificates []CertificateSpec `yaml:"certificates" doc:"What it shows to clients, by the server name they ask for; the first is for those that ask for none of them. A name may have several, of different kinds of key."`
	ACME         *acme.Spec        `yaml:"acme" doc:"Get certificates from an authority, such as Let's Encrypt, and renew them."`
	Profile      Profile           `yaml:"profile" doc:"Versions and cipher suites, by Mozilla's names: intermediate is TLS 1.2 and 1.3, modern is TLS 1.3 only."`
	UnknownNames UnknownNames      `yaml:"unknown_names" doc:"What clients get that ask for a name without a certificate: the first one, or a refusal."`
	ClientAuth   *ClientAuthSpec   `yaml:"client_auth" doc:"Ask clients for a certificate (mutual TLS)."`
	Tickets      TicketSpec        `yaml:"session_tickets" doc:"Sessions that clients may resume without a full handshake."`
	Handshake    HandshakeSpec     `yaml:"handshake" doc:"Bounds of handshakes."`
	HSTS         *HSTSSpec         `yaml:"hsts" doc:"Tell browsers to come by TLS only (Strict-Transport-Security), unless the response says so itself."`
	Watch        config.Duration   `yaml:"watch" doc:"How often the files are looked at; changed ones are taken over without a reload. off: only at the start and on a reload."`
}

// SetDefaults chooses the intermediate profile and looks at files every ten seconds.
func (s *Spec) SetDefaults() {
	s.Profile, s.UnknownNames, s.Watch = Intermediate, ShowDefault, config.Duration(10*time.Second)
}

// Validate reports what is wrong, files included: a certificate that does not work is to be found before it is in use.
func (s *Spec) Validate(c *config.Check) {
	if len(s.Certificates) == 0 && s.ACME == nil && !c.At("certificates").Failed() && !c.At("acme").Failed() {
		c.At("certificates").Suggest("acme: {}", "a TLS listener needs at least one certificate, or acme, which gets them from an authority")
	}
}

// CertificateSpec is one certificate and where its key is.
type CertificateSpec struct {
	Cert      string         `yaml:"cert" config:"required" doc:"File with the certificate and those of the authorities between, in PEM."`
	Key       string         `yaml:"key" doc:"File with the private key, in PEM. Beside a key server it is what signs when that does not."`
	KeyServer *KeyServerSpec `yaml:"key_server" doc:"Who signs instead, so that the key need not be here: see ringway keyserver."`
	OCSP      string         `yaml:"ocsp" doc:"Staple a proof that the certificate is not revoked: a file with an OCSP response (DER), or fetch, which asks the authority."`
}

// FetchOCSP is the word that stands for a response which is asked for.
const FetchOCSP = "fetch"

// Validate loads the certificate and says what is wrong with it.
func (s *CertificateSpec) Validate(c *config.Check) {
	if s.Key == "" && s.KeyServer == nil {
		c.Errorf("a certificate needs a key, or a key_server that has it")
		return
	}
	if s.Cert == "" || c.Failed() {
		return
	}
	cert, err := loadCertificate(s, time.Now())
	if err != nil {
		at := c.At("cert")
		if err.key {
			at = c.At("key")
		}
		at.Fault(err)
		return
	}
	if s.filedProof() {
		if err := loadProof(cert); err != nil {
			c.At("ocsp").Fault(err)
		}
	}
}

// filedProof reports whether there is a file with the OCSP response.
func (s *CertificateSpec) filedProof() bool { return s.OCSP != "" && s.OCSP != FetchOCSP }

// LooksOutside says that Validate looks at the files and the clock.
func (s *CertificateSpec) LooksOutside() {}

// KeyServerSpec is a key server.
type KeyServerSpec struct {
	Address string          `yaml:"address" config:"required" doc:"Where it listens: unix:/path."`
	Timeout config.Duration `yaml:"timeout" doc:"For one signature."`
}

// SetDefaults gives a signature one second.
func (s *KeyServerSpec) SetDefaults() { s.Timeout = config.Duration(time.Second) }

// Validate reports an address that is no Unix socket's: keys are not to be used over a network.
func (s *KeyServerSpec) Validate(c *config.Check) {
	if len(s.Address) < 6 || s.Address[:5] != "unix:" || len(s.Address) > 112 {
		c.At("address").Errorf("a key server listens on a Unix socket: unix:/path, of at most 107 bytes")
	}
	if s.Timeout <= 0 {
		c.At("timeout").Errorf("a signature needs a bound, as 1s: a handshake waits for it")
	}
}

// Profile is a choice of versions and cipher suites, after Mozilla's recommendations.
type Profile string

// The profiles.
const (
	Modern       Profile = "modern"
	Intermediate Profile = "intermediate"
)

// EnumValues are the profiles there are.
func (Profile) EnumValues() []string { return []string{string(Modern), string(Intermediate)} }

// apply sets the profile's versions and cipher suites. Go chooses among the suites by what the machine is fast at, those of
// TLS 1.3 and the groups for the key exchange, post-quantum X25519MLKEM768 first.
func (p Profile) apply(c *tls.Config) {
	c.MinVersion = tls.VersionTLS13
	if p == Intermediate {
		c.MinVersion = tls.VersionTLS12
		c.CipherSuites = []uint16{
			tls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256, tls.TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256,
			tls.TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384, tls.TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384,
			tls.TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256, tls.TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256,
		}
	}
}

// UnknownNames says what clients get that ask for a name without a certificate.
type UnknownNames string

// The choices.
const (
	ShowDefault UnknownNames = "default"
	RefuseThem  UnknownNames = "refuse"
)

// EnumValues are the choices there are.
func (UnknownNames) EnumValues() []string { return []string{string(ShowDefault), string(RefuseThem)} }

// ClientAuthSpec says whose certificates clients must, or may, show.
type ClientAuthSpec struct {
	Mode ClientAuthMode `yaml:"mode" doc:"require: who shows none is refused; optional: who shows one needs a good one."`
	CA   string         `yaml:"ca" config:"required" doc:"File with the certificates of the authorities that clients' certificates come from, in PEM."`
}

// SetDefaults requires a certificate.
func (s *ClientAuthSpec) SetDefaults() { s.Mode = Require }

// Validate loads the authorities.
func (s *ClientAuthSpec) Validate(c *config.Check) {
	if s.CA == "" {
		return
	}
	if _, err := loadAuthorities(s.CA, time.Now()); err != nil {
		c.At("ca").Fault(err)
	}
}

// LooksOutside says that Validate looks at the file and the clock.
func (s *ClientAuthSpec) LooksOutside() {}

// ClientAuthMode says whether a client needs a certificate.
type ClientAuthMode string

// The modes.
const (
	Require  ClientAuthMode = "require"
	Optional ClientAuthMode = "optional"
)

// EnumValues are the modes there are.
func (ClientAuthMode) EnumValues() []string { return []string{string(Require), string(Optional)} }

// TicketSpec is about session tickets.
type TicketSpec struct {
	Enabled bool            `yaml:"enabled" doc:"Give tickets out."`
	Rotate  config.Duration `yaml:"rotate" doc:"How old a key grows that tickets are encrypted with; those of the two keys before are still taken."`
}

// SetDefaults rotates keys every 12 hours.
func (s *TicketSpec) SetDefaults() { s.Enabled, s.Rotate = true, config.Duration(12*time.Hour) }

// Validate reports a rotation that would leave no use of tickets.
func (s *TicketSpec) Validate(c *config.Check) {
	if s.Rotate.Std() < time.Minute || s.Rotate.Std() > 7*24*time.Hour {
		c.At("rotate").Errorf("ticket keys are rotated after 1m at least and a week at most")
	}
}

// HandshakeSpec bounds handshakes.
type HandshakeSpec struct {
	Timeout    config.Duration `yaml:"timeout" doc:"From the connection, or the PROXY header at its start, to the end of its handshake."`
	Concurrent int             `yaml:"concurrent" doc:"Handshakes at work at a time, over all loops; the next ones wait. One that waits for its client is not at work."`
}

// SetDefaults fills in 10 s and 1,024 handshakes.
func (s *HandshakeSpec) SetDefaults() {
	*s = HandshakeSpec{Timeout: config.Duration(10 * time.Second), Concurrent: 1024}
}

// Validate keeps the bounds bounds.
func (s *HandshakeSpec) Validate(c *config.Check) {
	if s.Timeout <= 0 {
		c.At("timeout").Errorf("a handshake needs a bound, as 10s: a client that says nothing would hold it for ever")
	}
	if s.Concurrent < 1 || s.Concurrent > 1<<16 {
		c.At("concurrent").Errorf("concurrent is 1 to 65536")
	}
}

// HSTSSpec is what Strict-Transport-Security says (RFC 6797).
type HSTSSpec struct {
	MaxAge            config.Duration `yaml:"max_age" doc:"How long browsers are to remember it."`
	IncludeSubdomains bool            `yaml:"include_subdomains" doc:"For every name below the host's, too."`
	Preload           bool            `yaml:"preload" doc:"Consent to be put on browsers' built-in lists, which is hard to undo."`
}

// SetDefaults fills in two years, as Mozilla recommends.
func (s *HSTSSpec) SetDefaults() { s.MaxAge = config.Duration(63072000 * time.Second) }

// Validate reports what the lists of browsers do not take.
func (s *HSTSSpec) Validate(c *config.Check) {
	if s.Preload && (!s.IncludeSubdomains || s.MaxAge.Std() < 365*24*time.Hour) {
		c.At("preload").Errorf("browsers' lists take only hosts with include_subdomains and a max_age of at least 8760h")
	}
}

// Value is the field's value.
func (s *HSTSSpec) Value() []byte {
	v := strconv.AppendInt([]byte("max-age="), int64(s.MaxAge.Std()/time.Second), 10)
	if s.IncludeSubdomains {
		v = append(v, "; includeSubDomains"...)
	}
	if s.Preload {
		v = append(v, "; preload"...)
	}
	return v
}

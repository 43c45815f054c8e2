package secure

import (
	"crypto"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net"
	"strings"
	"time"

	"github.com/ringway/ringway/config"
	"github.com/ringway/ringway/conn"
	"github.com/ringway/ringway/loop"
)

// ClientSpec is the TLS of a cluster as it stands in the configuration.
type ClientSpec struct {
	CA         string  `yaml:"ca" doc:"File with the authorities that servers' certificates must come from, in PEM; default: this machine's."`
	ServerName string  `yaml:"server_name" doc:"Name that is asked for and that the certificate must have; default: the endpoint's host."`
	Verify     bool    `yaml:"verify" doc:"Demand a certificate that is valid for the name. Without, anybody on the way can read and change everything."`
	Cert       string  `yaml:"cert" doc:"File with the certificate that servers are shown (mutual TLS), in PEM."`
	Key        string  `yaml:"key" doc:"File with its private key, in PEM."`
	Profile    Profile `yaml:"profile" doc:"Versions and cipher suites, by Mozilla's names."`
}

// SetDefaults verifies, and chooses the intermediate profile.
func (s *ClientSpec) SetDefaults() { s.Verify, s.Profile = true, Intermediate }

// Validate reports what is wrong, files included.
func (s *ClientSpec) Validate(c *config.Check) {
	if s.CA != "" {
		if !s.Verify {
			c.At("ca").Errorf("without verify nobody asks which authority a certificate comes from; leave it out")
		} else if _, err := loadAuthorities(s.CA, time.Now()); err != nil {
			c.At("ca").Fault(err)
		}
	}
	switch {
	case (s.Cert == "") != (s.Key == ""):
		c.Errorf("a certificate needs a key and a key a certificate: give cert and key")
	case s.Cert != "":
		if _, err := loadClientCertificate(s, time.Now()); err != nil {
			at := c.At("cert")
			if err.key {
				at = c.At("key")
			}
			at.Fault(err)
		}
	}
}

// LooksOutside says that Validate looks at the files and the clock.
func (s *ClientSpec) LooksOutside() {}

// ownCertificate is what servers are shown.
type ownCertificate struct {
	shown *tls.Certificate
	key   crypto.Signer
	sum   sum // of its file
}

// loadClientCertificate reads the certificate that servers are shown. There is one beside a fault that is bearable.
func loadClientCertificate(s *ClientSpec, now time.Time) (*ownCertificate, *FileError) {
	data, fault := readFile(s.Cert)
	if fault != nil {
		return nil, fault
	}
	chain, err := parseChain(data)
	if err != nil {
		return nil, &FileError{File: s.Cert, Err: err}
	}
	key, fault := loadKey(&CertificateSpec{Cert: s.Cert, Key: s.Key}, data)
	if fault != nil {
		return nil, fault
	}
	own := &ownCertificate{shown: &tls.Certificate{Leaf: chain[0]}, key: key, sum: sha256.Sum256(data)}
	for _, x := range chain {
		own.shown.Certificate = append(own.shown.Certificate, x.Raw)
	}
	return own, own.fault(s, now)
}

// fault is why servers do not take it.
func (o *ownCertificate) fault(s *ClientSpec, now time.Time) *FileError {
	if err := checkTime(time.Time{}, o.shown.Leaf.NotAfter, now); err != nil {
		return &FileError{File: s.Cert, Err: fmt.Errorf("the certificate %w", err), bearable: true, held: o.sum}
	}
	return nil
}

// Client is the TLS of one cluster, shared by the loops. It does not change.
type Client struct {
	spec  *ClientSpec
	roots *authorities    // nil: this machine's
	own   *ownCertificate // nil: none
	files sum             // what was read
}

// Same reports whether c and o make connections alike. Either may be nil, for plain ones.
func (c *Client) Same(o *Client) bool {
	return c == o || c != nil && o != nil && *c.spec == *o.spec && c.files == o.files
}

// NewClient loads the files. It takes those that only Validate complains of, which Faults tells. The error names the file.
func NewClient(spec *ClientSpec) (*Client, error) {
	c, now := &Client{spec: spec}, time.Now()
	if spec.CA != "" {
		var err *FileError
		if c.roots, err = loadAuthorities(spec.CA, now); c.roots == nil {
			return nil, err
		}
	}
	if spec.Cert != "" {
		var err *FileError
		if c.own, err = loadClientCertificate(spec, now); c.own == nil {
			return nil, err
		}
	}
	all := sha256.New()
	for _, f := range []string{spec.CA, spec.Cert, spec.Key} {
		if f != "" {
			data, _ := readFile(f) // it was read just before; if it changed since, it differs from the next
			all.Write(data)
		}
		all.Write([]byte{0})
	}
	all.Sum(c.files[:0])
	return c, nil
}

// Faults are why servers do not take what is in use, or would not be taken. c may be nil, for plain connections.
func (c *Client) Faults(now time.Time) (all []error) {
	if c == nil {
		return nil
	}
	if c.roots != nil {
		if fault := c.roots.fault(now); fault != nil {
			all = append(all, fault)
		}
	}
	if c.own != nil {
		if fault := c.own.fault(c.spec, now); fault != nil {
			all = append(all, fault)
		}
	}
	return all
}

// Bears reports whether a fault is bearable and of what c uses already. c may be nil.
func (c *Client) Bears(fault error) bool {
	held, ok := bearable(fault)
	return ok && c != nil && (c.roots != nil && c.roots.sum == held || c.own != nil && c.own.sum == held)
}

// sessions is how many sessions are kept for resumption, for each endpoint on each loop: each connection of a pool may get
// some, and the newest is used.
const sessions = 16

// Connector makes connections of one loop to one endpoint TLS.
type Connector struct {
	config *tls.Config
	// Resumed counts the handshakes that resumed a session.
	Resumed uint64
}

// Connector makes a loop's part for an endpoint, which is written as host:port or unix:/path. It offers the protocols by ALPN.
func (c *Client) Connector(l *loop.Loop, endpoint string, protocols []string) *Connector {
	name := c.spec.ServerName
	if name == "" && !strings.HasPrefix(endpoint, "unix:") {
		name, _, _ = net.SplitHostPort(endpoint)
	}
	cfg := &tls.Config{
		ServerName: name, NextProtos: protocols, ClientSessionCache: tls.NewLRUClientSessionCache(sessions),
		DynamicRecordSizingDisabled: true,
		InsecureSkipVerify:          true, // crypto/tls would verify on the loop; VerifyConnection does it elsewhere
	}
	c.spec.Profile.apply(cfg)
	if c.spec.Verify {
		var roots *x509.CertPool
		if c.roots != nil {
			roots = c.roots.pool
		}
		cfg.VerifyConnection = func(s tls.ConnectionState) error {
			return verify(l, s.PeerCertificates, x509.VerifyOptions{Roots: roots, DNSName: name})
		}
	}
	if c.own != nil {
		own := *c.own.shown
		own.PrivateKey = &offloaded{publicHalf: publicHalf{c.own.key.Public()}, loop: l, key: c.own.key}
		cfg.Certificates = []tls.Certificate{own}
	}
	return &Connector{config: cfg}
}

// Connect makes a new connection TLS, in a task, within the time given (0: any). It tells which protocol the server has chosen,
// empty if it knows no ALPN. On failure the connection is closed.
func (k *Connector) Connect(t *loop.Task, c *conn.Conn, limit time.Duration) (*conn.TLS, string, error) {
	s := conn.NewTLSClient(c, k.config)
	shake := s.Handshake
	if limit > 0 {
		shake = func() error { return loop.Timeout(t, limit, s.Handshake) }
	}
	if err := shake(); err != nil {
		_ = s.Close()
		return nil, "", err
	}
	state := s.State()
	if state.DidResume {
		k.Resumed++
	}
	return s, state.NegotiatedProtocol, nil
}

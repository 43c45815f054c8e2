package secure

import (
	"crypto/tls"
	"errors"
	"io"
	"net"
	"os"
	"strings"
	"time"

	"github.com/ringway/ringway/conn"
	"github.com/ringway/ringway/gateway/secure/acme"
	"github.com/ringway/ringway/gateway/secure/keyless"
	"github.com/ringway/ringway/loop"
	"github.com/ringway/ringway/observe/metrics"
	"github.com/ringway/ringway/sys"
)

// Info is what a handshake has settled, as long as the connection lives.
type Info struct {
	Version    uint16
	Cipher     uint16
	ServerName string // as the client asked; empty for none
	Protocol   string // by ALPN; empty for none
	Resumed    bool
	Client     *ClientCertificate // nil for none
}

// VersionName is the version as logs have it: TLS 1.3.
func (i *Info) VersionName() string { return tls.VersionName(i.Version) }

// Terminator runs the handshakes of one listener on one loop.
type Terminator struct {
	// Protocols are those offered by ALPN, the preferred first. They are set before the first handshake.
	Protocols []string

	counters *metrics.TLSCounters // the listener's
	server   *Server
	n        *conn.Net
	report   *reporter
	slots    *loop.Semaphore // for handshakes that are at work
	patient  int             // handshakes that may wait for a certificate on demand at a time
	waiting  int             // those that do
	seen     *snapshot
	tickets  *Tickets // that config has
	config   *tls.Config
	keys     map[string]*keyless.Client // by address
}

func newTerminator(s *Server, n *conn.Net, concurrent int) *Terminator {
	t := &Terminator{server: s, n: n, report: newReporter(s.log, s.name), slots: loop.NewSemaphore(max(concurrent, 1)), patient: max(concurrent/2, 1), keys: map[string]*keyless.Client{}}
	t.counters = new(metrics.TLSCounters)
	return t
}

// Count makes c what handshakes are counted in.
func (t *Terminator) Count(c *metrics.TLSCounters) {
	c.Enabled = true
	t.counters = c
}

// Timeout is how long a client may take from its connection, or from the PROXY header at its start, to the end of the handshake.
func (t *Terminator) Timeout() time.Duration { return t.server.Spec.Handshake.Timeout.Std() }

// Handshake makes a connection that has sent something TLS, in a task, within what is left of the client's time. If that fails the
// reason has been counted and logged, and the connection is closed.
func (t *Terminator) Handshake(task *loop.Task, c *conn.Conn, left time.Duration) (*conn.TLS, *Info) {
	start := t.n.Loop.Now()
	peer := c.Remote()
	t.counters.Running++
	defer func() { t.counters.Running-- }()
	c.SetReadTimeout(0)
	c.SetWriteTimeout(max(left, 1))
	s := conn.NewTLSServer(c, t.current())
	err := loop.Timeout(task, left, func() error { return s.HandshakeWithin(t.slots) })
	if err != nil {
		result := resultOf(err)
		t.counters.Results[result]++
		t.report.handshake(t.n.Loop.Now(), result, err, "peer", peer)
		if task.Cause() != nil {
			c.Abort()
		} else {
			_ = s.Close()
		}
		return nil, nil
	}
	info := infoOf(s.State())
	t.counters.Results[metrics.TLSDone]++
	if i := int(info.Version) - tls.VersionTLS12; i >= 0 && i < metrics.TLSVersions {
		t.counters.Versions[i]++
	}
	if info.Resumed {
		t.counters.Resumed++
	}
	t.counters.Duration.Observe(t.n.Loop.Now() - start)
	if info.Protocol == acme.Protocol { // that was all that the authority wanted (RFC 8737 §3)
		_ = s.Close()
		return nil, nil
	}
	return s, info
}

// Refused counts a connection that ends before its handshake began.
func (t *Terminator) Refused(r metrics.TLSResult) { t.counters.Results[r]++ }

func infoOf(s tls.ConnectionState) *Info {
	i := &Info{Version: s.Version, Cipher: s.CipherSuite, ServerName: s.ServerName, Protocol: s.NegotiatedProtocol, Resumed: s.DidResume}
	if len(s.PeerCertificates) > 0 {
		i.Client = newClientCertificate(s.PeerCertificates[0])
	}
	return i
}

// current is the loop's configuration, made anew when the snapshot has changed.
func (t *Terminator) current() *tls.Config {
	snap, tickets := t.server.current.Load(), t.server.tickets.Load()
	if snap == t.seen && tickets == t.tickets {
		return t.config
	}
	spec := t.server.Spec
	var offers []*offer
	for _, c := range snap.certificates {
		o := &offer{shown: c.shown, of: c}
		o.shown.PrivateKey = t.signer(c)
		offers = append(offers, o)
	}
	files := newNames(offers, spec.UnknownNames == RefuseThem)
	c := &tls.Config{
		GetCertificate:              files.choose,
		NextProtos:                  t.Protocols,
		SessionTicketsDisabled:      !spec.Tickets.Enabled,
		DynamicRecordSizingDisabled: true, // records of one segment save a client some waiting, and cost a large response ten times the work
	}
	if t.server.claim != nil {
		c.GetCertificate = (&managed{t: t, files: files, claim: t.server.claim}).choose
	}
	if t.server.challenges != nil {
		c.GetConfigForClient = t.forChallenge
	}
	spec.Profile.apply(c)
	if spec.Tickets.Enabled {
		c.SetSessionTicketKeys(tickets.under(spec.ClientAuth, snap.authorities))
	}
	if snap.authorities != nil {
		askClients(c, t.n.Loop, spec.ClientAuth.Mode, snap.authorities.pool)
	}
	t.seen, t.tickets, t.config = snap, tickets, c
	return c
}

// signer is where this loop has signatures made with a certificate's key.
func (t *Terminator) signer(c *certificate) *offloaded {
	s := &offloaded{publicHalf: publicHalf{c.leaf().PublicKey}, loop: t.n.Loop, key: c.key, report: t.report}
	if k := c.spec.KeyServer; k != nil {
		if t.keys[k.Address] == nil {
			t.keys[k.Address] = keyless.NewClient(t.n, k.Address, k.Timeout.Std())
		}
		s.server = t.keys[k.Address]
	}
	return s
}

// Close gives up the connections to key servers.
func (t *Terminator) Close() {
	for _, k := range t.keys {
		k.Close()
	}
}

// PlainHTTP reports whether a connection that begins so is HTTP without TLS: methods begin with a letter, which no record of
// TLS does.
func PlainHTTP(first []byte) bool { return len(first) > 0 && first[0] >= 'A' && first[0] <= 'Z' }

// shared are words of crypto/tls's errors, which have no types, for handshakes in which the sides have nothing in common.
var shared = []string{"unsupported versions", "no cipher suite supported", "no ECDHE curve", "unsupported application protocols",
	"peer doesn't support any of the certificate's signature algorithms", "no mutually supported", "protocol version not supported"}

// resultOf is what an error of a handshake counts as.
func resultOf(err error) metrics.TLSResult {
	var op *net.OpError
	msg := err.Error()
	switch {
	case errors.Is(err, conn.ErrNoSlot):
		return metrics.TLSOverloaded
	case errors.Is(err, conn.ErrTLSFlight):
		return metrics.TLSMalformed
	case errors.Is(err, os.ErrDeadlineExceeded):
		return metrics.TLSTimeout
	case errors.As(err, new(*CertificateError)):
		return metrics.TLSClientCertificate
	case strings.Contains(msg, "no certificates configured"):
		return metrics.TLSUnknownName
	case errors.Is(err, loop.ErrOffloadFull), strings.Contains(msg, loop.ErrOffloadFull.Error()), strings.Contains(msg, "no block left"):
		return metrics.TLSOverloaded
	case strings.Contains(msg, "failed to sign"), strings.Contains(msg, "keyless:"):
		return metrics.TLSKeyFailed
	case errors.As(err, &op) && op.Op == "remote error":
		return metrics.TLSClientRefused
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, net.ErrClosed), sys.IsBroken(err), sys.IsReset(err):
		return metrics.TLSClientClosed
	case errors.Is(err, loop.ErrStopped):
		return metrics.TLSFailed
	}
	for _, words := range shared {
		if strings.Contains(msg, words) {
			return metrics.TLSNothingShared
		}
	}
	if strings.HasPrefix(msg, "tls: ") || errors.As(err, &op) && op.Op == "local error" {
		return metrics.TLSMalformed
	}
	return metrics.TLSFailed
}

package secure

import (
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"testing"
	"time"

	"github.com/ringway/ringway/config"
	"github.com/ringway/ringway/conn"
	"github.com/ringway/ringway/loop"
	"github.com/ringway/ringway/observe/metrics"
)

// TestRotation: a new key is in use at once, and tickets of the two before are still taken.
func TestRotation(t *testing.T) {
	const often = time.Hour
	s := &Server{Spec: &Spec{Tickets: TicketSpec{Enabled: true, Rotate: config.Duration(often)}}, log: slog.New(slog.DiscardHandler)}
	s.tickets.Store(newTickets())
	due := s.Tickets().Since
	var used []TicketKey
	for i := range 5 {
		now := s.Tickets().Keys
		if len(now) != min(i+1, ticketKeys) {
			t.Fatalf("%d keys after %d rotations", len(now), i)
		}
		for j := range now[1:] {
			if now[j+1] != used[len(used)-1-j] {
				t.Errorf("after %d rotations key %d is not the one used before", i, j+1)
			}
		}
		used = append(used, now[0])
		due = due.Add(often)
		s.rotate(due.Add(-time.Second))
		if len(s.Tickets().Keys) != len(now) || s.Tickets().Keys[0] != now[0] {
			t.Error("a key was replaced before its time")
		}
		s.rotate(due)
	}
	for i := range used {
		for j := range i {
			if used[i] == used[j] {
				t.Error("a key came back")
			}
		}
	}
}

func TestHSTSValue(t *testing.T) {
	var s HSTSSpec
	s.SetDefaults()
	if got := string(s.Value()); got != "max-age=63072000" {
		t.Error(got)
	}
	s.IncludeSubdomains, s.Preload = true, true
	if got := string(s.Value()); got != "max-age=63072000; includeSubDomains; preload" {
		t.Error(got)
	}
	s = HSTSSpec{MaxAge: config.Duration(0)}
	if got := string(s.Value()); got != "max-age=0" {
		t.Error(got)
	}
}

func TestPlainHTTP(t *testing.T) {
	for first, want := range map[string]bool{"": false, "GET / HTTP/1.1": true, "PRI * HTTP/2.0": true, "\x16\x03\x01": false, "\x80\x2e": false, "\x15\x03": false, "g": false} {
		if PlainHTTP([]byte(first)) != want {
			t.Errorf("%q: %v", first, !want)
		}
	}
}

// TestProfiles: every cipher suite has forward secrecy and is none that crypto/tls warns of.
func TestProfiles(t *testing.T) {
	secure := map[uint16]bool{}
	for _, s := range tls.CipherSuites() {
		secure[s.ID] = true
	}
	var c tls.Config
	Intermediate.apply(&c)
	if c.MinVersion != tls.VersionTLS12 || len(c.CipherSuites) != 6 {
		t.Errorf("%x, %v", c.MinVersion, c.CipherSuites)
	}
	for _, id := range c.CipherSuites {
		if !secure[id] {
			t.Error(tls.CipherSuiteName(id))
		}
	}
	c = tls.Config{}
	if Modern.apply(&c); c.MinVersion != tls.VersionTLS13 {
		t.Errorf("%x", c.MinVersion)
	}
}

func TestResultOf(t *testing.T) {
	for _, c := range []struct {
		err  error
		want metrics.TLSResult
	}{
		{os.ErrDeadlineExceeded, metrics.TLSTimeout},
		{loop.ErrTimeout, metrics.TLSTimeout},
		{conn.ErrNoSlot, metrics.TLSOverloaded},
		{conn.ErrTLSFlight, metrics.TLSMalformed},
		{errNoCertificate, metrics.TLSClientCertificate},
		{fmt.Errorf("handshake: %w", &CertificateError{Rule: "expired", Err: io.EOF}), metrics.TLSClientCertificate},
		{loop.ErrOffloadFull, metrics.TLSOverloaded},
		{errors.New("tls: failed to sign handshake: " + loop.ErrOffloadFull.Error()), metrics.TLSOverloaded},
		{errors.New("tls: failed to sign handshake: no"), metrics.TLSKeyFailed},
		{&net.OpError{Op: "remote error", Err: tls.AlertError(42)}, metrics.TLSClientRefused},
		{&net.OpError{Op: "local error", Err: tls.AlertError(20)}, metrics.TLSMalformed},
		{io.EOF, metrics.TLSClientClosed},
		{net.ErrClosed, metrics.TLSClientClosed},
		{errors.New("tls: client offered only unsupported versions: [301]"), metrics.TLSNothingShared},
		{errors.New("tls: no cipher suite supported by both client and server"), metrics.TLSNothingShared},
		{errors.New("tls: no certificates configured"), metrics.TLSUnknownName},
		{tls.RecordHeaderError{Msg: "x"}, metrics.TLSMalformed},
		{errors.New("anything"), metrics.TLSFailed},
	} {
		if got := resultOf(c.err); got != c.want {
			t.Errorf("%v: %v, want %v", c.err, got, c.want)
		}
	}
}

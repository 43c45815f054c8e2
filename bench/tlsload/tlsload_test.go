package main

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"io"
	"log"
	"math/big"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// serve answers over TLS with a text, with a certificate for the key, and counts the handshakes.
func serve(t *testing.T, text string, key crypto.Signer, groups ...tls.CurveID) (addr string, handshakes *atomic.Int64) {
	t.Helper()
	template := &x509.Certificate{SerialNumber: big.NewInt(1), DNSNames: []string{"localhost"}, NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/small" {
			_, _ = io.WriteString(w, text)
		}
	}))
	handshakes = new(atomic.Int64)
	s.TLS = &tls.Config{CurvePreferences: groups, Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}},
		VerifyConnection: func(tls.ConnectionState) error {
			handshakes.Add(1)
			return nil
		}}
	s.Config.ErrorLog = log.New(io.Discard, "", 0) // of clients that refuse it
	s.StartTLS()
	t.Cleanup(s.Close)
	return s.Listener.Addr().String(), handshakes
}

// p256 is a key as the benchmark's certificates have it.
func p256(t *testing.T) crypto.Signer {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func clientOf(t *testing.T, addr string, connections int, rate float64, groups ...string) *client {
	t.Helper()
	c, err := newClient(options{to: addr, groups: groups, connections: connections, rate: rate, duration: 300 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// TestHandshakes: every one that is counted was a handshake of its own, with the group that the server chose.
func TestHandshakes(t *testing.T) {
	addr, handshakes := serve(t, body, p256(t), tls.X25519)
	r := clientOf(t, addr, 4, 0, "X25519MLKEM768", "X25519").together()
	if r.Done == 0 || r.Failures > 0 || r.Done != handshakes.Load() || r.Group != "X25519" || r.P50 <= 0 || r.P99 < r.P50 || r.Elapsed < 300*time.Millisecond {
		t.Errorf("%+v of %d handshakes", r, handshakes.Load())
	}
}

// TestRate: there are as many as the rate says, and not more than may go on.
func TestRate(t *testing.T) {
	addr, handshakes := serve(t, body, p256(t))
	r := clientOf(t, addr, 100, 100, "CurveP256").atRate()
	if r.Done == 0 || r.Done > 31 || r.Failures > 0 || r.Done != handshakes.Load() || r.Group != "CurveP256" {
		t.Errorf("%+v of %d handshakes", r, handshakes.Load())
	}
}

// TestRequests: they go over connections that are kept.
func TestRequests(t *testing.T) {
	addr, handshakes := serve(t, body, p256(t))
	r, err := clientOf(t, addr, 5, 500, "X25519").keepAsking()
	if err != nil || r.Done < 10 || r.Failures > 0 || handshakes.Load() != 5 || r.P99 < r.P50 {
		t.Errorf("%+v, %v over %d handshakes", r, err, handshakes.Load())
	}
}

// TestBursts: what is told is of one client's requests, and the others have begun handshakes.
func TestBursts(t *testing.T) {
	addr, handshakes := serve(t, body, p256(t))
	r, err := clientOf(t, addr, 20, 0, "X25519").bursts()
	if err != nil || r.Done == 0 || r.Failures > 0 || r.P50 <= 0 || r.P99 < r.P50 || r.Group != "X25519" {
		t.Errorf("%+v, %v", r, err)
	}
	if n := handshakes.Load(); n < 2 || n > 1+20*r.Done {
		t.Errorf("%d handshakes in %d bursts of 20", n, r.Done)
	}
}

// TestFailures: servers that do other work, or answer wrongly, have nothing done.
func TestFailures(t *testing.T) {
	rsaKey, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		text  string
		key   crypto.Signer
		group string
		want  string
	}{
		"another key":   {body, rsaKey, "X25519", "not ECDSA P-256"},
		"another group": {body, p256(t), "CurveP256", "handshake failure"},
		"another body":  {body[1:] + "x", p256(t), "X25519", "200 OK with 128 bytes"},
	} {
		t.Run(name, func(t *testing.T) {
			addr, _ := serve(t, c.text, c.key, tls.X25519)
			r := clientOf(t, addr, 1, 0, c.group).together()
			if r.Done != 0 || r.Failures == 0 || !strings.Contains(r.FailureText, c.want) {
				t.Errorf("%+v, want a failure with %q", r, c.want)
			}
		})
	}
}

func TestCommands(t *testing.T) {
	for _, args := range []string{"", "drive", "requests -to 127.0.0.1:1", "handshakes -connections 0", "handshakes -groups X448", "requests -rate 5 -to 127.0.0.1:1", "bursts -to 127.0.0.1:1", "bursts -rate 5"} {
		if err := run(strings.Fields(args)); err == nil {
			t.Errorf("%q is done", args)
		}
	}
}

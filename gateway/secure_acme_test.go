package gateway

import (
	"context"
	"crypto/x509"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/caddyserver/certmagic"
	"golang.org/x/crypto/ocsp"

	"github.com/ringway/ringway/observe/metrics"
)

// nowhereCA is an authority that nobody listens for.
const nowhereCA = "https://127.0.0.1:1/dir"

// keep writes a pair into a folder as if the authority had issued it for the name.
func (p *pair) keep(t *testing.T, dir, name string) {
	t.Helper()
	s := &certmagic.FileStorage{Path: dir}
	issuer, keys := (&certmagic.ACMEIssuer{CA: nowhereCA}).IssuerKey(), certmagic.StorageKeys
	for to, from := range map[string]string{keys.SiteCert(issuer, name): p.cert, keys.SitePrivateKey(issuer, name): p.key, keys.SiteMeta(issuer, name): ""} {
		data := []byte("{}")
		if from != "" {
			var err error
			if data, err = os.ReadFile(from); err != nil {
				t.Fatal(err)
			}
		}
		if err := s.Store(context.Background(), to, data); err != nil {
			t.Fatal(err)
		}
	}
}

// TestManagedNames: which certificate a client gets where some are files and others an authority's; those that are got before loops show
// them are ready when the gateway is.
func TestManagedNames(t *testing.T) {
	ninety := func(c *x509.Certificate) { c.NotAfter = time.Now().Add(90 * 24 * time.Hour) }
	eachDriver(t, func(t *testing.T, d DriverName) {
		ca, dir := newAuthority(t), t.TempDir()
		file := ca.issue("file", false, nil, "file.example", "*.wild.example")
		ca.issue("got", false, ninety, "got.example").keep(t, dir, "got.example")
		ca.issue("below", false, ninety, "below.wild.example").keep(t, dir, "below.wild.example")
		names := "names: [got.example, below.wild.example, pending.example, pending.wild.example]"
		acme := fmt.Sprintf("acme: {ca: '%s', storage: '%s', %s}", nowhereCA, dir, names)
		for _, c := range []struct {
			block string
			shown map[string]string // common names; empty for a refusal
		}{
			{"certificates: [" + file.yaml() + "], " + acme, map[string]string{
				"file.example": "file", "other.wild.example": "file", "got.example": "got", "GOT.example": "got", "below.wild.example": "below",
				"pending.example": "", "pending.wild.example": "file", "unknown.example": "file", "": "file"}},
			{"unknown_names: refuse, " + acme, map[string]string{
				"file.example": "", "got.example": "got", "pending.example": "", "": "got"}},
			{acme, map[string]string{"unknown.example": "got", "": "got", "pending.wild.example": ""}},
		} {
			r := startTLS(t, d, c.block)
			for name, want := range c.shown {
				cfg := ca.trusting(name)
				cfg.InsecureSkipVerify = true
				client, k, err := r.shake(cfg)
				switch {
				case want == "" && (err == nil || !strings.Contains(err.Error(), "unrecognized name")):
					t.Errorf("%s: %q is not refused: %v", c.block, name, err)
				case want != "" && err != nil:
					t.Errorf("%s: %q: %v", c.block, name, err)
				case want != "":
					if got := k.ConnectionState().PeerCertificates[0].Subject.CommonName; got != want {
						t.Errorf("%s: %q is shown %s, not %s", c.block, name, got, want)
					}
					client.hello()
				}
				if err == nil {
					_ = client.Close()
				}
			}
			if n := r.handshakes().Results[metrics.TLSUnknownName]; n == 0 {
				t.Error("refusals are not counted")
			}
		}
	})
}

// TestCertificateNames: a listener without a name to get a certificate for is refused, and hosts that there can be none for are left out.
func TestCertificateNames(t *testing.T) {
	text := func(tls, routes string) []byte {
		return fmt.Appendf(nil, "listeners: {web: {address: ':443', tls: {%s}, routes: [%s]}}\nclusters: {c: {endpoints: ['127.0.0.1:1']}}\n", tls, routes)
	}
	for _, c := range []struct{ tls, routes, names, fault string }{
		{"acme: {}", "{host: a.example.com, cluster: c}, {host: A.example.com, path: /x, cluster: c}, {host: '*.example.com', cluster: c}, {cluster: c}", "[a.example.com]", ""},
		{"acme: {}", "{host: localhost, cluster: c}", "", "listeners.web.tls.acme: no names to get certificates for"},
		{"acme: {}", "{cluster: c}", "", "listeners.web.tls.acme: no names to get certificates for"},
		{"acme: {ca: 'https://ca.internal/dir'}", "{host: localhost, cluster: c}, {host: 127.0.0.1, cluster: c}", "[localhost]", ""},
		{"acme: {names: [B.example.com]}", "{host: a.example.com, cluster: c}", "[b.example.com]", ""},
		{"acme: {on_demand: {ask: 'http://127.0.0.1:1'}}", "{cluster: c}", "[]", ""},
		{"profile: modern", "{cluster: c}", "", "listeners.web.tls.certificates: a TLS listener needs at least one certificate, or acme"},
	} {
		spec, err := Load("f", text(c.tls, c.routes))
		switch {
		case c.fault != "" && (err == nil || !strings.Contains(err.Error(), c.fault)):
			t.Errorf("%s: %v", c.tls, err)
		case c.fault == "" && err != nil:
			t.Errorf("%s: %v", c.tls, err)
		case c.fault == "":
			if got := fmt.Sprint(spec.Listeners["web"].CertificateNames()); got != c.names {
				t.Errorf("%s: %s", c.tls, got)
			}
		}
	}
}

// TestOnDemandHoldsNobody: handshakes that wait for permission hold neither their loop nor other clients, end with their time, and only so
// many wait at a time.
func TestOnDemandHoldsNobody(t *testing.T) {
	eachDriver(t, func(t *testing.T, d DriverName) {
		ca, release := newAuthority(t), make(chan struct{})
		var asked atomic.Int32
		ask := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			asked.Add(1)
			select {
			case <-release:
			case <-r.Context().Done():
			}
			w.WriteHeader(http.StatusForbidden)
		}))
		t.Cleanup(ask.Close)
		t.Cleanup(func() { close(release) })
		file := ca.issue("file", false, nil, "file.example")
		block := fmt.Sprintf("handshake: {timeout: 2s, concurrent: 4}, certificates: [%s], acme: {ca: '%s', storage: '%s', on_demand: {ask: '%s', timeout: 1m}}",
			file.yaml(), nowhereCA, t.TempDir(), ask.URL)
		r := startTLS(t, d, block)
		const clients = 8 // four handshakes at a time, of which two may wait for certificates
		began := time.Now()
		var all sync.WaitGroup
		var failed atomic.Int32
		for i := range clients {
			all.Go(func() {
				if _, _, err := r.shake(ca.trusting(fmt.Sprintf("n%d.example", i))); err != nil {
					failed.Add(1)
				}
			})
		}
		eventually(t, "somebody is asked", func() bool { return asked.Load() > 0 })
		for range 20 {
			c, _ := r.dialTLS(ca.trusting("file.example"))
			if got := c.hello(); !strings.HasSuffix(got, "hello") {
				t.Errorf("meanwhile: %q", got)
			}
			_ = c.Close()
		}
		if took := time.Since(began); took > 1500*time.Millisecond {
			t.Errorf("others took %v", took)
		}
		all.Wait()
		if took := time.Since(began); failed.Load() != clients || took < 1900*time.Millisecond {
			t.Errorf("%d of %d handshakes failed, after %v", failed.Load(), clients, took)
		}
		if n := asked.Load(); n > 2 {
			t.Errorf("%d handshakes waited", n)
		}
		if log := r.log.String(); !strings.Contains(log, "no certificate for a client") || strings.Count(log, "no certificate for a client") > 2 {
			t.Errorf("the log: %s", log)
		}
	})
}

// TestManagedStapling: certificates that are got are shown with the authority's proof, which is fetched without being asked for.
func TestManagedStapling(t *testing.T) {
	eachDriver(t, func(t *testing.T, d DriverName) {
		ca, dir := newAuthority(t), t.TempDir()
		var asked atomic.Int32
		url := ca.responder(t, &asked, nil)
		ca.issue("got", false, func(c *x509.Certificate) { c.NotAfter, c.OCSPServer = time.Now().Add(90*24*time.Hour), []string{url} }, "got.example").keep(t, dir, "got.example")
		r := startTLS(t, d, fmt.Sprintf("acme: {ca: '%s', storage: '%s', names: [got.example]}", nowhereCA, dir))
		eventually(t, "the certificate is there", func() bool { return r.g.acme.Status()[0].Stapled })
		c, k := r.dialTLS(ca.trusting("got.example"))
		defer func() { _ = c.Close() }()
		if p, err := ocsp.ParseResponse(k.OCSPResponse(), ca.cert); err != nil || p.Status != ocsp.Good {
			t.Errorf("%v, %v", p, err)
		}
		if n := asked.Load(); n != 1 {
			t.Errorf("the authority was asked %d times", n)
		}
	})
}

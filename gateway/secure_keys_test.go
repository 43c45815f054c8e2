package gateway

import (
	"context"
	"crypto"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/crypto/ocsp"

	"github.com/ringway/ringway/gateway/secure/keyless"
	"github.com/ringway/ringway/observe/metrics"
)

// startKeyServer serves keys at path, and returns what ends it.
func startKeyServer(t *testing.T, path string, keys ...crypto.Signer) (s *keyless.Server, stop func()) {
	s, err := keyless.NewServer(keys, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	ln, err := keyless.Listen("unix:"+path, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- s.Serve(ctx, ln) }()
	return s, func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	}
}

// TestTLSKeyServer: the gateway speaks TLS without a key; when the key server is gone, by the key that stands in for it or not
// at all, and again when it is back.
func TestTLSKeyServer(t *testing.T) {
	ca := newAuthority(t)
	pairs := []*pair{ca.issue("ec", false, nil, "a.example"), ca.issue("rsa", true, nil, "b.example")}
	eachDriver(t, func(t *testing.T, d DriverName) {
		for _, fallback := range []bool{false, true} {
			path := filepath.Join(t.TempDir(), "keys")
			keys := []crypto.Signer{pairs[0].PrivateKey.(crypto.Signer), pairs[1].PrivateKey.(crypto.Signer)}
			s, stop := startKeyServer(t, path, keys...)
			list := ""
			for _, p := range pairs {
				key := ""
				if fallback {
					key = "key: '" + p.key + "', "
				}
				list += fmt.Sprintf("{cert: '%s', %skey_server: {address: 'unix:%s', timeout: 1s}}, ", p.cert, key, path)
			}
			r := startTLS(t, d, "session_tickets: {enabled: false}, certificates: ["+list+"]")
			all := func() (errs []error) {
				for _, name := range []string{"a.example", "b.example"} {
					for _, v := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
						cfg := ca.trusting(name)
						cfg.MaxVersion = v
						if err := ask(r, cfg); err != nil {
							errs = append(errs, err)
						}
					}
				}
				return errs
			}
			if errs := all(); errs != nil || s.Signatures.Load() != 4 {
				t.Errorf("%v, %d signatures", errs, s.Signatures.Load())
			}
			stop()
			if errs := all(); (len(errs) == 0) != fallback || len(errs) != 0 && len(errs) != 4 {
				t.Errorf("without the server, with a key here %v: %v", fallback, errs)
			}
			if n := r.handshakes().Results[metrics.TLSKeyFailed]; !fallback && n != 4 {
				t.Errorf("%d handshakes counted as failed for the key", n)
			}
			if log := r.log.String(); !strings.Contains(log, "the key server did not sign") || strings.Count(log, "the key server did not sign") > 1 {
				t.Errorf("the log: %s", log)
			}
			s, stop = startKeyServer(t, path, keys...)
			if errs := all(); errs != nil || s.Signatures.Load() != 4 {
				t.Errorf("when it is back: %v, %d signatures", errs, s.Signatures.Load())
			}
			_ = r.g.Drain(context.Background())
			stop()
		}
	})
}

// responder answers for the authority: the certificates of these serial numbers are revoked.
func (a *authority) responder(t *testing.T, asked *atomic.Int32, revoked map[string]bool) string {
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		asked.Add(1)
		body, _ := io.ReadAll(req.Body)
		q, err := ocsp.ParseRequest(body)
		if err != nil {
			http.Error(w, err.Error(), 400)
			return
		}
		_, _ = w.Write(a.proof(q.SerialNumber.String(), revoked[q.SerialNumber.String()]))
	}))
	t.Cleanup(s.Close)
	return s.URL
}

// proof is an OCSP response for a certificate.
func (a *authority) proof(serial string, revoked bool) []byte {
	r := ocsp.Response{Status: ocsp.Good, ThisUpdate: time.Now().Add(-time.Minute), NextUpdate: time.Now().Add(time.Hour)}
	r.SerialNumber = newSerial(serial)
	if revoked {
		r.Status, r.RevokedAt = ocsp.Revoked, time.Now().Add(-time.Minute)
	}
	b, err := ocsp.CreateResponse(a.cert, a.cert, r, a.key)
	if err != nil {
		a.t.Fatal(err)
	}
	return b
}

// TestTLSStapling: a proof from a file or from the authority is shown, and one that says no is not.
func TestTLSStapling(t *testing.T) {
	eachDriver(t, func(t *testing.T, d DriverName) {
		ca := newAuthority(t)
		var asked atomic.Int32
		revoked := map[string]bool{}
		url := ca.responder(t, &asked, revoked)
		byURL := func(c *x509.Certificate) { c.OCSPServer = []string{url} }
		fetched := ca.issue("fetched", false, byURL, "fetched.example")
		bad := ca.issue("bad", false, byURL, "bad.example")
		revoked[bad.Leaf.SerialNumber.String()] = true
		filed := ca.issue("filed", false, nil, "filed.example")
		file := ca.write("filed.ocsp", ca.proof(filed.Leaf.SerialNumber.String(), true))
		element := func(p *pair, from string) string {
			return strings.TrimSuffix(p.yaml(), "}") + ", ocsp: '" + from + "'}"
		}
		r := startTLS(t, d, "watch: 20ms, certificates: ["+strings.Join([]string{element(fetched, "fetch"), element(bad, "fetch"), element(filed, file)}, ", ")+"]")
		stapled := func(name string) []byte {
			c, k := r.dialTLS(ca.trusting(name))
			defer func() { _ = c.Close() }()
			return k.OCSPResponse()
		}
		eventually(t, "the authority's answer is stapled", func() bool { return stapled("fetched.example") != nil })
		if p, err := ocsp.ParseResponse(stapled("fetched.example"), ca.cert); err != nil || p.Status != ocsp.Good {
			t.Error(p, err)
		}
		if stapled("bad.example") != nil || stapled("filed.example") != nil {
			t.Error("a proof of the contrary is stapled")
		}
		if log := r.log.String(); strings.Count(log, "not good (status 1)") != 2 {
			t.Errorf("the log: %s", log)
		}
		ca.write("filed.ocsp", ca.proof(filed.Leaf.SerialNumber.String(), false))
		eventually(t, "the file's new answer is stapled", func() bool { return stapled("filed.example") != nil })
		if n := asked.Load(); n != 2 {
			t.Errorf("the authority was asked %d times", n)
		}
	})
}

// TestTLSStaplingSilent: authorities that do not answer delay nothing: not the proofs of others, not new files, not a reload, not the end.
func TestTLSStaplingSilent(t *testing.T) {
	const soon = 5 * time.Second // an authority that is asked has twice that
	eachDriver(t, func(t *testing.T, d DriverName) {
		ca := newAuthority(t)
		silent, err := net.Listen("tcp", "127.0.0.1:0") // connections stay in its queue
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = silent.Close() }()
		var all []*pair
		for i := range 4 {
			all = append(all, ca.issue(fmt.Sprint("silent", i), false, func(c *x509.Certificate) { c.OCSPServer = []string{"http://" + silent.Addr().String()} }, fmt.Sprint(i, ".example")))
		}
		site := ca.issue("site", false, nil, "a.example")
		text := func(watch string) string {
			return strings.ReplaceAll(certificatesText(t, d, "a", "watch: "+watch, append(all, site)...), ".key'}", ".key', ocsp: fetch}")
		}
		began := time.Now()
		r := startWith(t, text("10ms"))
		next := ca.issue("site", false, nil, "a.example")
		r.shows("the new certificate is taken over", "a.example", next)
		r.reload(text("20ms"))
		if took := time.Since(began); took > soon {
			t.Errorf("a new file and a reload took %v", took)
		}
		began = time.Now()
		r.g.current().plan.secure["in"].Close()
		if took := time.Since(began); took > soon {
			t.Errorf("the end took %v", took)
		}
	})
}

package acme

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"io"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/caddyserver/certmagic"
	"golang.org/x/crypto/ocsp"
)

// vouching is an authority that answers for its certificates by OCSP.
type vouching struct {
	*httptest.Server
	t     *testing.T
	cert  *x509.Certificate
	key   *ecdsa.PrivateKey
	next  atomic.Int64 // serial number
	asked atomic.Int32
	says  atomic.Int32 // the status
}

func newVouching(t *testing.T) *vouching {
	v := &vouching{t: t}
	c := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "authority"}, NotBefore: time.Now().Add(-time.Hour),
		NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true}
	v.cert, v.key = v.sign(c)
	v.next.Store(1)
	v.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		v.asked.Add(1)
		body, _ := io.ReadAll(r.Body)
		q, err := ocsp.ParseRequest(body)
		if err != nil {
			w.WriteHeader(http.StatusBadRequest)
			return
		}
		_, _ = w.Write(v.response(ocsp.Response{Status: int(v.says.Load()), SerialNumber: q.SerialNumber}, v.cert, v.key))
	}))
	t.Cleanup(v.Close)
	return v
}

// sign makes a key and a certificate for it, of the authority's, or its own.
func (v *vouching) sign(c *x509.Certificate) (*x509.Certificate, *ecdsa.PrivateKey) {
	v.t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		v.t.Fatal(err)
	}
	by, with := v.cert, v.key
	if by == nil {
		by, with = c, key
	}
	der, err := x509.CreateCertificate(rand.Reader, c, by, key.Public(), with)
	if err != nil {
		v.t.Fatal(err)
	}
	x, err := x509.ParseCertificate(der)
	if err != nil {
		v.t.Fatal(err)
	}
	return x, key
}

// issue writes a certificate into a folder whose proof is at the URL.
func (v *vouching) issue(dir, name, url string) *x509.Certificate {
	v.t.Helper()
	x, key := v.sign(&x509.Certificate{SerialNumber: big.NewInt(v.next.Add(1)), Subject: pkix.Name{CommonName: name}, DNSNames: []string{name}, OCSPServer: []string{url},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(90 * 24 * time.Hour)})
	put(v.t, dir, nowhere, name, key, x.Raw, v.cert.Raw)
	return x
}

// response is one that says what r does, good for an hour if that does not.
func (v *vouching) response(r ocsp.Response, by *x509.Certificate, key crypto.Signer) []byte {
	if r.ThisUpdate.IsZero() {
		r.ThisUpdate, r.NextUpdate = time.Now().Add(-time.Minute), time.Now().Add(time.Hour)
	}
	r.RevokedAt = r.ThisUpdate
	if by != v.cert {
		r.Certificate = by
	}
	raw, err := ocsp.CreateResponse(v.cert, by, r, key)
	if err != nil {
		v.t.Error(err)
	}
	return raw
}

// silent is a server that takes connections and says nothing. Each is told of.
func silent(t *testing.T) (url string, came <-chan struct{}) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	c := make(chan struct{}, 100)
	go func() {
		for {
			k, err := l.Accept()
			if err != nil {
				return
			}
			defer func() { _ = k.Close() }()
			c <- struct{}{}
		}
	}()
	return "http://" + l.Addr().String(), c
}

// TestSilentResponder: a responder that does not answer keeps no certificate from being shown, and no claim from ending.
func TestSilentResponder(t *testing.T) {
	v, dir := newVouching(t), t.TempDir()
	url, came := silent(t)
	names := []string{"a.example", "b.example", "c.example"}
	for _, name := range names {
		v.issue(dir, name, url)
	}
	r := newRegistry(t)
	one, err := r.Claim(&Spec{CA: nowhere, KeyType: P256, Storage: dir}, names, nil)
	if err != nil {
		t.Fatal(err)
	}
	two, err := r.Claim(&Spec{CA: nowhere, KeyType: P256, Storage: dir, Email: "ops@example.com"}, names, one) // as a reload does
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		if one.Lookup(name) == nil || two.of.lookup(name) == nil {
			t.Errorf("%s has a certificate in the folder, and is shown none", name)
		}
	}
	for range 2 * len(names) {
		<-came
	}
	began := time.Now()
	one.Close()
	r.Close()
	if took := time.Since(began); took >= endLimit {
		t.Errorf("the end took %v", took)
	}
}

// TestEndIsBounded: what does not end holds nobody up.
func TestEndIsBounded(t *testing.T) {
	r := newRegistry(t)
	claim, err := r.Claim(&Spec{CA: nowhere, KeyType: P256, Storage: t.TempDir()}, nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	release := make(chan struct{})
	claim.of.work.Go(func() { <-release })
	defer close(release)
	claim.Close() // the test would not end otherwise
}

// TestProof: a proof is got, kept in the folder, shown at once by whoever begins with it, and taken back when its time is over.
func TestProof(t *testing.T) {
	v, dir := newVouching(t), t.TempDir()
	v.issue(dir, "a.example", v.URL)
	spec := &Spec{CA: nowhere, KeyType: P256, Storage: dir}
	one, err := newRegistry(t).Claim(spec, []string{"a.example"}, nil)
	if err != nil {
		t.Fatal(err)
	}
	eventually(t, "the proof is shown", func() bool { return len(one.Lookup("a.example").TLS.OCSPStaple) > 0 })
	v.Close()
	two, err := newRegistry(t).Claim(spec, []string{"a.example"}, nil)
	if err != nil {
		t.Fatal(err)
	}
	cert := two.Lookup("a.example")
	if len(cert.TLS.OCSPStaple) == 0 || v.asked.Load() != 1 {
		t.Errorf("what is in the folder is not shown, or was asked for %d times", v.asked.Load())
	}
	if err := os.Remove(two.of.storage.Filename(cert.proofKey)); err != nil {
		t.Fatal(err)
	}
	two.of.checkProofs(time.Now().Add(time.Hour))
	if got := two.Lookup("a.example"); got == nil || len(got.TLS.OCSPStaple) > 0 || got.hash != cert.hash || !got.used.Load() {
		t.Errorf("a proof whose time is over: %+v", got)
	}
	eventually(t, "the next try is planned", func() bool {
		two.of.mu.Lock()
		defer two.of.mu.Unlock()
		n := two.of.names["a.example"]
		return n.unproven != nil && strings.Contains(n.unproven.Error(), "refused") && time.Until(n.ask) > proofRetry/2
	})
}

// TestRevoked: a certificate that is revoked is renewed at once, and shown meanwhile.
func TestRevoked(t *testing.T) {
	v, dir := newVouching(t), t.TempDir()
	v.says.Store(ocsp.Revoked)
	v.issue(dir, "a.example", v.URL)
	r := newRegistry(t)
	claim, err := r.Claim(&Spec{CA: nowhere, KeyType: P256, Storage: dir}, []string{"a.example"}, nil)
	if err != nil {
		t.Fatal(err)
	}
	eventually(t, "a renewal is tried", func() bool {
		s := r.Status()[0]
		return s.State == Failing && strings.Contains(s.Error, "refused")
	})
	if c := claim.Lookup("a.example"); c == nil || len(c.TLS.OCSPStaple) > 0 {
		t.Errorf("it is not shown any more, or with what says that it is revoked: %+v", c)
	}
	eventually(t, "the next try is planned", func() bool {
		claim.of.mu.Lock()
		defer claim.of.mu.Unlock()
		return !claim.of.names["a.example"].ask.IsZero()
	})
	other := v.issue(dir, "a.example", v.URL) // by another process
	claim.of.checkProofs(time.Now().Add(time.Hour))
	eventually(t, "what another process has got is shown", func() bool { return claim.Lookup("a.example").TLS.Leaf.Equal(other) })
}

// issuing is an authority that has a certificate ready at once.
type issuing struct {
	*vouching
	key    string
	orders atomic.Int32
}

func (i *issuing) IssuerKey() string { return i.key }

func (i *issuing) Issue(_ context.Context, csr *x509.CertificateRequest) (*certmagic.IssuedCertificate, error) {
	i.orders.Add(1)
	x := &x509.Certificate{SerialNumber: big.NewInt(i.next.Add(1)), DNSNames: csr.DNSNames, OCSPServer: []string{i.URL},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(90 * 24 * time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, x, i.cert, csr.PublicKey, i.vouching.key)
	if err != nil {
		return nil, err
	}
	var chain []byte
	for _, b := range [][]byte{der, i.cert.Raw} {
		chain = append(chain, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: b})...)
	}
	return &certmagic.IssuedCertificate{Certificate: chain, Metadata: map[string]string{}}, nil
}

// TestRevokedAgain: where what was got for a revoked certificate is revoked, too, there are pauses before the next orders.
func TestRevokedAgain(t *testing.T) {
	v, dir := newVouching(t), t.TempDir()
	v.issue(dir, "a.example", v.URL)
	claim, err := newRegistry(t).Claim(&Spec{CA: nowhere, KeyType: P256, Storage: dir}, []string{"a.example"}, nil)
	if err != nil {
		t.Fatal(err)
	}
	eventually(t, "a proof is there", func() bool { c := claim.Lookup("a.example"); return c != nil && len(c.TLS.OCSPStaple) > 0 })
	c, i := claim.of, &issuing{vouching: v, key: claim.of.issuer.key}
	c.config.Issuers = []certmagic.Issuer{i}
	v.says.Store(ocsp.Revoked)
	c.mu.Lock()
	n := c.names["a.example"]
	cert := n.cert
	c.mu.Unlock()
	c.work.Go(func() { c.replace(n, cert, errRevoked) })
	eventually(t, "another one is got", func() bool { return claim.Lookup("a.example").hash != cert.hash })
	time.Sleep(500 * time.Millisecond) // of orders without pause, a hundred
	if orders := i.orders.Load(); orders > 2 {
		t.Errorf("%d orders", orders)
	}
}

// TestReadProof: what clients would not take is no proof.
func TestReadProof(t *testing.T) {
	v, dir, now := newVouching(t), t.TempDir(), time.Now()
	x := v.issue(dir, "a.example", "http://127.0.0.1:1")
	claim, err := newRegistry(t).Claim(&Spec{CA: nowhere, KeyType: P256, Storage: dir}, []string{"a.example"}, nil)
	if err != nil {
		t.Fatal(err)
	}
	cert := claim.Lookup("a.example")
	signer := func(use ...x509.ExtKeyUsage) (*x509.Certificate, crypto.Signer) {
		return v.sign(&x509.Certificate{SerialNumber: big.NewInt(v.next.Add(1)), NotBefore: now.Add(-time.Hour), NotAfter: now.Add(30 * time.Minute), ExtKeyUsage: use})
	}
	may, mayKey := signer(x509.ExtKeyUsageOCSPSigning)
	not, notKey := signer(x509.ExtKeyUsageServerAuth)
	minute := func(n int) time.Time { return now.Add(time.Duration(n) * time.Minute).Truncate(time.Minute) }
	plain := ocsp.Response{SerialNumber: x.SerialNumber, ThisUpdate: minute(-20), NextUpdate: minute(60)}
	with := func(how func(*ocsp.Response)) []byte {
		r := plain
		how(&r)
		return v.response(r, v.cert, v.key)
	}
	for _, c := range []struct {
		what, fault string
		raw         []byte
		due, until  time.Time
	}{
		{"good", "", v.response(plain, v.cert, v.key), minute(20), minute(60)},
		{"without an end", "", with(func(r *ocsp.Response) { r.NextUpdate = time.Time{} }), minute(-20).Add(proofLife / 2), minute(-20).Add(proofLife)},
		{"by who may sign", "", v.response(plain, may, mayKey), minute(-20).Add(may.NotAfter.Sub(minute(-20)) / 2), may.NotAfter},
		{"by who may not sign", "may not sign", v.response(plain, not, notKey), minute(0), minute(0)},
		{"revoked", errRevoked.Error(), with(func(r *ocsp.Response) { r.Status = ocsp.Revoked }), minute(0), minute(0)},
		{"unknown", "not good", with(func(r *ocsp.Response) { r.Status = ocsp.Unknown }), minute(0), minute(0)},
		{"stale", "to be renewed by", with(func(r *ocsp.Response) { r.NextUpdate = minute(-1) }), minute(0), minute(0)},
		{"for too long", "runs out before", with(func(r *ocsp.Response) { r.NextUpdate = cert.Expiry.Add(time.Hour) }), minute(0), minute(0)},
		{"of another certificate", "no response", with(func(r *ocsp.Response) { r.SerialNumber = big.NewInt(99) }), minute(0), minute(0)},
		{"empty", "", nil, minute(0), minute(0)},
		{"nonsense", "", []byte("<html>"), minute(0), minute(0)},
	} {
		p, err := cert.readProof(c.raw, now)
		switch good := c.due != minute(0); {
		case good && (err != nil || !p.due.Equal(c.due) || !p.until.Equal(c.until)):
			t.Errorf("%s: due %v, until %v, %v", c.what, p.due, p.until, err)
		case !good && (err == nil || !strings.Contains(err.Error(), c.fault)):
			t.Errorf("%s: %v", c.what, err)
		case errors.Is(err, errRevoked) != (c.what == "revoked"):
			t.Errorf("%s is taken for revoked, or not: %v", c.what, err)
		}
	}
}

// TestProofKey: a proof lies where certmagic and Caddy would have it.
func TestProofKey(t *testing.T) {
	v, dir := newVouching(t), t.TempDir()
	v.issue(dir, "a.example", "http://127.0.0.1:1")
	claim, err := newRegistry(t).Claim(&Spec{CA: nowhere, KeyType: P256, Storage: dir}, []string{"a.example"}, nil)
	if err != nil {
		t.Fatal(err)
	}
	c := claim.of
	bundle, err := c.storage.Load(c.ctx, certmagic.StorageKeys.SiteCert(c.issuer.key, "a.example"))
	if err != nil {
		t.Fatal(err)
	}
	want := certmagic.StorageKeys.OCSPStaple(&certmagic.Certificate{Names: []string{"a.example"}}, bundle)
	if got := claim.Lookup("a.example").proofKey; got != want {
		t.Errorf("%s, not %s", got, want)
	}
}

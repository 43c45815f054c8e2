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
	"fmt"
	"log/slog"
	"math/big"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/caddyserver/certmagic"
	rfc8555 "github.com/mholt/acmez/v3/acme"

	"github.com/ringway/ringway/config"
)

// issue writes a certificate for the name into a folder as certmagic and Caddy do.
func issue(t *testing.T, dir, ca, name string, from, to time.Time) *x509.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	c := &x509.Certificate{SerialNumber: big.NewInt(from.UnixNano()), Subject: pkix.Name{CommonName: "test"}, DNSNames: []string{name}, NotBefore: from, NotAfter: to}
	der, err := x509.CreateCertificate(rand.Reader, c, c, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	put(t, dir, ca, name, key, der)
	x, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return x
}

// put writes a certificate, with those that vouch for it, and its key into a folder.
func put(t *testing.T, dir, ca, name string, key crypto.PrivateKey, chain ...[]byte) {
	t.Helper()
	private, err := certmagic.PEMEncodePrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	var bundle []byte
	for _, der := range chain {
		bundle = append(bundle, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})...)
	}
	s := &certmagic.FileStorage{Path: dir}
	issuer := (&certmagic.ACMEIssuer{CA: ca}).IssuerKey()
	keys := certmagic.StorageKeys
	for at, data := range map[string][]byte{
		keys.SiteCert(issuer, name): bundle, keys.SitePrivateKey(issuer, name): private, keys.SiteMeta(issuer, name): fmt.Appendf(nil, `{"sans": [%q]}`, name),
	} {
		if err := s.Store(context.Background(), at, data); err != nil {
			t.Fatal(err)
		}
	}
}

// eventually waits until ok says yes.
func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(20 * time.Second); !ok(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("never: %s", what)
		}
	}
}

// nowhere is an authority that nobody listens for.
const nowhere = "https://127.0.0.1:1/dir"

func newRegistry(t *testing.T) *Registry {
	r := NewRegistry(slog.New(slog.DiscardHandler))
	t.Cleanup(r.Close)
	return r
}

// TestClaims: what is in the folder is there when a claim returns; claims share what they agree on, and give it up when nobody has it.
func TestClaims(t *testing.T) {
	dir, now := t.TempDir(), time.Now()
	first := issue(t, dir, nowhere, "a.example", now.Add(-time.Hour), now.Add(90*24*time.Hour))
	issue(t, dir, nowhere, "b.example", now.Add(-time.Hour), now.Add(90*24*time.Hour))
	r := newRegistry(t)
	spec := &Spec{CA: nowhere, KeyType: P256, Storage: dir}
	one, err := r.Claim(spec, []string{"a.example", "b.example", "c.example"}, nil)
	if err != nil {
		t.Fatal(err)
	}
	two, err := r.Claim(&Spec{CA: nowhere, KeyType: P256, Storage: dir, Names: []string{"B.example"}}, []string{"b.example"}, nil)
	if err != nil {
		t.Fatal(err)
	}
	if one.of != two.of {
		t.Error("claims that differ by names only do not share a client")
	}
	if c := one.Lookup("a.example"); c == nil || !c.TLS.Leaf.Equal(first) || c.Key == nil {
		t.Errorf("a.example: %+v", c)
	}
	if one.First() == nil || one.Lookup("c.example") != nil || !one.Names("c.example") || one.OnDemand() {
		t.Error("the claim tells of other names than it has")
	}
	if two.Lookup("a.example") != nil {
		t.Error("a claim shows a certificate that another one has")
	}
	held := one.Lookup("b.example")
	one.Close()
	one.Close() // once is enough
	if two.Lookup("b.example") != held {
		t.Error("a name that is claimed still has lost its certificate")
	}
	if s := r.Status(); len(s) != 1 || s[0].Name != "b.example" || s[0].State != Valid {
		t.Errorf("left: %+v", s)
	}
	two.Close()
	if r.InUse() {
		t.Error("a client is left that nobody claims anything of")
	}
}

// TestClaimAfterAnother: what the claim before it had is shown until there is something else, if it is claimed still.
func TestClaimAfterAnother(t *testing.T) {
	dir, now := t.TempDir(), time.Now()
	for _, name := range []string{"a.example", "b.example"} {
		issue(t, dir, nowhere, name, now.Add(-time.Hour), now.Add(90*24*time.Hour))
	}
	const other = "https://127.0.0.1:2/dir"
	issue(t, dir, other, "b.example", now.Add(-time.Hour), now.Add(90*24*time.Hour))
	r := newRegistry(t)
	one, err := r.Claim(&Spec{CA: nowhere, KeyType: P256, Storage: dir}, []string{"a.example", "b.example"}, nil)
	if err != nil {
		t.Fatal(err)
	}
	a, b := one.Lookup("a.example"), one.Lookup("b.example")
	two, err := r.Claim(&Spec{CA: other, KeyType: P256, Storage: dir}, []string{"a.example", "b.example"}, one)
	if err != nil {
		t.Fatal(err)
	}
	three, err := r.Claim(&Spec{CA: other, KeyType: P384, Storage: dir}, []string{"a.example"}, two)
	if err != nil {
		t.Fatal(err)
	}
	one.Close()
	two.Close()
	if two.Lookup("a.example") != a || three.Lookup("a.example") != a || three.First() != a {
		t.Error("what was there before is not shown")
	}
	if c := two.Lookup("b.example"); c == b || three.Lookup("b.example") != nil {
		t.Error("what was there before is shown although there is something else, or though it is not claimed")
	}
}

// TestClaimFailing: a name whose authority does not answer is told of, and the claim does not wait for it.
func TestClaimFailing(t *testing.T) {
	r := newRegistry(t)
	began := time.Now()
	if _, err := r.Claim(&Spec{CA: nowhere, KeyType: P256, Storage: t.TempDir()}, []string{"a.example"}, nil); err != nil {
		t.Fatal(err)
	}
	if took := time.Since(began); took > loadLimit {
		t.Errorf("the claim took %v", took)
	}
	for end := time.Now().Add(20 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		s := r.Status()
		if len(s) == 1 && s[0].State == Failing && s[0].Tries > 0 && strings.Contains(s[0].Error, "refused") && time.Until(s[0].Next) < time.Minute {
			break
		}
		if time.Now().After(end) {
			t.Fatalf("%+v", s)
		}
	}
	if n := r.Counts().ObtainFailed; n == 0 {
		t.Error("the failure is not counted")
	}
}

// TestExpired: a certificate that has run out while the process was away is told as such.
func TestExpired(t *testing.T) {
	dir, now := t.TempDir(), time.Now()
	issue(t, dir, nowhere, "a.example", now.Add(-48*time.Hour), now.Add(-time.Hour))
	r := newRegistry(t)
	if _, err := r.Claim(&Spec{CA: nowhere, KeyType: P256, Storage: dir}, []string{"a.example"}, nil); err != nil {
		t.Fatal(err)
	}
	if s := r.Status(); len(s) != 1 || s[0].State != Expired {
		t.Errorf("%+v", s)
	}
}

// TestOlderIsNotPublished: whoever comes late with what lay in the folder before does not take a renewal back.
func TestOlderIsNotPublished(t *testing.T) {
	dir, now := t.TempDir(), time.Now()
	issue(t, dir, nowhere, "a.example", now.Add(-time.Hour), now.Add(80*24*time.Hour))
	r := newRegistry(t)
	claim, err := r.Claim(&Spec{CA: nowhere, KeyType: P256, Storage: dir}, []string{"a.example"}, nil)
	if err != nil {
		t.Fatal(err)
	}
	ctx, c := context.Background(), claim.of
	old, err := c.config.CacheManagedCertificate(ctx, "a.example")
	if err != nil {
		t.Fatal(err)
	}
	next := issue(t, dir, nowhere, "a.example", now, now.Add(70*24*time.Hour)) // another profile
	if err := c.load(ctx, "a.example"); err != nil {
		t.Fatal(err)
	}
	if err := c.publish("a.example", old); err != nil {
		t.Fatal(err)
	}
	if !claim.Lookup("a.example").TLS.Leaf.Equal(next) {
		t.Error("an older certificate took the place of a later one")
	}
}

// permitting is a service that allows names that begin with "yes", lets those wait that begin with "slow", and sends others elsewhere.
type permitting struct {
	*httptest.Server
	asked atomic.Int32
	gate  chan struct{} // closed: nobody waits any more
}

func newPermitting(t *testing.T) *permitting {
	p := &permitting{gate: make(chan struct{})}
	p.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		p.asked.Add(1)
		switch name := r.URL.Query().Get("domain"); {
		case strings.HasPrefix(name, "slow"):
			<-p.gate
		case strings.HasPrefix(name, "moved"):
			http.Redirect(w, r, "/", http.StatusFound) // which would say yes
			return
		}
		if r.URL.Path != "/" && !strings.HasPrefix(r.URL.Query().Get("domain"), "yes") {
			w.WriteHeader(http.StatusNotFound)
		}
	}))
	t.Cleanup(p.Close)
	return p
}

// claim is one on names that clients ask for, with certificates for yes.example and yes2.example in the folder.
func (p *permitting) claim(t *testing.T, names, concurrent int) *Claim {
	dir, now := t.TempDir(), time.Now()
	for _, name := range []string{"yes.example", "yes2.example"} {
		issue(t, dir, nowhere, name, now.Add(-time.Hour), now.Add(90*24*time.Hour))
	}
	spec := &Spec{CA: nowhere, KeyType: P256, Storage: dir, OnDemand: &OnDemandSpec{Ask: p.URL + "/may", Timeout: config.Duration(10 * time.Second), Names: names, Concurrent: concurrent}}
	claim, err := newRegistry(t).Claim(spec, nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	return claim
}

// obtain is Obtain that waits.
func (c *Claim) obtain(name string) (got *Certificate, why error) {
	done := make(chan struct{})
	c.Obtain(name, func(c *Certificate, err error) { got, why = c, err; close(done) })
	<-done
	return got, why
}

// TestOnDemand: permission is asked for once, and refusals are remembered.
func TestOnDemand(t *testing.T) {
	ask := newPermitting(t)
	claim := ask.claim(t, 10, 10)
	if c, err := claim.obtain("yes.example"); err != nil || claim.Lookup("yes.example") != c {
		t.Errorf("a name that may have one: %v", err)
	}
	for range 3 {
		if _, err := claim.obtain("no.example"); !errors.As(err, new(*NotAllowedError)) {
			t.Errorf("a name that may not: %v", err)
		}
	}
	if _, err := claim.obtain("moved.example"); !errors.As(err, new(*NotAllowedError)) {
		t.Errorf("a redirect: %v", err)
	}
	for _, name := range []string{"127.0.0.1", "a b.example", "*.yes.example", ""} {
		if _, err := claim.obtain(name); err == nil {
			t.Errorf("%q has a certificate", name)
		}
	}
	if n := ask.asked.Load(); n != 3 {
		t.Errorf("asked %d times", n)
	}
}

// TestOnDemandBounds: only so many names are got at a time, and kept.
func TestOnDemandBounds(t *testing.T) {
	ask := newPermitting(t)
	claim := ask.claim(t, 2, 2)
	var all sync.WaitGroup
	for _, name := range []string{"slow1.example", "slow2.example", "slow2.example"} {
		all.Go(func() { _, _ = claim.obtain(name) })
	}
	meeting := func() int {
		claim.of.mu.Lock()
		defer claim.of.mu.Unlock()
		return claim.of.meeting
	}
	for meeting() != 2 {
		time.Sleep(time.Millisecond)
	}
	if _, err := claim.obtain("slow3.example"); !errors.Is(err, ErrBusy) {
		t.Errorf("one too many at a time: %v", err)
	}
	close(ask.gate)
	all.Wait()
	for _, name := range []string{"yes.example", "yes2.example"} {
		if _, err := claim.obtain(name); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := claim.obtain("yes3.example"); !errors.Is(err, ErrFull) {
		t.Errorf("one too many: %v", err)
	}
}

// TestMayRenew: what clients asked for is renewed if it is in use and allowed still.
func TestMayRenew(t *testing.T) {
	allowed := true
	ask := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !allowed {
			w.WriteHeader(http.StatusForbidden)
		}
	}))
	defer ask.Close()
	dir, now := t.TempDir(), time.Now()
	for _, name := range []string{"used.example", "unused.example", "taken.example", "named.example"} {
		issue(t, dir, nowhere, name, now.Add(-time.Hour), now.Add(90*24*time.Hour))
	}
	spec := &Spec{CA: nowhere, KeyType: P256, Storage: dir, OnDemand: &OnDemandSpec{Ask: ask.URL, Timeout: config.Duration(10 * time.Second), Names: 10, Concurrent: 10}}
	claim, err := newRegistry(t).Claim(spec, []string{"named.example"}, nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"used.example", "unused.example", "taken.example"} {
		done := make(chan error)
		claim.Obtain(name, func(_ *Certificate, err error) { done <- err })
		if err := <-done; err != nil {
			t.Fatal(err)
		}
	}
	claim.Lookup("used.example")
	claim.Lookup("taken.example")
	renew := func(name string) error {
		return claim.of.event(context.Background(), "cert_obtaining", map[string]any{"identifier": name, "renewal": true})
	}
	if err := renew("used.example"); err != nil {
		t.Errorf("in use: %v", err)
	}
	if err := renew("unused.example"); !errors.Is(err, errUnused) || claim.of.lookup("unused.example") != nil {
		t.Errorf("not in use: %v", err)
	}
	allowed = false
	if err := renew("taken.example"); !errors.As(err, new(*NotAllowedError)) || claim.of.lookup("taken.example") != nil {
		t.Errorf("not allowed any more: %v", err)
	}
	if err := renew("named.example"); err != nil {
		t.Errorf("by its name: %v", err)
	}
	ask.Close()
	if err := renew("used.example"); err != nil {
		t.Errorf("nobody answers: %v", err)
	}
}

// TestRefusals: they end, and what is remembered is bounded.
func TestRefusals(t *testing.T) {
	var r refusals
	now, no := time.Now(), &NotAllowedError{"a", "403"}
	r.put("a", no, now)
	r.put("b", errClosed, now)
	for _, c := range []struct {
		name  string
		after time.Duration
		want  error
	}{{"a", 0, no}, {"a", refusedFor - 1, no}, {"a", refusedFor + 1, nil}, {"b", failedFor - 1, errClosed}, {"b", failedFor + 1, nil}, {"c", 0, nil}} {
		if got := r.get(c.name, now.Add(c.after)); got != c.want {
			t.Errorf("%s after %v: %v", c.name, c.after, got)
		}
	}
	for i := range 2 * maxRefusals {
		r.put(fmt.Sprint(i), no, now)
	}
	if len(r.all) > maxRefusals {
		t.Errorf("%d are remembered", len(r.all))
	}
	if r.get(fmt.Sprint(2*maxRefusals-1), now) == nil {
		t.Error("the last one is not")
	}
}

// TestBackoff: an authority that does not answer is asked again soon, one that says no after a minute at least.
func TestBackoff(t *testing.T) {
	for _, c := range []struct {
		err         error
		first, last time.Duration
	}{
		{errors.New("connection refused"), 2 * time.Second, 10 * time.Minute},
		{fmt.Errorf("order: %w", rfc8555.Problem{Type: rfc8555.ProblemTypeUnauthorized}), time.Minute, 6 * time.Hour},
	} {
		before := time.Duration(0)
		for try := 1; try < 20; try++ {
			d := backoff(try, c.err)
			if d < before-before/10 || try == 1 && (d < c.first || d > c.first+c.first/10) || d > c.last+c.last/10 {
				t.Errorf("%v, try %d: %v after %v", c.err, try, d, before)
			}
			before = d
		}
	}
}

// TestSensible: a window that says nothing is not gone by.
func TestSensible(t *testing.T) {
	from := time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC)
	for _, c := range []struct {
		life, start, end time.Duration // from the beginning of the life
		kept             bool
	}{
		{90 * 24 * time.Hour, 59 * 24 * time.Hour, 61 * 24 * time.Hour, true},
		{90 * 24 * time.Hour, -2 * time.Hour, -time.Hour, true}, // it was revoked
		{15 * time.Second, 0, 14 * time.Second, false},
		{time.Hour, -24 * time.Hour, 24 * time.Hour, false},
	} {
		x := &x509.Certificate{NotBefore: from, NotAfter: from.Add(c.life)}
		in := rfc8555.RenewalInfo{SelectedTime: from.Add(c.start)}
		in.SuggestedWindow.Start, in.SuggestedWindow.End = from.Add(c.start), from.Add(c.end)
		out := sensible(in, x)
		if kept := out == in; kept != c.kept {
			t.Errorf("%+v: kept %v", c, kept)
		}
		if left := x.NotAfter.Sub(out.SelectedTime); !c.kept && left != c.life/3 {
			t.Errorf("%+v: %v are left of it", c, left)
		}
	}
}

// TestStorageFaults: a folder that cannot be used is said, with whose it has to be.
func TestStorageFaults(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	_, err := newRegistry(t).Claim(&Spec{CA: nowhere, KeyType: P256, Storage: filepath.Join(file, "below")}, []string{"a.example"}, nil)
	var fault *StorageError
	if !errors.As(err, &fault) || !strings.Contains(err.Error(), fmt.Sprintf("(%d)", os.Geteuid())) || !strings.Contains(err.Error(), file) {
		t.Errorf("%v", err)
	}
}

// TestDefaultStorage: systemd's folder comes before the user's own.
func TestDefaultStorage(t *testing.T) {
	t.Setenv("STATE_DIRECTORY", "/state/ringway:/state/other")
	if dir := defaultStorage(); dir != "/state/ringway" {
		t.Error(dir)
	}
	t.Setenv("STATE_DIRECTORY", "")
	t.Setenv("XDG_DATA_HOME", "/data")
	want := "/data/ringway"
	if os.Geteuid() == 0 {
		want = "/var/lib/ringway"
	}
	if dir := defaultStorage(); dir != want {
		t.Error(dir)
	}
}

// TestAccounts: an account is what it was when it is read again, and lies where certmagic would have it.
func TestAccounts(t *testing.T) {
	s, err := openStorage(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	ctx := context.Background()
	for email, file := range map[string]string{"": "acme/ca/users/default/default.key", "ops@example.com": "acme/ca/users/ops@example.com/ops.key"} {
		a := &accounts{storage: s, prefix: "acme/ca", email: email}
		if _, err := a.load(ctx); !missing(err) {
			t.Fatalf("an account that is not there: %v", err)
		}
		key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		if err := a.save(ctx, rfc8555.Account{Status: "valid", Location: "https://ca/1", PrivateKey: key}); err != nil {
			t.Fatal(err)
		}
		got, err := a.load(ctx)
		if err != nil || got.Location != "https://ca/1" || !key.Equal(got.PrivateKey) {
			t.Errorf("%q: %+v, %v", email, got, err)
		}
		if st, err := os.Stat(s.Filename(file)); err != nil || st.Mode().Perm() != 0o600 {
			t.Errorf("%v: %v", file, err)
		}
		if err := a.forget(ctx); err != nil {
			t.Error(err)
		}
		if _, err := a.load(ctx); !missing(err) {
			t.Errorf("an account that was forgotten: %v", err)
		}
	}
}

// TestLocksAreCounted: whoever ends knows whether locks are left.
func TestLocksAreCounted(t *testing.T) {
	s, err := openStorage(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	ctx := context.Background()
	if err := s.Lock(ctx, "a"); err != nil || s.held.Load() != 1 {
		t.Fatal(err)
	}
	short, cancel := context.WithTimeout(ctx, 50*time.Millisecond)
	defer cancel()
	if ok, err := s.TryLock(short, "a"); ok || s.held.Load() != 1 {
		t.Errorf("a lock that is taken: %v, %v", ok, err)
	}
	if err := s.Unlock(ctx, "a"); err != nil || s.held.Load() != 0 {
		t.Error(err)
	}
}

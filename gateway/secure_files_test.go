package gateway

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/ringway/ringway/process"
)

// said is how often the log has a text.
func (r *rig) said(text string) int { return strings.Count(r.log.String(), text) }

// authority writes a file with an authority of the same name and key that is valid for another time, and with further ones.
func (a *authority) authority(name string, from, until time.Duration, more ...*x509.Certificate) string {
	c := *a.cert
	c.NotBefore, c.NotAfter = time.Now().Add(from), time.Now().Add(until)
	var text []byte
	for _, x := range append(more, a.sign(&c, &c, a.key.Public())) {
		text = append(text, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: x.Raw})...)
	}
	return a.write(name, text)
}

// TestTLSFilesRetried: files that are of no use, but become so without being written again, are taken over then. The log tells of them once.
func TestTLSFilesRetried(t *testing.T) {
	eachDriver(t, func(t *testing.T, d DriverName) {
		ca := newAuthority(t)
		site := ca.issue("site", false, nil, "a.example")
		r := startWith(t, certificatesText(t, d, "a", "watch: 10ms", site))
		early := ca.issue("site", false, func(c *x509.Certificate) { c.NotBefore = time.Now().Add(3 * time.Second) }, "a.example")
		eventually(t, "the log tells of the early one", func() bool { return r.said("is valid only from") > 0 })
		if r.shownFor("a.example") == early.Leaf.SerialNumber.String() {
			t.Error("it is shown")
		}
		r.shows("its time has come", "a.example", early)
		if n := r.said("those in use are kept"); n != 1 && n != 2 { // two, if the look came between the writing of the certificate and that of its key
			t.Errorf("the log tells of it %d times: %s", n, r.log)
		}
	})
}

// TestTLSFilesLinked: a link that leads to other files of the same size and time is followed.
func TestTLSFilesLinked(t *testing.T) {
	eachDriver(t, func(t *testing.T, d DriverName) {
		ca := newAuthority(t)
		one, two := ca.issue("one", false, nil, "a.example"), ca.issue("two", false, nil, "a.example")
		when := time.Now().Add(-time.Hour)
		padded := func(p *pair) {
			data, err := os.ReadFile(p.cert)
			if err != nil {
				t.Fatal(err)
			}
			data = append(data, strings.Repeat("\n", 4000-len(data))...)
			if err := os.WriteFile(p.cert, data, 0o600); err != nil {
				t.Fatal(err)
			}
			for _, f := range []string{p.cert, p.key} {
				if err := os.Chtimes(f, when, when); err != nil {
					t.Fatal(err)
				}
			}
		}
		padded(one)
		padded(two)
		link := func(p *pair) *pair {
			for from, to := range map[string]string{p.cert: "link.pem", p.key: "link.key"} {
				if err := os.Symlink(from, ca.file(to)+".new"); err != nil {
					t.Fatal(err)
				}
				if err := os.Rename(ca.file(to)+".new", ca.file(to)); err != nil {
					t.Fatal(err)
				}
			}
			return &pair{p.Certificate, ca.file("link.pem"), ca.file("link.key")}
		}
		r := startWith(t, certificatesText(t, d, "a", "watch: 10ms", link(one)))
		r.shows("the first one", "a.example", one)
		link(two)
		r.shows("the other one", "a.example", two)
		_ = os.Remove(ca.file("link.pem"))
		_ = os.Remove(ca.file("link.key"))
	})
}

// TestTLSExpired: a certificate that expires while it is in use keeps no other from being renewed and no reload from being done; the log
// tells of it. Another one that has expired is refused, beside it and in its place.
func TestTLSExpired(t *testing.T) {
	const aged = "clients do not take this certificate"
	eachDriver(t, func(t *testing.T, d DriverName) {
		ca := newAuthority(t)
		site := ca.issue("site", false, nil, "a.example")
		end := time.Now().Add(3 * time.Second)
		short := func(c *x509.Certificate) { c.NotAfter = end }
		old := ca.issue("old", false, short, "b.example")
		up := ca.issue("up", false, short, "c.example")
		text := func(route string) string {
			return strings.Replace(certificatesText(t, d, route, "watch: 10ms", site, old), "clusters: {", fmt.Sprintf(
				"clusters: {far: {endpoints: ['127.0.0.1:1'], tls: {cert: '%s', key: '%s'}}, ", up.cert, up.key), 1)
		}
		r := startWith(t, text("a"))
		eventually(t, "the log tells that it has expired", func() bool { return r.said(aged) == 1 && r.said("old.pem: the certificate expired at ") == 1 })
		next := ca.issue("site", false, nil, "a.example")
		r.shows("the other one is renewed", "a.example", next)
		r.shows("the expired one stays", "b.example", old)

		r.reload(text("b")) // with the TLS as it is
		eventually(t, "the log tells again", func() bool { return r.said(aged) == 2 && r.said("up.pem: the certificate expired at ") == 1 })
		r.reload(strings.Replace(text("c"), "watch: 10ms", "watch: 20ms", 1)) // with another
		eventually(t, "the log tells of it as of a start", func() bool { return r.said(aged) == 3 })
		if _, err := Load("t.yaml", []byte(text("a"))); err == nil || strings.Count(err.Error(), " expired at ") != 2 {
			t.Errorf("a start does not refuse both: %v", err)
		}

		refused := func(what string) {
			t.Helper()
			if _, err := r.g.Reload(context.Background(), Change{Source: Source{"t.yaml", []byte(text("d"))}}); err == nil || !strings.Contains(err.Error(), "old.pem: the certificate expired at ") {
				t.Errorf("%s: %v", what, err)
			}
		}
		ca.issue("old", false, func(c *x509.Certificate) { c.NotAfter = time.Now().Add(-time.Minute) }, "b.example")
		refused("another one that has expired")
		r.shows("the expired one stays", "b.example", old)
		r.shows("the other one, too", "a.example", next)
		again := ca.issue("old", false, nil, "b.example")
		r.shows("it is renewed at last", "b.example", again)
	})
}

// TestTLSReplacement: what a first start refuses is what a worker that takes the place of another goes on with, if TLS works with it.
func TestTLSReplacement(t *testing.T) {
	ca := newAuthority(t)
	expired := func(c *x509.Certificate) { c.NotAfter = time.Now().Add(-time.Minute) }
	site, old := ca.issue("site", false, nil, "a.example"), ca.issue("old", false, expired, "b.example")
	ca.write("garbage", []byte("garbage"))
	text := func(tls, cluster string) string {
		return "listeners: {in: {address: '127.0.0.1:0', routes: [{cluster: c}], tls: {" + tls + "}}}\nclusters: {c: {endpoints: ['a:1'], tls: {" + cluster + "}}}\n"
	}
	files := func(p *pair) string { return fmt.Sprintf("cert: '%s', key: '%s'", p.cert, p.key) }
	for _, test := range []struct {
		name, text string
		goes       bool
	}{
		{"expired", text("certificates: ["+old.yaml()+"]", ""), true},
		{"expired authorities", text("certificates: ["+site.yaml()+"], client_auth: {ca: '"+ca.authority("past.pem", -2*time.Hour, -time.Hour)+"'}", ""), true},
		{"expired in a cluster", text("certificates: ["+site.yaml()+"]", files(old)), true},
		{"no OCSP response", text("certificates: [{"+files(site)+", ocsp: '"+ca.file("garbage")+"'}]", ""), true},
		{"damaged", text("certificates: [{cert: '"+ca.file("garbage")+"', key: '"+site.key+"'}]", ""), false},
		{"unknown key", text("certificates: ["+old.yaml()+"], colour: red", ""), false},
	} {
		for _, setup := range []process.Setup{{Generation: 1}, {Generation: 2}, {Generation: 2, Held: true}} {
			setup.Config = process.Config{Name: "t.yaml", Bytes: []byte(test.text)}
			if _, err := loadFor(setup); (err == nil) != (test.goes && setup.Generation > 1) {
				t.Errorf("%s, worker %d, held: %v: %v", test.name, setup.Generation, setup.Held, err)
			}
		}
	}
}

// TestTLSFilesChecked: what else is refused at check, with the file and the reason.
func TestTLSFilesChecked(t *testing.T) {
	ca := newAuthority(t)
	site := ca.issue("site", false, nil, "a.example")
	key := func(name, kind string, headers map[string]string) string {
		return ca.write(name, pem.EncodeToMemory(&pem.Block{Type: kind, Headers: headers, Bytes: []byte("whatever")}))
	}
	weak, err := rsa.GenerateKey(rand.Reader, 1024)
	if err != nil {
		t.Fatal(err)
	}
	small := ca.sign(&x509.Certificate{SerialNumber: newSerial("77"), DNSNames: []string{"a.example"}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour)}, ca.cert, weak.Public())
	ca.write("weak.pem", pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: small.Raw}))
	ca.write("weak.key", pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(weak)}))
	ca.write("garbage", []byte("garbage"))
	other := ca.issue("other", false, nil, "a.example")
	with := func(cert, key, more string) string {
		return fmt.Sprintf("listeners: {a: {address: ':1', routes: [{cluster: c}], tls: {certificates: [{cert: '%s', key: '%s'%s}}}\nclusters: {c: {endpoints: ['a:1']}}\n", cert, key, more)
	}
	proof := func(file string) string { return with(site.cert, site.key, ", ocsp: '"+file+"'}]") }
	clients := func(file string) string { return with(site.cert, site.key, "}], client_auth: {ca: '"+file+"'}") }
	const encrypted = ": the key is encrypted with a passphrase, which nobody could type here"
	for _, test := range []struct{ text, want string }{
		{with(site.cert, key("new.key", "ENCRYPTED PRIVATE KEY", nil), "}]"), "new.key" + encrypted},
		{with(site.cert, key("old.key", "RSA PRIVATE KEY", map[string]string{"Proc-Type": "4,ENCRYPTED", "DEK-Info": "AES-256-CBC,00"}), "}]"), "old.key" + encrypted},
		{with(ca.file("weak.pem"), ca.file("weak.key"), "}]"), "weak.pem: the certificate has an RSA key of 1024 bits, and clients take 2048 at least"},
		{clients(ca.authority("past.pem", -2*time.Hour, -time.Hour)), "past.pem: what it holds expired at "},
		{clients(ca.authority("future.pem", time.Hour, 2*time.Hour)), "future.pem: what it holds is valid only from "},
		{clients(ca.authority("both.pem", -2*time.Hour, -time.Hour, ca.cert)), ""},
		{proof(ca.file("garbage")), "garbage: holds no OCSP response in DER: "},
		{proof(ca.file("absent")), "absent: no such file"},
		{proof(ca.write("site.ocsp", ca.proof(site.Leaf.SerialNumber.String(), false))), ""},
		{proof(ca.write("other.ocsp", ca.proof(other.Leaf.SerialNumber.String(), false))), ""}, // of a certificate before, or after, this one
	} {
		_, err := Load("t.yaml", []byte(test.text))
		if test.want == "" && err != nil || test.want != "" && (err == nil || !strings.Contains(err.Error(), test.want)) {
			t.Errorf("%s\ngives %v\nwant  %q", test.text, err, test.want)
		}
	}
}

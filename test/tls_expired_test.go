package test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"math/big"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// shortLived writes a certificate for a name that is good for some time from now on, and returns it as the configuration has it.
func (p *pki) shortLived(t *testing.T, name string, life time.Duration) string {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	c := &x509.Certificate{SerialNumber: big.NewInt(1), DNSNames: []string{name}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(life)}
	cert, err := x509.CreateCertificate(rand.Reader, c, c, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	for file, b := range map[string]*pem.Block{"short.pem": {Type: "CERTIFICATE", Bytes: cert}, "short.key": {Type: "PRIVATE KEY", Bytes: private}} {
		if err := os.WriteFile(p.file(file), pem.EncodeToMemory(b), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return p.pair("short")
}

// TestExpiredInUse: a certificate that expires while it is in use keeps nobody else from being served: not over a crash of the worker, a
// reload and an upgrade. A check and a first start refuse it.
func TestExpiredInUse(t *testing.T) {
	t.Parallel()
	driversAtOnce(t, func(t *testing.T, driver string) {
		certs := newPKI(t)
		roots, err := readPool(certs.file("ca.pem"))
		if err != nil {
			t.Fatal(err)
		}
		u := &upgrades{dir: t.TempDir()}
		u.control = filepath.Join(u.dir, "control")
		u.process = start(t, driver, fmt.Sprintf("listeners:\n  web: {address: 127.0.0.1:0, routes: [{name: r0, filters: [{respond: {body: fine}}]}], tls: {certificates: [%s, %s]}}\n"+
			"process: {control: %q}", certs.pair("ec"), certs.shortLived(t, "short.example", 5*time.Second), u.control), options{})
		u.config = u.cmd.Args[3]
		v := &tlsVisitor{addr: u.addr, cfg: &tls.Config{RootCAs: roots, ServerName: "localhost"}}
		const aged = "clients do not take this certificate"
		served := func(after string, times int) {
			t.Helper()
			if err := v.visit(); err != nil {
				t.Errorf("after %s: %v", after, err)
			}
			eventually(t, func() error {
				if n := strings.Count(u.log.String(), aged); n < times {
					return fmt.Errorf("after %s the log tells of the certificate %d times", after, n)
				}
				return nil
			})
		}
		u.await("short.pem: the certificate expired at ")
		served("its end", 1)

		first := u.worker()
		if err := syscall.Kill(first, syscall.SIGKILL); err != nil {
			t.Fatal(err)
		}
		eventually(t, func() error {
			if u.workerNow() == first {
				return fmt.Errorf("no other worker is ready:\n%s", tail(u.log.String(), 2000))
			}
			return nil
		})
		served("a crash", 2)

		text, err := os.ReadFile(u.config)
		if err == nil {
			err = os.WriteFile(u.config, []byte(strings.Replace(string(text), "r0", "r1", 1)), 0o600)
		}
		if err != nil {
			t.Fatal(err)
		}
		if out, err := u.ringway("master", "reload"); err != nil || !strings.Contains(out, "r1") {
			t.Errorf("reload: %v: %s", err, out)
		}
		served("a reload", 3)
		u.upgrade()
		served("an upgrade", 4)

		for _, command := range []string{"check", "run"} {
			out, err := exec.Command(u.cmd.Path, command, "-c", u.config).CombinedOutput()
			if err == nil || !strings.Contains(string(out), "short.pem: the certificate expired at ") {
				t.Errorf("%s: %v: %s", command, err, out)
			}
		}
	})
}

package test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// pebbleVersion is the version of Let's Encrypt's test authority that the tests run.
const pebbleVersion = "v2.10.1"

// pebblePrograms are the authority and the DNS server that comes with it.
var pebblePrograms = &fetched{what: "Pebble " + pebbleVersion, packages: []string{
	"github.com/letsencrypt/pebble/v2/cmd/pebble@" + pebbleVersion, "github.com/letsencrypt/pebble/v2/cmd/pebble-challtestsrv@" + pebbleVersion}}

// pebble is an authority. Every name leads to 127.0.0.1, where it looks for proof on ports of the test's choice.
type pebble struct {
	t          *testing.T
	directory  string // URL
	management string
	root       string // file with what vouches for its own server
	http, tls  string // addresses where it looks for proof
	conf       string
	dns        string
	cmd        *exec.Cmd
	log        *output
}

// pebbleOptions are what differs between authorities.
type pebbleOptions struct {
	validity  time.Duration // of certificates; 0: 90 days
	eab       bool          // accounts have to be bound to key "kid-1"
	later     bool          // it is not started yet
	responder string        // address that certificates name for OCSP; empty: none
}

// eabKey is the key of the account that authorities with eab know.
const eabKey = "zWNDZM6eQGHWpSRTPal5eIUYFTu7EajVIoguysqZ9wG44nMEtx3MUAsUDkMTQ12W"

func newPebble(t *testing.T, o pebbleOptions) *pebble {
	t.Helper()
	certs := newPKI(t)
	api, management, dns := freeAddress(t), freeAddress(t), freeAddress(t)
	p := &pebble{t: t, directory: "https://" + api + "/dir", management: management, root: certs.file("ca.pem"), dns: dns,
		http: freeAddress(t), tls: freeAddress(t), log: new(output), conf: filepath.Join(t.TempDir(), "pebble.json")}
	if o.validity == 0 {
		o.validity = 90 * 24 * time.Hour
	}
	conf := map[string]any{"pebble": map[string]any{
		"listenAddress": api, "managementListenAddress": management, "certificate": certs.file("ec.pem"), "privateKey": certs.file("ec.key"),
		"httpPort": portOf(t, p.http), "tlsPort": portOf(t, p.tls), "keyAlgorithm": "ecdsa",
		"externalAccountBindingRequired": o.eab, "externalAccountMACKeys": map[string]string{"kid-1": eabKey},
		"domainBlocklist": []string{"blocked.example"}, "retryAfter": map[string]int{"authz": 1, "order": 1},
		"profiles": map[string]any{"default": map[string]any{"description": "as the test wants it", "validityPeriod": int(o.validity / time.Second)}},
	}}
	if o.responder != "" {
		conf["pebble"].(map[string]any)["ocspResponderURL"] = "http://" + o.responder
	}
	data, err := json.Marshal(conf)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(p.conf, data, 0o600); err != nil {
		t.Fatal(err)
	}
	p.child("pebble-challtestsrv", "-dnsserver", dns, "-management", freeAddress(t), "-http01", "", "-https01", "", "-tlsalpn01", "", "-doh", "",
		"-defaultIPv4", "127.0.0.1", "-defaultIPv6", "")
	eventually(t, func() error { return looksUp(dns, "any.example") }) // else the authority finds no name, and refuses
	if !o.later {
		p.start()
	}
	return p
}

// looksUp asks a DNS server for the addresses of a name.
func looksUp(server, name string) error {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	r := &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, network, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, network, server)
	}}
	_, err := r.LookupHost(ctx, name)
	return err
}

func portOf(t *testing.T, addr string) int {
	t.Helper()
	a, err := net.ResolveTCPAddr("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	return a.Port
}

// child starts one of the programs, which ends with the test.
func (p *pebble) child(name string, args ...string) *exec.Cmd {
	p.t.Helper()
	cmd := exec.Command(pebblePrograms.program(p.t, name), args...)
	cmd.Stdout, cmd.Stderr = p.log, p.log
	cmd.Env = append(os.Environ(), "PEBBLE_VA_NOSLEEP=1", "PEBBLE_AUTHZREUSE=0", "PEBBLE_WFE_NONCEREJECT=5")
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := cmd.Start(); err != nil {
		p.t.Fatal(err)
	}
	p.t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		if name == "pebble" && p.t.Failed() {
			p.t.Logf("the authority's log:\n%s", tail(p.log.String(), 4<<10))
		}
	})
	return cmd
}

// start starts the authority, and waits until it answers.
func (p *pebble) start() {
	p.t.Helper()
	p.cmd = p.child("pebble", "-config", p.conf, "-dnsserver", p.dns, "-strict")
	eventually(p.t, func() error {
		_, err := p.ask("/roots/0")
		return err
	})
}

// stop ends the authority, which forgets everything.
func (p *pebble) stop() {
	_ = p.cmd.Process.Kill()
	_ = p.cmd.Wait()
}

// ask fetches something from the authority's management.
func (p *pebble) ask(path string) ([]byte, error) {
	pool, err := readPool(p.root)
	if err != nil {
		return nil, err
	}
	c := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool}, DisableKeepAlives: true}, Timeout: patience}
	resp, err := c.Get("https://" + p.management + path)
	if err != nil {
		return nil, err
	}
	defer func() { _ = resp.Body.Close() }()
	return io.ReadAll(resp.Body)
}

func readPool(file string) (*x509.CertPool, error) {
	data, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(data) {
		return nil, fmt.Errorf("%s holds no certificate", file)
	}
	return pool, nil
}

// roots are what clients trust certificates of the authority by. It makes others each time it is started.
func (p *pebble) roots() *x509.CertPool {
	p.t.Helper()
	data, err := p.ask("/roots/0")
	if err != nil {
		p.t.Fatal(err)
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(data) {
		p.t.Fatalf("no root: %s", data)
	}
	return pool
}

// issued is how many certificates the authority has issued.
func (p *pebble) issued() int { return strings.Count(p.log.String(), "Issued certificate serial") }

// acme is the configuration of a client of the authority.
func (p *pebble) acme(storage, more string) string {
	return fmt.Sprintf("{ca: %q, ca_root: %q, storage: %q%s}", p.directory, p.root, storage, more)
}

// shown makes a handshake as a client that trusts roots, and gives the certificate.
func shown(addr, name string, roots *x509.CertPool) (*x509.Certificate, error) {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	d := &tls.Dialer{Config: &tls.Config{ServerName: name, RootCAs: roots, NextProtos: []string{"http/1.1"}}}
	c, err := d.DialContext(ctx, "tcp", addr)
	if err != nil {
		return nil, err
	}
	defer func() { _ = c.Close() }()
	return c.(*tls.Conn).ConnectionState().PeerCertificates[0], nil
}

// awaitCertificate waits until clients get a certificate of the authority for the name.
func awaitCertificate(t *testing.T, addr, name string, roots *x509.CertPool) *x509.Certificate {
	t.Helper()
	var x *x509.Certificate
	eventually(t, func() (err error) {
		x, err = shown(addr, name, roots)
		return err
	})
	return x
}

// getTLS asks for a path under the name.
func getTLS(addr, name, path string, roots *x509.CertPool) (int, string, error) {
	c := &http.Client{Timeout: patience, Transport: &http.Transport{
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, "tcp", addr)
		},
		TLSClientConfig: &tls.Config{RootCAs: roots}, DisableKeepAlives: true,
	}}
	resp, err := c.Get("https://" + name + path)
	if err != nil {
		return 0, "", err
	}
	defer func() { _ = resp.Body.Close() }()
	body, err := io.ReadAll(resp.Body)
	return resp.StatusCode, string(body), err
}

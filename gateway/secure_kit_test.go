package gateway

import (
	"bufio"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/ringway/ringway/conn"
	"github.com/ringway/ringway/observe/metrics"
)

// authority makes certificates, as files and for clients.
type authority struct {
	t    testing.TB
	dir  string
	cert *x509.Certificate
	key  crypto.Signer
	next int64
}

func newAuthority(t testing.TB) *authority {
	a := &authority{t: t, dir: t.TempDir(), next: 1}
	a.key = newKey(t, false)
	c := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "test authority"}, IsCA: true, BasicConstraintsValid: true,
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageDigitalSignature}
	a.cert = a.sign(c, c, a.key.Public())
	a.write("ca.pem", pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: a.cert.Raw}))
	return a
}

func newKey(t testing.TB, rsaKey bool) crypto.Signer {
	if rsaKey {
		k, err := rsa.GenerateKey(rand.Reader, 2048)
		if err != nil {
			t.Fatal(err)
		}
		return k
	}
	k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func (a *authority) sign(c, issuer *x509.Certificate, public crypto.PublicKey) *x509.Certificate {
	der, err := x509.CreateCertificate(rand.Reader, c, issuer, public, a.key)
	if err != nil {
		a.t.Fatal(err)
	}
	x, err := x509.ParseCertificate(der)
	if err != nil {
		a.t.Fatal(err)
	}
	return x
}

func (a *authority) write(name string, data []byte) string {
	path := filepath.Join(a.dir, name)
	if err := os.WriteFile(path+".new", data, 0o600); err != nil {
		a.t.Fatal(err)
	}
	if err := os.Rename(path+".new", path); err != nil { // all at once
		a.t.Fatal(err)
	}
	return path
}

// pair is a certificate with its key, and the files that hold them.
type pair struct {
	tls.Certificate
	cert, key string
}

// yaml is the pair as an element of certificates.
func (p *pair) yaml() string { return fmt.Sprintf("{cert: '%s', key: '%s'}", p.cert, p.key) }

// issue makes a certificate for the names; how may change it before it is signed.
func (a *authority) issue(file string, rsaKey bool, how func(*x509.Certificate), names ...string) *pair {
	a.t.Helper()
	a.next++
	c := &x509.Certificate{SerialNumber: big.NewInt(a.next), Subject: pkix.Name{CommonName: file}, DNSNames: names,
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth}}
	for i := 0; i < len(c.DNSNames); i++ {
		if ip := net.ParseIP(c.DNSNames[i]); ip != nil {
			c.IPAddresses, c.DNSNames = append(c.IPAddresses, ip), append(c.DNSNames[:i:i], c.DNSNames[i+1:]...)
		}
	}
	if how != nil {
		how(c)
	}
	key := newKey(a.t, rsaKey)
	x := a.sign(c, a.cert, key.Public())
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		a.t.Fatal(err)
	}
	p := &pair{Certificate: tls.Certificate{Certificate: [][]byte{x.Raw}, PrivateKey: key, Leaf: x}}
	chain := append(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: x.Raw}), pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: a.cert.Raw})...)
	p.cert = a.write(file+".pem", chain)
	p.key = a.write(file+".key", pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}))
	return p
}

// trusting is a client's configuration that trusts the authority.
func (a *authority) trusting(name string) *tls.Config {
	pool := x509.NewCertPool()
	pool.AddCert(a.cert)
	return &tls.Config{RootCAs: pool, ServerName: name}
}

// file is a file of the authority's folder.
func (a *authority) file(name string) string { return filepath.Join(a.dir, name) }

// shake connects to the listener "in" and speaks TLS; what fails may do so at the first read.
func (r *rig) shake(cfg *tls.Config) (*client, *tls.Conn, error) {
	r.Helper()
	raw := r.dial()
	k := tls.Client(raw.Conn, cfg)
	if err := k.Handshake(); err != nil {
		return nil, nil, err
	}
	return &client{Conn: k, t: r, br: bufio.NewReader(k)}, k, nil
}

// dialTLS is shake that must work.
func (r *rig) dialTLS(cfg *tls.Config) (*client, *tls.Conn) {
	r.Helper()
	c, k, err := r.shake(cfg)
	if err != nil {
		r.Fatal(err)
	}
	return c, k
}

// hello asks for / and wants the answer of say.
func (c *client) hello() string {
	c.t.Helper()
	c.send("GET / HTTP/1.1\r\nHost: a.example\r\n\r\n")
	return c.head() + c.body(5)
}

// tlsBlocks is how many blocks TLS connections hold.
func (r *rig) tlsBlocks() (n int) {
	for _, p := range r.g.current().everyone() {
		p.loop.On(func() { n += conn.TLSBlocksInUse(p.loop) })
	}
	return n
}

// handshakes are the counters of the listener "in".
func (r *rig) handshakes() (sum metrics.TLSCounters) {
	s := r.g.Snapshot()
	for i := range s.Listeners {
		sum.Add(&s.Listeners[i].TLS)
	}
	return sum
}

func newSerial(s string) *big.Int {
	n, _ := new(big.Int).SetString(s, 10)
	return n
}

// shownFor is the serial number of the certificate that a client is shown for a name.
func (r *rig) shownFor(name string) string {
	r.Helper()
	c, k := r.dialTLS(&tls.Config{InsecureSkipVerify: true, ServerName: name})
	defer func() { _ = c.Close() }()
	return k.ConnectionState().PeerCertificates[0].SerialNumber.String()
}

// shows waits until clients are shown a certificate.
func (r *rig) shows(what, name string, p *pair) {
	r.Helper()
	eventually(r, what, func() bool { return r.shownFor(name) == p.Leaf.SerialNumber.String() })
}

// certificatesText is a configuration with certificates; route is the name of its route, by which a reload has something to do.
func certificatesText(t *testing.T, d DriverName, route, how string, all ...*pair) string {
	var list []string
	for _, p := range all {
		list = append(list, p.yaml())
	}
	return fmt.Sprintf("listeners: {in: {address: '127.0.0.1:0', routes: [{name: %s, cluster: out}], tls: {%s, certificates: [%s]}}}\n"+
		"clusters: {out: {endpoints: ['%s']}}\nruntime: {driver: %s, loops: 1}\n", route, how, strings.Join(list, ", "), replies(t, hello), d)
}

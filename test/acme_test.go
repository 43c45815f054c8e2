package test

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// acmeConfig is a gateway that the authority finds by HTTP and by TLS, with a certificate by file for localhost.
const acmeConfig = `
listeners:
  plain: {address: %[1]q, routes: [{cluster: site}]}
  web:
    address: %[2]q
    tls: {certificates: [%[3]s], unknown_names: refuse, acme: %[4]s%[5]s}
    routes: %[6]s
clusters: {site: {endpoints: [%[7]q]}}
log: {level: debug}
`

// whoServes answers with the host that the request was for.
func whoServes(w http.ResponseWriter, r *http.Request) { fmt.Fprintf(w, "%s%s", r.Host, r.URL.Path) }

// acmeText is the configuration of a gateway in front of an authority. more is further keys of tls.acme, beside those of tls.
func acmeText(p *pebble, certs *pki, storage, site, more, beside string, hosts ...string) string {
	var routes []string
	for _, h := range hosts {
		routes = append(routes, fmt.Sprintf("{host: %s, cluster: site}", h))
	}
	routes = append(routes, "{cluster: site}")
	return fmt.Sprintf(acmeConfig, p.http, p.tls, certs.pair("ec"), p.acme(storage, more), beside, "["+strings.Join(routes, ", ")+"]", site)
}

// TestACMEHTTP01: certificates for the hosts of routes, by HTTP-01; other names are served meanwhile, requests that are not the
// authority's pass, and a process that starts anew has the certificates, authority or not.
func TestACMEHTTP01(t *testing.T) {
	certs := newPKI(t)
	eachDriver(t, func(t *testing.T, driver string) {
		ca, storage := newPebble(t, pebbleOptions{}), t.TempDir()
		site := serveGo(t, http.HandlerFunc(whoServes))
		text := acmeText(ca, certs, storage, site, ", challenges: [http-01], email: ops@example.com", "", "a.example", "b.example", "'*.example'", "localhost")
		p := start(t, driver, text, options{})
		own, err := readPool(certs.file("ca.pem"))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := shown(ca.tls, "localhost", own); err != nil {
			t.Errorf("another name, at once: %v", err)
		}
		roots := ca.roots()
		first := awaitCertificate(t, ca.tls, "a.example", roots)
		awaitCertificate(t, ca.tls, "b.example", roots)
		if status, body, err := getTLS(ca.tls, "a.example", "/x", roots); err != nil || status != 200 || body != "a.example/x" {
			t.Errorf("GET: %d %q, %v", status, body, err)
		}
		if a := fetch(t, newClient(t), "GET", "http://"+ca.http+"/.well-known/acme-challenge/unknown-token", nil); !strings.HasSuffix(a.text, "/.well-known/acme-challenge/unknown-token") {
			t.Errorf("a token that is not ours: %d %q", a.StatusCode, a.text)
		}
		if n := ca.issued(); n != 2 {
			t.Errorf("the authority issued %d certificates", n)
		}
		for _, line := range []string{"control of a name is proven to the authority", "msg=\"certificate in use\" name=a.example", "challenge=http-01", "account registered"} {
			p.await(line)
		}
		p.signal(os.Interrupt)
		p.wait()
		ca.stop()
		p = start(t, driver, text, options{})
		again, err := shown(ca.tls, "a.example", roots)
		if err != nil || again.SerialNumber.Cmp(first.SerialNumber) != 0 {
			t.Errorf("after a restart without the authority: %v, serial %v, before %v", err, again, first.SerialNumber)
		}
		if strings.Contains(p.log.String(), "getting a certificate") {
			t.Error("the restart asked for a certificate")
		}
	})
}

// TestACMETLSALPN01: the same by TLS-ALPN-01, on a listener that asks clients for certificates, which the authority has none of.
func TestACMETLSALPN01(t *testing.T) {
	certs := newPKI(t)
	eachDriver(t, func(t *testing.T, driver string) {
		ca := newPebble(t, pebbleOptions{eab: true})
		site := serveGo(t, http.HandlerFunc(whoServes))
		more := fmt.Sprintf(", challenges: [tls-alpn-01], key_type: p384, names: [One.Example, zwei.example], eab: {key_id: kid-1, key: %s}", eabKey)
		p := start(t, driver, acmeText(ca, certs, t.TempDir(), site, more, fmt.Sprintf(", client_auth: {ca: %q}", certs.file("ca.pem"))), options{})
		p.await("msg=\"certificate in use\" name=one.example")
		p.await("msg=\"certificate in use\" name=zwei.example")
		p.await("challenge=tls-alpn-01")
		curl := tool(t, "curl", "curl")
		_ = curl
		if n := ca.issued(); n != 2 {
			t.Errorf("the authority issued %d certificates", n)
		}
	})
}

// TestACMERenewal: certificates that live for seconds are renewed again and again, and no client ever sees one that has run out.
func TestACMERenewal(t *testing.T) {
	certs := newPKI(t)
	eachDriver(t, func(t *testing.T, driver string) {
		ca := newPebble(t, pebbleOptions{validity: 15 * time.Second})
		site := serveGo(t, http.HandlerFunc(whoServes))
		p := start(t, driver, acmeText(ca, certs, t.TempDir(), site, "", "", "a.example"), options{})
		roots := ca.roots()
		serials := map[string]bool{awaitCertificate(t, ca.tls, "a.example", roots).SerialNumber.String(): true}
		handshakes := 0
		for end := time.Now().Add(2 * patience); len(serials) < 4 && time.Now().Before(end); time.Sleep(100 * time.Millisecond) {
			x, err := shown(ca.tls, "a.example", roots)
			if err != nil {
				t.Fatalf("after %d handshakes: %v", handshakes, err)
			}
			serials[x.SerialNumber.String()] = true
			handshakes++
		}
		if len(serials) < 4 {
			t.Errorf("%d certificates in %d handshakes", len(serials), handshakes)
		}
		if n := ca.issued(); n > len(serials)+1 {
			t.Errorf("the authority issued %d certificates, of which clients saw %d", n, len(serials))
		}
		p.await("msg=\"certificate renewed\" name=a.example")
		t.Logf("%d certificates in %d handshakes", len(serials), handshakes)
	})
}

// TestACMEStorage: a folder that cannot be written is said at the start.
func TestACMEStorage(t *testing.T) {
	certs := newPKI(t)
	ca := &pebble{directory: "https://127.0.0.1:1/dir", root: certs.file("ca.pem"), http: freeAddress(t), tls: freeAddress(t)}
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	p := spawn(t, "epoll", acmeText(ca, certs, filepath.Join(file, "acme"), "127.0.0.1:1", "", "", "a.example"), options{})
	if code := p.wait(); code == 0 || !strings.Contains(p.log.String(), "cannot be written by user") || !strings.Contains(p.log.String(), "tls.acme.storage") {
		t.Errorf("exit status %d:\n%s", code, p.log)
	}
}

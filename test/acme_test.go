package test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strings"
	"sync"
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
	t.Parallel()
	certs := newPKI(t)
	driversAtOnce(t, func(t *testing.T, driver string) {
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
	t.Parallel()
	certs := newPKI(t)
	driversAtOnce(t, func(t *testing.T, driver string) {
		ca := newPebble(t, pebbleOptions{eab: true})
		site := serveGo(t, http.HandlerFunc(whoServes))
		more := fmt.Sprintf(", challenges: [tls-alpn-01], key_type: p384, names: [One.Example, zwei.example], eab: {key_id: kid-1, key: %s}", eabKey)
		p := start(t, driver, acmeText(ca, certs, t.TempDir(), site, more, fmt.Sprintf(", client_auth: {ca: %q}", certs.file("ca.pem"))), options{})
		roots := ca.roots()
		for _, name := range []string{"one.example", "zwei.example"} {
			x := awaitCertificate(t, ca.tls, name, roots)
			if k, ok := x.PublicKey.(*ecdsa.PublicKey); !ok || k.Curve != elliptic.P384() {
				t.Errorf("%s: a key of %T", name, x.PublicKey)
			}
		}
		p.await("challenge=tls-alpn-01")
		if n := ca.issued(); n != 2 {
			t.Errorf("the authority issued %d certificates", n)
		}
		if _, _, err := getTLS(ca.tls, "one.example", "/", roots); err == nil {
			t.Error("a client without a certificate is served")
		}
	})
}

// TestACMERenewal: certificates that live for seconds are renewed again and again, and no client ever sees one that has run out.
func TestACMERenewal(t *testing.T) {
	t.Parallel()
	certs := newPKI(t)
	driversAtOnce(t, func(t *testing.T, driver string) {
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

// TestACMEStorageOfAnotherUser: workers that run as somebody else cannot write root's folder, and it is said whose it has to be.
func TestACMEStorageOfAnotherUser(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only root can run workers as another user")
	}
	if _, err := user.Lookup("nobody"); err != nil {
		t.Skip(err)
	}
	text := fmt.Sprintf("listeners: {web: {address: '127.0.0.1:0', tls: {acme: {names: [a.example], ca: 'https://127.0.0.1:1/dir', storage: %q}}, routes: [{cluster: c}]}}\n"+
		"clusters: {c: {endpoints: ['127.0.0.1:1']}}\nprocess: {user: nobody, control: %q}\n", t.TempDir(), filepath.Join(t.TempDir(), "control"))
	p := spawn(t, "epoll", text, options{})
	if code := p.wait(); code == 0 || !strings.Contains(p.log.String(), "cannot be written by user nobody") {
		t.Errorf("exit status %d:\n%s", code, p.log)
	}
}

// TestACMEAuthorityDown: an authority that cannot be reached at the start keeps nobody else from being served, is told of, and is
// asked again.
func TestACMEAuthorityDown(t *testing.T) {
	t.Parallel()
	certs := newPKI(t)
	driversAtOnce(t, func(t *testing.T, driver string) {
		ca := newPebble(t, pebbleOptions{later: true})
		site := serveGo(t, http.HandlerFunc(whoServes))
		p := start(t, driver, acmeText(ca, certs, t.TempDir(), site, "", "", "a.example"), options{})
		own, err := readPool(certs.file("ca.pem"))
		if err != nil {
			t.Fatal(err)
		}
		if status, body, err := getTLS(ca.tls, "localhost", "/", own); err != nil || status != 200 {
			t.Errorf("another name: %d %q, %v", status, body, err)
		}
		if _, err := shown(ca.tls, "a.example", own); err == nil || !strings.Contains(err.Error(), "unrecognized name") {
			t.Errorf("the name without a certificate: %v", err)
		}
		p.await("no certificate for a client")
		p.await("no certificate obtained, trying again")
		out, err := exec.Command(p.cmd.Path, "status", "--admin", p.admin).CombinedOutput()
		if err != nil || !strings.Contains(string(out), "certificates 0 of 1 names valid") || !strings.Contains(string(out), "a.example: failing; next try in ") {
			t.Errorf("status: %v\n%s", err, out)
		}
		ca.start()
		awaitCertificate(t, ca.tls, "a.example", ca.roots())
		if m := fetch(t, newClient(t), "GET", "http://"+p.admin+"/metrics", nil); !strings.Contains(m.text, `ringway_acme_orders_total{kind="first",result="done"} 1`) ||
			!strings.Contains(m.text, `ringway_acme_names{state="valid"} 1`) || !strings.Contains(m.text, `ringway_acme_certificate_expiry_timestamp_seconds{name="a.example"}`) ||
			strings.Contains(m.text, `ringway_acme_orders_total{kind="first",result="failed"} 0`) {
			t.Errorf("metrics:\n%s", grep(m.text, "acme"))
		}
	})
}

// grep gives the lines that contain a text.
func grep(text, part string) string {
	var b strings.Builder
	for line := range strings.Lines(text) {
		if strings.Contains(line, part) {
			b.WriteString(line)
		}
	}
	return b.String()
}

// TestACMEOnDemand: names get certificates when clients ask for them, if somebody allows it, who is asked once.
func TestACMEOnDemand(t *testing.T) {
	t.Parallel()
	certs := newPKI(t)
	driversAtOnce(t, func(t *testing.T, driver string) {
		ca, storage := newPebble(t, pebbleOptions{}), t.TempDir()
		site := serveGo(t, http.HandlerFunc(whoServes))
		var mu sync.Mutex
		asked := map[string]int{}
		ask := serveGo(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			mu.Lock()
			defer mu.Unlock()
			name := r.URL.Query().Get("domain")
			asked[name]++
			if r.URL.Query().Get("key") != "k" || !strings.HasSuffix(name, ".yes.example") && name != "blocked.example" {
				http.Error(w, "no", http.StatusForbidden)
			}
		}))
		text := acmeText(ca, certs, storage, site, fmt.Sprintf(", on_demand: {ask: 'http://%s/may?key=k'}", ask), "")
		p := start(t, driver, text, options{})
		roots := ca.roots()
		var all sync.WaitGroup
		serials := make([]string, 20)
		for i := range serials {
			all.Go(func() {
				if x, err := shown(ca.tls, "Shop.yes.example", roots); err != nil {
					t.Errorf("client %d: %v", i, err)
				} else {
					serials[i] = x.SerialNumber.String()
				}
			})
		}
		all.Wait()
		for range 2 {
			for _, name := range []string{"no.example", "blocked.example", "*.yes.example"} {
				if _, err := shown(ca.tls, name, roots); err == nil || !strings.Contains(err.Error(), "unrecognized name") {
					t.Errorf("%s: %v", name, err)
				}
			}
		}
		p.await("no certificate for a client")
		p.await("no certificate obtained on demand")
		mu.Lock()
		for name, want := range map[string]int{"shop.yes.example": 1, "no.example": 1, "blocked.example": 1, "*.yes.example": 0} {
			if asked[name] != want {
				t.Errorf("asked %d times about %s, not %d", asked[name], name, want)
			}
		}
		mu.Unlock()
		if n := ca.issued(); n != 1 || serials[0] != serials[19] {
			t.Errorf("the authority issued %d certificates: %v", n, serials)
		}
		p.signal(os.Interrupt)
		p.wait()
		start(t, driver, text, options{})
		if x, err := shown(ca.tls, "shop.yes.example", roots); err != nil || x.SerialNumber.String() != serials[0] {
			t.Errorf("after a restart: %v", err)
		}
		if n := ca.issued(); n != 1 {
			t.Errorf("after a restart the authority has issued %d certificates", n)
		}
	})
}

// TestACMEReload: names come and go, and those that stay keep their certificates.
func TestACMEReload(t *testing.T) {
	t.Parallel()
	certs := newPKI(t)
	driversAtOnce(t, func(t *testing.T, driver string) {
		ca, storage := newPebble(t, pebbleOptions{}), t.TempDir()
		site := serveGo(t, http.HandlerFunc(whoServes))
		text := func(beside string, hosts ...string) string {
			return acmeText(ca, certs, storage, site, "", beside, hosts...) + "runtime: {driver: $DRIVER, loops: 2}\n"
		}
		r := startReloadable(t, driver, text("", "a.example"))
		roots := ca.roots()
		first := awaitCertificate(t, ca.tls, "a.example", roots).SerialNumber
		change := func(text string) {
			t.Helper()
			r.write(t, text)
			if out, err := r.reload(); err != nil {
				t.Fatalf("%v\n%s", err, out)
			}
		}
		change(text("", "a.example", "b.example"))
		keeps := func(name string, serial fmt.Stringer) {
			t.Helper()
			if x, err := shown(ca.tls, name, roots); err != nil || x.SerialNumber.String() != serial.String() {
				t.Errorf("%s does not keep its certificate: %v", name, err)
			}
		}
		keeps("a.example", first)
		second := awaitCertificate(t, ca.tls, "b.example", roots).SerialNumber
		change(text(", hsts: {max_age: 1h}, session_tickets: {rotate: 1h}", "a.example", "b.example"))
		keeps("a.example", first)
		keeps("b.example", second)
		change(text("", "b.example"))
		keeps("b.example", second)
		r.await("msg=\"name no longer looked after\" name=a.example")
		if _, err := shown(ca.tls, "a.example", roots); err == nil {
			t.Error("a name that is gone is served")
		}
		var left []struct{ Name, State string }
		if err := json.Unmarshal([]byte(r.get(t, "/v1/certificates")), &left); err != nil || len(left) != 1 || left[0].Name != "b.example" || left[0].State != "valid" {
			t.Errorf("looked after: %+v, %v", left, err)
		}
		change(text("", "a.example", "b.example"))
		keeps("a.example", first)
		change(strings.Replace(text("", "a.example", "b.example"), ca.directory, "https://127.0.0.1:1/dir", 1))
		keeps("a.example", first) // until another authority has given one
		if n := ca.issued(); n != 2 {
			t.Errorf("the authority issued %d certificates", n)
		}
	})
}

// get asks the admin API.
func (r *reloadable) get(t *testing.T, path string) string {
	t.Helper()
	out, err := exec.Command(tool(t, "curl", "curl"), "-sS", "--unix-socket", r.socket, "http://admin"+path).CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return string(out)
}

// TestACMEUpgrade: an old and a new worker share what there is: nothing is got twice, and no handshake fails, wherever the upgrade finds it.
func TestACMEUpgrade(t *testing.T) {
	certs := newPKI(t)
	eachDriver(t, func(t *testing.T, driver string) {
		ca, control := newPebble(t, pebbleOptions{}), filepath.Join(t.TempDir(), "control")
		site := serveGo(t, http.HandlerFunc(whoServes))
		p := start(t, driver, acmeText(ca, certs, t.TempDir(), site, "", "", "a.example")+fmt.Sprintf("process: {control: %q}\n", control), options{})
		roots := ca.roots()
		first := awaitCertificate(t, ca.tls, "a.example", roots)
		stop := make(chan struct{})
		var all sync.WaitGroup
		handshakes := 0
		all.Go(func() {
			for {
				select {
				case <-stop:
					return
				case <-time.After(5 * time.Millisecond):
				}
				x, err := shown(ca.tls, "a.example", roots)
				if err != nil || !x.Equal(first) {
					t.Errorf("handshake %d: %v", handshakes, err)
					return
				}
				handshakes++
			}
		})
		for i := range 2 {
			if out, err := exec.Command(p.cmd.Path, "upgrade", "--control", control).CombinedOutput(); err != nil {
				t.Errorf("upgrade %d: %v\n%s", i, err, out)
			}
			eventually(t, func() error { // the master, too
				if n := strings.Count(p.log.String(), "this master is a new program"); n != i+1 {
					return fmt.Errorf("the master has been replaced %d times, not %d", n, i+1)
				}
				return nil
			})
		}
		close(stop)
		all.Wait()
		if n := ca.issued(); n != 1 {
			t.Errorf("the authority issued %d certificates", n)
		}
		t.Logf("%d handshakes", handshakes)
	})
}

// TestACMEOtherProcess: whoever the authority finds answers for another process with the same folder, by HTTP and by TLS.
func TestACMEOtherProcess(t *testing.T) {
	t.Parallel()
	certs := newPKI(t)
	driversAtOnce(t, func(t *testing.T, driver string) {
		for _, how := range []string{"http-01", "tls-alpn-01"} {
			t.Run(how, func(t *testing.T) {
				ca, storage := newPebble(t, pebbleOptions{}), t.TempDir()
				site := serveGo(t, http.HandlerFunc(whoServes))
				more := ", challenges: [" + how + "]"
				found := start(t, driver, acmeText(ca, certs, storage, site, more, "", "a.example"), options{})
				roots := ca.roots()
				awaitCertificate(t, ca.tls, "a.example", roots)
				hidden := *ca
				hidden.http, hidden.tls = freeAddress(t), freeAddress(t)
				p := start(t, driver, acmeText(&hidden, certs, storage, site, more, "", "hidden.example"), options{})
				x := awaitCertificate(t, hidden.tls, "hidden.example", roots)
				if x.DNSNames[0] != "hidden.example" {
					t.Errorf("a certificate for %v", x.DNSNames)
				}
				if !strings.Contains(found.log.String(), "name=hidden.example") || strings.Contains(p.log.String(), "control of a name is proven") {
					t.Error("the wrong process has proven it")
				}
			})
		}
	})
}

// TestACMESharedFolder: of two processes that want a certificate for the same name at the same time one gets it, for both.
func TestACMESharedFolder(t *testing.T) {
	t.Parallel()
	certs := newPKI(t)
	driversAtOnce(t, func(t *testing.T, driver string) {
		ca, storage := newPebble(t, pebbleOptions{later: true}), t.TempDir()
		site := serveGo(t, http.HandlerFunc(whoServes))
		other := *ca
		other.http, other.tls = freeAddress(t), freeAddress(t)
		var all []*process
		for _, at := range []*pebble{ca, &other} {
			all = append(all, start(t, driver, acmeText(at, certs, storage, site, "", "", "a.example"), options{}))
		}
		for _, p := range all {
			p.await("no certificate obtained, trying again")
		}
		ca.start()
		roots := ca.roots()
		if one, two := awaitCertificate(t, ca.tls, "a.example", roots), awaitCertificate(t, other.tls, "a.example", roots); !one.Equal(two) {
			t.Errorf("serials %v and %v", one.SerialNumber, two.SerialNumber)
		}
		if n := ca.issued(); n != 1 {
			t.Errorf("the authority issued %d certificates", n)
		}
	})
}

// silent is a server that takes connections and says nothing; each is told of.
func silent(t *testing.T) (addr string, came <-chan struct{}) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	c := make(chan struct{}, 1000)
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
	return l.Addr().String(), c
}

// TestACMESilentResponder: an OCSP responder that does not answer keeps no certificate from being shown, not even for a moment after a
// restart, a reload or an upgrade, and lets all of them end.
func TestACMESilentResponder(t *testing.T) {
	t.Parallel()
	certs := newPKI(t)
	driversAtOnce(t, func(t *testing.T, driver string) {
		responder, came := silent(t)
		ca, storage, control := newPebble(t, pebbleOptions{responder: responder}), t.TempDir(), filepath.Join(t.TempDir(), "control")
		site := serveGo(t, http.HandlerFunc(whoServes))
		text := func(more string) string {
			return acmeText(ca, certs, storage, site, more, "", "a.example") + fmt.Sprintf("process: {control: %q}\nruntime: {driver: $DRIVER, loops: 2, drain_timeout: 1s}\n", control)
		}
		r := startReloadable(t, driver, text(""))
		roots := ca.roots()
		first := awaitCertificate(t, ca.tls, "a.example", roots)
		prompt := func(what string, do func()) {
			t.Helper()
			select {
			case <-came: // the responder is being asked
			case <-time.After(patience):
				t.Fatalf("nobody asks the responder before the %s", what)
			}
			began := time.Now()
			do()
			if took := time.Since(began); took > 8*time.Second { // a question is given up after ten
				t.Errorf("the %s took %v", what, took)
			}
			if x, err := shown(ca.tls, "a.example", roots); err != nil || !x.Equal(first) {
				t.Errorf("after the %s: %v", what, err)
			}
		}
		prompt("reload", func() {
			r.write(t, text(", email: ops@example.com"))
			if out, err := r.reload(); err != nil {
				t.Errorf("%v\n%s", err, out)
			}
		})
		prompt("upgrade", func() {
			if out, err := r.command("upgrade", "--control", control); err != nil {
				t.Errorf("%v\n%s", err, out)
			}
		})
		r.awaitBecoming(1)
		prompt("restart", func() {
			r.signal(os.Interrupt)
			r.wait()
			r.process = startFile(t, r.file, options{plain: true})
		})
		<-came
		if n := ca.issued(); n != 1 {
			t.Errorf("the authority issued %d certificates", n)
		}
	})
}

// TestACMEDamaged: in the place of a damaged file a certificate is got anew, and the log names it.
func TestACMEDamaged(t *testing.T) {
	t.Parallel()
	certs := newPKI(t)
	driversAtOnce(t, func(t *testing.T, driver string) {
		ca, storage := newPebble(t, pebbleOptions{}), t.TempDir()
		text := acmeText(ca, certs, storage, serveGo(t, http.HandlerFunc(whoServes)), "", "", "a.example", "b.example")
		p := start(t, driver, text, options{})
		roots := ca.roots()
		var files []string
		before := map[string]string{}
		for name, end := range map[string]string{"a.example": ".crt", "b.example": ".key"} {
			before[name] = awaitCertificate(t, ca.tls, name, roots).SerialNumber.String()
			found, err := filepath.Glob(filepath.Join(storage, "certificates", "*", name, name+end))
			if err != nil || len(found) != 1 {
				t.Fatalf("%v, %v", found, err)
			}
			files = append(files, found[0])
		}
		p.signal(os.Interrupt)
		p.wait()
		for _, f := range files {
			if err := os.Truncate(f, 50); err != nil {
				t.Fatal(err)
			}
		}
		p = start(t, driver, text, options{})
		for name, serial := range before {
			if x := awaitCertificate(t, ca.tls, name, roots); x.SerialNumber.String() == serial {
				t.Errorf("%s is shown what was damaged", name)
			}
		}
		for _, f := range files {
			p.await("file=" + f)
		}
	})
}

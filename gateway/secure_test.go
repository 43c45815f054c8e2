package gateway

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/ringway/ringway/observe/metrics"
)

// startTLS runs a gateway whose listener has this tls block, in front of origins that say hello.
func startTLS(t *testing.T, d DriverName, block string) *rig {
	t.Helper()
	r := start(t, d, with{listener: "tls: {" + block + "}"}, replies(t, hello))
	t.Cleanup(func() { eventually(t, "blocks of TLS are given back", func() bool { return r.tlsBlocks() == 0 }) })
	return r
}

// TestTLSRequests: requests of all kinds over either version, on connections that rest between them without a task or a block.
func TestTLSRequests(t *testing.T) {
	eachDriver(t, func(t *testing.T, d DriverName) {
		ca := newAuthority(t)
		site := ca.issue("site", false, nil, "a.example")
		large := strings.Repeat("0123456789abcdef", 40000)
		up := origin(t, func(c *client) {
			for {
				head, err := readHead(c.br)
				if err != nil {
					return
				}
				switch {
				case strings.HasPrefix(head, "GET /large "):
					c.send("HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s", len(large), large)
				case strings.HasPrefix(head, "GET /chunked "):
					c.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
					for part := large; part != ""; part = part[min(len(part), 20000):] {
						c.send("%x\r\n%s\r\n", min(len(part), 20000), part[:min(len(part), 20000)])
					}
					c.send("0\r\n\r\n")
				case strings.HasPrefix(head, "POST /"):
					c.body(len(large))
					c.send(hello)
				default:
					c.send("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n%.5s", head[strings.Index(head, "X-Forwarded-Proto: ")+19:])
				}
			}
		})
		for _, v := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
			r := start(t, d, with{listener: "tls: {certificates: [" + site.yaml() + "], hsts: {include_subdomains: true}}"}, up)
			cfg := ca.trusting("a.example")
			cfg.MaxVersion, cfg.NextProtos = v, []string{"http/1.1"}
			c, k := r.dialTLS(cfg)
			if s := k.ConnectionState(); s.Version != v || s.NegotiatedProtocol != "http/1.1" {
				t.Errorf("version %x, protocol %q", s.Version, s.NegotiatedProtocol)
			}
			for range 3 {
				c.send("GET / HTTP/1.1\r\nHost: a.example\r\n\r\n")
				if h := c.head(); !strings.Contains(h, "\nStrict-Transport-Security: max-age=63072000; includeSubDomains\n") {
					t.Errorf("head %q", h)
				}
				if b := c.body(5); b != "https" {
					t.Errorf("the upstream was told of %q", b)
				}
				eventually(t, "the connection rests", func() bool {
					_, tasks := r.g.Usage()
					return tasks == 0 && r.tlsBlocks() == 0
				})
			}
			c.send("GET /large HTTP/1.1\r\nHost: a.example\r\n\r\nGET / HTTP/1.1\r\nHost: a.example\r\n\r\n") // pipelined
			c.head()
			if c.body(len(large)) != large || c.head() == "" || c.body(5) != "https" {
				t.Error("other bytes came")
			}
			c.send("POST / HTTP/1.1\r\nHost: a.example\r\nContent-Length: %d\r\n\r\n%s", len(large), large)
			if h := c.head(); !strings.HasPrefix(h, "HTTP/1.1 200 ") || c.body(5) != "hello" {
				t.Errorf("head %q", h)
			}
			c.send("GET /chunked HTTP/1.1\r\nHost: a.example\r\nConnection: close\r\n\r\n")
			c.head()
			rest, err := c.rest()
			if err != nil || !strings.HasSuffix(rest, "0\r\n\r\n") || strings.Count(rest, "0123456789abcdef") < 39900 {
				t.Errorf("%d bytes, then %v", len(rest), err)
			}
			_ = c.Close()
			r.rest()
		}
	})
}

// TestTLSNames: which certificate a client is shown.
func TestTLSNames(t *testing.T) {
	ca := newAuthority(t)
	ec := ca.issue("ec", false, nil, "a.example", "www.a.example")
	rsa := ca.issue("rsa", true, nil, "a.example", "www.a.example")
	wild := ca.issue("wild", false, nil, "*.b.example")
	exact := ca.issue("exact", false, nil, "x.b.example")
	wildRSA := ca.issue("wildrsa", true, nil, "*.b.example")
	exactRSA := ca.issue("exactrsa", true, nil, "z.b.example")
	list := strings.Join([]string{rsa.yaml(), ec.yaml(), wildRSA.yaml(), wild.yaml(), exact.yaml(), exactRSA.yaml()}, ", ")
	onlyRSA := func(c *tls.Config) {
		c.MaxVersion, c.CipherSuites = tls.VersionTLS12, []uint16{tls.TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256}
	}
	tests := []struct {
		name string
		how  func(*tls.Config)
		want *pair
	}{
		{"a.example", nil, ec},
		{"A.Example", nil, ec},
		{"a.example", onlyRSA, rsa},
		{"", nil, ec},
		{"", onlyRSA, rsa},
		{"x.b.example", nil, exact},
		{"x.b.example", onlyRSA, wildRSA}, // which the client can verify, unlike the name's own
		{"y.b.example", nil, wild},
		{"y.b.example", onlyRSA, wildRSA},
		{"z.b.example", nil, exactRSA},
		{"b.example", nil, ec},
		{"y.x.b.example", nil, ec},
		{"unknown", onlyRSA, rsa},
	}
	eachDriver(t, func(t *testing.T, d DriverName) {
		r := startTLS(t, d, "certificates: ["+list+"]")
		for _, test := range tests {
			cfg := &tls.Config{InsecureSkipVerify: true, ServerName: test.name}
			if test.how != nil {
				test.how(cfg)
			}
			c, k := r.dialTLS(cfg)
			if got := k.ConnectionState().PeerCertificates[0]; !bytes.Equal(got.Raw, test.want.Leaf.Raw) {
				t.Errorf("%q is shown %s, want %s", test.name, got.Subject, test.want.Leaf.Subject)
			}
			_ = c.Close()
		}
		strict := startTLS(t, d, "unknown_names: refuse, certificates: ["+list+"]")
		if _, _, err := strict.shake(&tls.Config{InsecureSkipVerify: true, ServerName: "unknown"}); err == nil || !strings.Contains(err.Error(), "unrecognized name") {
			t.Errorf("an unknown name: %v", err)
		}
		eventually(t, "it is counted", func() bool { return strict.handshakes().Results[metrics.TLSUnknownName] == 1 })
		c, _ := strict.dialTLS(ca.trusting("a.example"))
		c.hello()
		_ = c.Close()
	})
}

// TestTLSProfiles: modern is TLS 1.3 only, and intermediate has no cipher suite without forward secrecy.
func TestTLSProfiles(t *testing.T) {
	ca := newAuthority(t)
	site := ca.issue("site", true, nil, "a.example")
	eachDriver(t, func(t *testing.T, d DriverName) {
		for profile, test := range map[string]struct {
			max    uint16
			suites []uint16
			ok     bool
		}{
			"modern":         {tls.VersionTLS12, nil, false},
			"intermediate":   {tls.VersionTLS12, nil, true},
			"intermediate ":  {tls.VersionTLS12, []uint16{tls.TLS_RSA_WITH_AES_128_GCM_SHA256, tls.TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA}, false},
			"intermediate  ": {tls.VersionTLS11, nil, false},
		} {
			r := startTLS(t, d, "certificates: ["+site.yaml()+"], profile: "+profile)
			cfg := ca.trusting("a.example")
			cfg.MinVersion, cfg.MaxVersion, cfg.CipherSuites = tls.VersionTLS10, test.max, test.suites
			c, _, err := r.shake(cfg)
			if (err == nil) != test.ok {
				t.Errorf("%s: %v", profile, err)
			}
			if err == nil {
				_ = c.Close()
			} else {
				eventually(t, "it is counted", func() bool { return r.handshakes().Results[metrics.TLSNothingShared] == 1 })
			}
			if c, k, err := r.shake(ca.trusting("a.example")); err != nil || k.ConnectionState().Version != tls.VersionTLS13 {
				t.Errorf("%s: a client of today: %v", profile, err)
			} else {
				_ = c.Close()
			}
		}
	})
}

// TestTLSPlainHTTP: plain HTTP is answered by a 400 that says what is wrong, and other bytes by an alert or nothing.
func TestTLSPlainHTTP(t *testing.T) {
	ca := newAuthority(t)
	site := ca.issue("site", false, nil, "a.example")
	eachDriver(t, func(t *testing.T, d DriverName) {
		r := startTLS(t, d, "certificates: ["+site.yaml()+"], hsts: {}")
		c := r.dial()
		c.send("GET / HTTP/1.1\r\nHost: a.example\r\n\r\n")
		answer, err := c.rest()
		if err != nil || !strings.HasPrefix(answer, "HTTP/1.1 400 ") || !strings.Contains(answer, "this port speaks TLS: use https") {
			t.Errorf("%q, %v", answer, err)
		}
		c = r.dial()
		c.send("HEAD / HTTP/1.1\r\nHost: a.example\r\n\r\n")
		if answer, err := c.rest(); err != nil || !strings.HasPrefix(answer, "HTTP/1.1 400 ") || !strings.HasSuffix(answer, "\r\n\r\n") {
			t.Errorf("HEAD is answered by %q, %v", answer, err)
		}
		if strings.Contains(answer, "Strict-Transport") {
			t.Error("the answer to plain HTTP demands TLS for ever (RFC 6797 §7.2 forbids it)")
		}
		for _, garbage := range []string{"\x16\x03\x01\x00\x05hello", "\x00\x01\x02", "\x80\x2e\x01\x03\x01"} {
			c := r.dial()
			c.send("%s", garbage)
			_ = c.Conn.(*net.TCPConn).CloseWrite()
			if got, _ := c.rest(); strings.Contains(got, "HTTP") {
				t.Errorf("%q is answered by %q", garbage, got)
			}
		}
		got := r.handshakes().Results
		if got[metrics.TLSPlainHTTP] != 2 || got[metrics.TLSMalformed]+got[metrics.TLSClientClosed] != 3 {
			t.Errorf("results %v", got)
		}
	})
}

// TestTLSClientCertificates: who may connect with which certificate, and what the log says of those who may not.
func TestTLSClientCertificates(t *testing.T) {
	ca, other := newAuthority(t), newAuthority(t)
	site := ca.issue("site", false, nil, "a.example")
	good := ca.issue("client", false, nil, "client.example")
	expired := ca.issue("expired", false, func(c *x509.Certificate) { c.NotAfter = time.Now().Add(-time.Minute) }, "client.example")
	early := ca.issue("early", false, func(c *x509.Certificate) { c.NotBefore = time.Now().Add(30 * time.Minute) }, "client.example")
	usage := ca.issue("usage", false, func(c *x509.Certificate) { c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth} }, "client.example")
	foreign := other.issue("foreign", false, nil, "client.example")
	tests := []struct {
		mode string
		cert *pair
		rule string // empty: served
	}{
		{"require", good, ""}, {"optional", good, ""}, {"optional", nil, ""},
		{"require", nil, "missing"}, {"require", expired, "expired"}, {"require", early, "not_yet_valid"},
		{"require", usage, "wrong_usage"}, {"require", foreign, "unknown_authority"}, {"optional", foreign, "unknown_authority"},
	}
	eachDriver(t, func(t *testing.T, d DriverName) {
		for _, test := range tests {
			for _, v := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
				r := startTLS(t, d, fmt.Sprintf("certificates: [%s], client_auth: {mode: %s, ca: '%s'}", site.yaml(), test.mode, ca.file("ca.pem")))
				cfg := ca.trusting("a.example")
				cfg.MaxVersion = v
				if test.cert != nil { // also one that the server did not ask for
					cfg.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return &test.cert.Certificate, nil }
				}
				err := ask(r, cfg)
				if test.rule == "" {
					if err != nil {
						t.Errorf("%s, %x: %v", test.mode, v, err)
					}
					continue
				}
				if err == nil {
					t.Errorf("%s, %s, %x: it was served", test.mode, test.rule, v)
				} else if strings.Contains(err.Error(), test.rule) && test.rule != "expired" {
					t.Errorf("%s: the client is told %v", test.rule, err)
				}
				eventually(t, "it is counted", func() bool { return r.handshakes().Results[metrics.TLSClientCertificate] == 1 })
				if log := r.log.String(); !strings.Contains(log, "certificate not accepted: "+test.rule+": ") || !strings.Contains(log, "peer=127.0.0.1:") {
					t.Errorf("%s: the log does not say so: %s", test.rule, log)
				}
			}
		}
	})
}

// ask makes one request on a connection of its own.
func ask(r *rig, cfg *tls.Config) error {
	raw := r.dial()
	defer func() { _ = raw.Close() }()
	k := tls.Client(raw.Conn, cfg)
	if _, err := io.WriteString(k, "GET / HTTP/1.1\r\nHost: a.example\r\nConnection: close\r\n\r\n"); err != nil {
		return err
	}
	got, err := io.ReadAll(k)
	if err == nil && !strings.HasSuffix(string(got), "hello") {
		err = errors.New(string(got))
	}
	return err
}

// TestTLSFiles: changed files are taken over without a reload, all at once or not at all.
func TestTLSFiles(t *testing.T) {
	eachDriver(t, func(t *testing.T, d DriverName) {
		ca := newAuthority(t)
		first := ca.issue("site", false, nil, "a.example")
		r := startTLS(t, d, "watch: 20ms, certificates: ["+first.yaml()+"]")
		shown := func() string {
			c, k := r.dialTLS(ca.trusting("a.example"))
			defer func() { _ = c.Close() }()
			c.hello()
			return k.ConnectionState().PeerCertificates[0].SerialNumber.String()
		}
		old, _ := r.dialTLS(ca.trusting("a.example"))
		was := shown()
		ca.write("site.key", []byte("no key"))
		eventually(t, "the log tells of the bad file", func() bool { return strings.Contains(r.log.String(), "those in use are kept") })
		if now := shown(); now != was || !strings.Contains(r.log.String(), "site.key") {
			t.Error("a bad file is taken over, or not named")
		}
		ca.issue("site", false, nil, "a.example")
		eventually(t, "the new certificate is shown", func() bool { return shown() != was })
		old.hello() // who is connected stays
		_ = old.Close()

		text := func(route string) string {
			return fmt.Sprintf("listeners: {in: {address: '127.0.0.1:0', routes: [{name: %s, cluster: out}], tls: {watch: off, certificates: [%s]}}}\n"+
				"clusters: {out: {endpoints: ['%s']}}\nruntime: {driver: %s, loops: 1}\n", route, first.yaml(), replies(t, hello), d)
		}
		r = startWith(t, text("a")) // which looks at files only on a reload
		was = shown()
		ca.issue("site", false, nil, "a.example")
		r.reload(text("b"))
		eventually(t, "the reload takes the new certificate over", func() bool { return shown() != was })
	})
}

// TestTLSResumption: a session is resumed on either of two loops, also after a reload that changes the TLS, and not without
// tickets. What was trusted then must be so still.
func TestTLSResumption(t *testing.T) {
	eachDriver(t, func(t *testing.T, d DriverName) {
		ca, other := newAuthority(t), newAuthority(t)
		site, mine := ca.issue("site", false, nil, "a.example"), ca.issue("client", false, nil, "c")
		text := func(extra string) string {
			return fmt.Sprintf("listeners: {in: {address: '127.0.0.1:0', routes: [{cluster: out}], tls: {certificates: [%s], %s}}}\n"+
				"clusters: {out: {endpoints: ['%s']}}\nruntime: {driver: %s, loops: 2}\n", site.yaml(), extra, replies(t, hello), d)
		}
		auth := func(ca *authority) string { return fmt.Sprintf("client_auth: {ca: '%s'}", ca.file("ca.pem")) }
		r := startWith(t, text(auth(ca)))
		cfg := ca.trusting("a.example")
		cfg.Certificates = []tls.Certificate{mine.Certificate}
		cfg.ClientSessionCache = tls.NewLRUClientSessionCache(4)
		resumed := func() bool {
			c, k := r.dialTLS(cfg)
			defer func() { _ = c.Close() }()
			c.hello() // tickets of TLS 1.3 come with it
			return k.ConnectionState().DidResume
		}
		if resumed() {
			t.Error("resumed at first")
		}
		for range 12 { // over both loops
			if !resumed() {
				t.Error("not resumed")
			}
		}
		r.reload(text("profile: modern, " + auth(ca)))
		if !resumed() {
			t.Error("not resumed after a reload")
		}
		if got := r.handshakes(); got.Resumed != 13 || got.Results[metrics.TLSDone] != 14 || got.Versions[1] != 14 {
			t.Errorf("counted %+v", got)
		}
		r.reload(text(auth(other)))
		if err := ask(r, cfg); err == nil {
			t.Error("a session goes on that an authority vouched for which is not trusted any more")
		}
		r.reload(text("session_tickets: {enabled: false}"))
		cfg.ClientSessionCache = tls.NewLRUClientSessionCache(4)
		if resumed(); resumed() {
			t.Error("resumed without tickets")
		}
	})
}

// TestTLSHandshakeBounds: who does not end the handshake in time is let go, and takes no turn from others before. The time runs from the
// connection, not from its first byte.
func TestTLSHandshakeBounds(t *testing.T) {
	eachDriver(t, func(t *testing.T, d DriverName) {
		ca := newAuthority(t)
		site := ca.issue("site", false, nil, "a.example")
		r := startTLS(t, d, "certificates: ["+site.yaml()+"], handshake: {timeout: 2s, concurrent: 1}")
		const idlers = 20
		ends := make(chan string, idlers+2)
		open := func(name string) *client {
			c := r.dial()
			go func() {
				_, _ = io.Copy(io.Discard, c.Conn)
				ends <- name
			}()
			return c
		}
		late := open("late")
		for range idlers {
			c := open("idle")
			c.send("\x16\x03\x01\x02\x00\x01")
		}
		eventually(t, "they have begun", func() bool { return r.handshakes().Running == idlers })
		c, _ := r.dialTLS(ca.trusting("a.example"))
		c.hello()
		if n := r.handshakes().Running; n != idlers {
			t.Errorf("it was served beside %d handshakes", n)
		}
		_ = c.Close()
		time.Sleep(500 * time.Millisecond) // so that the next ones' time is over long after theirs
		open("silent")
		time.Sleep(500 * time.Millisecond)
		late.send("\x16")
		var order []string
		for range idlers + 2 {
			order = append(order, <-ends)
		}
		if order[len(order)-1] != "silent" {
			t.Errorf("they were let go in this order: %v", order)
		}
		if got := r.handshakes(); got.Results[metrics.TLSTimeout] != idlers+2 || got.Results[metrics.TLSDone] != 1 || got.Running != 0 {
			t.Errorf("counted %+v", got)
		}
	})
}

// TestTLSAuthChanged: a client whose session began under another client_auth, or another file of authorities, makes a full handshake.
func TestTLSAuthChanged(t *testing.T) {
	eachDriver(t, func(t *testing.T, d DriverName) {
		for _, v := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
			ca, before, now := newAuthority(t), newAuthority(t), newAuthority(t)
			site := ca.issue("site", false, nil, "a.example")
			mine := before.issue("client", false, nil, "c")
			both := func(name string, of ...*authority) {
				var all []byte
				for _, a := range of {
					all = append(all, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: a.cert.Raw})...)
				}
				ca.write(name, all)
			}
			both("clients.pem", before)
			text := func(extra string) string {
				return fmt.Sprintf("listeners: {in: {address: '127.0.0.1:0', routes: [{cluster: out}], tls: {watch: 20ms, certificates: [%s]%s}}}\n"+
					"clusters: {out: {endpoints: ['%s']}}\nruntime: {driver: %s, loops: 1}\n", site.yaml(), extra, replies(t, hello), d)
			}
			auth := func(mode string) string {
				return fmt.Sprintf(", client_auth: {mode: %s, ca: '%s'}", mode, ca.file("clients.pem"))
			}
			r := startWith(t, text(""))
			cfg := ca.trusting("a.example")
			cfg.MaxVersion, cfg.ClientSessionCache = v, tls.NewLRUClientSessionCache(4)
			cfg.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return &mine.Certificate, nil }
			served := func(what string, want bool) {
				t.Helper()
				c, k, err := r.shake(cfg)
				if err != nil {
					t.Fatalf("%x, %s: %v", v, what, err)
				}
				defer func() { _ = c.Close() }()
				c.hello()
				if got := k.ConnectionState().DidResume; got != want {
					t.Errorf("%x, %s: resumed: %v", v, what, got)
				}
			}
			served("first", false)
			for _, mode := range []string{"optional", "require"} {
				r.reload(text(auth(mode)))
				served("changed to "+mode, false)
				served(mode, true)
			}
			mine = now.issue("client", false, nil, "c")
			both("clients.pem", now)
			eventually(t, "the new authority is trusted", func() bool {
				fresh := cfg.Clone()
				fresh.ClientSessionCache = nil
				return ask(r, fresh) == nil
			})
			served("another authority", false)
			served("another authority again", true)
			r.reload(text(""))
			served("changed to none", false)
		}
	})
}

// TestTLSLongChain: a chain of certificates that is longer than any of use ends the handshake.
func TestTLSLongChain(t *testing.T) {
	eachDriver(t, func(t *testing.T, d DriverName) {
		ca := newAuthority(t)
		site, mine := ca.issue("site", false, nil, "a.example"), ca.issue("client", false, nil, "c")
		r := startTLS(t, d, fmt.Sprintf("certificates: [%s], client_auth: {mode: optional, ca: '%s'}", site.yaml(), ca.file("ca.pem")))
		cfg := ca.trusting("a.example")
		long := mine.Certificate
		cfg.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return &long, nil }
		for range 10 {
			long.Certificate = append(long.Certificate, ca.cert.Raw)
		}
		if err := ask(r, cfg); err != nil {
			t.Error(err)
		}
		for size := len(mine.Leaf.Raw) + 11*(len(ca.cert.Raw)+5); size < 32<<10-900; size += len(ca.cert.Raw) + 5 {
			long.Certificate = append(long.Certificate, ca.cert.Raw)
		}
		for _, v := range []uint16{tls.VersionTLS12, tls.VersionTLS13} { // the ticket has the chain as well
			cfg.MaxVersion, cfg.ClientSessionCache = v, tls.NewLRUClientSessionCache(1)
			for range 3 {
				if err := ask(r, cfg); err != nil {
					t.Errorf("%x: %v", v, err)
				}
			}
		}
		if n := r.handshakes().Resumed; n != 4 {
			t.Errorf("%d were resumed", n)
		}
		cfg.ClientSessionCache = nil
		for range 20 {
			long.Certificate = append(long.Certificate, ca.cert.Raw)
		}
		if ask(r, cfg) == nil {
			t.Error("a long chain is taken")
		}
		eventually(t, "it is counted", func() bool { return r.handshakes().Results[metrics.TLSMalformed] == 1 })
	})
}

// TestTLSSpec: what is refused at check, with the file and the reason.
func TestTLSSpec(t *testing.T) {
	ca := newAuthority(t)
	site := ca.issue("site", false, nil, "a.example")
	ca.issue("other", false, nil, "a.example")
	ca.issue("expired", false, func(c *x509.Certificate) { c.NotAfter = time.Now().Add(-time.Minute) }, "a.example")
	ca.issue("early", false, func(c *x509.Certificate) { c.NotBefore = time.Now().Add(time.Minute) }, "a.example")
	ca.issue("client", false, func(c *x509.Certificate) { c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth} }, "a.example")
	ca.write("empty.pem", nil)
	siteBytes, _ := os.ReadFile(site.cert)
	expired, _ := os.ReadFile(ca.file("expired.pem"))
	ca.write("jumbled.pem", append(bytes.Clone(siteBytes), expired...))
	listener := func(tls string) string {
		return "listeners: {a: {address: ':1', routes: [{cluster: c}], tls: {" + tls + "}}}\nclusters: {c: {endpoints: ['a:1']}}\n"
	}
	cluster := func(tls string) string {
		return "listeners: {a: {address: ':1', routes: [{cluster: c}]}}\nclusters: {c: {endpoints: ['a:1'], tls: {" + tls + "}}}\n"
	}
	files := func(cert, key string) string {
		return listener(fmt.Sprintf("certificates: [{cert: '%s', key: '%s'}]", ca.file(cert), ca.file(key)))
	}
	tests := []struct{ text, want string }{
		{files("expired.pem", "expired.key"), "expired.pem: the certificate expired at "},
		{files("early.pem", "early.key"), "early.pem: the certificate is valid only from "},
		{files("client.pem", "client.key"), "client.pem: the certificate is not one for servers"},
		{files("site.pem", "other.key"), "other.key: is not the key of the certificate "},
		{files("absent.pem", "site.key"), "absent.pem: no such file"},
		{files("site.pem", "absent.key"), "absent.key: no such file"},
		{files("empty.pem", "site.key"), "empty.pem: holds no certificate in PEM"},
		{files("site.key", "site.key"), "site.key: holds no certificate in PEM"},
		{files("jumbled.pem", "site.key"), "jumbled.pem: certificate 3 in it is not of the issuer"},
		{listener("certificates: []"), "at least one certificate"},
		{listener("certificates: [{cert: '" + site.cert + "'}]"), "needs a key"},
		{listener("certificates: [" + site.yaml() + "], client_auth: {ca: '" + ca.file("empty.pem") + "'}"), "empty.pem: holds no certificate"},
		{listener("certificates: [" + site.yaml() + "], profile: old"), "modern, intermediate"},
		{listener("certificates: [" + site.yaml() + "], session_tickets: {rotate: 1s}"), "1m at least"},
		{listener("certificates: [" + site.yaml() + "], hsts: {preload: true}"), "include_subdomains"},
		{listener("certificates: [{cert: '" + site.cert + "', key_server: {address: '127.0.0.1:1'}}]"), "unix:/path"},
		{cluster("ca: '" + ca.file("empty.pem") + "'"), "empty.pem: holds no certificate"},
		{cluster("ca: '" + ca.file("ca.pem") + "', verify: false"), "leave it out"},
		{cluster("cert: '" + site.cert + "'"), "give cert and key"},
		{cluster("cert: '" + site.cert + "', key: '" + ca.file("other.key") + "'"), "other.key: is not the key"},
		{"listeners: {a: {address: ':1', protocol: tcp, cluster: c, tls: {certificates: [" + site.yaml() + "]}}}\nclusters: {c: {endpoints: ['a:1']}}\n", "passes TLS on"},
		{"listeners: {a: {address: ':1', protocol: tcp, cluster: c}}\nclusters: {c: {endpoints: ['a:1'], tls: {}}}\n", "tls"},
		{"listeners: {a: {address: ':1', routes: [{cluster: c}]}}\nclusters: {c: {endpoints: ['unix:/s'], tls: {}}}\n", "server_name"},
	}
	for _, test := range tests {
		if _, err := Load("t.yaml", []byte(test.text)); err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s\ngives %v\nwant  %s", test.text, err, test.want)
		}
	}
	if _, err := Load("t.yaml", []byte(listener("certificates: ["+site.yaml()+"]"))); err != nil {
		t.Error(err)
	}
	eachDriver(t, func(t *testing.T, d DriverName) { // a reload refuses the same, and keeps what runs
		r := startTLS(t, d, "certificates: ["+site.yaml()+"]")
		if _, err := r.g.Reload(context.Background(), Change{Source: Source{"t.yaml", []byte(files("expired.pem", "expired.key"))}}); err == nil {
			t.Error("a reload takes an expired certificate")
		}
		if err := ask(r, ca.trusting("a.example")); err != nil {
			t.Error(err)
		}
	})
}

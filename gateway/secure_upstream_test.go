package gateway

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"net"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// tlsOrigin is a server of TLS that says hello, and counts.
type tlsOrigin struct {
	addr             string
	shaken, resumed  atomic.Int32
	requests         atomic.Int32
	name, subject    atomic.Value
	protocol         atomic.Value
	endsAfterRequest atomic.Bool
}

func newTLSOrigin(t *testing.T, cfg *tls.Config, answer string) *tlsOrigin {
	o := &tlsOrigin{}
	o.addr = origin(t, func(c *client) {
		s := tls.Server(c.Conn, cfg)
		if s.Handshake() != nil {
			return
		}
		defer func() { _ = s.Close() }()
		state := s.ConnectionState()
		o.shaken.Add(1)
		o.name.Store(state.ServerName)
		o.protocol.Store(state.NegotiatedProtocol)
		if state.DidResume {
			o.resumed.Add(1)
		}
		if len(state.PeerCertificates) > 0 {
			o.subject.Store(state.PeerCertificates[0].Subject.String())
		}
		k := &client{Conn: s, t: t, server: true}
		k.br = c.br
		k.br.Reset(s)
		for {
			if _, err := readHead(k.br); err != nil {
				return
			}
			o.requests.Add(1)
			if _, err := io.WriteString(s, answer); err != nil || o.endsAfterRequest.Load() {
				return
			}
		}
	})
	return o
}

// host is the origin's address with a name for its host.
func (o *tlsOrigin) host(name string) string {
	_, port, _ := net.SplitHostPort(o.addr)
	return net.JoinHostPort(name, port)
}

// TestTLSUpstream: which servers are believed, and what they are told.
func TestTLSUpstream(t *testing.T) {
	ca, other := newAuthority(t), newAuthority(t)
	site := ca.issue("site", false, nil, "localhost", "127.0.0.1", "a.example")
	mine := ca.issue("gateway", true, nil, "gateway.example")
	expired := ca.issue("expired", false, func(c *x509.Certificate) { c.NotAfter = time.Now().Add(-time.Minute) }, "localhost")
	trusted := fmt.Sprintf("ca: '%s'", ca.file("ca.pem"))
	tests := []struct {
		name, tls, host string
		shown           *pair
		want            string // of the log; empty: it works
		sni             string
	}{
		{"by the endpoint's name", trusted, "localhost", site, "", "localhost"},
		{"by address", trusted, "127.0.0.1", site, "", ""},
		{"by another name", trusted + ", server_name: a.example", "127.0.0.1", site, "", "a.example"},
		{"for another name", trusted + ", server_name: b.example", "localhost", site, "wrong_name", "b.example"},
		{"of another authority", fmt.Sprintf("ca: '%s'", other.file("ca.pem")), "localhost", site, "unknown_authority", "localhost"},
		{"of none of this machine's authorities", "profile: modern", "localhost", site, "unknown_authority", "localhost"},
		{"expired", trusted, "localhost", expired, "expired", "localhost"},
		{"expired, not verified", "verify: false", "localhost", expired, "", "localhost"},
		{"with a certificate", trusted + fmt.Sprintf(", cert: '%s', key: '%s'", mine.cert, mine.key), "localhost", site, "", "localhost"},
	}
	eachDriver(t, func(t *testing.T, d DriverName) {
		for _, test := range tests {
			t.Run(test.name, func(t *testing.T) {
				o := newTLSOrigin(t, &tls.Config{Certificates: []tls.Certificate{test.shown.Certificate}, ClientAuth: tls.RequestClientCert, NextProtos: []string{"h2", "http/1.1"}}, hello)
				r := start(t, d, with{cluster: "retries: 0, tls: {" + test.tls + "}"}, o.host(test.host))
				c := r.dial()
				for range 3 {
					c.send("GET / HTTP/1.1\r\nHost: x\r\n\r\n")
					if h := c.head(); test.want != "" && (!strings.HasPrefix(h, "HTTP/1.1 502 ") || !strings.Contains(r.log.String(), "certificate not accepted: "+test.want)) {
						t.Fatalf("head %q, log %s", h, r.log)
					} else if test.want != "" {
						return
					}
					if c.body(5) != "hello" {
						t.Fatal("another body")
					}
				}
				if o.shaken.Load() != 1 || o.requests.Load() != 3 || o.name.Load() != test.sni || o.protocol.Load() != "http/1.1" {
					t.Errorf("%d handshakes, %d requests, name %q, protocol %q", o.shaken.Load(), o.requests.Load(), o.name.Load(), o.protocol.Load())
				}
				if s, _ := o.subject.Load().(string); (s == "CN=gateway") != strings.Contains(test.tls, "cert:") {
					t.Errorf("the server was shown %q", s)
				}
				_ = c.Close()
				if r.rest(); r.tlsBlocks() != 0 {
					t.Error("blocks are held at rest")
				}
			})
		}
	})
}

// TestTLSUpstreamResumes: new connections resume the session of one before, of either version.
func TestTLSUpstreamResumes(t *testing.T) {
	ca := newAuthority(t)
	site := ca.issue("site", false, nil, "localhost")
	eachDriver(t, func(t *testing.T, d DriverName) {
		for _, v := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
			o := newTLSOrigin(t, &tls.Config{Certificates: []tls.Certificate{site.Certificate}, MaxVersion: v}, hello)
			o.endsAfterRequest.Store(true)
			r := start(t, d, with{cluster: fmt.Sprintf("tls: {ca: '%s'}", ca.file("ca.pem"))}, o.host("localhost"))
			c := r.dial()
			for range 4 {
				c.send("GET / HTTP/1.1\r\nHost: x\r\n\r\n")
				if c.head(); c.body(5) != "hello" {
					t.Fatal("another body")
				}
				eventually(t, "the connection has ended", func() bool { e := r.upstream(); return e.Idle+e.Active == 0 })
			}
			if o.shaken.Load() != 4 || o.resumed.Load() != 3 {
				t.Errorf("%x: %d handshakes, %d resumed", v, o.shaken.Load(), o.resumed.Load())
			}
			_ = c.Close()
		}
	})
}

// TestTLSUpstreamTruncated: a body that only the connection's end tells the end of is not whole without a close_notify.
func TestTLSUpstreamTruncated(t *testing.T) {
	ca := newAuthority(t)
	site := ca.issue("site", false, nil, "localhost")
	eachDriver(t, func(t *testing.T, d DriverName) {
		up := origin(t, func(c *client) {
			s := tls.Server(c.Conn, &tls.Config{Certificates: []tls.Certificate{site.Certificate}})
			c.br.Reset(s)
			if _, err := readHead(c.br); err == nil {
				_, _ = io.WriteString(s, "HTTP/1.1 200 OK\r\n\r\nhalf of it")
			}
		})
		r := start(t, d, with{cluster: fmt.Sprintf("tls: {ca: '%s', server_name: localhost}", ca.file("ca.pem"))}, up)
		c := r.dial()
		c.send("GET / HTTP/1.1\r\nHost: x\r\n\r\n")
		c.head()
		if b, err := c.rest(); strings.Contains(b, "\r\n0\r\n") || err == nil && strings.HasSuffix(b, "0\r\n\r\n") {
			t.Errorf("the client is told that %q is all", b)
		}
	})
}

// TestTLSUpstreamReload: after a reload that changes a cluster's TLS nothing goes over connections that were made before.
func TestTLSUpstreamReload(t *testing.T) {
	ca := newAuthority(t)
	site := ca.issue("site", false, nil, "localhost", "a.example")
	eachDriver(t, func(t *testing.T, d DriverName) {
		o := newTLSOrigin(t, &tls.Config{Certificates: []tls.Certificate{site.Certificate}}, hello)
		text := func(extra string) string {
			return fmt.Sprintf("listeners: {in: {address: '127.0.0.1:0', routes: [{cluster: out}]}}\nclusters: {out: {endpoints: ['%s'], tls: {ca: '%s'%s}}}\nruntime: {driver: %s, loops: 1}\n",
				o.host("localhost"), ca.file("ca.pem"), extra, d)
		}
		r := startWith(t, text(""))
		c := r.dial()
		for i, extra := range []string{"", "", ", server_name: a.example"} {
			if i > 0 {
				r.reload(text(extra))
			}
			c.send("GET / HTTP/1.1\r\nHost: x\r\n\r\n")
			if c.head(); c.body(5) != "hello" {
				t.Fatal("another body")
			}
			if want := []int32{1, 1, 2}[i]; o.shaken.Load() != want {
				t.Errorf("%d: %d handshakes, want %d", i, o.shaken.Load(), want)
			}
		}
		if o.name.Load() != "a.example" {
			t.Errorf("the server was asked for %q", o.name.Load())
		}
	})
}

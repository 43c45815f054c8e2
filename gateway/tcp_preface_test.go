package gateway

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"math/big"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/ringway/ringway/observe/metrics"
)

// certificate is a self-signed one for every name.
func certificate(t *testing.T) tls.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	c := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour), DNSNames: []string{"*.example"}}
	der, err := x509.CreateCertificate(rand.Reader, c, c, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}

// secured says its name and the client's over TLS, and then echoes.
func secured(t *testing.T, cert tls.Certificate, name string) string {
	return origin(t, func(c *client) {
		s := tls.Server(c.Conn, &tls.Config{Certificates: []tls.Certificate{cert}})
		if s.Handshake() != nil {
			return
		}
		_, _ = fmt.Fprintf(s, "%s serves %s\n", name, s.ConnectionState().ServerName)
		_, _ = io.Copy(s, s)
		_ = s.CloseWrite()
	})
}

// startNames runs a gateway with a route by name to each of two servers, and a default one if there is a third.
func startNames(t *testing.T, d DriverName, listener string, origins ...string) *rig {
	other, cluster := "", ""
	if len(origins) > 2 {
		other, cluster = ", {name: rest, cluster: c}", fmt.Sprintf(", c: {endpoints: ['%s']}", origins[2])
	}
	return startWith(t, fmt.Sprintf("listeners: {in: {address: '127.0.0.1:0', protocol: tcp, routes: [{sni: a.example, cluster: a}, {sni: '*.b.example', cluster: b}%s]%s}}\n"+
		"clusters: {a: {endpoints: ['%s']}, b: {endpoints: ['%s']}%s}\nruntime: {driver: %s, loops: 1}\n", other, comma(listener), origins[0], origins[1], cluster, d))
}

// pieces is a connection whose writes are cut: the first goes out byte by byte, or in two parts.
type pieces struct {
	net.Conn
	cut  int // 0: every byte by itself
	done bool
}

func (p *pieces) Write(b []byte) (int, error) {
	if p.done {
		return p.Conn.Write(b)
	}
	p.done = true
	for i := range b {
		if p.cut > 0 && i != p.cut%len(b) && i > 0 {
			continue
		}
		to := i + 1
		if p.cut > 0 {
			if to = p.cut % len(b); i > 0 || to == 0 {
				to = len(b)
			}
		}
		if _, err := p.Conn.Write(b[i:to]); err != nil {
			return i, err
		}
		if to == len(b) {
			break
		}
		if p.cut > 0 {
			time.Sleep(100 * time.Microsecond)
		}
	}
	return len(b), nil
}

func (r *rig) asksFor(name string, cut int, want string) {
	r.Helper()
	c := r.dial()
	var under net.Conn = c.Conn
	if cut >= 0 {
		under = &pieces{Conn: c.Conn, cut: cut}
	}
	s := tls.Client(under, &tls.Config{ServerName: name, InsecureSkipVerify: true})
	if _, err := io.WriteString(s, "hello"); err != nil {
		r.Errorf("%s cut at %d: %v", name, cut, err)
		return
	}
	_ = s.CloseWrite()
	if got, err := io.ReadAll(s); string(got) != want+" serves "+name+"\nhello" || err != nil {
		r.Errorf("%s cut at %d: %q, %v", name, cut, got, err)
	}
	_ = c.Close()
}

// TLS is passed through to the server that the name stands for, and never terminated: the certificates are the servers' own.
func TestPassthrough(t *testing.T) {
	cert := certificate(t)
	eachDriver(t, func(t *testing.T, d DriverName) {
		r := startNames(t, d, "timeouts: {client_hello: 30s}", secured(t, cert, "a"), secured(t, cert, "b"), secured(t, cert, "c"))
		n := uint64(0)
		for name, want := range map[string]string{"a.example": "a", "A.Example": "a", "x.b.example": "b", "x.y.b.example": "b", "b.example": "c", "else.example": "c"} {
			r.asksFor(name, -1, want)
			n++
		}
		for cut := 1; cut < 1800; cut += 37 {
			r.asksFor("x.b.example", cut, "b")
			n++
		}
		r.asksFor("a.example", 0, "a")
		r.wantEnds(n+1, metrics.Finished)
	})
}

// What names no server has a defined way: to the route without sni, or, where there is none, out.
func TestSessionsWithoutAName(t *testing.T) {
	for _, test := range []struct {
		name, sends   string
		want          metrics.SessionEnd // without a default route
		reachesOthers bool
	}{
		{"HTTP", "GET / HTTP/1.1\r\n\r\n", metrics.NoRoute, true},
		{"text", "EHLO there\r\n", metrics.NoRoute, true},
		{"silence", "", metrics.NoRoute, true},
		{"slow ClientHello", "\x16\x03\x01\x02", metrics.ClientHelloTimeout, false},
		{"malformed ClientHello", "\x16\x03\x01\x00\x05\x02\x00\x00\x00\x00", metrics.BadClientHello, false},
		{"alert", "\x15\x03\x01\x00\x02\x01\x00", metrics.BadClientHello, false},
	} {
		t.Run(test.name, func(t *testing.T) {
			eachDriver(t, func(t *testing.T, d DriverName) {
				told := make(chan string, 1)
				others := origin(t, func(c *client) {
					c.send("welcome")
					s, _ := c.rest()
					told <- s
				})
				for _, list := range [][]string{{refusing(t), refusing(t)}, {refusing(t), refusing(t), others}} {
					r := startNames(t, d, "timeouts: {client_hello: 150ms}", list...)
					c := r.dial()
					if test.sends != "" {
						c.send("%s", test.sends)
					}
					if len(list) == 2 || !test.reachesOthers {
						c.wantReset()
						r.wantEnds(1, test.want)
						continue
					}
					if got := c.body(7); got != "welcome" {
						t.Errorf("got %q", got)
					}
					c.shut()
					c.wantEnd("")
					if s := heard(t, told); s != test.sends {
						t.Errorf("the server got %q", s)
					}
					r.wantEnds(1, metrics.Finished)
				}
			})
		})
	}
}

func TestClientThatSaysNothingAndLeaves(t *testing.T) {
	eachDriver(t, func(t *testing.T, d DriverName) {
		r := startNames(t, d, "", refusing(t), refusing(t), refusing(t))
		c := r.dial()
		c.shut()
		c.wantEnd("")
		r.wantEnds(1, metrics.ClientClosed)
		c = r.dial()
		c.send("\x16\x03\x01")
		c.shut()
		c.wantReset()
		if n := r.ended(metrics.BadClientHello); n != 1 {
			t.Errorf("%d malformed ClientHellos", n)
		}
	})
}

// headers are PROXY headers and the address that they name.
var headers = []struct{ name, text, client string }{
	{"v1", "PROXY TCP4 203.0.113.9 192.0.2.2 4711 80\r\n", "203.0.113.9:4711"},
	{"v1 of IPv6", "PROXY TCP6 2001:db8::9 2001:db8::1 4711 80\r\n", "[2001:db8::9]:4711"},
	{"v1 unknown", "PROXY UNKNOWN\r\n", "127.0.0.1:"},
	{"v2", "\r\n\r\n\x00\r\nQUIT\n\x21\x11\x00\x0c\xcb\x00\x71\x09\xc0\x00\x02\x02\x12\x67\x00\x50", "203.0.113.9:4711"},
	{"v2 local", "\r\n\r\n\x00\r\nQUIT\n\x20\x00\x00\x00", "127.0.0.1:"},
}

// TestProxyHeaderIn: the client is whom the header names, at layer 4, where it is passed on, and at layer 7.
func TestProxyHeaderIn(t *testing.T) {
	eachDriver(t, func(t *testing.T, d DriverName) {
		got := make(chan string, 1)
		tcp := startTCP(t, d, with{listener: "proxy_protocol: {from: [127.0.0.0/8]}", cluster: "send_proxy: v1"}, origin(t, func(c *client) {
			line, _ := c.br.ReadString('\n')
			got <- line + c.body(5)
		}))
		web := start(t, d, with{listener: "proxy_protocol: {from: [127.0.0.1]}"}, origin(t, func(c *client) {
			got <- c.head()
			c.send(hello)
		}))
		for _, h := range headers {
			for cut := range len(h.text) + 1 {
				if cut > 0 && cut%5 != 0 && cut != len(h.text) {
					continue
				}
				c := tcp.dial()
				c.send("%s", h.text[:cut])
				if cut < len(h.text) {
					time.Sleep(time.Millisecond)
				}
				c.send("%shello", h.text[cut:])
				host, port, _ := net.SplitHostPort(h.client)
				line := <-got
				if f := strings.Fields(line); len(f) != 7 || f[6] != "hello" || f[2] != host || port != "" && f[4] != port {
					t.Errorf("%s cut at %d: the server was told %q", h.name, cut, line)
				}
				_ = c.Close()
			}
			c := web.dial()
			c.send("%sGET / HTTP/1.1\r\nHost: a\r\n\r\n", h.text)
			host, _, _ := net.SplitHostPort(h.client)
			if head := <-got; !strings.Contains(head, "X-Forwarded-For: "+host+"\n") {
				t.Errorf("%s: the server was told\n%s", h.name, head)
			}
			c.head()
			_ = c.Close()
		}
		c := web.dial() // the request may come much later than the header
		c.send("%s", headers[0].text)
		time.Sleep(20 * time.Millisecond)
		c.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n")
		if head := <-got; !strings.Contains(head, "X-Forwarded-For: 203.0.113.9\n") {
			t.Errorf("the server was told\n%s", head)
		}
	})
}

// TestProxyHeaderRefused: what is no header, comes late or comes from elsewhere ends the connection, is counted, and is told
// to the log once.
func TestProxyHeaderRefused(t *testing.T) {
	const from, elsewhere = "proxy_protocol: {from: [127.0.0.1]}, timeouts: {proxy_header: 150ms}", "proxy_protocol: {from: [10.0.0.0/8]}"
	for _, test := range []struct {
		name, listener, sends string
		want                  metrics.SessionEnd
	}{
		{"no header", from, "GET / HTTP/1.1\r\nHost: a\r\n\r\n", metrics.BadProxyHeader},
		{"bad address", from, "PROXY TCP4 1.2.3.400 1.2.3.4 1 2\r\n", metrics.BadProxyHeader},
		{"cut off", from, "PROXY TCP4\x00end", metrics.BadProxyHeader},
		{"late", from, "PROXY TCP4", metrics.ProxyHeaderTimeout},
		{"silence", from, "", metrics.ProxyHeaderTimeout},
		{"from elsewhere", elsewhere, "", metrics.UntrustedProxy},
	} {
		t.Run(test.name, func(t *testing.T) {
			eachDriver(t, func(t *testing.T, d DriverName) {
				for _, r := range []*rig{
					startTCP(t, d, with{listener: test.listener}, refusing(t)),
					start(t, d, with{listener: test.listener}, refusing(t)),
				} {
					for range 3 {
						c, err := net.Dial("tcp", r.addr)
						if err == nil {
							text, end, _ := strings.Cut(test.sends, "\x00")
							_, _ = io.WriteString(c, text)
							if end != "" {
								_ = c.(*net.TCPConn).CloseWrite()
							}
							_ = c.SetDeadline(time.Now().Add(patience))
							var b []byte
							b, err = io.ReadAll(c)
							_ = c.Close()
							if len(b) > 0 {
								t.Errorf("answered with %q", b)
							}
						}
						if err != nil && !isReset(err) {
							t.Error(err)
						}
					}
					r.wantEnds(3, test.want)
					if n := strings.Count(r.log.String(), "end="+test.want.String()); n != 1 {
						t.Errorf("logged %d times", n)
					}
				}
			})
		})
	}
}

// A load balancer that only looks whether somebody listens is no fault.
func TestProxyThatOnlyConnects(t *testing.T) {
	eachDriver(t, func(t *testing.T, d DriverName) {
		const listener = "proxy_protocol: {from: [127.0.0.1]}"
		for _, r := range []*rig{startTCP(t, d, with{listener: listener}, refusing(t)), start(t, d, with{listener: listener}, refusing(t))} {
			c := r.dial()
			c.shut()
			c.wantEnd("")
			c = r.dial()
			c.reset()
			eventually(t, "both have left", func() bool { s := r.g.Snapshot(); return s.Listeners[0].Closed == 2 })
			if strings.Contains(r.log.String(), "WARN") || r.ended(metrics.BadProxyHeader) > 0 {
				t.Error("it was told to the log, or counted as a bad header")
			}
		}
	})
}

// Who is no proxy may be let in without a header; then a header is only bytes.
func TestProxyHeaderFromOthers(t *testing.T) {
	eachDriver(t, func(t *testing.T, d DriverName) {
		r := startTCP(t, d, with{listener: "proxy_protocol: {from: [10.0.0.0/8], others: direct}"}, echo(t))
		c := r.dial()
		c.send("%s", headers[0].text)
		c.shut()
		c.wantEnd(headers[0].text)
	})
}

// A PROXY header, a ClientHello in pieces, a route by name, and a header for the server, all on one connection.
func TestProxyHeaderAndPassthrough(t *testing.T) {
	cert := certificate(t)
	eachDriver(t, func(t *testing.T, d DriverName) {
		told := make(chan string, 1)
		at := origin(t, func(c *client) {
			var head [28]byte
			if _, err := io.ReadFull(c.Conn, head[:]); err != nil {
				return
			}
			told <- string(head[:])
			s := tls.Server(c.Conn, &tls.Config{Certificates: []tls.Certificate{cert}})
			_, _ = fmt.Fprintf(s, "a serves %s\n", "a.example")
			_, _ = io.Copy(s, s)
			_ = s.CloseWrite()
		})
		r := startWith(t, fmt.Sprintf("listeners: {in: {address: '127.0.0.1:0', protocol: tcp, routes: [{sni: a.example, cluster: a}], proxy_protocol: {from: [127.0.0.1]}}}\n"+
			"clusters: {a: {endpoints: ['%s'], send_proxy: v2}}\nruntime: {driver: %s, loops: 1}\n", at, d))
		for cut := 1; cut < 1800; cut += 311 {
			c := r.dial()
			c.send("%s", headers[0].text[:cut%20])
			time.Sleep(time.Millisecond)
			c.send("%s", headers[0].text[cut%20:])
			s := tls.Client(&pieces{Conn: c.Conn, cut: cut}, &tls.Config{ServerName: "a.example", InsecureSkipVerify: true})
			_, _ = io.WriteString(s, "hello")
			_ = s.CloseWrite()
			if got, err := io.ReadAll(s); string(got) != "a serves a.example\nhello" || err != nil {
				t.Errorf("cut at %d: %q, %v", cut, got, err)
			}
			if head := heard(t, told); head != headers[3].text {
				t.Errorf("cut at %d: the server was told %q", cut, head)
			}
			_ = c.Close()
		}
	})
}

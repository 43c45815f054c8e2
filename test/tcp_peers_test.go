package test

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

const nginxTLSConf = `
daemon off;
master_process off;
pid %[1]s/nginx.pid;
error_log %[1]s/error.log;
events { worker_connections 1024; }
http {
  access_log off;
  client_body_temp_path %[1]s/body;
  proxy_temp_path %[1]s/proxy;
  fastcgi_temp_path %[1]s/fastcgi;
  uwsgi_temp_path %[1]s/uwsgi;
  scgi_temp_path %[1]s/scgi;
  ssl_certificate %[1]s/cert.pem;
  ssl_certificate_key %[1]s/key.pem;
  ssl_protocols TLSv1.2 TLSv1.3;
  server { listen %[2]s ssl; server_name a.example; return 200 "a serves $ssl_server_name\n"; }
  server { listen %[3]s ssl; server_name b.example; return 200 "b serves $ssl_server_name\n"; }
}
`

// serveTLS starts nginx with a certificate that openssl makes, and a server of its own for each of two names. It returns their
// addresses and the file of the certificate.
func serveTLS(t *testing.T) (a, b, cert string) {
	t.Helper()
	openssl := tool(t, "openssl", "openssl")
	dir := t.TempDir()
	cert = filepath.Join(dir, "cert.pem")
	out, err := exec.Command(openssl, "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2",
		"-subj", "/CN=test", "-addext", "subjectAltName=DNS:a.example,DNS:*.b.example", "-keyout", filepath.Join(dir, "key.pem"), "-out", cert).CombinedOutput()
	if err != nil {
		t.Fatalf("openssl: %v\n%s", err, out)
	}
	b = startNginx(t, dir, func(addr string) string {
		if a, err = freeAddr(); err != nil {
			t.Fatal(err)
		}
		return fmt.Sprintf(nginxTLSConf, dir, a, addr)
	})
	return a, b, cert
}

// passthrough routes TLS by name, with a server for the rest.
func passthrough(a, b, other, listener string) string {
	return fmt.Sprintf("listeners: {tls: {address: 127.0.0.1:0, protocol: tcp, routes: [{name: a, sni: a.example, cluster: a}, {sni: '*.b.example', cluster: b}, {name: rest, cluster: c}]%s}}\n"+
		"clusters: {a: {endpoints: ['%s']}, b: {endpoints: ['%s']}, c: {endpoints: ['%s']}}", listener, a, b, other)
}

// TestPassthroughNginx: curl reaches the server that the name stands for, whose certificate it checks; what is no TLS reaches
// the server for the rest.
func TestPassthroughNginx(t *testing.T) {
	t.Parallel()
	curl := tool(t, "curl", "curl")
	driversAtOnce(t, func(t *testing.T, driver string) {
		a, b, cert := serveTLS(t)
		log := filepath.Join(t.TempDir(), "access.log")
		p := start(t, driver, passthrough(a, b, newMirror(t).addr, "")+"\naccess_log: {path: "+log+"}", options{})
		_, port, _ := net.SplitHostPort(p.addr)
		for name, want := range map[string]string{"a.example": "a", "x.b.example": "b"} {
			for _, version := range []string{"--tlsv1.3", "--tls-max=1.2"} {
				args := strings.Split(version, "=")
				args = append(args, "-q", "-sS", "--max-time", "60", "--noproxy", "*", "--cacert", cert, "--resolve", name+":"+port+":127.0.0.1", "https://"+name+":"+port+"/")
				out, err := exec.Command(curl, args...).CombinedOutput()
				if err != nil || string(out) != want+" serves "+name+"\n" {
					t.Errorf("%s %s: %v, %q", name, version, err, out)
				}
			}
		}
		plain := dial(t, p.addr)
		mirrored(t, plain.get("/"))
		plain.Close()
		pool := x509.NewCertPool()
		pem, err := os.ReadFile(cert)
		if err != nil || !pool.AppendCertsFromPEM(pem) {
			t.Fatal("no certificate", err)
		}
		testSlowHello(t, p, &tls.Config{ServerName: "a.example", RootCAs: pool})
		for _, want := range []string{`"host":"a.example","protocol":"tcp"`, `"host":"x.b.example"`, `"route":"#1","cluster":"b"`, `"route":"rest"`} {
			eventually(t, func() error {
				if text, err := os.ReadFile(log); err != nil || !strings.Contains(string(text), want) {
					return fmt.Errorf("no %s in %s, %v", want, text, err)
				}
				return nil
			})
		}
	})
}

// slowStart cuts the first write of a connection at one byte, or at every one.
type slowStart struct {
	net.Conn
	cut  int // negative: everywhere
	size int // of that first write
}

func (s *slowStart) Write(b []byte) (int, error) {
	if s.size > 0 {
		return s.Conn.Write(b)
	}
	s.size = len(b)
	if s.cut < 0 {
		for i := range b {
			if _, err := s.Conn.Write(b[i : i+1]); err != nil {
				return i, err
			}
		}
		return len(b), nil
	}
	cut := min(s.cut, len(b))
	if _, err := s.Conn.Write(b[:cut]); err != nil {
		return 0, err
	}
	time.Sleep(200 * time.Microsecond)
	n, err := s.Conn.Write(b[cut:])
	return cut + n, err
}

// testSlowHello sends ClientHellos that are cut at every byte, and one whose bytes all come alone.
func testSlowHello(t *testing.T, p *process, c *tls.Config) {
	handshake := func(cut int) int {
		s := &slowStart{Conn: dial(t, p.addr), cut: cut}
		defer s.Close()
		if err := tls.Client(s, c).Handshake(); err != nil {
			t.Errorf("ClientHello of %d bytes cut at %d: %v", s.size, cut, err)
		}
		return s.size
	}
	size := handshake(-1)
	step := 1
	if raceEnabled {
		step = 41
	}
	cuts := make(chan int)
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			for cut := range cuts {
				handshake(cut)
			}
		})
	}
	for cut := 1; cut < size; cut += step {
		cuts <- cut
	}
	close(cuts)
	all.Wait()
	t.Logf("ClientHellos of %d bytes", size)
}

const haproxyConf = `
global
  maxconn 1000
defaults
  timeout connect 10s
  timeout client 30s
  timeout server 30s
frontend send
  mode tcp
  bind %[1]s
  default_backend v1
frontend send2
  mode tcp
  bind %[2]s
  default_backend v2
backend v1
  mode tcp
  server gateway %[4]s send-proxy
backend v2
  mode tcp
  server gateway %[4]s send-proxy-v2
frontend accept
  mode http
  bind %[3]s accept-proxy
  http-request return status 200 content-type text/plain lf-string "%%[src]:%%[src_port]"
`

// serveHAProxy starts HAProxy with a configuration of its own and waits until it accepts at probe, whose connections it may
// close.
func serveHAProxy(t *testing.T, conf, probe string) {
	t.Helper()
	bin := tool(t, "haproxy", "haproxy")
	file := filepath.Join(t.TempDir(), "haproxy.cfg")
	if err := os.WriteFile(file, []byte(conf), 0o600); err != nil {
		t.Fatal(err)
	}
	out, ended := background(t, exec.Command(bin, "-db", "-f", file))
	eventually(t, func() error {
		select {
		case <-ended:
			t.Fatalf("haproxy does not start: %s", out)
		default:
		}
		c, err := net.Dial("tcp", probe)
		if err == nil {
			c.Close()
		}
		return err
	})
}

// TestProxyProtocolHAProxy: HAProxy tells the gateway of its client in either version, the gateway tells HAProxy in either,
// and what comes out in the end is where curl connected from; at layer 7 it stands in X-Forwarded-For.
func TestProxyProtocolHAProxy(t *testing.T) {
	curl := tool(t, "curl", "curl")
	tool(t, "haproxy", "haproxy")
	eachDriver(t, func(t *testing.T, driver string) {
		for _, version := range []string{"v1", "v2"} {
			addrs := make([]string, 3)
			for i := range addrs {
				var err error
				if addrs[i], err = freeAddr(); err != nil {
					t.Fatal(err)
				}
			}
			p := start(t, driver, oneTunnel("'"+addrs[2]+"'", "proxy_protocol: {from: [127.0.0.0/8]}", "send_proxy: "+version), options{})
			serveHAProxy(t, fmt.Sprintf(haproxyConf, addrs[0], addrs[1], addrs[2], p.addr), addrs[2])
			for _, through := range addrs[:2] {
				out, err := exec.Command(curl, "-q", "-sS", "--max-time", "60", "--noproxy", "*", "-w", " %{local_ip}:%{local_port}", "http://"+through+"/").CombinedOutput()
				got, want, _ := strings.Cut(string(out), " ")
				if err != nil || got != want || !strings.HasPrefix(got, "127.0.0.1:") {
					t.Errorf("sending %s: %v, %q", version, err, out)
				}
			}
		}
		m := newMirror(t)
		web := start(t, driver, oneCluster(m.addr, "proxy_protocol: {from: [127.0.0.1]}", ""), options{})
		w := dial(t, web.addr)
		w.send("PROXY TCP4 203.0.113.7 203.0.113.8 999 80\r\n")
		if s := mirrored(t, w.get("/")); s.Header.Get("X-Forwarded-For") != "203.0.113.7" {
			t.Errorf("the origin was told %v", s.Header)
		}
		plain := dial(t, web.addr)
		plain.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n")
		plain.mustReset()
		web.wantSessions("bad_proxy_header", 1)
	})
}

// TestTunnelOfOpenSSL: a session of openssl's own client, whose ClientHello names nobody, takes the route for the rest.
func TestTunnelOfOpenSSL(t *testing.T) {
	openssl := tool(t, "openssl", "openssl")
	eachDriver(t, func(t *testing.T, driver string) {
		a, b, _ := serveTLS(t)
		p := start(t, driver, passthrough(a, refusing(t), b, ""), options{})
		cmd := exec.Command(openssl, "s_client", "-quiet", "-noservername", "-connect", p.addr)
		cmd.Stdin = strings.NewReader("GET / HTTP/1.0\r\n\r\n") // whose end -quiet ignores
		out, err := cmd.Output()
		if err != nil || !bytes.HasSuffix(out, []byte("b serves \n")) {
			t.Errorf("%v: %q", err, out)
		}
	})
}

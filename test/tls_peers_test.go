package test

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// pki is an authority of openssl's with certificates for localhost, in files of one folder.
type pki struct{ dir string }

// madePKI is what openssl has made, once a run: keys for RSA take it a while.
var madePKI struct {
	once sync.Once
	pki
	err error
}

// newPKI gives the authority (ca), a server's certificate with a key for ECDSA (ec) and one for RSA (rsa), a client's (client)
// and one of another authority (foreign), in a folder of the test's.
func newPKI(t *testing.T) *pki {
	t.Helper()
	openssl := tool(t, "openssl", "openssl")
	m := &madePKI
	m.once.Do(func() {
		if m.dir, m.err = os.MkdirTemp("", "ringway-pki-"); m.err == nil {
			m.err = m.make(openssl)
		}
	})
	if m.err != nil {
		t.Fatal(m.err)
	}
	p := &pki{t.TempDir()}
	files, err := os.ReadDir(m.dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		data, err := os.ReadFile(m.file(f.Name()))
		if err == nil {
			err = os.WriteFile(p.file(f.Name()), data, 0o600)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	return p
}

// make has openssl fill the folder.
func (p *pki) make(openssl string) error {
	const ec, rsa = "ec -pkeyopt ec_paramgen_curve:P-256", "rsa:2048"
	var commands []string
	for _, ca := range []string{"ca", "otherca"} {
		commands = append(commands, "req -x509 -newkey "+ec+" -nodes -days 30 -subj /CN="+ca+" -keyout "+ca+".key -out "+ca+".pem")
	}
	for _, c := range []struct{ name, key, ca string }{{"ec", ec, "ca"}, {"rsa", rsa, "ca"}, {"client", ec, "ca"}, {"foreign", ec, "otherca"}} {
		commands = append(commands,
			"req -newkey "+c.key+" -nodes -subj /CN="+c.name+" -addext subjectAltName=DNS:localhost,IP:127.0.0.1 -keyout "+c.name+".key -out "+c.name+".csr",
			"x509 -req -in "+c.name+".csr -CA "+c.ca+".pem -CAkey "+c.ca+".key -copy_extensions copyall -days 30 -out "+c.name+".pem")
	}
	for _, args := range commands {
		cmd := exec.Command(openssl, strings.Fields(args)...)
		cmd.Dir = p.dir
		if out, err := cmd.CombinedOutput(); err != nil {
			return fmt.Errorf("openssl %s: %w\n%s", args, err, out)
		}
	}
	return nil
}

func (p *pki) file(name string) string { return filepath.Join(p.dir, name) }

// pair is a certificate as the configuration has it.
func (p *pki) pair(name string) string {
	return fmt.Sprintf("{cert: %q, key: %q}", p.file(name+".pem"), p.file(name+".key"))
}

const nginxTLSServer = `
    ssl_certificate %[1]s/ec.pem;
    ssl_certificate_key %[1]s/ec.key;
    ssl_client_certificate %[1]s/ca.pem;
    ssl_verify_client on;
    location /who { return 200 "$ssl_client_s_dn $ssl_protocol $ssl_session_reused $ssl_server_name\n"; }
`

// serveNginxTLS starts an nginx that speaks TLS, with clients that have a certificate of the authority.
func serveNginxTLS(t *testing.T, p *pki) string {
	t.Helper()
	bin := tool(t, "nginx", "nginx-light")
	dir := t.TempDir()
	if err := os.Mkdir(filepath.Join(dir, "root"), 0o755); err != nil {
		t.Fatal(err)
	}
	for name, data := range map[string][]byte{"small": []byte("a small file\n"), "large": bytes.Repeat([]byte("0123456789abcdef"), 64<<10)} {
		if err := os.WriteFile(filepath.Join(dir, "root", name), data, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	addr, err := freeAddr()
	if err != nil {
		t.Fatal(err)
	}
	text := strings.Replace(fmt.Sprintf(nginxConf, dir, addr), "backlog=1024;", "ssl;"+fmt.Sprintf(nginxTLSServer, p.dir), 1)
	conf := filepath.Join(dir, "nginx.conf")
	if err := os.WriteFile(conf, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(bin, "-p", dir, "-c", conf)
	log := new(output)
	cmd.Stdout, cmd.Stderr = log, log
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Signal(syscall.SIGTERM)
		_ = cmd.Wait()
	})
	awaitListener(t, addr)
	return addr
}

const tlsConfig = `
listeners:
  web:
    address: 127.0.0.1:0
    tls: {certificates: [%[1]s, %[2]s], hsts: {max_age: 1h}}
    routes: [{cluster: site}]
  clients:
    address: 127.0.0.1:0
    tls: {certificates: [%[1]s], client_auth: {ca: %[3]q}}
    routes: [{cluster: site}]
clusters:
  site:
    endpoints: [%[4]q]
    tls: {ca: %[3]q, server_name: localhost, cert: %[5]q, key: %[6]q}
`

// TestTLSPeers: real clients over TLS, to a real nginx over TLS.
func TestTLSPeers(t *testing.T) {
	t.Parallel()
	certs := newPKI(t)
	driversAtOnce(t, func(t *testing.T, driver string) {
		site := serveNginxTLS(t, certs)
		p := start(t, driver, fmt.Sprintf(tlsConfig, certs.pair("ec"), certs.pair("rsa"), certs.file("ca.pem"), site,
			certs.file("client.pem"), certs.file("client.key")), options{})
		t.Run("curl", func(t *testing.T) { testTLSCurl(t, p, certs) })
		t.Run("openssl", func(t *testing.T) { testSClient(t, p, certs) })
		t.Run("node", func(t *testing.T) { testTLSNode(t, p, certs) })
		t.Run("wrk", func(t *testing.T) {
			for _, path := range []string{"/small", "/large"} {
				t.Logf("%s: %d requests in a second", path, wrk(t, "-t2", "-c32", "-d1s", "--timeout", "20s", "https://"+p.addr+path))
			}
		})
	})
}

// tlsCurlCases are command lines of curl, what they print, and how it ends.
var tlsCurlCases = []struct {
	name, args, want string
	status           int
}{
	{"1.3", "-s --tlsv1.3 {web}/small", "a small file\n", 0},
	{"1.2", "-s --tls-max 1.2 {web}/small", "a small file\n", 0},
	{"1.1", "-s --tls-max 1.1 --ciphers DEFAULT@SECLEVEL=0 {web}/small", "", 35},
	{"RSA only", "-s --tls-max 1.2 --ciphers ECDHE-RSA-AES128-GCM-SHA256 -w %{http_code} {web}/small", "a small file\n200", 0},
	{"no forward secrecy", "-s --tls-max 1.2 --ciphers AES128-SHA {web}/small", "", 35},
	{"large", "-s -o /dev/null -w %{http_code}_%{size_download} {web}/large", "200_1048576", 0},
	{"several on one connection", "-s -w %{num_connects} {web}/small {web}/small", "a small file\n1a small file\n0", 0},
	{"HSTS", "-sI {web}/small", `(?s).*\r\nstrict-transport-security: max-age=3600\r\n.*`, 0},
	{"HTTP/2 by ALPN", "-s -o /dev/null -w %{http_version} {web}/small", "2", 0},
	{"HTTP/1.1 by ALPN", "-s --http1.1 -o /dev/null -w %{http_version} {web}/small", "1.1", 0},
	{"post", "-s -d x=y -o /dev/null -w %{http_code} {web}/text", "200", 0},
	{"nginx sees the gateway's certificate", "-s {web}/who", `CN=client TLSv1\.[23] [r.] localhost\n`, 0},
	{"plain HTTP", "-s -w %{http_code} {plain}/small", `.*"this port speaks TLS: use https".*400`, 0},
	{"client certificate", "-s --cert {client} --key {clientkey} {clients}/small", "a small file\n", 0},
	{"client certificate, 1.2", "-s --tls-max 1.2 --cert {client} --key {clientkey} {clients}/small", "a small file\n", 0},
	{"no client certificate", "-s --http1.1 {clients}/small", "", 56},
	{"foreign client certificate", "-s --tls-max 1.2 --cert {foreign} --key {foreignkey} {clients}/small", "", 35},
}

func testTLSCurl(t *testing.T, p *process, certs *pki) {
	curl := tool(t, "curl", "curl")
	fill := strings.NewReplacer("{web}", "https://"+p.addr, "{clients}", "https://"+p.addrs["clients"], "{plain}", "http://"+p.addr,
		"{client}", certs.file("client.pem"), "{clientkey}", certs.file("client.key"), "{foreign}", certs.file("foreign.pem"), "{foreignkey}", certs.file("foreign.key"))
	for _, c := range tlsCurlCases {
		t.Run(c.name, func(t *testing.T) {
			args := append([]string{"-q", "--max-time", "60", "--noproxy", "127.0.0.1", "--cacert", certs.file("ca.pem")}, strings.Fields(fill.Replace(c.args))...)
			cmd := exec.Command(curl, args...)
			out, _ := cmd.Output()
			if code := cmd.ProcessState.ExitCode(); code != c.status || !regexp.MustCompile(`^(?:`+c.want+`)$`).Match(out) {
				t.Errorf("curl %s: status %d, %q; want %d, %q", c.args, code, abridge(string(out)), c.status, c.want)
			}
		})
	}
	for _, rule := range []string{"missing", "unknown_authority"} {
		p.await("certificate not accepted: " + rule)
	}
}

// said is something that s_client is told, and what it prints then.
type said struct{ text, answer string }

// sClient runs openssl s_client, tells it one thing after the other, and returns what it prints once that has the text wanted, or at
// its end.
func sClient(t *testing.T, certs *pki, addr, want string, input []said, args ...string) string {
	t.Helper()
	cmd := exec.Command(tool(t, "openssl", "openssl"), append([]string{"s_client", "-connect", addr, "-servername", "localhost", "-verify_return_error", "-CAfile", certs.file("ca.pem")}, args...)...)
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	log := new(output)
	cmd.Stdout, cmd.Stderr = log, log
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() {
		_ = cmd.Wait()
		close(ended)
	}()
	printed := func(want string, from int) {
		for end := time.Now().Add(patience); !strings.Contains(log.String()[from:], want) && time.Now().Before(end); {
			select {
			case <-ended:
				return
			case <-time.After(10 * time.Millisecond):
			}
		}
	}
	for _, part := range input { // a command is one where a read begins with it, so that nothing may wait to be read before it
		from := len(log.String())
		_, _ = io.WriteString(in, part.text)
		printed(part.answer, from)
	}
	printed(want, 0)
	_ = in.Close()
	select {
	case <-ended:
	case <-time.After(patience):
		_ = cmd.Process.Kill()
		<-ended
	}
	return log.String()
}

// testSClient: what openssl sees of the handshake, that it resumes sessions, and that keys may be updated on the way.
func testSClient(t *testing.T, p *process, certs *pki) {
	for _, c := range []struct {
		name string
		args []string
		want string
	}{
		{"1.3", []string{"-tls1_3"}, `(?s)TLSv1\.3, Cipher is TLS_AES_.*Verify return code: 0`},
		{"1.2", []string{"-tls1_2"}, `(?s)TLSv1\.2, Cipher is ECDHE-ECDSA-AES.*Verify return code: 0`},
		{"chacha", []string{"-tls1_2", "-cipher", "ECDHE-ECDSA-CHACHA20-POLY1305"}, `Cipher is ECDHE-ECDSA-CHACHA20-POLY1305`},
		{"P-384", []string{"-groups", "P-384"}, `Server Temp Key: ECDH, (secp384r1|P-384)`},
		{"ALPN", []string{"-alpn", "http/1.1"}, `ALPN protocol: http/1\.1`},
		{"no renegotiation", []string{"-tls1_2"}, `Secure Renegotiation IS supported`},
	} {
		t.Run(c.name, func(t *testing.T) {
			if out := sClient(t, certs, p.addr, "Verify return code", nil, c.args...); !regexp.MustCompile(c.want).MatchString(out) {
				t.Errorf("want %s:\n%s", c.want, out)
			}
		})
	}
	for _, v := range []string{"-tls1_2", "-tls1_3"} {
		t.Run("resumption "+v, func(t *testing.T) {
			session := filepath.Join(t.TempDir(), "session")
			get := []said{{"GET /small HTTP/1.1\r\nHost: localhost\r\n\r\n", "a small file"}}
			if out := sClient(t, certs, p.addr, "a small file", get, v, "-sess_out", session); !strings.Contains(out, "a small file") {
				t.Fatal(out)
			}
			if out := sClient(t, certs, p.addr, "a small file", get, v, "-sess_in", session); !strings.Contains(out, "Reused, TLSv1.") {
				t.Errorf("not resumed:\n%s", out)
			}
		})
	}
	t.Run("KeyUpdate", func(t *testing.T) {
		get := said{"GET /text HTTP/1.1\r\nHost: localhost\r\n\r\n", "\ntext\n"}
		input := []said{get, {"K\n", "KEYUPDATE"}, get, {"k\n", "KEYUPDATE"}, get, {"GET /empty HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n", "204 No Content"}}
		out := sClient(t, certs, p.addr, "204 No Content", input, "-tls1_3")
		if n := strings.Count(out, "KEYUPDATE"); n != 2 || strings.Count(out, "\ntext\n") != 3 || !strings.Contains(out, "204 No Content") {
			t.Errorf("%d KeyUpdates:\n%s", n, out)
		}
	})
}

const tlsNodeScript = `
const https = require('https'), fs = require('fs'), base = process.argv[1];
const agent = new https.Agent({keepAlive: true, maxSockets: 4, ca: fs.readFileSync(process.argv[2])});
let reused = 0;
function send(method, path, body) {
  return new Promise((resolve, reject) => {
    const r = https.request(base + path, {method, agent}, res => {
      let size = 0;
      if (res.socket.isSessionReused()) reused++;
      res.on('data', d => size += d.length);
      res.on('end', () => res.complete ? resolve(res.statusCode + ':' + size) : reject(new Error('cut')));
      res.on('error', reject);
    });
    r.on('error', reject);
    if (body) for (const part of body) r.write(part);
    r.end();
  });
}
(async () => {
  let ok = 0, all = [];
  for (let round = 0; round < 3; round++) {
    const now = [];
    for (let i = 0; i < 40; i++) {
      now.push(send('GET', '/small').then(x => ok += x === '200:13'));
      if (i % 10 === 0) now.push(send('GET', '/large').then(x => ok += x === '200:1048576'));
      if (i % 10 === 2) now.push(send('POST', '/text', ['some ', 'chunks']).then(x => ok += x === '200:5'));
      if (i % 10 === 3) now.push(send('POST', '/text', ['x'.repeat(100000)]).then(x => ok += x === '200:5'));
    }
    all.push(...now);
    await Promise.all(now);
    agent.destroy();
  }
  console.log(ok + ' of ' + all.length + ', resumed ' + (reused > 0));
})().catch(e => { console.error(e); process.exit(1); });
`

func testTLSNode(t *testing.T, p *process, certs *pki) {
	_, port, _ := net.SplitHostPort(p.addr)
	out, err := exec.Command(tool(t, "node", "nodejs"), "-e", tlsNodeScript, "https://localhost:"+port, certs.file("ca.pem")).CombinedOutput()
	if err != nil || string(out) != "156 of 156, resumed true\n" {
		t.Errorf("%v: %s", err, abridge(string(out)))
	}
}

// TestKeyServerPeers: curl is served by a gateway whose keys are with a key server, and by none when that has gone.
func TestKeyServerPeers(t *testing.T) {
	certs := newPKI(t)
	curl := tool(t, "curl", "curl")
	eachDriver(t, func(t *testing.T, driver string) {
		socket := filepath.Join(t.TempDir(), "keys.sock")
		keys := exec.Command(binary(t, true), "keyserver", "--listen", "unix:"+socket, "--key", certs.file("ec.key"), "--key", certs.file("rsa.key"))
		keys.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
		log := new(output)
		keys.Stdout, keys.Stderr = log, log
		if err := keys.Start(); err != nil {
			t.Fatal(err)
		}
		eventually(t, func() error {
			if !strings.Contains(log.String(), "signing at") {
				return fmt.Errorf("not ready: %s", log)
			}
			return nil
		})
		remote := fmt.Sprintf("key_server: {address: %q}}", "unix:"+socket)
		p := start(t, driver, fmt.Sprintf("listeners: {web: {address: '127.0.0.1:0', tls: {certificates: [{cert: %q, %s, {cert: %q, %s]}, routes: [{filters: [{respond: {body: hello}}]}]}}\n",
			certs.file("ec.pem"), remote, certs.file("rsa.pem"), remote), options{})
		get := func(args ...string) (string, error) {
			out, err := exec.Command(curl, append([]string{"-q", "-s", "--noproxy", "127.0.0.1", "--cacert", certs.file("ca.pem"), "https://" + p.addr}, args...)...).Output()
			return string(out), err
		}
		for _, args := range [][]string{nil, {"--tls-max", "1.2"}, {"--tls-max", "1.2", "--ciphers", "ECDHE-RSA-AES128-GCM-SHA256"}} {
			if out, err := get(args...); err != nil || out != "hello" {
				t.Errorf("%v: %q, %v\n%s", args, out, err, p.log)
			}
		}
		_ = keys.Process.Signal(syscall.SIGTERM)
		if err := keys.Wait(); err != nil || !strings.Contains(log.String(), "signatures=3 refused=0") {
			t.Errorf("the key server: %v\n%s", err, log)
		}
		if out, err := get(); err == nil {
			t.Errorf("served without a key: %q", out)
		}
		p.await("the key server did not sign")
	})
}

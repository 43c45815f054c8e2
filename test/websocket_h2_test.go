package test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"os/exec"
	"strings"
	"syscall"
	"testing"

	"github.com/coder/websocket"
)

// nodeFrames is for the scripts below: WebSocket's frames, of a client (masked) and of a server.
const nodeFrames = `
const http2 = require('http2'), fs = require('fs');
function frame(op, data, masked) {
  const n = data.length, head = [0x80 | op], mask = masked ? [1, 2, 3, 4] : [], bit = masked ? 0x80 : 0;
  if (n < 126) head.push(bit | n); else if (n < 65536) head.push(bit | 126, n >> 8, n & 255);
  else head.push(bit | 127, 0, 0, 0, 0, (n >>> 24) & 255, (n >>> 16) & 255, (n >>> 8) & 255, n & 255);
  const body = Buffer.from(data);
  if (masked) for (let i = 0; i < n; i++) body[i] ^= mask[i & 3];
  return Buffer.concat([Buffer.from(head), Buffer.from(mask), body]);
}
function frames(stream, each) {
  let have = Buffer.alloc(0);
  stream.on('data', d => {
    have = Buffer.concat([have, d]);
    for (;;) {
      if (have.length < 2) return;
      let n = have[1] & 127, at = 2;
      if (n === 126) { if (have.length < 4) return; n = have.readUInt16BE(2); at = 4; }
      else if (n === 127) { if (have.length < 10) return; n = Number(have.readBigUInt64BE(2)); at = 10; }
      const masked = have[1] & 128, key = have.subarray(at, at += masked ? 4 : 0);
      if (have.length < at + n) return;
      const data = Buffer.from(have.subarray(at, at + n));
      if (masked) for (let i = 0; i < n; i++) data[i] ^= key[i & 3];
      const op = have[0] & 15;
      have = have.subarray(at + n);
      each(op, data);
    }
  });
}
`

// nodeTunnels is a client that opens many tunnels over one connection of HTTP/2, and prints what came of each.
const nodeTunnels = nodeFrames + `
const [base, ca] = process.argv.slice(1), session = http2.connect(base, ca ? {ca: fs.readFileSync(ca)} : {});
function open(path) {
  return new Promise(resolve => {
    const seen = [], s = session.request({':method': 'CONNECT', ':protocol': 'websocket', ':path': path, ':scheme': new URL(base).protocol.slice(0, -1),
      ':authority': new URL(base).host, 'sec-websocket-version': '13', 'sec-websocket-protocol': 'chat.v2', origin: 'http://x'}, {endStream: false});
    const big = Buffer.alloc(300000, 'b');
    s.on('response', h => {
      seen.push(h[':status'], h['sec-websocket-protocol'] || '', h['sec-websocket-accept'] || '');
      if (h[':status'] !== 200) { s.resume(); s.end(); return; }
      s.write(frame(1, Buffer.from('hello'), true));
      s.write(frame(2, big, true));
    });
    frames(s, (op, data) => {
      seen.push(op + ':' + data.length + ':' + (op === 2 ? data.equals(big) : op === 8 ? data.readUInt16BE(0) : data.toString()));
      if (op === 2) s.write(frame(8, Buffer.from([3, 232]), true));
      if (op === 8) s.end();
    });
    s.on('error', e => seen.push(e.code));
    s.on('close', () => { seen.push('closed ' + s.rstCode); resolve(seen.join(' ')); });
  });
}
session.on('remoteSettings', async settings => {
  const all = await Promise.all(Array(20).fill('/echo').concat(['/refused']).map(open));
  console.log(JSON.stringify([String(settings.enableConnectProtocol)].concat(all)));
  session.close();
});
`

// nodeTunnelServer takes tunnels over HTTP/2 and sends every message back.
const nodeTunnelServer = nodeFrames + `
const server = http2.createServer({settings: {enableConnectProtocol: true}});
server.on('stream', (s, h) => {
  if (h[':method'] !== 'CONNECT' || h[':protocol'] !== 'websocket' || h['sec-websocket-key'] || h[':path'] === '/refused') { s.respond({':status': 403}); s.end('not you'); return; }
  s.respond({':status': 200, 'sec-websocket-protocol': 'chat.v2'});
  frames(s, (op, data) => { s.write(frame(op === 9 ? 10 : op, data, false)); if (op === 8) s.end(); });
  s.on('error', () => {});
});
server.listen(0, '127.0.0.1', () => console.log(server.address().port));
`

// serveNodeTunnels starts that server.
func serveNodeTunnels(t *testing.T) string {
	t.Helper()
	cmd := exec.Command(tool(t, "node", "nodejs"), "-e", nodeTunnelServer)
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	out, err := cmd.StdoutPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	port, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatalf("node: %v", err)
	}
	return "127.0.0.1:" + strings.TrimSpace(port)
}

const wsH2Config = `
listeners:
  web: {address: 127.0.0.1:0, routes: [{cluster: site}]}
  tls: {address: 127.0.0.1:0, tls: {certificates: [%[1]s]}, routes: [{cluster: site}]}
  two: {address: 127.0.0.1:0, routes: [{cluster: two}]}
clusters:
  site: {endpoints: [%[2]q]}
  two: {endpoints: [%[3]q], version: http2}
`

// TestWebSocketVersions: tunnels from HTTP/2 to HTTP/1.1 and back, and from HTTP/2 to HTTP/2, with Node's HTTP/2 and real WebSocket.
func TestWebSocketVersions(t *testing.T) {
	t.Parallel()
	certs := newPKI(t)
	driversAtOnce(t, func(t *testing.T, driver string) {
		p := start(t, driver, fmt.Sprintf(wsH2Config, certs.pair("ec"), serveGo(t, http.HandlerFunc(speak)), serveNodeTunnels(t)), options{})
		_, tlsPort, _ := strings.Cut(p.addrs["tls"], ":")
		for _, c := range []struct{ name, base, ca string }{
			{"2 to 1", "http://" + p.addrs["web"], ""},
			{"2 over TLS to 1", "https://localhost:" + tlsPort, certs.file("ca.pem")},
			{"2 to 2", "http://" + p.addrs["two"], ""},
		} {
			t.Run(c.name, func(t *testing.T) {
				out, err := exec.Command(tool(t, "node", "nodejs"), "-e", nodeTunnels, c.base, c.ca).CombinedOutput()
				var seen []string
				if err == nil {
					err = json.Unmarshal(out, &seen)
				}
				if err != nil || len(seen) != 22 || seen[0] != "true" {
					t.Fatalf("node: %v\n%s", err, abridge(string(out)))
				}
				for _, s := range seen[1:21] {
					if want := "200 chat.v2  1:5:hello 2:300000:true 8:2:1000 closed 0"; s != want {
						t.Errorf("a tunnel saw %q, want %q", s, want)
					}
				}
				if !strings.HasPrefix(seen[21], "403 ") {
					t.Errorf("the one that was refused saw %q", seen[21])
				}
			})
		}
		const in, out = 20 * (11 + 300_014 + 8), 20 * (7 + 300_010 + 4) // frames of what the tunnels saw
		for name, want := range map[string]float64{"received_bytes_total": in, "sent_bytes_total": out} {
			to := map[string]string{"received_bytes_total": "upstream", "sent_bytes_total": "client"}[name]
			if got := p.metric(`ringway_listener_tunnel_bytes_total{listener="web",to="` + to + `"`); got != want {
				t.Errorf("%v bytes to the %s, want %v", got, to, want)
			}
			if got := p.metric(`ringway_listener_` + name + `{listener="web"`); got < want || got > want*1.1 {
				t.Errorf("%s is %v, for tunnels with %v", name, got, want)
			}
		}
		t.Run("1 to 2", func(t *testing.T) { speakToH2(t, "ws://"+p.addrs["two"]) })
		eventually(t, func() error {
			if open := p.metric("ringway_listener_tunnels{"); open != 0 {
				return fmt.Errorf("%v tunnels are open", open)
			}
			return nil
		})
	})
}

// speakToH2 sends messages of all sizes to the server of Node's.
func speakToH2(t *testing.T, base string) {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	c, res, err := websocket.Dial(ctx, base+"/echo", &websocket.DialOptions{Subprotocols: []string{"chat.v2"}})
	if err != nil {
		t.Fatal(err, res)
	}
	defer c.CloseNow()
	c.SetReadLimit(-1)
	for _, size := range []int{0, 1, 125, 126, 65535, 65536, 1 << 20} {
		message := bytes.Repeat([]byte("a message "), size/10+1)[:size]
		err := c.Write(ctx, websocket.MessageBinary, message)
		if kind, got, err2 := c.Read(ctx); err != nil || err2 != nil || kind != websocket.MessageBinary || !bytes.Equal(got, message) {
			t.Fatalf("%d bytes came back as %d, %v, %v", size, len(got), err, err2)
		}
	}
	go func() { _, _, _ = c.Read(ctx) }()
	if err := c.Ping(ctx); err != nil {
		t.Error(err)
	}
	if err := c.Close(websocket.StatusNormalClosure, "done"); err != nil || c.Subprotocol() != "chat.v2" {
		t.Errorf("closed: %v, %q", err, c.Subprotocol())
	}
	if _, res, err := websocket.Dial(ctx, base+"/refused", nil); err == nil || res == nil || res.StatusCode != 403 {
		t.Errorf("the one that is refused sees %v, %v", res, err)
	}
}

const nginxH2Upgrades = `
    ssl_certificate %[2]s/ec.pem;
    ssl_certificate_key %[2]s/ec.key;
    location / {
      proxy_pass http://%[1]s;
      proxy_http_version 1.1;
      proxy_set_header Host $http_host;
      proxy_set_header Upgrade $http_upgrade;
      proxy_set_header Connection $upgraded;
    }
`

// TestWebSocketToH2WithoutTunnels: nginx chooses HTTP/2 and takes no tunnels over that. Where ALPN settles the version, tunnels go
// to it over HTTP/1.1, and everything else over HTTP/2; where it is to be HTTP/2, the client is told.
func TestWebSocketToH2WithoutTunnels(t *testing.T) {
	certs := newPKI(t)
	eachDriver(t, func(t *testing.T, driver string) {
		direct := serveGo(t, http.HandlerFunc(speak))
		nginx := serveNginxH2(t, certs, direct)
		p := start(t, driver, fmt.Sprintf("listeners: {web: {address: '127.0.0.1:0', routes: [{cluster: auto}]}, forced: {address: '127.0.0.1:0', routes: [{cluster: two}]}}\n"+
			"clusters:\n  auto: {endpoints: [%[1]q], version: auto, tls: {ca: %[2]q, server_name: localhost}}\n  two: {endpoints: [%[1]q], version: http2, tls: {ca: %[2]q, server_name: localhost}}",
			nginx, certs.file("ca.pem")), options{loops: 1})
		want, err := talk("ws://"+direct, http.DefaultClient)
		if err != nil {
			t.Fatal(err)
		}
		res, err := http.Get(p.url("/refused")) // HTTP/2 is settled
		if err != nil || res.StatusCode != http.StatusForbidden {
			t.Fatal(res, err)
		}
		res.Body.Close()
		for range 2 {
			if got, err := talk("ws://"+p.addr, http.DefaultClient); strings.Join(got, "\n") != strings.Join(want, "\n") {
				t.Errorf("%v:\n%s\nwithout the gateway:\n%s", err, strings.Join(got, "\n"), strings.Join(want, "\n"))
			}
		}
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		if _, res, err := websocket.Dial(ctx, "ws://"+p.addrs["forced"]+"/echo", nil); err == nil || res == nil || res.StatusCode != 501 {
			t.Errorf("over HTTP/2 only: %v, %v", res, err)
		}
	})
}

// serveNginxH2 starts an nginx with HTTP/2 over TLS in front of a WebSocket server.
func serveNginxH2(t *testing.T, certs *pki, origin string) string {
	t.Helper()
	dir := t.TempDir()
	return startNginx(t, dir, func(addr string) string {
		text := strings.Replace(fmt.Sprintf(nginxConf, dir, addr), "location / { }", fmt.Sprintf(nginxH2Upgrades, origin, certs.dir), 1)
		text = strings.Replace(text, "http {", "http {\n  map $http_upgrade $upgraded { default upgrade; '' ''; }", 1)
		return strings.Replace(text, "backlog=1024;", "ssl http2 backlog=1024;", 1)
	})
}

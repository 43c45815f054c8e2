package test

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/coder/websocket"
)

// speak is a WebSocket server: what it does depends on the path.
func speak(w http.ResponseWriter, r *http.Request) {
	if r.URL.Path == "/refused" {
		http.Error(w, "not you", http.StatusForbidden)
		return
	}
	c, err := websocket.Accept(w, r, &websocket.AcceptOptions{Subprotocols: []string{"chat.v2"}, CompressionMode: websocket.CompressionContextTakeover,
		InsecureSkipVerify: true})
	if err != nil {
		return
	}
	defer c.CloseNow()
	c.SetReadLimit(-1)
	ctx, cancel := context.WithTimeout(context.Background(), 4*patience)
	defer cancel()
	switch r.URL.Path {
	case "/greet": // at once, in the segment of the head or right behind
		for _, s := range []string{"one", "two", "three"} {
			_ = c.Write(ctx, websocket.MessageText, []byte(s))
		}
		_ = c.Close(websocket.StatusNormalClosure, "that was all")
	case "/close":
		_, _, _ = c.Read(ctx)
		_ = c.Close(4001, "as you like")
	case "/gone":
		_, _, _ = c.Read(ctx)
	case "/ping":
		closed := c.CloseRead(ctx)
		if err := c.Ping(closed); err == nil {
			_ = c.Write(ctx, websocket.MessageText, []byte("ponged"))
		}
		<-closed.Done()
	default:
		for {
			kind, data, err := c.Read(ctx)
			if err != nil || c.Write(ctx, kind, data) != nil {
				return
			}
		}
	}
}

// longMessage is the size of the longest message, which the clients compress: with the race detector that takes seconds.
func longMessage() int {
	if raceEnabled {
		return 300_000
	}
	return 3 << 20
}

// talk is a WebSocket client that tries everything speak does, and reports what it saw.
func talk(base string, client *http.Client) (seen []string, err error) {
	ctx, cancel := context.WithTimeout(context.Background(), 2*patience)
	defer cancel()
	note := func(format string, args ...any) { seen = append(seen, fmt.Sprintf(format, args...)) }
	open := func(path string) *websocket.Conn {
		c, res, e := websocket.Dial(ctx, base+path, &websocket.DialOptions{HTTPClient: client, Subprotocols: []string{"chat.v1", "chat.v2"},
			CompressionMode: websocket.CompressionContextTakeover})
		if e != nil {
			status := 0
			if res != nil {
				status = res.StatusCode
			}
			note("%s: %d", path, status)
			err = errors.Join(err, e)
			return nil
		}
		c.SetReadLimit(-1)
		note("%s: %q", path, c.Subprotocol())
		return c
	}
	if c := open("/echo"); c != nil {
		for _, size := range []int{0, 1, 125, 126, 65535, 65536, longMessage()} {
			message := bytes.Repeat([]byte("a message "), size/10+1)[:size]
			for _, kind := range []websocket.MessageType{websocket.MessageText, websocket.MessageBinary} {
				e := c.Write(ctx, kind, message)
				got, data, e2 := c.Read(ctx)
				note("%d as %v: %v %v", size, kind, got == kind && bytes.Equal(data, message), errors.Join(e, e2))
			}
		}
		note("closed: %v", c.Close(websocket.StatusNormalClosure, "done"))
	}
	for _, path := range []string{"/greet", "/close", "/ping", "/gone"} {
		c := open(path)
		if c == nil {
			continue
		}
		if path == "/close" || path == "/gone" {
			_ = c.Write(ctx, websocket.MessageText, []byte("close"))
		}
		for {
			_, data, e := c.Read(ctx)
			if e != nil {
				var closed websocket.CloseError
				note("ended by %v: %q", errors.As(e, &closed), closed.Reason)
				break
			}
			if note("%q", data); path == "/ping" {
				_ = c.Close(websocket.StatusGoingAway, "")
			}
		}
		_ = c.CloseNow()
	}
	return seen, err
}

// wsConfig has listeners in front of a WebSocket server: plain to plain, and with TLS on each side.
const wsConfig = `
listeners:
  web: {address: 127.0.0.1:0, routes: [{cluster: site}]}
  in: {address: 127.0.0.1:0, tls: {certificates: [%[1]s]}, routes: [{cluster: site}]}
  out: {address: 127.0.0.1:0, routes: [{cluster: secure}]}
  both: {address: 127.0.0.1:0, tls: {certificates: [%[1]s]}, routes: [{cluster: secure}]}
clusters:
  site: {endpoints: [%[2]q]}
  secure: {endpoints: [%[3]q], tls: {ca: %[4]q, server_name: localhost}, timeouts: {connect: 20s}}
`

// startSpeaking starts a WebSocket server, plain and over TLS, and a gateway in front of it.
func startSpeaking(t *testing.T, driver string, certs *pki) (p *process, direct string, client *http.Client) {
	t.Helper()
	direct = serveGo(t, http.HandlerFunc(speak))
	pair, err := tls.LoadX509KeyPair(certs.file("ec.pem"), certs.file("ec.key"))
	if err != nil {
		t.Fatal(err)
	}
	ca, err := os.ReadFile(certs.file("ca.pem"))
	if err != nil {
		t.Fatal(err)
	}
	ln, err := tls.Listen("tcp", "127.0.0.1:0", &tls.Config{Certificates: []tls.Certificate{pair}})
	if err != nil {
		t.Fatal(err)
	}
	s := &http.Server{Handler: http.HandlerFunc(speak)}
	go func() { _ = s.Serve(ln) }()
	t.Cleanup(func() { _ = s.Close() })
	p = start(t, driver, fmt.Sprintf(wsConfig, certs.pair("ec"), direct, ln.Addr(), certs.file("ca.pem")), options{})
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(ca)
	tr := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots}}
	t.Cleanup(tr.CloseIdleConnections)
	return p, direct, &http.Client{Transport: tr}
}

// TestWebSocketPeers: what clients see through the gateway is what they see without it, whoever encrypts.
func TestWebSocketPeers(t *testing.T) {
	t.Parallel()
	certs := newPKI(t)
	driversAtOnce(t, func(t *testing.T, driver string) {
		p, direct, client := startSpeaking(t, driver, certs)
		want, err := talk("ws://"+direct, client)
		if err != nil || len(want) < 25 {
			t.Fatalf("without the gateway: %v %q", err, want)
		}
		wantNode := nodeSpeaks(t, "ws://"+direct, certs)
		for listener, addr := range p.addrs {
			scheme := "ws://"
			if listener == "in" || listener == "both" {
				scheme = "wss://"
			}
			t.Run(listener, func(t *testing.T) {
				got, err := talk(scheme+addr, client)
				if strings.Join(got, "\n") != strings.Join(want, "\n") {
					t.Errorf("%v:\n%s\nwithout the gateway:\n%s", err, strings.Join(got, "\n"), strings.Join(want, "\n"))
				}
				nodeTalks(t, scheme+addr, certs, wantNode)
			})
		}
		eventually(t, func() error {
			if n := p.metric("ringway_listener_tunnels{"); n != 0 {
				return fmt.Errorf("%v tunnels are open", n)
			}
			return nil
		})
		if n := p.metric(`ringway_listener_tunnels_ended_total{`); n < 4*9 {
			t.Errorf("%v tunnels were counted", n)
		}
	})
}

// nodeSocket is a script for Node's own WebSocket: it opens all paths, and prints what came.
const nodeSocket = `
const base = process.argv[1];
const say = {'/echo': ['', 'x', 'ä'.repeat(100), 'y'.repeat(70000), new Uint8Array(300000).fill(7)], '/greet': [], '/close': ['close'], '/ping': [], '/gone': ['go'], '/refused': []};
function open(path) {
  return new Promise(resolve => {
    const seen = [path], ws = new WebSocket(base + path, ['chat.v1', 'chat.v2']);
    let left = say[path].length;
    ws.binaryType = 'arraybuffer';
    ws.onopen = () => { seen.push('open ' + ws.protocol); for (const m of say[path]) ws.send(m); };
    ws.onmessage = e => {
      seen.push(typeof e.data === 'string' ? e.data.length + ':' + e.data.slice(0, 10) : e.data.byteLength + ' bytes of ' + new Uint8Array(e.data)[299999]);
      if (path === '/echo' && --left === 0) ws.close(1000, 'done');
      if (path === '/ping') ws.close(4000);
    };
    ws.onerror = e => { seen.push('error'); if (seen.length === 2) resolve(seen.slice()); }; // some versions tell of no close then
    ws.onclose = e => { seen.push('close ' + e.code + ' ' + e.reason + ' ' + e.wasClean); resolve(seen); };
  });
}
(async () => {
  const all = await Promise.all(Object.keys(say).map(open));
  console.log(JSON.stringify(all.concat(await Promise.all(Array(20).fill('/echo').map(open))))); // and many at a time
})();
`

// nodeSpeaks is what Node sees of a server.
func nodeSpeaks(t *testing.T, base string, certs *pki) (seen [][]string) {
	t.Helper()
	base = strings.Replace(base, "wss://127.0.0.1", "wss://localhost", 1)
	cmd := exec.Command(tool(t, "node", "nodejs"), "--experimental-websocket", "--no-warnings", "-e", nodeSocket, base)
	cmd.Env = append(os.Environ(), "NODE_EXTRA_CA_CERTS="+certs.file("ca.pem"))
	out, err := cmd.CombinedOutput()
	if err == nil {
		err = json.Unmarshal(out, &seen)
	}
	if err != nil {
		t.Fatalf("node: %v\n%s", err, abridge(string(out)))
	}
	return seen
}

// nodeTalks wants that Node sees the same through the gateway.
func nodeTalks(t *testing.T, base string, certs *pki, want [][]string) {
	t.Helper()
	if len(want) != 26 || len(want[0]) != 8 {
		t.Fatalf("Node sees %q without the gateway", want)
	}
	if got := nodeSpeaks(t, base, certs); fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("Node sees\n%q\nwithout the gateway\n%q", got, want)
	}
}

// tap passes connections on to an address and keeps what each side sent.
type tap struct {
	addr string
	mu   sync.Mutex
	all  [][2]*bytes.Buffer // from the client, from the server
}

func newTap(t *testing.T, to string) *tap {
	p := &tap{}
	p.addr = serveTCP(t, func(c *net.TCPConn) {
		k, err := net.Dial("tcp", to)
		if err != nil {
			return
		}
		defer k.Close()
		sent := [2]*bytes.Buffer{{}, {}}
		p.mu.Lock()
		p.all = append(p.all, sent)
		p.mu.Unlock()
		var both sync.WaitGroup
		pass := func(dst, src *net.TCPConn, kept *bytes.Buffer) {
			_, _ = io.Copy(dst, io.TeeReader(src, kept))
			_ = dst.CloseWrite()
		}
		both.Go(func() { pass(k.(*net.TCPConn), c, sent[0]) })
		both.Go(func() { pass(c, k.(*net.TCPConn), sent[1]) })
		both.Wait()
	})
	return p
}

// after is what stands behind the head of a connection's messages.
func (p *tap) after(t *testing.T, i, side int) []byte {
	t.Helper()
	p.mu.Lock()
	defer p.mu.Unlock()
	_, rest, ok := bytes.Cut(p.all[i][side].Bytes(), []byte("\r\n\r\n"))
	if !ok {
		t.Fatalf("connection %d has no head", i)
	}
	return rest
}

// TestWebSocketBytes: behind the heads, each side gets the very bytes that the other has sent.
func TestWebSocketBytes(t *testing.T) {
	eachDriver(t, func(t *testing.T, driver string) {
		behind := newTap(t, serveGo(t, http.HandlerFunc(speak)))
		p := start(t, driver, fmt.Sprintf("listeners: {web: {address: '127.0.0.1:0', routes: [{cluster: site}]}}\nclusters: {site: {endpoints: [%q], pool: {idle: 0}}}", behind.addr), options{})
		before := newTap(t, p.addr)
		if _, err := talk("ws://"+before.addr, http.DefaultClient); err != nil {
			t.Fatal(err)
		}
		eventually(t, func() error {
			if n := p.metric("ringway_listener_connections{"); n != 0 {
				return fmt.Errorf("%v connections", n)
			}
			return nil
		})
		if len(before.all) != 5 || len(behind.all) != 5 {
			t.Fatalf("%d connections before, %d behind", len(before.all), len(behind.all))
		}
		total := 0
		for i := range before.all {
			for side := range 2 {
				sent, got := before.after(t, i, side), behind.after(t, i, side)
				if total += len(sent); !bytes.Equal(sent, got) {
					t.Errorf("connection %d, side %d: %d bytes before the gateway, %d behind", i, side, len(sent), len(got))
				}
			}
		}
		if n := p.metric("ringway_listener_tunnel_bytes_total{"); n != float64(total) || total < 10_000 {
			t.Errorf("%d bytes passed, %v were counted", total, n)
		}
	})
}

const nginxUpgrades = `
    location / { }
    location /echo {
      proxy_pass http://%s;
      proxy_http_version 1.1;
      proxy_set_header Host $http_host;
      proxy_set_header Upgrade $http_upgrade;
      proxy_set_header Connection "upgrade";
    }
`

// serveNginxUpgrading starts an nginx in front of a WebSocket server.
func serveNginxUpgrading(t *testing.T, origin string) string {
	t.Helper()
	dir := t.TempDir()
	return startNginx(t, dir, func(addr string) string {
		return strings.Replace(fmt.Sprintf(nginxConf, dir, addr), "location / { }", fmt.Sprintf(nginxUpgrades, origin), 1)
	})
}

// TestWebSocketAsNginx: the head of the answer, and what stands behind it, is what nginx passes on.
func TestWebSocketAsNginx(t *testing.T) {
	eachDriver(t, func(t *testing.T, driver string) {
		origin := serveGo(t, http.HandlerFunc(speak))
		p := start(t, driver, fmt.Sprintf("listeners: {web: {address: '127.0.0.1:0', routes: [{cluster: site}]}}\nclusters: {site: {endpoints: [%q]}}", origin), options{})
		n := serveNginxUpgrading(t, origin)
		frames := "\x81\x85\x01\x02\x03\x04" + mask("hello", "\x01\x02\x03\x04") + "\x89\x82abcd" + mask("hi", "abcd") + "\x82\xfe\x00\xc8wxyz" + mask(strings.Repeat("\x00\xff", 100), "wxyz") +
			"\x88\x82\x00\x00\x00\x00\x03\xe8"
		say := func(addr string) string {
			w := dial(t, addr)
			w.send(strings.Replace(askToGoOver, "/tunnel", "/echo", 1))
			res := w.head("GET")
			w.send(frames)
			rest, err := io.ReadAll(w.r)
			return fmt.Sprintf("%d %s %s %s %q %v", res.StatusCode, res.Header["Upgrade"], res.Header["Connection"], res.Header["Sec-Websocket-Accept"], rest, err)
		}
		direct, through, nginx := say(origin), say(p.addr), say(n)
		if !strings.Contains(direct, `hello`) || through != direct || !strings.EqualFold(nginx, direct) {
			t.Errorf("direct  %s\ngateway %s\nnginx   %s", direct, through, nginx)
		}
	})
}

// mask does to a frame's payload what clients must.
func mask(s, key string) string {
	b := []byte(s)
	for i := range b {
		b[i] ^= key[i%4]
	}
	return string(b)
}

// TestWebSocketMany: many tunnels at a time stay apart, over reloads, and are cut off when the gateway's patience ends.
func TestWebSocketMany(t *testing.T) {
	t.Parallel()
	driversAtOnce(t, func(t *testing.T, driver string) {
		r := start(t, driver, fmt.Sprintf("listeners: {web: {address: '127.0.0.1:0', routes: [{name: first, cluster: site}]}}\nclusters: {site: {endpoints: [%q]}}",
			serveGo(t, http.HandlerFunc(speak))), options{})
		ctx, cancel := context.WithTimeout(context.Background(), 4*patience)
		defer cancel()
		const n = 300
		var all sync.WaitGroup
		var conns [n]*websocket.Conn
		round := func(k int) {
			for i := range conns {
				all.Go(func() {
					if conns[i] == nil {
						c, _, err := websocket.Dial(ctx, "ws://"+r.addr+"/echo", nil)
						if err != nil {
							t.Errorf("tunnel %d: %v", i, err)
							return
						}
						conns[i] = c
					}
					text := fmt.Sprintf("tunnel %d, round %d", i, k)
					err := conns[i].Write(ctx, websocket.MessageText, []byte(text))
					if _, got, err2 := conns[i].Read(ctx); err != nil || err2 != nil || string(got) != text {
						t.Errorf("tunnel %d, round %d: %q, %v, %v", i, k, got, err, err2)
					}
				})
			}
			all.Wait()
		}
		if round(0); t.Failed() {
			return
		}
		if open := r.metric("ringway_listener_tunnels{"); open != n {
			t.Errorf("%v tunnels are open", open)
		}
		file := r.cmd.Args[3]
		text, err := os.ReadFile(file)
		if err == nil {
			err = os.WriteFile(file, bytes.Replace(text, []byte("name: first"), []byte("name: second, upgrades: []"), 1), 0o600)
		}
		if err != nil {
			t.Fatal(err)
		}
		r.signal(syscall.SIGHUP)
		r.await("msg=reloaded")
		round(1) // those that are open stay
		if _, res, err := websocket.Dial(ctx, "ws://"+r.addr+"/echo", nil); err == nil || res == nil || res.StatusCode != 426 {
			t.Errorf("a new one is answered by %v, %v", res, err)
		}
		began := time.Now()
		r.signal(os.Interrupt)
		<-r.exited
		if took := time.Since(began); took < 900*time.Millisecond {
			t.Errorf("it ended after %v although tunnels were open", took)
		}
		for i := range conns {
			if _, _, err := conns[i].Read(ctx); err == nil || ctx.Err() != nil {
				t.Errorf("tunnel %d: %v", i, err)
			}
			_ = conns[i].CloseNow()
		}
	})
}

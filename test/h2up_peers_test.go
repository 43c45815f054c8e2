package test

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
)

// serveNginxUp starts an nginx that speaks HTTP/2 over TLS and nothing else is asked of.
func serveNginxUp(t *testing.T, p *pki) string {
	t.Helper()
	bin := tool(t, "nginx", "nginx-light")
	dir := t.TempDir()
	n := &nginx{root: filepath.Join(dir, "root")}
	if err := os.Mkdir(n.root, 0o755); err != nil {
		t.Fatal(err)
	}
	n.file(t, "small", []byte("a small file\n"))
	n.file(t, "large", bytes.Repeat([]byte("0123456789abcdef"), 64<<10))
	addr, err := freeAddr()
	if err != nil {
		t.Fatal(err)
	}
	server := fmt.Sprintf("ssl http2; ssl_certificate %s; ssl_certificate_key %s; location /how { return 200 \"$server_protocol $http_via\\n\"; }", p.file("ec.pem"), p.file("ec.key"))
	conf := filepath.Join(dir, "nginx.conf")
	if err := os.WriteFile(conf, []byte(strings.Replace(fmt.Sprintf(nginxConf, dir, addr), "backlog=1024;", server, 1)), 0o600); err != nil {
		t.Fatal(err)
	}
	background(t, exec.Command(bin, "-e", filepath.Join(dir, "error.log"), "-p", dir, "-c", conf))
	awaitListener(t, addr)
	return addr
}

// nodeH2 is a server of HTTP/2 with prior knowledge: it sends back what it gets, hints before it and the length behind.
const nodeH2 = `
const http2 = require('node:http2');
const server = http2.createServer();
server.on('stream', (s, h) => {
  s.on('error', () => {});
  if (h[':path'] === '/reset') return s.close(http2.constants.NGHTTP2_INTERNAL_ERROR);
  if (h[':path'] === '/hints') s.additionalHeaders({':status': 103, 'link': '</x.css>'});
  let n = 0;
  s.respond({':status': 200, 'x-method': h[':method'], 'x-path': h[':path'], 'x-authority': h[':authority'], 'trailer': 'x-sum'}, {waitForTrailers: true});
  s.on('wantTrailers', () => s.sendTrailers({'x-sum': String(n)}));
  s.on('data', d => { n += d.length; if (!s.write(d)) { s.pause(); s.once('drain', () => s.resume()); } });
  s.on('end', () => s.end());
});
server.listen(0, '127.0.0.1', () => console.log('port ' + server.address().port));
`

// serveNode starts it.
func serveNode(t *testing.T) (addr string) {
	t.Helper()
	out, _ := background(t, exec.Command(tool(t, "node", "nodejs"), "-e", nodeH2))
	eventually(t, func() error {
		_, port, ok := strings.Cut(strings.TrimSpace(out.String()), "port ")
		if !ok {
			return fmt.Errorf("node has not begun: %s", out)
		}
		addr = "127.0.0.1:" + port
		return nil
	})
	return addr
}

const h2upConfig = `
listeners:
  web: {address: 127.0.0.1:0, routes: [{path: /files/*, cluster: nginx}, {cluster: node}]}
  files: {address: 127.0.0.1:0, routes: [{cluster: nginx}]}
clusters:
  nginx: {endpoints: [%q], version: http2, tls: {ca: %q, server_name: localhost}}
  node: {endpoints: [%q], version: http2}
`

// TestH2UpPeers: real servers of HTTP/2 behind clients of either version.
func TestH2UpPeers(t *testing.T) {
	certs := newPKI(t)
	front, node := serveNginxUp(t, certs), serveNode(t)
	eachDriver(t, func(t *testing.T, driver string) {
		p := start(t, driver, fmt.Sprintf(h2upConfig, front, certs.file("ca.pem"), node), options{})
		for version, client := range map[string]*http.Client{"1.1": newClient(t), "2.0": h2Client(t, nil)} {
			t.Run(version, func(t *testing.T) {
				testH2UpNginx(t, client, "http://"+p.addrs["files"], version)
				testH2UpNode(t, client, "http://"+p.addrs["web"])
			})
		}
		if n := p.metric("ringway_endpoint_streams{"); n != 0 {
			t.Errorf("%v streams are open at rest", n)
		}
	})
}

// testH2UpNginx gets files in every way that nginx serves them.
func testH2UpNginx(t *testing.T, client *http.Client, url, version string) {
	if a := h2Get(t, client, url+"/how"); a.text != "HTTP/2.0 "+version+" ringway\n" {
		t.Errorf("nginx says %q", a.text)
	}
	large := strings.Repeat("0123456789abcdef", 64<<10)
	var group sync.WaitGroup
	for range 20 {
		group.Go(func() {
			if a := h2Get(t, client, url+"/large"); a.text != large || a.ContentLength != int64(len(large)) {
				t.Errorf("%s: %d bytes, length %d", a.Status, len(a.text), a.ContentLength)
			}
		})
	}
	group.Wait()
	for _, test := range []struct {
		method, path, field, value string
		status                     int
		body                       string
	}{
		{"HEAD", "/large", "", "", 200, ""},
		{"GET", "/large", "Range", "bytes=16-31", 206, "0123456789abcdef"},
		{"GET", "/small", "If-Modified-Since", "Fri, 01 Jan 2100 00:00:00 GMT", 304, ""},
		{"GET", "/empty", "", "", 204, ""},
		{"GET", "/none", "", "", 404, ""},
		{"GET", "/moved", "", "", 301, ""},
		{"POST", "/text", "", "", 200, "text\n"},
	} {
		req, _ := http.NewRequest(test.method, url+test.path, nil)
		if test.field != "" {
			req.Header.Set(test.field, test.value)
		}
		res, err := client.Do(req)
		if err != nil {
			t.Error(err)
			continue
		}
		a := readAnswer(t, res)
		if a.StatusCode != test.status || test.body != "" && a.text != test.body || test.method == "HEAD" && (a.ContentLength != 1<<20 || a.text != "") {
			t.Errorf("%s %s: %s %q, length %d", test.method, test.path, a.Status, abridge(a.text), a.ContentLength)
		}
	}
}

// testH2UpNode sends bodies of many sizes there and back at once, and looks at trailers, hints and resets.
func testH2UpNode(t *testing.T, client *http.Client, url string) {
	var group sync.WaitGroup
	for i := range 60 {
		body := bytes.Repeat([]byte{byte(i), 'x', '\n'}, i*i*40)
		group.Go(func() {
			req, _ := http.NewRequest("PUT", url+"/"+strconv.Itoa(i), io.NopCloser(bytes.NewReader(body)))
			if i%2 == 0 {
				req.ContentLength = int64(len(body))
			}
			res, err := client.Do(req)
			if err != nil {
				t.Error(err)
				return
			}
			a := readAnswer(t, res)
			if a.text != string(body) || a.Trailer.Get("x-sum") != strconv.Itoa(len(body)) || a.Header.Get("x-path") != "/"+strconv.Itoa(i) || a.Header.Get("x-method") != "PUT" {
				t.Errorf("%d: %s, %d of %d bytes, %v, trailers %v", i, a.Status, len(a.text), len(body), a.Header, a.Trailer)
			}
		})
	}
	group.Wait()
	if a := h2Get(t, client, url+"/hints"); a.StatusCode != 200 {
		t.Error(a.Status)
	}
	if res, err := client.Get(url + "/reset"); err != nil || res.StatusCode != 502 {
		t.Error(err, res)
	} else {
		_ = readAnswer(t, res)
	}
}

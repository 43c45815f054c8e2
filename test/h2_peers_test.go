package test

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"os/exec"
	"regexp"
	"strings"
	"sync"
	"testing"
)

const h2Config = `
listeners:
  web: {address: 127.0.0.1:0, routes: [{cluster: site}]}
  tls:
    address: 127.0.0.1:0
    tls: {certificates: [%s]}
    routes: [{path: /echo, cluster: echo}, {cluster: site}]
clusters:
  site: {endpoints: [%q]}
  echo: {endpoints: [%q]}
`

// TestH2Peers: real clients speak HTTP/2, to a real nginx behind, with ALPN, with prior knowledge and after an upgrade.
func TestH2Peers(t *testing.T) {
	t.Parallel()
	certs := newPKI(t)
	echo := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_ = http.NewResponseController(w).EnableFullDuplex() // HTTP/1.1 has it
		w.Header().Set("Trailer", "X-End")
		_, _ = io.Copy(w, r.Body)
		w.Header().Set("X-End", "end"+r.Trailer.Get("X-Client"))
	})
	driversAtOnce(t, func(t *testing.T, driver string) {
		site := serveNginx(t)
		p := start(t, driver, fmt.Sprintf(h2Config, certs.pair("ec"), site.addr, serveGo(t, echo)), options{})
		t.Run("curl", func(t *testing.T) { testH2Curl(t, p, certs) })
		t.Run("h2load", func(t *testing.T) { testH2Load(t, p) })
		t.Run("nghttp", func(t *testing.T) { testNghttp(t, p) })
		t.Run("node", func(t *testing.T) { testH2Node(t, p, certs) })
		t.Run("net http", func(t *testing.T) { testH2NetHTTP(t, p, certs) })
	})
}

// h2CurlCases are command lines of curl and what they print.
var h2CurlCases = []struct{ name, args, want string }{
	{"prior knowledge", "-s --http2-prior-knowledge -w %{http_version} {web}/small", "a small file\n2"},
	{"upgrade", "-s --http2 -w %{http_version} {web}/small", "a small file\n2"},
	{"upgrade, then more", "-s --http2 -w %{http_version}_%{num_connects} {web}/small {web}/large -o /dev/null -o /dev/null", "2_12_0"},
	{"upgrade with a body", "-s --http2 -d x=y -w %{http_version} {web}/text", "text\n1.1"},
	{"upgrade, HEAD", "-sI --http2 {web}/small", `(?s)HTTP/1.1 101 Switching Protocols\r\n.*HTTP/2 200 \r\n.*content-length: 13\r\n.*`},
	{"HTTP/1.1 without being asked", "-s -w %{http_version} {web}/small", "a small file\n1.1"},
	{"ALPN", "-s -w %{http_version} {tls}/small", "a small file\n2"},
	{"ALPN, HTTP/1.1", "-s --http1.1 -w %{http_version} {tls}/small", "a small file\n1.1"},
	{"TLS 1.2", "-s --tls-max 1.2 -w %{http_version} {tls}/small", "a small file\n2"},
	{"large", "-s -o /dev/null -w %{http_code}_%{size_download} {tls}/large", "200_1048576"},
	{"large, plain", "-s --http2-prior-knowledge -o /dev/null -w %{http_code}_%{size_download} {web}/large", "200_1048576"},
	{"post", "-s -d x=y -o /dev/null -w %{http_code} {tls}/text", "200"},
	{"not found", "-s -o /dev/null -w %{http_code} {tls}/nowhere", "404"},
	{"204", "-s -w %{http_code} {tls}/empty", "204"},
	{"range", "-s -r 2-6 -w %{http_code} {tls}/small", "small206"},
	{"in parallel", "-s --parallel --parallel-max 20 -o /dev/null -w %{http_version}_%{size_download}; {tls}/large?[1-20]", "(2_1048576;){20}"},
}

func testH2Curl(t *testing.T, p *process, certs *pki) {
	curl := tool(t, "curl", "curl")
	fill := strings.NewReplacer("{web}", "http://"+p.addrs["web"], "{tls}", "https://"+p.addrs["tls"])
	for _, c := range h2CurlCases {
		t.Run(c.name, func(t *testing.T) {
			args := append([]string{"-q", "--max-time", "60", "--noproxy", "127.0.0.1", "--cacert", certs.file("ca.pem")}, strings.Fields(fill.Replace(c.args))...)
			out, err := exec.Command(curl, args...).Output()
			if err != nil || !regexp.MustCompile(`^(?:`+c.want+`)$`).Match(out) {
				t.Errorf("curl %s: %v, %q; want %q", c.args, err, abridge(string(out)), c.want)
			}
		})
	}
}

// testH2Load: every request of a storm is answered, over TLS and plain.
func testH2Load(t *testing.T, p *process) {
	h2load := tool(t, "h2load", "nghttp2-client")
	for _, base := range []string{"https://" + p.addrs["tls"], "http://" + p.addrs["web"]} {
		for _, path := range []string{"/small", "/large"} {
			n := map[string]int{"/small": 10000, "/large": 200}[path]
			out, err := exec.Command(h2load, "-n", fmt.Sprint(n), "-c", "8", "-m", "32", base+path).CombinedOutput()
			if err != nil || !bytes.Contains(out, fmt.Appendf(nil, "%d succeeded, 0 failed, 0 errored, 0 timeout", n)) ||
				!bytes.Contains(out, fmt.Appendf(nil, "status codes: %d 2xx", n)) {
				t.Errorf("h2load %s%s: %v\n%s", base, path, err, out)
			}
		}
	}
}

// testNghttp: a browser's requests with dependencies and priorities, as nghttp sends them.
func testNghttp(t *testing.T, p *process) {
	nghttp := tool(t, "nghttp", "nghttp2-client")
	for _, upgrade := range []string{"", "--upgrade"} {
		args := append(strings.Fields(upgrade), "-v", "-n", "-m", "10", "http://"+p.addrs["web"]+"/large")
		out, err := exec.Command(nghttp, args...).CombinedOutput()
		if n := bytes.Count(out, []byte(":status: 200")); err != nil || n != 10 {
			t.Errorf("nghttp %q: %v, %d answers\n%s", upgrade, err, n, tail(string(out), 2000))
		}
	}
}

const h2NodeScript = `
const h2 = require('http2'), fs = require('fs');
const s = h2.connect(process.argv[1], {ca: fs.readFileSync(process.argv[2])});
s.on('error', e => { console.error(e); process.exit(1); });
function send(headers, body) {
  return new Promise((resolve, reject) => {
    const r = s.request(headers, {endStream: !body, waitForTrailers: !!body});
    let status, size = 0, end = '';
    r.on('wantTrailers', () => r.sendTrailers({'x-client': '!'}));
    r.on('response', h => status = h[':status']);
    r.on('trailers', h => end = h['x-end']);
    r.on('data', d => size += d.length);
    r.on('end', () => resolve(status + ':' + size + end));
    r.on('error', reject);
    if (body) { for (const part of body) r.write(part); r.end(); }
  });
}
(async () => {
  const all = [];
  for (let i = 0; i < 60; i++) {
    all.push(send({':path': '/small'}).then(x => x === '200:13'));
    if (i % 10 === 0) all.push(send({':path': '/large'}).then(x => x === '200:1048576'));
    if (i % 10 === 2) all.push(send({':path': '/echo', ':method': 'POST'}, ['some ', 'chunks']).then(x => x === '200:11end!' || x));
    if (i % 10 === 3) all.push(send({':path': '/echo', ':method': 'POST'}, ['x'.repeat(300000)]).then(x => x === '200:300000end!' || x));
  }
  const got = await Promise.all(all);
  console.log(got.filter(x => x === true).length + ' of ' + got.length, got.filter(x => x !== true).join());
  s.close();
})().catch(e => { console.error(e); process.exit(1); });
`

func testH2Node(t *testing.T, p *process, certs *pki) {
	out, err := exec.Command(tool(t, "node", "nodejs"), "-e", h2NodeScript, "https://"+p.addrs["tls"], certs.file("ca.pem")).CombinedOutput()
	if err != nil || string(out) != "78 of 78 \n" {
		t.Errorf("%v: %s", err, abridge(string(out)))
	}
}

// testH2NetHTTP: bodies of many sizes both ways, at once, each byte as it was.
func testH2NetHTTP(t *testing.T, p *process, certs *pki) {
	c := h2Client(t, pool(t, certs.file("ca.pem")))
	var group sync.WaitGroup
	for i := range 40 {
		body := noise(i * i * 300)
		group.Go(func() {
			req, _ := http.NewRequest("POST", "https://"+p.addrs["tls"]+"/echo", io.NopCloser(bytes.NewReader(body)))
			req.Trailer = http.Header{"X-Client": {fmt.Sprint(i)}}
			res, err := c.Do(req)
			if err != nil {
				t.Error(err)
				return
			}
			defer res.Body.Close()
			got, err := io.ReadAll(res.Body)
			if err != nil || !bytes.Equal(got, body) || res.ProtoMajor != 2 || res.Trailer.Get("X-End") != fmt.Sprint("end", i) {
				t.Errorf("%d bytes for %d, %s, %v, trailers %v", len(got), len(body), res.Status, err, res.Trailer)
			}
		})
	}
	group.Wait()
}

package test

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
)

// exampleConfig is the example of the design, without what later versions bring.
const exampleConfig = `
listeners:
  web:
    address: 127.0.0.1:0
    protocol: http
    routes:
      - name: api
        host: example.com
        path: /api/*
        filters:
          - headers: {set: {X-Env: prod}}
        cluster: api
      - cluster: site
clusters:
  site: {endpoints: [%q]}
  api:
    endpoints: [%q, {address: %q, weight: 2}]
`

// TestPeers: the example between real clients and real nginx.
func TestPeers(t *testing.T) {
	t.Parallel()
	driversAtOnce(t, func(t *testing.T, driver string) {
		site, api1, api2 := serveNginx(t), serveNginx(t), serveNginx(t)
		for i, n := range []*nginx{api1, api2} {
			if err := os.Mkdir(filepath.Join(n.root, "api"), 0o755); err != nil {
				t.Fatal(err)
			}
			n.file(t, "api/which", fmt.Append(nil, i+1))
		}
		p := start(t, driver, fmt.Sprintf(exampleConfig, site.addr, api1.addr, api2.addr), options{})
		t.Run("curl", func(t *testing.T) { testCurl(t, p) })
		t.Run("wrk", func(t *testing.T) { testWrk(t, p) })
		t.Run("node", func(t *testing.T) { testNode(t, p) })
		t.Run("net http", func(t *testing.T) { testNetHTTP(t, p) })
	})
}

// curlCases are command lines of curl and what they print.
var curlCases = []struct{ name, args, want string }{
	{"get", "-s {}/small", "a small file\n"},
	{"head", "-sI {}/small", `(?s)^HTTP/1.1 200 OK\r\n.*Content-Length: 13\r\n.*\r\n\r\n$`},
	{"not found", "-s -o /dev/null -w %{http_code} {}/nowhere", "404"},
	{"204", "-s -w %{http_code} {}/empty", "204"},
	{"redirect", "-sL -w %{num_redirects} {}/moved", "a small file\n1"},
	{"range", "-s -r 2-6 -w %{http_code} {}/small", "small206"},
	{"not modified", "-s -o /dev/null -w %{http_code} -H If-Modified-Since:\x00Fri,\x0001\x00Jan\x002100\x0000:00:00\x00GMT {}/small", "304"},
	{"HTTP/1.0", "-s -0 -w %{http_version} {}/small", "a small file\n1.1"},
	{"HTTP/1.0 large", "-s -0 -o /dev/null -w %{size_download} {}/large", "1048576"},
	{"large", "-s -o /dev/null -w %{http_code}_%{size_download} {}/large", "200_1048576"},
	{"several on one connection", "-s -w %{num_connects} {}/small {}/small {}/small", "a small file\n1a small file\n0a small file\n0"},
	{"as a proxy", "-s -x {} http://any.example/small", "a small file\n"},
	{"options", "-s -o /dev/null -w %{http_code} -X OPTIONS --request-target * {}/", "40[05]"},
	{"post", "-s -d x=y -o /dev/null -w %{http_code} {}/text", "200"},
	{"chunked post", "-s -H Transfer-Encoding:\x00chunked -d x=y -o /dev/null -w %{http_code} {}/text", "200"},
}

func testCurl(t *testing.T, p *process) {
	curl := tool(t, "curl", "curl")
	for _, c := range curlCases {
		t.Run(c.name, func(t *testing.T) {
			var args []string
			for arg := range strings.FieldsSeq(c.args) {
				args = append(args, strings.ReplaceAll(strings.ReplaceAll(arg, "{}", p.url("")), "\x00", " "))
			}
			cmd := exec.Command(curl, append([]string{"-q", "--max-time", "60", "--noproxy", "127.0.0.1"}, args...)...)
			if strings.Contains(c.args, "-x ") {
				cmd.Args = append([]string{cmd.Args[0], "-q", "--max-time", "60"}, args...)
			}
			out, err := cmd.Output()
			if err != nil || !regexp.MustCompile(`^(?:`+c.want+`)$`).Match(out) {
				t.Errorf("curl %q: %v, %q; want %q", args, err, abridge(string(out)), c.want)
			}
		})
	}
	counts := map[string]int{}
	for range 30 {
		out, err := exec.Command(curl, "-q", "-s", "-H", "Host: example.com", p.url("/api/which")).Output()
		if err != nil {
			t.Fatal(err)
		}
		counts[string(out)]++
	}
	if counts["1"]+counts["2"] != 30 || counts["2"] < 16 { // each loop takes its own turns
		t.Errorf("a weight of 1 to 2 gave %v", counts)
	}
}

// wrk runs wrk and returns how many requests were answered; anything but success is an error.
func wrk(t *testing.T, args ...string) int {
	t.Helper()
	out, err := exec.Command(tool(t, "wrk", "wrk"), args...).CombinedOutput()
	if err != nil {
		t.Fatalf("wrk: %v\n%s", err, out)
	}
	m := regexp.MustCompile(`(\d+) requests in`).FindSubmatch(out)
	if m == nil || bytes.Contains(out, []byte("Socket errors")) || bytes.Contains(out, []byte("Non-2xx")) {
		t.Errorf("wrk:\n%s", out)
		return 0
	}
	n := 0
	_, _ = fmt.Sscan(string(m[1]), &n) // the expression found digits
	return n
}

func testWrk(t *testing.T, p *process) {
	for _, path := range []string{"/small", "/large"} {
		n := wrk(t, "-t2", "-c32", "-d1s", "--timeout", "20s", p.url(path))
		if n < 10 {
			t.Errorf("%s: %d requests in a second", path, n)
		}
		t.Logf("%s: %d requests in a second", path, n)
	}
}

// nodeScript gets and posts over few connections, and prints how many answers were right.
const nodeScript = `
const http = require('http'), base = process.argv[1];
const agent = new http.Agent({keepAlive: true, maxSockets: 8});
function send(method, path, body, headers) {
  return new Promise((resolve, reject) => {
    const r = http.request(base + path, {method, agent, headers}, res => {
      let size = 0;
      res.on('data', d => size += d.length);
      res.on('end', () => res.complete ? resolve(res.statusCode + ':' + size + (r.reusedSocket ? '' : '')) : reject(new Error('cut')));
      res.on('error', reject);
    });
    r.on('error', reject);
    if (body) for (const part of body) r.write(part);
    r.end();
  });
}
(async () => {
  let ok = 0, all = [];
  for (let i = 0; i < 200; i++) {
    all.push(send('GET', '/small').then(x => ok += x === '200:13'));
    if (i % 10 === 0) all.push(send('GET', '/large').then(x => ok += x === '200:1048576'));
    if (i % 10 === 1) all.push(send('HEAD', '/large').then(x => ok += x === '200:0'));
    if (i % 10 === 2) all.push(send('POST', '/text', ['some ', 'chunks'], {}).then(x => ok += x === '200:5'));
    if (i % 10 === 3) all.push(send('POST', '/text', ['x'.repeat(100000)], {'Content-Length': 100000}).then(x => ok += x === '200:5'));
    if (i % 10 === 4) all.push(send('GET', '/empty').then(x => ok += x === '204:0'));
  }
  await Promise.all(all);
  console.log(ok + ' of ' + all.length);
  agent.destroy();
})().catch(e => { console.error(e); process.exit(1); });
`

func testNode(t *testing.T, p *process) {
	out, err := exec.Command(tool(t, "node", "nodejs"), "-e", nodeScript, p.url("")).CombinedOutput()
	if err != nil || string(out) != "300 of 300\n" {
		t.Errorf("%v: %s", err, abridge(string(out)))
	}
}

func testNetHTTP(t *testing.T, p *process) {
	c := newClient(t)
	c.Transport.(*http.Transport).MaxConnsPerHost = 16
	var all sync.WaitGroup
	for range 32 {
		all.Go(func() {
			for range 20 {
				res, err := c.Get(p.url("/large"))
				if err != nil {
					t.Error(err)
					return
				}
				h := sha256.New()
				n, err := io.Copy(h, res.Body)
				res.Body.Close()
				if err != nil || n != 1<<20 || !bytes.Equal(h.Sum(nil), largeSum()) {
					t.Errorf("%d bytes, %v", n, err)
				}
			}
		})
	}
	all.Wait()
}

// largeSum is the sum of the file large.
var largeSum = sync.OnceValue(func() []byte {
	sum := sha256.Sum256(bytes.Repeat([]byte("0123456789abcdef"), 64<<10))
	return sum[:]
})

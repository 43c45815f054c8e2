package test

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"strings"
	"sync/atomic"
	"testing"
)

const post = "POST / HTTP/1.1\r\nHost: a\r\n"

// malformed are requests that are refused by their head alone: what smuggling lives on, and what exceeds a limit.
var malformed = []struct {
	name, request string
	status        int
	code          string
}{
	{"length and chunked", post + "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400, "bad_request"},
	{"chunked and length", post + "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n", 400, "bad_request"},
	{"differing lengths", post + "Content-Length: 5\r\nContent-Length: 6\r\n\r\nhello", 400, "bad_request"},
	{"list of differing lengths", post + "Content-Length: 5, 6\r\n\r\nhello", 400, "bad_request"},
	{"negative length", post + "Content-Length: -5\r\n\r\nhello", 400, "bad_request"},
	{"signed length", post + "Content-Length: +5\r\n\r\nhello", 400, "bad_request"},
	{"hexadecimal length", post + "Content-Length: 0x5\r\n\r\nhello", 400, "bad_request"},
	{"length with underscore", post + "Content-Length: 1_0\r\n\r\nhello", 400, "bad_request"},
	{"empty length", post + "Content-Length: \r\n\r\nhello", 400, "bad_request"},
	{"length beyond 63 bits", post + "Content-Length: 9223372036854775808\r\n\r\nhello", 400, "bad_request"},
	{"length that wraps", post + "Content-Length: 18446744073709551621\r\n\r\nhello", 400, "bad_request"},
	{"unknown coding", post + "Transfer-Encoding: gzip\r\n\r\n", 501, "not_implemented"},
	{"coding before chunked", post + "Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n", 501, "not_implemented"},
	{"identity", post + "Transfer-Encoding: identity\r\n\r\n", 501, "not_implemented"},
	{"chunked twice", post + "Transfer-Encoding: chunked, chunked\r\n\r\n0\r\n\r\n", 400, "bad_request"},
	{"chunked in two fields", post + "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400, "bad_request"},
	{"chunked with a tab before", post + "Transfer-Encoding:\x0bchunked\r\n\r\n0\r\n\r\n", 400, "bad_request"},
	{"quoted chunked", post + "Transfer-Encoding: \"chunked\"\r\n\r\n0\r\n\r\n", 400, "bad_request"},
	{"chunked in HTTP/1.0", "POST / HTTP/1.0\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400, "bad_request"},
	{"space before the colon", post + "Content-Length : 5\r\n\r\nhello", 400, "bad_request"},
	{"tab before the colon", post + "Transfer-Encoding\t: chunked\r\n\r\n0\r\n\r\n", 400, "bad_request"},
	{"obs-fold", post + "X: a\r\n Content-Length: 5\r\n\r\nhello", 400, "bad_request"},
	{"leading space", "GET / HTTP/1.1\r\n Host: a\r\n\r\n", 400, "bad_request"},
	{"bare LF", "GET / HTTP/1.1\nHost: a\n\n", 400, "bad_request"},
	{"bare LF after a field", "GET / HTTP/1.1\r\nHost: a\r\nX: y\nContent-Length: 5\r\n\r\nhello", 400, "bad_request"},
	{"bare CR in a value", "GET / HTTP/1.1\r\nHost: a\r\nX: y\rContent-Length: 5\r\n\r\n", 400, "bad_request"},
	{"NUL in a value", "GET / HTTP/1.1\r\nHost: a\r\nX: y\x00z\r\n\r\n", 400, "bad_request"},
	{"NUL in a name", "GET / HTTP/1.1\r\nHost: a\r\nX\x00: y\r\n\r\n", 400, "bad_request"},
	{"empty name", "GET / HTTP/1.1\r\nHost: a\r\n: y\r\n\r\n", 400, "bad_request"},
	{"name with a space", "GET / HTTP/1.1\r\nHost: a\r\nX Y: z\r\n\r\n", 400, "bad_request"},
	{"name above ASCII", "GET / HTTP/1.1\r\nHost: a\r\nX\xc3\xa9: z\r\n\r\n", 400, "bad_request"},
	{"no colon", "GET / HTTP/1.1\r\nHost: a\r\nX\r\n\r\n", 400, "bad_request"},
	{"no host", "GET / HTTP/1.1\r\nX: y\r\n\r\n", 400, "bad_request"},
	{"two hosts", "GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", 400, "bad_request"},
	{"host with a path", "GET / HTTP/1.1\r\nHost: a/b\r\n\r\n", 400, "bad_request"},
	{"host with user", "GET / HTTP/1.1\r\nHost: u@a\r\n\r\n", 400, "bad_request"},
	{"host with a space", "GET / HTTP/1.1\r\nHost: a b\r\n\r\n", 400, "bad_request"},
	{"two spaces", "GET  / HTTP/1.1\r\nHost: a\r\n\r\n", 400, "bad_request"},
	{"space in the target", "GET /a b HTTP/1.1\r\nHost: a\r\n\r\n", 400, "bad_request"},
	{"fragment", "GET /a#b HTTP/1.1\r\nHost: a\r\n\r\n", 400, "bad_request"},
	{"relative target", "GET a HTTP/1.1\r\nHost: a\r\n\r\n", 400, "bad_request"},
	{"asterisk with GET", "GET * HTTP/1.1\r\nHost: a\r\n\r\n", 400, "bad_request"},
	{"no target", "GET HTTP/1.1\r\nHost: a\r\n\r\n", 400, "bad_request"},
	{"HTTP/0.9", "GET /\r\n\r\n", 400, "bad_request"},
	{"bad method", "G@T / HTTP/1.1\r\nHost: a\r\n\r\n", 400, "bad_request"},
	{"no version", "GET / HTTP/\r\nHost: a\r\n\r\n", 400, "bad_request"},
	{"lower case version", "GET / http/1.1\r\nHost: a\r\n\r\n", 400, "bad_request"},
	{"long minor version", "GET / HTTP/1.10\r\nHost: a\r\n\r\n", 400, "bad_request"},
	{"HTTP/2", "GET / HTTP/2.0\r\nHost: a\r\n\r\n", 505, "version_not_supported"},
	{"HTTP/2 preface", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505, "version_not_supported"},
	{"TLS", "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n", 400, "bad_request"},
	{"unknown expectation", post + "Expect: 200-ok\r\nContent-Length: 1\r\n\r\na", 417, "expectation_failed"},
	{"Connection names Host", "GET / HTTP/1.1\r\nHost: a\r\nConnection: host\r\n\r\n", 400, "bad_request"},
	{"Connection names Content-Length", post + "Connection: content-length\r\nContent-Length: 5\r\n\r\nhello", 400, "bad_request"},
	{"long request line", "GET /" + strings.Repeat("x", 9000) + " HTTP/1.1\r\nHost: a\r\n\r\n", 414, "uri_too_long"},
	{"long line without end", "GET /" + strings.Repeat("x", 9000), 414, "uri_too_long"},
	{"long field", "GET / HTTP/1.1\r\nHost: a\r\nX: " + strings.Repeat("x", 9000) + "\r\n\r\n", 431, "fields_too_large"},
	{"large head", "GET / HTTP/1.1\r\nHost: a\r\n" + strings.Repeat("X: "+strings.Repeat("x", 4000)+"\r\n", 9) + "\r\n", 431, "fields_too_large"},
	{"many fields", "GET / HTTP/1.1\r\nHost: a\r\n" + strings.Repeat("X: y\r\n", 101) + "\r\n", 431, "fields_too_large"},
	{"body announced too large", post + "Content-Length: 10001\r\n\r\n", 413, "payload_too_large"},
}

// tunnels are refused, though well formed.
const connect = "CONNECT a:443 HTTP/1.1\r\nHost: a:443\r\n\r\n"

// TestMalformed: each is answered with its problem on a connection that then ends, and the origin hears nothing of it.
// That holds also behind a good request, and when the bytes come one by one.
func TestMalformed(t *testing.T) {
	eachDriver(t, func(t *testing.T, driver string) {
		m := newMirror(t)
		p := start(t, driver, oneCluster(m.addr, "versions: [http1], limits: {body: 10000}", "")+"access_log: {path: stdout}\n", options{})
		for _, c := range malformed {
			t.Run(c.name, func(t *testing.T) {
				w := dial(t, p.addr)
				w.send(c.request)
				wantRefusal(t, w, c.status, c.code)
				w = dial(t, p.addr)
				if err := w.SetNoDelay(true); err != nil {
					t.Fatal(err)
				}
				sendSlowly(w, c.request)
				wantRefusal(t, w, c.status, c.code)
			})
		}
		if requests, conns := m.requests.Load(), m.conns.Load(); requests != 0 || conns != 0 {
			t.Errorf("the origin saw %d requests on %d connections", requests, conns)
		}
		for i, c := range malformed {
			w := dial(t, p.addr)
			w.send(fmt.Sprintf("POST /good/%d HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello", i), c.request)
			if got := mirrored(t, w.receive("POST")); got.Body != "hello" || got.Target != fmt.Sprint("/good/", i) {
				t.Errorf("%s: the good request before was %s with %q", c.name, got.Target, got.Body)
			}
			wantRefusal(t, w, c.status, c.code)
		}
		if n := m.requests.Load(); n != int64(len(malformed)) {
			t.Errorf("the origin saw %d requests, want %d", n, len(malformed))
		}
		if n := p.metric(`ringway_listener_requests_total{code_class="4xx"`) + p.metric(`ringway_listener_requests_total{code_class="5xx"`); n != float64(3*len(malformed)) {
			t.Errorf("%v refusals were counted, want %d", n, 3*len(malformed))
		}
		p.await(`"error":"fields_too_large"`)
		w := dial(t, p.addr)
		w.send(connect)
		wantProblem(t, w.receive("POST"), 501, "not_implemented")
	})
}

func wantRefusal(t *testing.T, w *wire, status int, code string) {
	t.Helper()
	a := w.receive("POST")
	wantProblem(t, a, status, code)
	if !a.Close {
		t.Error("the connection is said to stay open")
	}
	w.mustEnd()
}

// sendSlowly sends the first bytes one by one and the rest in pieces, until the other side has had enough.
func sendSlowly(w *wire, s string) {
	for i, n := 0, 1; i < len(s); i += n {
		if i > 100 {
			n = 1500
		}
		if _, err := io.WriteString(w, s[i:min(i+n, len(s))]); err != nil {
			return
		}
	}
}

// badBodies are chunked bodies that break the rules behind a good head.
var badBodies = []struct {
	name, body string
	status     int
	code       string
}{
	{"no size", "\r\n", 400, "bad_request"},
	{"bad size", "xyz\r\n", 400, "bad_request"},
	{"size with 0x", "0x5\r\nhello\r\n0\r\n\r\n", 400, "bad_request"},
	{"signed size", "+5\r\nhello\r\n0\r\n\r\n", 400, "bad_request"},
	{"negative size", "-5\r\nhello\r\n0\r\n\r\n", 400, "bad_request"},
	{"size with a space", "5 \r\nhello\r\n0\r\n\r\n", 400, "bad_request"},
	{"size beyond 63 bits", "8000000000000000\r\n", 400, "bad_request"},
	{"size that wraps", "10000000000000005\r\nhello\r\n0\r\n\r\n", 400, "bad_request"},
	{"bare LF after the size", "5\nhello\r\n0\r\n\r\n", 400, "bad_request"},
	{"bare LF after the data", "5\r\nhello\n0\r\n\r\n", 400, "bad_request"},
	{"data too long", "5\r\nhello!\r\n0\r\n\r\n", 400, "bad_request"},
	{"bare CR in the extension", "5;a\rb\r\nhello\r\n0\r\n\r\n", 400, "bad_request"},
	{"long extension", "5;" + strings.Repeat("a", 2000) + "\r\nhello\r\n0\r\n\r\n", 400, "bad_request"},
	{"bad trailer", "5\r\nhello\r\n0\r\nX : y\r\n\r\n", 400, "bad_request"},
	{"too large", strings.Repeat("3e8\r\n"+strings.Repeat("x", 1000)+"\r\n", 11) + "0\r\n\r\n", 413, "payload_too_large"},
}

// TestMalformedBodies: the origin may have the head of such a request already, but must not get a message that is
// complete, nor another one behind it.
func TestMalformedBodies(t *testing.T) {
	eachDriver(t, func(t *testing.T, driver string) {
		var complete, more atomic.Int64
		origin := serveRaw(t, func(_ *net.TCPConn, r *bufio.Reader) {
			if _, ok := readHead(r); !ok {
				return
			}
			body, _ := io.ReadAll(r)
			if strings.Contains(string(body), "0\r\n\r\n") {
				complete.Add(1)
			}
			if strings.Contains(string(body), "HTTP/1.1") {
				more.Add(1)
			}
		})
		p := start(t, driver, oneCluster(origin, "limits: {body: 10000}", ""), options{})
		for _, c := range badBodies {
			t.Run(c.name, func(t *testing.T) {
				w := dial(t, p.addr)
				w.send(post, "Transfer-Encoding: chunked\r\n\r\n", c.body, "GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n")
				wantRefusal(t, w, c.status, c.code)
			})
		}
		if complete.Load()+more.Load() > 0 {
			t.Errorf("the origin got %d complete messages, and %d others behind them", complete.Load(), more.Load())
		}
	})
}

package test

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
)

// oneCluster is a configuration that passes everything from the listener web to one server. listener holds further keys
// of the listener, cluster those of the cluster.
func oneCluster(endpoint, listener, cluster string) string {
	return fmt.Sprintf("listeners:\n  web: {address: 127.0.0.1:0, routes: [{name: all, cluster: site}], %s}\n"+
		"clusters:\n  site: {endpoints: [%q], %s}\n", listener, endpoint, cluster)
}

// TestMethods: every method passes with its body or without, and is answered as the origin answers.
func TestMethods(t *testing.T) {
	eachDriver(t, func(t *testing.T, driver string) {
		m := newMirror(t)
		p := start(t, driver, oneCluster(m.addr, "", ""), options{})
		c := newClient(t)
		for _, method := range []string{"GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "PROPFIND", "M-SEARCH", "get"} {
			for _, body := range []string{"", "some body", strings.Repeat("long body ", 30000)} {
				var r io.Reader
				if body != "" {
					r = strings.NewReader(body)
				}
				got := mirrored(t, fetch(t, c, method, p.url("/a/b?c=d&e"), r))
				if got.Method != method || got.Body != body || got.Target != "/a/b?c=d&e" || got.Proto != "HTTP/1.1" || got.Chunked {
					t.Errorf("%s with %d bytes: origin saw %s %s %s with %d bytes", method, len(body), got.Method, got.Target, got.Proto, len(got.Body))
				}
			}
		}
		if got := fetch(t, c, "HEAD", p.url("/"), nil); got.StatusCode != 200 || got.text != "" || got.Header.Get("X-Origin") != "mirror" {
			t.Errorf("HEAD: %v %q", got.Response, got.text)
		}
		if n := m.conns.Load(); n > 4 {
			t.Errorf("%d connections to the origin for requests one after the other", n)
		}
	})
}

// responses are what origins say and what a client of HTTP/1.1 gets.
var responses = []struct {
	name, method, origin string
	status               int
	text                 string
	length               int64 // of the response as the client sees it; -1: chunked or until close
	fields               string
}{
	{"length", "GET", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", 200, "hello", 5, ""},
	{"empty", "GET", "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", 200, "", 0, ""},
	{"own reason", "GET", "HTTP/1.1 200 Fine by me\r\nContent-Length: 2\r\n\r\nok", 200, "ok", 2, ""},
	{"no reason", "GET", "HTTP/1.1 200 \r\nContent-Length: 2\r\n\r\nok", 200, "ok", 2, ""},
	{"chunked", "GET", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nhel\r\n2;x=y\r\nlo\r\n0\r\n\r\n", 200, "hello", -1, ""},
	{"head with length", "HEAD", "HTTP/1.1 200 OK\r\nContent-Length: 12345\r\n\r\n", 200, "", 12345, ""},
	{"head chunked", "HEAD", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", 200, "", -1, ""},
	{"head without length", "HEAD", "HTTP/1.1 200 OK\r\n\r\n", 200, "", -1, ""},
	{"204", "GET", "HTTP/1.1 204 No Content\r\n\r\n", 204, "", 0, ""},
	{"304 with length", "GET", "HTTP/1.1 304 Not Modified\r\nETag: \"x\"\r\nContent-Length: 99\r\n\r\n", 304, "", 0, "Etag: \"x\"|Content-Length: 99"},
	{"205", "POST", "HTTP/1.1 205 Reset Content\r\nContent-Length: 0\r\n\r\n", 205, "", 0, ""},
	{"early hints", "GET", "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", 200, "ok", 2, ""},
	{"unknown status", "GET", "HTTP/1.1 599 Odd\r\nContent-Length: 2\r\n\r\nok", 599, "ok", 2, ""},
	{"several fields of one name", "GET", "HTTP/1.1 200 OK\r\nSet-Cookie: a=1\r\nSet-Cookie: b=2\r\nContent-Length: 0\r\n\r\n", 200, "", 0, "Set-Cookie: a=1|b=2"},
	{"hop-by-hop", "GET", "HTTP/1.1 200 OK\r\nConnection: X-Hop\r\nX-Hop: 1\r\nKeep-Alive: timeout=5\r\nX-End: 2\r\nContent-Length: 0\r\n\r\n", 200, "", 0, "X-Hop: |Keep-Alive: |X-End: 2"},
}

// TestResponses passes every form of response on, several on one connection.
func TestResponses(t *testing.T) {
	eachDriver(t, func(t *testing.T, driver string) {
		for _, c := range responses {
			t.Run(c.name, func(t *testing.T) {
				p := start(t, driver, oneCluster(scripted(t, c.origin, false), "", ""), options{loops: 1})
				w := dial(t, p.addr)
				for range 3 {
					w.send(c.method, " / HTTP/1.1\r\nHost: a\r\n")
					w.send("\r\n")
					a := w.receive(c.method)
					for a.StatusCode < 200 {
						a = w.receive(c.method)
					}
					expectStatus(t, a, c.status, c.text)
					if a.ContentLength != c.length || a.Close {
						t.Errorf("length %d, close %v; want %d", a.ContentLength, a.Close, c.length)
					}
					checkFields(t, a, c.fields)
				}
			})
		}
	})
}

// checkFields compares fields written as "Name: value", or "Name: value|value" and further "Name: ", with those of a.
func checkFields(t *testing.T, a answer, want string) {
	t.Helper()
	name := ""
	values := map[string][]string{}
	for part := range strings.SplitSeq(want, "|") {
		if n, v, ok := strings.Cut(part, ": "); ok {
			name, part = n, v
		}
		if name != "" && part != "" {
			values[name] = append(values[name], part)
		} else if name != "" {
			values[name] = nil
		}
	}
	for name, v := range values {
		if got := a.Header.Values(name); strings.Join(got, "|") != strings.Join(v, "|") {
			t.Errorf("%s is %q, want %q", name, got, v)
		}
	}
	if len(a.Header.Values("Date")) != 1 {
		t.Errorf("Date is %q", a.Header.Values("Date"))
	}
}

// TestUntilClose: a response that ends with its connection becomes chunked for HTTP/1.1 and stays as it is for 1.0.
func TestUntilClose(t *testing.T) {
	eachDriver(t, func(t *testing.T, driver string) {
		text := strings.Repeat("until close ", 20000)
		for _, version := range []string{"1.0", "1.1"} {
			p := start(t, driver, oneCluster(scripted(t, "HTTP/"+version+" 200 OK\r\n\r\n"+text, true), "", ""), options{})
			w := dial(t, p.addr)
			for range 2 {
				a := w.get("/")
				expectStatus(t, a, 200, text)
				if len(a.TransferEncoding) != 1 || a.Close {
					t.Errorf("1.1: %v, close %v", a.TransferEncoding, a.Close)
				}
			}
			w = dial(t, p.addr)
			w.send("GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n")
			a := w.receive("GET")
			expectStatus(t, a, 200, text)
			if len(a.TransferEncoding) != 0 || a.ContentLength != -1 {
				t.Errorf("1.0: %v, length %d", a.TransferEncoding, a.ContentLength)
			}
			w.mustEnd()
		}
	})
}

// TestTrailers: chunked bodies keep their trailers both ways.
func TestTrailers(t *testing.T) {
	eachDriver(t, func(t *testing.T, driver string) {
		origin := serveGo(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if err := http.NewResponseController(w).EnableFullDuplex(); err != nil {
				panic(err)
			}
			w.Header().Set("Trailer", "X-Sum")
			w.WriteHeader(200)
			n, err := io.Copy(w, r.Body)
			w.Header().Set("X-Sum", fmt.Sprint(n, " ", err, " ", r.Trailer.Get("X-Request-Sum")))
			w.Header().Set(http.TrailerPrefix+"X-Unannounced", "yes")
		}))
		p := start(t, driver, oneCluster(origin, "", ""), options{})
		for _, size := range []int{1, 1000, 100_000, 3_000_000} {
			body := strings.Repeat("t", size)
			req, err := http.NewRequest("POST", p.url("/"), io.MultiReader(strings.NewReader(body))) // no length
			if err != nil {
				t.Fatal(err)
			}
			req.Trailer = http.Header{"X-Request-Sum": {fmt.Sprint("sum-", size)}}
			res, err := newClient(t).Do(req)
			if err != nil {
				t.Fatal(err)
			}
			text, err := io.ReadAll(res.Body)
			res.Body.Close()
			if err != nil || string(text) != body {
				t.Errorf("%d bytes: %d back, %v", size, len(text), err)
			}
			want := fmt.Sprintf("%d <nil> sum-%d", size, size)
			if got := res.Trailer.Get("X-Sum"); got != want || res.Trailer.Get("X-Unannounced") != "yes" {
				t.Errorf("trailers %v, want %q", res.Trailer, want)
			}
		}
	})
}

// TestPipelining: fifty requests in one write are answered in their order.
func TestPipelining(t *testing.T) {
	eachDriver(t, func(t *testing.T, driver string) {
		m := newMirror(t)
		p := start(t, driver, oneCluster(m.addr, "", ""), options{})
		w := dial(t, p.addr)
		var all strings.Builder
		for i := range 50 {
			switch i % 3 {
			case 0:
				fmt.Fprintf(&all, "GET /%d HTTP/1.1\r\nHost: a\r\n\r\n", i)
			case 1:
				fmt.Fprintf(&all, "POST /%d HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\nbody", i)
			default:
				fmt.Fprintf(&all, "PUT /%d HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nbo\r\n2\r\ndy\r\n0\r\n\r\n", i)
			}
		}
		w.send(all.String())
		for i := range 50 {
			got := mirrored(t, w.receive("GET"))
			if got.Target != fmt.Sprint("/", i) || got.Body != map[bool]string{true: "", false: "body"}[i%3 == 0] {
				t.Fatalf("answer %d is of %s with %q", i, got.Target, got.Body)
			}
		}
	})
}

// TestTargets: the forms of a request target, as the origin sees them.
func TestTargets(t *testing.T) {
	long := strings.Repeat("q=1234567&", 700)
	cases := []struct{ line, host, method, target, originHost string }{
		{"GET http://other.example:81/p?q HTTP/1.1", "a", "GET", "/p?q", "other.example:81"},
		{"GET http://other.example HTTP/1.1", "a", "GET", "/", "other.example"},
		{"OPTIONS * HTTP/1.1", "a", "OPTIONS", "*", "a"},
		{"GET /? HTTP/1.1", "a", "GET", "/?", "a"},
		{"GET /?" + long + " HTTP/1.1", "a", "GET", "/?" + long, "a"},
		{"GET /%2e%2E//x/../y;z HTTP/1.1", "A.example", "GET", "/%2e%2E//x/../y;z", "A.example"},
		{"GET / HTTP/1.1", "[::1]:80", "GET", "/", "[::1]:80"},
	}
	eachDriver(t, func(t *testing.T, driver string) {
		var head string
		got := make(chan string, 1)
		origin := serveRaw(t, func(c *net.TCPConn, r *bufio.Reader) {
			for {
				h, ok := readHead(r)
				if !ok {
					return
				}
				got <- h
				_, _ = io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
			}
		})
		p := start(t, driver, oneCluster(origin, "", ""), options{})
		for _, c := range cases {
			w := dial(t, p.addr)
			w.send(c.line, "\r\nHost: ", c.host, "\r\n\r\n")
			expectStatus(t, w.receive(c.method), 200, "")
			head = <-got
			if !strings.HasPrefix(head, c.method+" "+c.target+" HTTP/1.1\r\n") || !strings.Contains(head, "\r\nHost: "+c.originHost+"\r\n") {
				t.Errorf("%s: origin got %q", abridge(c.line), abridge(head))
			}
		}
	})
}

// TestPersistence: which connections stay open, by version and by Connection.
func TestPersistence(t *testing.T) {
	cases := []struct {
		request string
		keep    bool
	}{
		{"GET / HTTP/1.1\r\nHost: a\r\n\r\n", true},
		{"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n", false},
		{"GET / HTTP/1.1\r\nHost: a\r\nConnection: keep-alive, Close\r\n\r\n", false},
		{"GET / HTTP/1.0\r\n\r\n", false},
		{"GET / HTTP/1.0\r\nHost: a\r\nConnection: keep-alive\r\n\r\n", true},
		{"GET / HTTP/1.0\r\nConnection: close\r\n\r\n", false},
	}
	eachDriver(t, func(t *testing.T, driver string) {
		m := newMirror(t)
		p := start(t, driver, oneCluster(m.addr, "", ""), options{})
		for _, c := range cases {
			w := dial(t, p.addr)
			w.send(c.request)
			a := w.receive("GET")
			if a.StatusCode != 200 || a.Close == c.keep || len(a.TransferEncoding) > 0 {
				t.Errorf("%q: %d, close %v, %v", c.request, a.StatusCode, a.Close, a.TransferEncoding)
			}
			if c.keep {
				w.send(c.request)
				w.receive("GET")
			} else {
				w.mustEnd()
			}
		}
	})
}

// TestLargeHeads: a head near the limit passes in both directions, also in pieces.
func TestLargeHeads(t *testing.T) {
	eachDriver(t, func(t *testing.T, driver string) {
		origin := serveGo(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			for name, values := range r.Header {
				if strings.HasPrefix(name, "X-Large") {
					w.Header()[name] = values
				}
			}
		}))
		p := start(t, driver, oneCluster(origin, "", ""), options{})
		var fields strings.Builder
		for i := range 7 {
			fmt.Fprintf(&fields, "X-Large-%d: %s\r\n", i, strings.Repeat(string(rune('a'+i)), 4000))
		}
		request := "GET / HTTP/1.1\r\nHost: a\r\n" + fields.String() + "\r\n"
		w := dial(t, p.addr)
		for _, step := range []int{len(request), 5000, 1009} {
			for rest := request; rest != ""; rest = rest[min(step, len(rest)):] {
				w.send(rest[:min(step, len(rest))])
			}
			a := w.receive("GET")
			for i := range 7 {
				if v := a.Header.Get(fmt.Sprint("X-Large-", i)); v != strings.Repeat(string(rune('a'+i)), 4000) {
					t.Errorf("in steps of %d: field %d came back with %d bytes", step, i, len(v))
				}
			}
		}
	})
}

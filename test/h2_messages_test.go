package test

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"net/textproto"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/net/http2"
)

// TestH2Messages: what clients of HTTP/2 send arrives at an origin of HTTP/1.1 as it should, and what that answers at them.
func TestH2Messages(t *testing.T) {
	eachDriver(t, func(t *testing.T, driver string) {
		m := newMirror(t)
		p := start(t, driver, oneCluster(m.addr, "limits: {body: 100000, head: 4KiB, line: 4KiB}", "")+"access_log: {path: stdout}\n", options{})
		t.Run("request", func(t *testing.T) { testH2Request(t, p) })
		t.Run("methods", func(t *testing.T) { testH2Methods(t, p) })
		t.Run("refused", func(t *testing.T) { testH2Refused(t, p) })
		t.Run("malformed", func(t *testing.T) { testH2Malformed(t, p, m) })
		p.await(`"path":"/x?q=1","protocol":"HTTP/2.0","status":200`)
		if n := p.metric(`ringway_listener_http2_streams_total`); n < 10 {
			t.Errorf("%v streams were counted", n)
		}
		eventually(t, func() error {
			if n := p.metric("ringway_listener_http2_streams{"); n != 0 {
				return fmt.Errorf("%v streams are open", n)
			}
			return nil
		})
	})
}

// testH2Request: the fields of a request, cut as HTTP/2 does.
func testH2Request(t *testing.T, p *process) {
	f := dialFrames(t, p.addr)
	f.must(f.request(1, "GET", "/x?q=1", true, "cookie", "a=1", "cookie", "b=2", "te", "trailers", "x-empty", "", "x-two", "1", "x-two", "2"))
	s := f.await(1)[1]
	got := mirrored(t, answer{&http.Response{StatusCode: 200}, string(s.body)})
	if got.Method != "GET" || got.Target != "/x?q=1" || got.Host != "a.example" || got.Proto != "HTTP/1.1" || got.Chunked || got.Length != 0 {
		t.Errorf("the origin saw %+v", got)
	}
	for name, want := range map[string]string{"Cookie": "a=1; b=2", "X-Two": "1,2", "X-Empty": "", "X-Forwarded-Host": "a.example",
		"X-Forwarded-Proto": "http", "X-Forwarded-For": "127.0.0.1", "Te": "trailers", "Connection": "TE"} {
		if v := strings.Join(got.Header[name], ","); v != want {
			t.Errorf("%s is %q, want %q", name, v, want)
		}
	}
	for name, want := range map[string]string{":status": "200", "x-origin": "mirror", "content-type": "application/json", "transfer-encoding": "", "connection": ""} {
		if v := s.fields[name]; v != want {
			t.Errorf("%s is %q, want %q", name, v, want)
		}
	}
	if s.fields["date"] == "" {
		t.Error("no date")
	}
}

// testH2Methods: methods with bodies of known and unknown length and without, and HEAD.
func testH2Methods(t *testing.T, p *process) {
	c := h2Client(t, nil)
	for _, method := range []string{"GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "PROPFIND"} {
		for _, body := range []string{"", "some body", strings.Repeat("long body ", 9000)} {
			for _, known := range []bool{true, false} {
				var in io.Reader = strings.NewReader(body)
				if !known {
					in = io.NopCloser(in)
				}
				req, _ := http.NewRequest(method, p.url("/m"), in)
				res, err := c.Do(req)
				if err != nil {
					t.Fatal(err)
				}
				got := mirrored(t, readAnswer(t, res))
				if got.Method != method || got.Body != body || res.ProtoMajor != 2 {
					t.Errorf("%s with %d bytes: %s with %d, %s", method, len(body), got.Method, len(got.Body), res.Proto)
				}
				if body != "" && got.Chunked == known {
					t.Errorf("%s with %d bytes, length known %v: chunked %v", method, len(body), known, got.Chunked)
				}
			}
		}
	}
	res, err := c.Head(p.url("/m"))
	if err != nil {
		t.Fatal(err)
	}
	if a := readAnswer(t, res); a.StatusCode != 200 || a.text != "" {
		t.Errorf("HEAD: %s %q", a.Status, a.text)
	}
}

// testH2Refused: what the gateway answers itself.
func testH2Refused(t *testing.T, p *process) {
	c := h2Client(t, nil)
	for _, size := range []string{"known", "unknown"} {
		var body io.Reader = bytes.NewReader(make([]byte, 200000))
		if size == "unknown" {
			body = io.NopCloser(body)
		}
		res, err := c.Post(p.url("/"), "", body)
		if err != nil {
			t.Fatal(err)
		}
		wantProblem(t, readAnswer(t, res), 413, "payload_too_large")
	}
	req, _ := http.NewRequest("GET", p.url("/"), nil)
	req.Header.Set("X-Big", strings.Repeat("x", 6000))
	res, err := c.Do(req)
	if err == nil {
		wantProblem(t, readAnswer(t, res), 431, "fields_too_large")
	} else if !strings.Contains(err.Error(), "request header list larger than peer's advertised limit") { // Go's client knows before it asks
		t.Error(err)
	}
	f := dialFrames(t, p.addr)
	f.must(f.request(1, "GET", "/", true, "x-big", strings.Repeat("x", 6000)))
	if s := f.await(1)[1]; s.fields[":status"] != "431" || !strings.Contains(string(s.body), "fields_too_large") {
		t.Errorf("too many fields: %v %s", s.fields, s.body)
	}
	f.must(f.fr.WriteHeaders(http2.HeadersFrameParam{StreamID: 3, BlockFragment: f.block(":method", "CONNECT", ":authority", "a:443"), EndHeaders: true}))
	if s := f.await(3)[3]; s.fields[":status"] != "501" {
		t.Errorf("CONNECT: %v %s", s.fields, s.body)
	}
}

// testH2Malformed: requests that break the rules end their stream, and the origin hears nothing of them. They are counted and logged.
func testH2Malformed(t *testing.T, p *process, m *mirror) {
	before := m.requests.Load()
	count := func() (n [3]float64) {
		for i, name := range []string{`ringway_listener_http2_resets_total{listener="web",side="gateway"`, `ringway_listener_http2_errors_total{listener="web",scope="stream"`,
			`ringway_listener_requests_total{code_class="4xx"`} {
			n[i] = p.metric(name)
		}
		return n
	}
	counts := count()
	f := dialFrames(t, p.addr)
	requests := [][]string{
		{":method", "GET", ":scheme", "http", ":path", "/"},
		{":method", "GET", ":scheme", "http", ":authority", "a", ":path", ""},
		{":method", "GET", ":scheme", "http", ":authority", "a", ":path", "/", "host", "b"},
		{":method", "GET", ":scheme", "http", ":authority", "a", ":path", "/", "connection", "close"},
		{":method", "GET", ":scheme", "http", ":authority", "a", ":path", "/", "transfer-encoding", "chunked"},
		{":method", "GET", ":scheme", "http", ":authority", "a", ":path", "/", "X-Upper", "1"},
		{":method", "GET", ":scheme", "http", ":authority", "a", ":path", "/", "x-break", "a\r\nevil: 1"},
		{":method", "GET", ":scheme", "http", ":authority", "a\r\nevil: 1", ":path", "/"},
		{":method", "GET", ":scheme", "http", ":authority", "a", ":path", "/ HTTP/1.1\r\nevil: 1"},
		{":method", "GET /evil HTTP/1.1", ":scheme", "http", ":authority", "a", ":path", "/"},
		{":method", "POST", ":scheme", "http", ":authority", "a", ":path", "/short?x=1", "content-length", "5", "user-agent", "odd"},
	}
	for i, fields := range requests {
		id := uint32(2*i + 1)
		f.must(f.fr.WriteHeaders(http2.HeadersFrameParam{StreamID: id, BlockFragment: f.block(fields...), EndStream: true, EndHeaders: true}))
		if s := f.await(id)[id]; !s.reset || s.code != http2.ErrCodeProtocol {
			t.Errorf("%q: %+v", fields, s)
		}
	}
	if n := m.requests.Load() - before; n != 0 {
		t.Errorf("the origin saw %d malformed requests", n)
	}
	now := count()
	for i := range counts {
		if n := now[i] - counts[i]; n != float64(len(requests)) {
			t.Errorf("%v were counted of %d (%d)", n, len(requests), i)
		}
	}
	peer := f.LocalAddr().String()
	p.await(`msg="stream refused or reset" listener=web reason="Host is not :authority" peer=` + peer + " stream=5 code=PROTOCOL_ERROR\n")
	p.await(`"client":"` + peer + `","listener":"web","method":"POST","host":"a","path":"/short?x=1","protocol":"HTTP/2.0","status":400,`)
	p.await(`"user_agent":"odd","error":"bad_request"}`)
}

// TestH2Faults: what a client has asked for in vain, or has broken its connection by, is counted, and the log says who, what and why.
func TestH2Faults(t *testing.T) {
	eachDriver(t, func(t *testing.T, driver string) {
		m := newMirror(t)
		p := start(t, driver, oneCluster(m.addr, "limits: {http2: {streams: 1}}", ""), options{})
		f := dialFrames(t, p.addr)
		peer := " peer=" + f.LocalAddr().String()
		f.must(f.request(1, "POST", "/", false))
		for id := uint32(3); id < 9; id += 2 {
			f.must(f.request(id, "GET", "/", true))
			if s := f.await(id)[id]; s.code != http2.ErrCodeRefusedStream {
				t.Errorf("one too many: %+v", s)
			}
		}
		f.must(f.fr.WriteWindowUpdate(1, 1<<31-1))
		if s := f.await(1)[1]; s.code != http2.ErrCodeFlowControl {
			t.Errorf("a window that is too large: %+v", s)
		}
		f.must(f.fr.WriteData(9, true, nil))
		if got := f.goneAway(); len(got) != 1 || got[0] != "PROTOCOL_ERROR 7" {
			t.Errorf("DATA for no stream: %v", got)
		}
		p.await(`msg="stream refused or reset" listener=web reason="as many streams are open as are allowed"` + peer + " stream=3 code=REFUSED_STREAM\n")
		p.await(`msg="stream refused or reset" listener=web reason="the stream's window gets too large"` + peer + " stream=1 code=FLOW_CONTROL_ERROR\n")
		p.await(`msg="connection refused or broken off" listener=web end=PROTOCOL_ERROR` + peer + ` err="http2: connection: PROTOCOL_ERROR: DATA for a stream that is not open yet"`)
		if n := strings.Count(p.log.String(), "stream refused or reset"); n != 2 {
			t.Errorf("%d lines tell of streams, of two kinds", n)
		}
		for name, want := range map[string]float64{
			`http2_errors_total{listener="web",scope="stream"`: 4, `http2_resets_total{listener="web",side="gateway"`: 4,
			`http2_errors_total{listener="web",scope="connection"`: 1, `http2_goaways_total{listener="web",side="gateway"`: 1, "http2_floods_total": 0,
		} {
			if n := p.metric("ringway_listener_" + name); n != want {
				t.Errorf("%s is %v, want %v", name, n, want)
			}
		}
	})
}

// TestH2Answers: interim responses, statuses without a body, trailers both ways, and answers that do not wait for the request.
func TestH2Answers(t *testing.T) {
	origin := http.NewServeMux()
	origin.HandleFunc("/hints", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Link", "</a>; rel=preload")
		w.WriteHeader(103)
		w.Header().Del("Link")
		_, _ = io.WriteString(w, "done")
	})
	origin.HandleFunc("/empty", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(204) })
	origin.HandleFunc("/same", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(304) })
	origin.HandleFunc("/trailers", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Trailer", "X-Sum")
		n, _ := io.Copy(io.Discard, r.Body)
		_, _ = io.WriteString(w, "body")
		w.Header().Set("X-Sum", fmt.Sprint(n, r.Trailer.Get("X-Client")))
	})
	origin.HandleFunc("/continue", func(w http.ResponseWriter, r *http.Request) {
		n, _ := io.Copy(io.Discard, r.Body)
		_, _ = fmt.Fprint(w, n)
	})
	eachDriver(t, func(t *testing.T, driver string) {
		p := start(t, driver, oneCluster(serveGo(t, origin), "", ""), options{})
		c := h2Client(t, nil)
		var hints string
		req, _ := http.NewRequest("GET", p.url("/hints"), nil)
		req = req.WithContext(httptrace.WithClientTrace(req.Context(), &httptrace.ClientTrace{
			Got1xxResponse: func(code int, h textproto.MIMEHeader) error { hints += fmt.Sprint(code, h.Get("Link")); return nil }}))
		res, err := c.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		if expectStatus(t, readAnswer(t, res), 200, "done"); hints != "103</a>; rel=preload" {
			t.Errorf("interim responses: %q", hints)
		}
		expectStatus(t, h2Get(t, c, p.url("/empty")), 204, "")
		expectStatus(t, h2Get(t, c, p.url("/same")), 304, "")
		testH2Trailers(t, p, c)
		req, _ = http.NewRequest("POST", p.url("/continue"), bytes.NewReader(make([]byte, 50000)))
		req.Header.Set("Expect", "100-continue")
		if res, err = c.Do(req); err != nil {
			t.Fatal(err)
		}
		expectStatus(t, readAnswer(t, res), 200, "50000")
	})
}

func testH2Trailers(t *testing.T, p *process, c *http.Client) {
	for _, size := range []int{0, 1, 70000} {
		req, _ := http.NewRequest("POST", p.url("/trailers"), io.NopCloser(bytes.NewReader(make([]byte, size))))
		req.Trailer = http.Header{"X-Client": {"!"}}
		res, err := c.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		a := readAnswer(t, res)
		if expectStatus(t, a, 200, "body"); a.Trailer.Get("X-Sum") != fmt.Sprint(size, "!") {
			t.Errorf("trailers of %d bytes: %v", size, a.Trailer)
		}
	}
}

// TestH2Early: an answer may come before the request's end, which nobody waits for then: the stream ends without an error (RFC 9113
// §8.1), and others go on.
func TestH2Early(t *testing.T) {
	eachDriver(t, func(t *testing.T, driver string) {
		p := start(t, driver, oneCluster(scripted(t, "HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\n\r\nno", true), "", ""), options{})
		f := dialFrames(t, p.addr)
		for id := uint32(1); id < 40; id += 2 {
			f.must(f.request(id, "POST", "/early", false))
			s := f.await(id)[id]
			if s.fields[":status"] != "403" || string(s.body) != "no" {
				t.Errorf("%+v %q", s, s.body)
			}
			fr, err := f.next()
			f.must(err)
			if r, ok := fr.(*http2.RSTStreamFrame); !ok || r.ErrCode != http2.ErrCodeNo {
				t.Errorf("then %v", fr)
			}
		}
	})
}

// TestH2Late: a client whose upload is answered early has a window full of it on the way still, in pieces as small as it likes (as gRPC's
// messages are). Nobody waits for them, and the connection's other requests go on.
func TestH2Late(t *testing.T) {
	eachDriver(t, func(t *testing.T, driver string) {
		p := start(t, driver, oneCluster(scripted(t, "HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\n\r\nno", true), "", ""), options{})
		f := dialFrames(t, p.addr)
		for id := uint32(1); id < 10; id += 2 {
			f.must(f.request(id, "POST", "/early", false))
			if s := f.await(id)[id]; s.fields[":status"] != "403" {
				t.Errorf("%+v %q", s, s.body)
			}
			for left := 64 << 10; left >= 9; left -= 9 {
				f.must(f.fr.WriteData(id, false, []byte("a message")))
			}
			f.must(f.fr.WriteData(id, true, nil))
		}
		f.must(f.request(11, "GET", "/", true))
		if s := f.await(11)[11]; s.fields[":status"] != "403" {
			t.Errorf("then %+v %q", s, s.body)
		}
		if n := p.metric("ringway_listener_http2_goaways_total"); n != 0 {
			t.Errorf("%v connections were ended", n)
		}
	})
}

// TestH2Broken: what breaks on one side is seen on the other, and by that stream only.
func TestH2Broken(t *testing.T) {
	eachDriver(t, func(t *testing.T, driver string) {
		left := make(chan struct{}, 10)
		var answered atomic.Int64
		origin := serveRaw(t, func(c *net.TCPConn, r *bufio.Reader) {
			head, _ := readHead(r)
			switch {
			case strings.HasPrefix(head, "GET /cut "):
				_, _ = io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nonly a part")
			case strings.HasPrefix(head, "GET /hang "):
				_, _ = r.ReadByte()
				left <- struct{}{}
			case strings.HasPrefix(head, "GET /endless "):
				_, _ = io.WriteString(c, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
				for err := error(nil); err == nil; {
					_, err = io.WriteString(c, "400\r\n"+strings.Repeat("x", 1024)+"\r\n")
				}
				left <- struct{}{}
			default:
				answered.Add(1)
				_, _ = io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok")
			}
		})
		p := start(t, driver, oneCluster(origin, "", ""), options{})
		f := dialFrames(t, p.addr)
		f.must(f.request(1, "GET", "/cut", true))
		if s := f.await(1)[1]; !s.reset || s.code != http2.ErrCodeInternal || string(s.body) != "only a part" {
			t.Errorf("a body that was cut: %+v, %q", s, s.body)
		}
		f.must(f.request(3, "GET", "/hang", true))
		f.must(f.request(5, "GET", "/ok", true))
		if s := f.await(5)[5]; string(s.body) != "ok" {
			t.Errorf("beside: %+v", s)
		}
		f.must(f.fr.WriteRSTStream(3, http2.ErrCodeCancel))
		<-left
		f.must(f.request(7, "GET", "/endless", true))
		for all := map[uint32]*told{}; all[7] == nil || len(all[7].body) == 0; {
			fr, err := f.next()
			f.must(err)
			f.note(all, fr)
		}
		f.must(f.fr.WriteRSTStream(7, http2.ErrCodeCancel))
		<-left
		f.must(f.request(9, "GET", "/hang", true))
		f.must(f.request(11, "GET", "/ok", true))
		f.await(11)
		_ = f.Close() // with a request open
		<-left
		if a := answered.Load(); a != 2 {
			t.Errorf("%d requests were answered", a)
		}
		eventually(t, func() error {
			if n := p.metric("ringway_listener_http2_connections{"); n != 0 {
				return fmt.Errorf("%v connections", n)
			}
			return nil
		})
		if c, g := p.metric(`ringway_listener_http2_resets_total{listener="web",side="client"`), p.metric(`ringway_listener_http2_resets_total{listener="web",side="gateway"`); c != 2 || g != 1 {
			t.Errorf("%v resets of the client's were counted, %v of the gateway's", c, g)
		}
	})
}

// TestH2Priorities: of responses that wait for a window, the more urgent goes first, whichever way its client has said that
// (RFC 9218), or its origin.
func TestH2Priorities(t *testing.T) {
	origin := serveGo(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.RawQuery != "" {
			w.Header().Set("Priority", r.URL.RawQuery)
		}
		w.Header().Set("Content-Length", "1000") // with its head in one write
		_, _ = w.Write(make([]byte, 1000))
	}))
	eachDriver(t, func(t *testing.T, driver string) {
		p := start(t, driver, oneCluster(origin, "", ""), options{loops: 1})
		for _, c := range []struct{ name, path, field, update string }{
			{"by field", "/", "u=0", ""}, {"by PRIORITY_UPDATE", "/", "u=7", "u=0"}, {"by the origin", "/?u=0", "u=7", ""},
		} {
			t.Run(c.name, func(t *testing.T) {
				f := dialFrames(t, p.addr, http2.Setting{ID: http2.SettingInitialWindowSize, Val: 0})
				f.must(f.request(1, "GET", "/", true, "priority", "u=5"))
				f.must(f.request(3, "GET", c.path, true, "priority", c.field))
				if c.update != "" {
					f.must(f.fr.WriteRawFrame(0x10, 0, 0, append([]byte{0, 0, 0, 3}, c.update...)))
				}
				all := map[uint32]*told{}
				for all[1] == nil || all[3] == nil {
					fr, err := f.next()
					f.must(err)
					f.note(all, fr)
				}
				time.Sleep(100 * time.Millisecond) // for the bodies
				f.must(f.fr.WriteSettings(http2.Setting{ID: http2.SettingInitialWindowSize, Val: 60000}))
				for !all[1].ended || !all[3].ended {
					fr, err := f.next()
					f.must(err)
					if f.note(all, fr); len(all[1].body) > 0 && !all[3].ended {
						t.Fatal("the less urgent one came first")
					}
				}
			})
		}
	})
}

package gateway

import (
	"bytes"
	"crypto/tls"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
)

// framed is one connection of a server that does what the test says, frame by frame.
type framed struct {
	*http2.Framer
	c   *client
	out bytes.Buffer
	enc *hpack.Encoder
}

// frames is a server of HTTP/2 with prior knowledge, which serves each connection with f once the prefaces were exchanged. nth
// counts the connections from 1 on.
func frames(t *testing.T, f func(k *framed, nth int), settings ...http2.Setting) string {
	var nth atomic.Int32
	return origin(t, func(c *client) {
		preface := make([]byte, len(http2.ClientPreface))
		if _, err := io.ReadFull(c.br, preface); err != nil || string(preface) != http2.ClientPreface {
			return
		}
		k := newFramed(c)
		_ = k.WriteSettings(settings...)
		f(k, int(nth.Add(1)))
	})
}

func newFramed(c *client) *framed {
	k := &framed{Framer: http2.NewFramer(c.Conn, c.br), c: c}
	k.enc = hpack.NewEncoder(&k.out)
	k.ReadMetaHeaders = hpack.NewDecoder(4096, nil)
	return k
}

// next reads up to the next frame that is none of the connection's own; nil at the end.
func (k *framed) next() http2.Frame {
	for {
		f, err := k.ReadFrame()
		if err != nil {
			return nil
		}
		switch f := f.(type) {
		case *http2.SettingsFrame:
			if !f.IsAck() {
				_ = k.WriteSettingsAck()
			}
		case *http2.WindowUpdateFrame:
		default:
			return f
		}
	}
}

// request reads up to the next request, whole, and gives its stream and its body.
func (k *framed) request() (id uint32, body string) {
	for {
		switch f := k.next().(type) {
		case nil:
			return 0, ""
		case *http2.MetaHeadersFrame:
			id = f.StreamID
			if f.StreamEnded() {
				return id, body
			}
		case *http2.DataFrame:
			body += string(f.Data())
			if f.StreamEnded() {
				return f.StreamID, body
			}
		}
	}
}

// head sends fields, given as names and values.
func (k *framed) head(id uint32, end bool, fields ...string) {
	k.out.Reset()
	for i := 0; i < len(fields); i += 2 {
		_ = k.enc.WriteField(hpack.HeaderField{Name: fields[i], Value: fields[i+1]})
	}
	_ = k.WriteHeaders(http2.HeadersFrameParam{StreamID: id, BlockFragment: k.out.Bytes(), EndHeaders: true, EndStream: end})
}

// answer sends a response with a body.
func (k *framed) answer(id uint32, body string) {
	k.head(id, false, ":status", "200")
	_ = k.WriteData(id, true, []byte(body))
}

// ask sends a request without a body and gives the answer's status line and body.
func (c *client) ask(more string) (status, body string) {
	c.send("GET / HTTP/1.1\r\nHost: x\r\n%s\r\n", more)
	return c.reply()
}

// reply reads a whole response.
func (c *client) reply() (status, body string) {
	resp, err := http.ReadResponse(c.br, nil)
	if err != nil {
		c.fail("response: %v", err)
	}
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		return resp.Status, string(b) + err.Error()
	}
	return resp.Status, string(b)
}

// TestHTTP2UpstreamGivesBack: what a server has not processed is sent again, whatever it is, as long as all of it is there.
func TestHTTP2UpstreamGivesBack(t *testing.T) {
	refuse := func(k *framed, id uint32) { _ = k.WriteRSTStream(id, http2.ErrCodeRefusedStream) }
	goAway := func(k *framed, id uint32) { _ = k.WriteGoAway(max(id, 2)-2, http2.ErrCodeNo, nil) }
	post := func(body string) string {
		return fmt.Sprintf("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n%s", len(body), body)
	}
	long := strings.Repeat("a", 20000)
	for _, test := range []struct {
		name     string
		times    int32
		how      func(k *framed, id uint32)
		request  string
		want     string
		connects uint64
	}{
		{"GET refused", 1, refuse, "GET / HTTP/1.1\r\nHost: x\r\n\r\n", "200 OK", 1},
		{"POST refused", 1, refuse, post("hello"), "200 OKhello", 1},
		{"chunks refused", 1, refuse, "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n", "200 OKhello", 1},
		{"long POST refused", 1, refuse, post(long), "502", 1},
		{"refused for ever", 1000, refuse, post("hello"), "502", 1},
		{"GET gone away from", 1, goAway, "GET / HTTP/1.1\r\nHost: x\r\n\r\n", "200 OK", 2},
		{"POST gone away from", 1, goAway, post("hello"), "200 OKhello", 2},
		{"gone away from for ever", 1000, goAway, post("hello"), "502", 2},
	} {
		t.Run(test.name, func(t *testing.T) {
			eachDriver(t, func(t *testing.T, d DriverName) {
				var left atomic.Int32
				left.Store(test.times)
				r := start(t, d, with{cluster: overH2}, frames(t, func(k *framed, _ int) {
					for {
						id, body := k.request()
						if id == 0 {
							return
						}
						if left.Add(-1) >= 0 {
							test.how(k, id)
						} else {
							k.answer(id, body)
						}
					}
				}))
				c := r.dial()
				c.send("%s", test.request)
				if status, body := c.reply(); !strings.HasPrefix(status+body, test.want) {
					t.Errorf("%s %s", status, body)
				}
				_ = c.Close()
				u := r.upstream()
				if u.Connects != test.connects || u.Refused != min(uint64(test.times), 2) || u.Streams != 0 {
					t.Errorf("%+v", u)
				}
			})
		})
	}
}

// TestHTTP2UpstreamGivesStreamsBack: a request whose body is still coming, over HTTP/2, is sent again from its beginning, and goes on.
func TestHTTP2UpstreamGivesStreamsBack(t *testing.T) {
	eachDriver(t, func(t *testing.T, d DriverName) {
		begun := make(chan string, 2)
		r := start(t, d, with{cluster: overH2}, frames(t, func(k *framed, nth int) {
			body := ""
			for {
				switch f := k.next().(type) {
				case nil:
					return
				case *http2.DataFrame:
					if body += string(f.Data()); body == "first, " {
						begun <- body
						if nth == 1 {
							_ = k.WriteGoAway(0, http2.ErrCodeNo, nil)
						}
					}
					if f.StreamEnded() {
						k.answer(f.StreamID, body)
					}
				}
			}
		}))
		transport := &http.Transport{Protocols: new(http.Protocols)}
		transport.Protocols.SetUnencryptedHTTP2(true)
		defer transport.CloseIdleConnections()
		body, feed := io.Pipe()
		go func() {
			_, _ = io.WriteString(feed, "first, ")
			<-begun
			<-begun // once more
			_, _ = io.WriteString(feed, "then the rest")
			_ = feed.Close()
		}()
		req, _ := http.NewRequest("POST", "http://"+r.addr+"/", body)
		resp, err := transport.RoundTrip(req)
		if err != nil {
			t.Fatal(err)
		}
		got, err := io.ReadAll(resp.Body)
		if string(got) != "first, then the rest" || err != nil {
			t.Errorf("%s %q, %v", resp.Status, got, err)
		}
		_ = resp.Body.Close()
		if u := r.upstream(); u.Connects != 2 || u.Refused != 1 {
			t.Errorf("%+v", u)
		}
	})
}

// TestHTTP2UpstreamDies: what becomes of requests when a connection or a stream ends under them.
func TestHTTP2UpstreamDies(t *testing.T) {
	const get, post = "GET / HTTP/1.1\r\nHost: x\r\n\r\n", "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhello"
	for _, test := range []struct {
		name, request string
		how           func(k *framed, id uint32)
		want, code    string
	}{
		{"GET, closed", get, func(k *framed, id uint32) { _ = k.c.Close() }, "200 OKagain", ""},
		{"GET, connection reset", get, func(k *framed, id uint32) { k.c.reset() }, "200 OKagain", ""},
		{"POST, closed", post, func(k *framed, id uint32) { _ = k.c.Close() }, "502", "upstream_closed"},
		{"POST, connection reset", post, func(k *framed, id uint32) { k.c.reset() }, "502", "upstream_reset"},
		{"POST, gone away with an error", post, func(k *framed, id uint32) {
			_ = k.WriteGoAway(id, http2.ErrCodeEnhanceYourCalm, []byte("slow down"))
			_ = k.c.Close()
		}, "502", "slow down"},
		{"POST, stream reset", post, func(k *framed, id uint32) { _ = k.WriteRSTStream(id, http2.ErrCodeInternal) }, "502", "upstream_reset"},
		{"POST, nonsense", post, func(k *framed, id uint32) { k.head(id, true, ":status", "200", "Upper", "x") }, "502", "upstream_bad_response"},
		{"POST, broken frames", post, func(k *framed, id uint32) { _ = k.WriteRawFrame(http2.FrameData, 0, 0, nil) }, "502", "upstream_bad_response"},
		{"GET, closed amid the body", get, func(k *framed, id uint32) {
			k.head(id, false, ":status", "200")
			_ = k.WriteData(id, false, []byte("half"))
			_ = k.c.Close()
		}, "", ""},
		{"GET, reset amid the body", get, func(k *framed, id uint32) {
			k.head(id, false, ":status", "200", "content-length", "100")
			_ = k.WriteData(id, false, []byte("half"))
			_ = k.WriteRSTStream(id, http2.ErrCodeCancel)
		}, "", ""},
		{"POST, reset behind the response", post, func(k *framed, id uint32) {
			k.answer(id, "whole")
			_ = k.WriteRSTStream(id, http2.ErrCodeNo)
		}, "200 OKwhole", ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			eachDriver(t, func(t *testing.T, d DriverName) {
				r := start(t, d, with{cluster: overH2}, frames(t, func(k *framed, nth int) {
					for i := 0; ; i++ {
						id, _ := k.request()
						switch {
						case id == 0:
							return
						case i == 0:
							k.answer(id, map[bool]string{true: "first", false: "again"}[nth == 1])
						default:
							test.how(k, id)
						}
					}
				}))
				c := r.dial()
				if _, body := c.ask(""); body != "first" {
					t.Errorf("body %q", body)
				}
				c.send("%s", test.request)
				status, body := c.reply()
				if got := status + body; !strings.HasPrefix(got, test.want) || test.want == "" && !strings.HasPrefix(got, "502") && !strings.Contains(got, "EOF") && !strings.Contains(got, "reset") { // what is lost may be what came last

					t.Errorf("%s", got)
				}
				_ = c.Close()
				if r.rest(); test.code != "" && !strings.Contains(r.log.String(), test.code) {
					t.Errorf("no %s in %s", test.code, r.log)
				}
			})
		})
	}
}

// TestHTTP2UpstreamCancel: a client that leaves costs its stream and nothing else.
func TestHTTP2UpstreamCancel(t *testing.T) {
	eachDriver(t, func(t *testing.T, d DriverName) {
		reset := make(chan http2.ErrCode, 1)
		second := make(chan uint32, 1)
		r := start(t, d, with{cluster: overH2}, frames(t, func(k *framed, _ int) {
			_, _ = k.request()
			id, _ := k.request()
			second <- id
			for {
				switch f := k.next().(type) {
				case nil:
					return
				case *http2.RSTStreamFrame:
					reset <- f.ErrCode
					k.answer(id, "still here")
				}
			}
		}))
		leaves, stays := r.dial(), r.dial()
		leaves.send("GET / HTTP/1.1\r\nHost: x\r\n\r\n")
		eventually(t, "the request is on its way", func() bool { return r.upstream().Streams == 1 })
		stays.send("GET / HTTP/1.1\r\nHost: x\r\n\r\n")
		<-second
		leaves.reset()
		if code := <-reset; code != http2.ErrCodeCancel {
			t.Errorf("reset with %v", code)
		}
		if status, body := stays.reply(); body != "still here" {
			t.Errorf("%s %s", status, body)
		}
		_ = stays.Close()
	})
}

// TestHTTP2UpstreamSlowClient: a client that does not read holds up its own stream only, and no more than its window waits for it.
func TestHTTP2UpstreamSlowClient(t *testing.T) {
	eachDriver(t, func(t *testing.T, d DriverName) {
		const size = 64 << 20
		var sent atomic.Int64
		r := start(t, d, with{cluster: overH2 + ", http2: {streams: 4}"}, h2Origin(t, nil, func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path != "/big" {
				_, _ = io.WriteString(w, "quick")
				return
			}
			piece := make([]byte, 32<<10)
			for range size / len(piece) {
				if _, err := w.Write(piece); err != nil {
					return
				}
				sent.Add(int64(len(piece)))
			}
		}))
		var slow []*client
		for range 3 {
			c := r.dial()
			c.send("GET /big HTTP/1.1\r\nHost: x\r\n\r\n")
			slow = append(slow, c)
		}
		last := int64(-1)
		eventually(t, "the server has to wait", func() bool {
			before := last
			last = sent.Load()
			time.Sleep(50 * time.Millisecond)
			return last > 0 && last == before
		})
		c := r.dial()
		for range 20 {
			if _, body := c.ask(""); body != "quick" {
				t.Fatalf("body %q", body)
			}
		}
		if n := sent.Load(); n > 48<<20 { // the kernel's buffers are most of it
			t.Errorf("%d bytes were taken for clients that do not read", n)
		}
		if u := r.upstream(); u.Connects != 1 {
			t.Errorf("%+v", u)
		}
		if n, err := io.Copy(io.Discard, io.LimitReader(slow[0].br, size)); n != size || err != nil {
			t.Errorf("%d bytes, %v", n, err)
		}
		for _, s := range append(slow, c) {
			_ = s.Close()
		}
		if r.rest(); r.bodyBlocks() != 0 {
			t.Error("blocks are held for clients that have left")
		}
	})
}

// TestHTTP2UpstreamBounds: the bounds of streams and connections, the server's own among them, and who waits meanwhile.
func TestHTTP2UpstreamBounds(t *testing.T) {
	for _, test := range []struct {
		name, cluster string
		settings      []http2.Setting
	}{
		{"ours", "http2: {streams: 2}", nil},
		{"the server's", "http2: {streams: 10}", []http2.Setting{{ID: http2.SettingMaxConcurrentStreams, Val: 2}}},
	} {
		t.Run(test.name, func(t *testing.T) {
			eachDriver(t, func(t *testing.T, d DriverName) {
				var running, most atomic.Int32
				gate := make(chan struct{})
				r := start(t, d, with{cluster: overH2 + ", pool: {connections: 2, waiting: 3}, " + test.cluster}, frames(t, func(k *framed, _ int) {
					var lock sync.Mutex
					for {
						id, _ := k.request()
						if id == 0 {
							return
						}
						n := running.Add(1)
						for m := most.Load(); n > m && !most.CompareAndSwap(m, n); m = most.Load() {
						}
						go func() {
							<-gate
							running.Add(-1)
							lock.Lock()
							defer lock.Unlock()
							k.answer(id, "done")
						}()
					}
				}, test.settings...))
				first := r.dial() // so that the server's settings are there
				first.send("GET / HTTP/1.1\r\nHost: x\r\n\r\n")
				eventually(t, "a request runs", func() bool { return running.Load() == 1 })
				list := []*client{first}
				for i := range 6 {
					c := r.dial()
					c.send("GET / HTTP/1.1\r\nHost: x\r\n\r\n")
					list = append(list, c)
					if i < 3 {
						eventually(t, "it runs", func() bool { return running.Load() == int32(i)+2 })
					}
				}
				late := r.dial()
				time.Sleep(50 * time.Millisecond)
				if status, _ := late.ask(""); !strings.HasPrefix(status, "503") {
					t.Errorf("one more than may wait got %s", status)
				}
				close(gate)
				for _, c := range append(list, late) {
					if c != late {
						if status, body := c.reply(); body != "done" {
							t.Errorf("%s %s", status, body)
						}
					}
					_ = c.Close()
				}
				if u := r.upstream(); most.Load() != 4 || u.Connects != 2 {
					t.Errorf("%d at a time, %+v", most.Load(), u)
				}
			})
		})
	}
}

// TestHTTP2UpstreamTimes: idle connections, servers that are silent, and PING.
func TestHTTP2UpstreamTimes(t *testing.T) {
	eachDriver(t, func(t *testing.T, d DriverName) {
		t.Run("idle", func(t *testing.T) {
			said := make(chan bool, 1)
			r := start(t, d, with{cluster: overH2 + ", timeouts: {idle: 50ms}"}, frames(t, func(k *framed, _ int) {
				id, _ := k.request()
				k.answer(id, "x")
				_, away := k.next().(*http2.GoAwayFrame)
				said <- away && k.next() == nil
			}))
			c := r.dial()
			c.ask("")
			_ = c.Close()
			if !<-said {
				t.Error("the connection did not end with GOAWAY")
			}
			eventually(t, "it is gone", func() bool { return r.upstream().Idle == 0 })
		})
		t.Run("silent", func(t *testing.T) {
			r := start(t, d, with{cluster: overH2 + ", timeouts: {response_head: 100ms}, http2: {ping_timeout: 100ms}"}, frames(t, func(k *framed, nth int) {
				for {
					id, _ := k.request()
					if id == 0 {
						return
					}
					if nth > 1 {
						k.answer(id, "x")
					} else {
						for k.next() != nil {
						}
					}
				}
			}))
			c := r.dial()
			if status, _ := c.ask(""); !strings.HasPrefix(status, "504") {
				t.Error(status)
			}
			if _, body := c.ask(""); body != "x" {
				t.Errorf("body %q", body)
			}
			_ = c.Close()
			eventually(t, "the silent connection is given up", func() bool { return r.upstream().Idle == 1 })
		})
		t.Run("ping", func(t *testing.T) {
			pings := make(chan struct{}, 8)
			r := start(t, d, with{cluster: overH2 + ", http2: {ping_after: 1s, ping_timeout: 100ms}"}, frames(t, func(k *framed, nth int) {
				id, _ := k.request()
				for n := 0; ; n++ {
					f, ok := k.next().(*http2.PingFrame)
					if !ok {
						return
					}
					pings <- struct{}{}
					if n == 0 {
						_ = k.WritePing(true, f.Data)
						continue
					}
					_ = id
				}
			}))
			c := r.dial()
			begun := time.Now()
			if status, _ := c.ask(""); !strings.HasPrefix(status, "504") || len(pings) != 2 || time.Since(begun) < 2*time.Second {
				t.Error(status, len(pings), time.Since(begun))
			}
			_ = c.Close()
		})
	})
}

// TestHTTP2UpstreamInterim: interim responses pass, 100 among them, and answers come before the request is there.
func TestHTTP2UpstreamInterim(t *testing.T) {
	eachDriver(t, func(t *testing.T, d DriverName) {
		r := start(t, d, with{cluster: overH2}, h2Origin(t, nil, func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path == "/early" {
				w.WriteHeader(413)
				return
			}
			if r.URL.Path == "/hints" {
				w.Header().Set("Link", "</a.css>")
				w.WriteHeader(103)
				w.Header().Del("Link")
			}
			b, _ := io.ReadAll(r.Body)
			_, _ = w.Write(b)
		}))
		c := r.dial()
		c.send("GET /hints HTTP/1.1\r\nHost: x\r\n\r\n")
		if h := c.head(); h != "HTTP/1.1 103 Early Hints\nlink: </a.css>\n\n" {
			t.Errorf("head %q", h)
		}
		if status, _ := c.reply(); status != "200 OK" {
			t.Error(status)
		}
		c.send("POST / HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n")
		if h := c.head(); h != "HTTP/1.1 100 Continue\n\n" {
			t.Errorf("head %q", h)
		}
		c.send("hello")
		if _, body := c.reply(); body != "hello" {
			t.Errorf("body %q", body)
		}
		c.send("POST /early HTTP/1.1\r\nHost: x\r\nContent-Length: 500000\r\n\r\nbegins")
		if status, _ := c.reply(); !strings.HasPrefix(status, "413") {
			t.Error(status)
		}
		_ = c.Close()
	})
}

// TestHTTP2UpstreamSettles: what ALPN has settled is spoken, and what cannot be settled is said.
func TestHTTP2UpstreamSettles(t *testing.T) {
	ca := newAuthority(t)
	site := ca.issue("site", false, nil, "127.0.0.1")
	encrypted := fmt.Sprintf("tls: {ca: '%s'}", ca.file("ca.pem"))
	only := func(protocols ...string) *tls.Config {
		return &tls.Config{Certificates: []tls.Certificate{site.Certificate}, NextProtos: protocols}
	}
	eachDriver(t, func(t *testing.T, d DriverName) {
		for _, test := range []struct {
			name, cluster string
			origin        func() string
			want          string
			log           string
		}{
			{"auto to HTTP/1.1", "version: auto, " + encrypted, func() string { return newTLSOrigin(t, only("http/1.1"), hello).addr }, "hello", ""},
			{"auto to what knows no ALPN", "version: auto, " + encrypted, func() string { return newTLSOrigin(t, only(), hello).addr }, "hello", ""},
			{"HTTP/2 to HTTP/1.1 with TLS", "version: http2, " + encrypted, func() string { return newTLSOrigin(t, only(), hello).addr }, "502", "does not choose HTTP/2 by ALPN"},
			{"HTTP/2 to HTTP/1.1", overH2, func() string { return replies(t, "HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n") }, "502", "does not speak HTTP/2, but HTTP/1"},
		} {
			t.Run(test.name, func(t *testing.T) {
				r := start(t, d, with{cluster: test.cluster}, test.origin())
				var group sync.WaitGroup
				for range 10 {
					group.Go(func() {
						resp, err := http.Get("http://" + r.addr)
						if err != nil {
							t.Error(err)
							return
						}
						defer resp.Body.Close()
						body, _ := io.ReadAll(resp.Body)
						if got := resp.Status + string(body); !strings.Contains(got, test.want) {
							t.Errorf("got %s", got)
						}
					})
				}
				group.Wait()
				http.DefaultClient.CloseIdleConnections()
				if !strings.Contains(r.log.String(), test.log) {
					t.Errorf("log %s", r.log)
				}
			})
		}
	})
}

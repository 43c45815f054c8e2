package test

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"golang.org/x/net/http2"

	"github.com/ringway/ringway/proto/ws"
)

// TestH2Begin: how a connection begins decides what it speaks, whatever pieces that comes in.
func TestH2Begin(t *testing.T) {
	eachDriver(t, func(t *testing.T, driver string) {
		m := newMirror(t)
		config := fmt.Sprintf("listeners:\n  web: {address: 127.0.0.1:0, routes: [{cluster: site}]}\n  one: {address: 127.0.0.1:0, versions: [http1], routes: [{cluster: site}]}\n"+
			"  two: {address: 127.0.0.1:0, versions: [http2], routes: [{cluster: site}]}\nclusters: {site: {endpoints: [%q]}}\n", m.addr)
		p := start(t, driver, config, options{})
		t.Run("in pieces", func(t *testing.T) { testH2Pieces(t, p.addrs["web"]) })
		t.Run("byte by byte", func(t *testing.T) {
			w := dial(t, p.addrs["web"])
			var start bytes.Buffer
			f := newFrames(t, w.TCPConn)
			f.fr = http2.NewFramer(&start, w.TCPConn)
			f.must(f.fr.WriteSettings())
			f.must(f.request(1, "GET", "/slow", true))
			sendSlowly(w, http2.ClientPreface+start.String())
			f.fr = http2.NewFramer(w.TCPConn, w.TCPConn)
			if s := f.await(1)[1]; s.fields[":status"] != "200" {
				t.Errorf("%+v", s)
			}
		})
		t.Run("not spoken", func(t *testing.T) {
			w := dial(t, p.addrs["one"])
			w.send(http2.ClientPreface)
			wantRefusal(t, w, 505, "version_not_supported")
			w = dial(t, p.addrs["two"])
			w.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n")
			if got := newFrames(t, w.TCPConn).goneAway(); fmt.Sprint(got) != "[PROTOCOL_ERROR 0]" {
				t.Errorf("HTTP/1.1 where only HTTP/2 is spoken: %v", got)
			}
		})
		t.Run("upgrade", func(t *testing.T) { testH2Upgrade(t, p.addrs["web"], p.addrs["one"]) })
	})
}

// testH2Pieces: the preface cut in two, at each byte, and requests of HTTP/1.1 that begin alike.
func testH2Pieces(t *testing.T, addr string) {
	for cut := 1; cut < len(http2.ClientPreface); cut++ {
		w := dial(t, addr)
		w.send(http2.ClientPreface[:cut])
		if err := w.SetNoDelay(true); err != nil {
			t.Fatal(err)
		}
		f := newFrames(t, w.TCPConn)
		w.send(http2.ClientPreface[cut:])
		f.must(f.fr.WriteSettings())
		f.must(f.request(1, "GET", "/", true))
		if s := f.await(1)[1]; s.fields[":status"] != "200" {
			t.Errorf("cut at %d: %+v", cut, s)
		}
		_ = w.Close()
	}
	for _, method := range []string{"P", "PR", "PRX", "PROPFIND", "PRIVATE"} {
		for cut := 1; cut <= len(method); cut++ {
			w := dial(t, addr)
			w.send(method[:cut])
			w.send(method[cut:], " / HTTP/1.1\r\nHost: a\r\n\r\n")
			if got := mirrored(t, w.receive(method)); got.Method != method {
				t.Errorf("%s came as %s", method, got.Method)
			}
			_ = w.Close()
		}
	}
}

// testH2Upgrade: what an upgrade to h2c asks for, and what is not one.
func testH2Upgrade(t *testing.T, addr, without string) {
	const ask = "Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQCAAAAAAIAAAAA\r\n"
	w := dial(t, addr)
	w.send("GET /first?q HTTP/1.1\r\nHost: a.example\r\n", ask, "\r\n")
	res := w.head("GET")
	if res.StatusCode != 101 || res.Header.Get("Upgrade") != "h2c" || res.Header.Get("Connection") != "Upgrade" {
		t.Fatalf("%s %v", res.Status, res.Header)
	}
	f := newFrames(t, w.TCPConn)
	f.fr = http2.NewFramer(w.TCPConn, w.r)
	w.send(http2.ClientPreface)
	f.must(f.fr.WriteSettings())
	got := mirrored(t, answer{&http.Response{StatusCode: 200}, string(f.await(1)[1].body)})
	if got.Target != "/first?q" || got.Host != "a.example" || got.Header.Get("Upgrade") != "" || got.Header.Get("Http2-Settings") != "" || got.Header.Get("Connection") != "" {
		t.Errorf("the origin saw %+v", got)
	}
	f.must(f.request(3, "GET", "/second", true))
	if s := f.await(3)[3]; !strings.Contains(string(s.body), "/second") {
		t.Errorf("%+v", s)
	}
	for name, request := range map[string]string{
		"a body":        "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n" + ask + "\r\nok",
		"no settings":   "GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n",
		"no option":     "GET / HTTP/1.1\r\nHost: a\r\n" + strings.Replace(ask, ", HTTP2-Settings", "", 1) + "\r\n",
		"settings ×2":   "GET / HTTP/1.1\r\nHost: a\r\n" + ask + "HTTP2-Settings: AAMAAABk\r\n\r\n",
		"bad settings":  "GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: ???\r\n\r\n",
		"h2 by its TLS": "GET / HTTP/1.1\r\nHost: a\r\n" + strings.Replace(ask, "h2c", "h2", 1) + "\r\n",
		"HTTP/1.0":      "GET / HTTP/1.0\r\nHost: a\r\n" + ask + "\r\n",
	} {
		w := dial(t, addr)
		w.send(request)
		if res := w.head("GET"); res.StatusCode != 200 {
			t.Errorf("%s: %s", name, res.Status)
		}
	}
	w = dial(t, without)
	w.send("GET / HTTP/1.1\r\nHost: a\r\n", ask, "\r\n")
	if res := w.head("GET"); res.StatusCode != 200 {
		t.Errorf("where HTTP/2 is not spoken: %s", res.Status)
	}
}

// TestH2Tunnel: an extended CONNECT (RFC 8441) becomes a WebSocket upgrade at an origin of HTTP/1.1, whose bytes pass as DATA.
func TestH2Tunnel(t *testing.T) {
	origin := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/chat" || r.Method != "GET" || r.Header.Get("Upgrade") != "websocket" || r.Header.Get("Sec-WebSocket-Key") == "" {
			http.Error(w, "not here", 404)
			return
		}
		c, rw, err := http.NewResponseController(w).Hijack()
		if err != nil {
			return
		}
		defer c.Close()
		_, _ = io.WriteString(c, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: "+
			string(ws.AppendAccept(nil, []byte(r.Header.Get("Sec-WebSocket-Key"))))+"\r\nSec-WebSocket-Protocol: chat\r\n\r\nhello")
		_, _ = io.Copy(c, rw)
	})
	eachDriver(t, func(t *testing.T, driver string) {
		p := start(t, driver, oneCluster(serveGo(t, origin), "", ""), options{})
		f := dialFrames(t, p.addr)
		connect := func(id uint32, path, protocol string) {
			f.must(f.fr.WriteHeaders(http2.HeadersFrameParam{StreamID: id, EndHeaders: true, BlockFragment: f.block(":method", "CONNECT", ":protocol", protocol,
				":scheme", "http", ":authority", "a.example", ":path", path, "sec-websocket-version", "13", "sec-websocket-protocol", "chat")}))
		}
		connect(1, "/chat", "websocket")
		all := map[uint32]*told{}
		until := func(id uint32, text string) *told {
			for all[id] == nil || string(all[id].body) != text {
				fr, err := f.next()
				f.must(err)
				f.note(all, fr)
			}
			return all[id]
		}
		if s := until(1, "hello"); s.fields[":status"] != "200" || s.fields["sec-websocket-protocol"] != "chat" || s.fields["sec-websocket-accept"] != "" || s.fields["upgrade"] != "" {
			t.Errorf("%+v", s)
		}
		f.must(f.fr.WriteData(1, false, []byte(", echo")))
		until(1, "hello, echo")
		f.must(f.request(3, "GET", "/nothing", true)) // beside it
		if s := f.await(3)[3]; s.fields[":status"] != "404" {
			t.Errorf("%+v", s)
		}
		f.must(f.fr.WriteData(1, true, []byte("!")))
		if s := f.await(1)[1]; string(s.body) != "!" || s.reset || !s.ended {
			t.Errorf("%+v %q", s, s.body)
		}
		connect(5, "/other", "websocket")
		if s := f.await(5)[5]; s.fields[":status"] != "404" {
			t.Errorf("%+v", s)
		}
		connect(7, "/chat", "something")
		if s := f.await(7)[7]; s.fields[":status"] != "501" {
			t.Errorf("%+v", s)
		}
	})
}

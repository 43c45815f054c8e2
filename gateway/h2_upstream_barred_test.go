package gateway

import (
	"crypto/tls"
	"fmt"
	"net"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/net/http2"
)

// barred is a server that takes tunnels, says that nobody may open a stream, and answers none. It counts its connections.
func barred(t *testing.T, made *atomic.Int32, f func(k *framed)) string {
	return frames(t, func(k *framed, _ int) {
		made.Add(1)
		f(k)
	}, http2.Setting{ID: http2.SettingEnableConnectProtocol, Val: 1}, http2.Setting{ID: http2.SettingMaxConcurrentStreams, Val: 0})
}

// silent reads to the connection's end.
func silent(k *framed) {
	for k.next() != nil {
	}
}

// sendTunnel asks for a tunnel.
func sendTunnel(k *framed, id uint32) {
	k.head(id, false, ":method", "CONNECT", ":protocol", "websocket", ":scheme", "http", ":path", "/", ":authority", "x")
}

// TestServerLetsNoStreamBeOpened: a server whose settings let no stream be opened is connected to at most once for each request,
// which gets its answer when it has waited for as long as connecting may take, or for the response that is due. Connections without
// end would be an attack, by one request, on the server and on the gateway.
func TestServerLetsNoStreamBeOpened(t *testing.T) {
	for _, c := range []struct {
		name, pool string
		tunnel     bool
		requests   uint32
		want       string
		most       int32
	}{
		{"a tunnel", "", true, 1, "503", 1},
		{"a tunnel where nothing idle is kept", ", pool: {idle: 0}", true, 1, "503", 1},
		{"a tunnel where nobody may wait", ", pool: {waiting: 0}", true, 1, "503", 1},
		{"tunnels", "", true, 20, "503", 20},
		{"tunnels over few connections", ", pool: {connections: 2}, http2: {streams: 1}", true, 20, "503", 2},
		{"a request", "", false, 1, "504", 1},
		{"requests", "", false, 20, "504", 20},
	} {
		t.Run(c.name, func(t *testing.T) {
			eachDriver(t, func(t *testing.T, d DriverName) {
				var made atomic.Int32
				r := start(t, d, with{cluster: overH2 + ", timeouts: {connect: 400ms, response_head: 500ms}" + c.pool}, barred(t, &made, silent))
				k := r.dialFramed()
				for i := range c.requests {
					if c.tunnel {
						sendTunnel(k, 1+2*i)
					} else {
						k.head(1+2*i, true, ":method", "GET", ":scheme", "http", ":path", "/", ":authority", "x")
					}
				}
				answers := map[string]uint32{}
				for answered := uint32(0); answered < c.requests; {
					f := k.next()
					if f == nil {
						t.Fatalf("%d of %d are answered: %v", answered, c.requests, answers)
					}
					if head, ok := f.(*http2.MetaHeadersFrame); ok {
						answers[head.PseudoValue("status")]++
						answered++
					}
				}
				if answers[c.want] != c.requests || len(answers) != 1 {
					t.Errorf("answered by %v, want %s", answers, c.want)
				}
				if n := made.Load(); n > c.most {
					t.Errorf("%d connections for %d requests, want at most %d", n, c.requests, c.most)
				}
			})
		})
	}
}

// TestServerBarsAndLeaves: nor is a server connected to without end that ends each connection on which it has let no stream be opened.
func TestServerBarsAndLeaves(t *testing.T) {
	for name, leave := range map[string]func(k *framed){
		"at once":        func(*framed) {},
		"a little later": func(*framed) { time.Sleep(20 * time.Millisecond) },
		"by GOAWAY": func(k *framed) {
			_ = k.WriteGoAway(0, http2.ErrCodeNo, nil)
			silent(k)
		},
	} {
		t.Run(name, func(t *testing.T) {
			eachDriver(t, func(t *testing.T, d DriverName) {
				var made atomic.Int32
				r := start(t, d, with{cluster: overH2 + ", timeouts: {connect: 400ms}"}, barred(t, &made, leave))
				k := r.dialFramed()
				sendTunnel(k, 1)
				if status := k.told(1); !strings.HasPrefix(status, "50") {
					t.Errorf("answered by %s", status)
				}
				if n := made.Load(); n > 2 { // one more if it is gone before it can be used
					t.Errorf("%d connections for one tunnel", n)
				}
			})
		})
	}
}

// TestServerLetsStreamsBeOpenedLater: a tunnel that waits for room gets it when the server changes its mind, on the same connection; and
// after one has waited in vain, the next is not held to what the server said before.
func TestServerLetsStreamsBeOpenedLater(t *testing.T) {
	eachDriver(t, func(t *testing.T, d DriverName) {
		var made atomic.Int32
		at := frames(t, func(k *framed, nth int) {
			made.Add(1)
			if nth > 1 {
				time.Sleep(100 * time.Millisecond)
				_ = k.WriteSettings(http2.Setting{ID: http2.SettingMaxConcurrentStreams, Val: 5})
			}
			for f := k.next(); f != nil; f = k.next() {
				if head, ok := f.(*http2.MetaHeadersFrame); ok {
					k.head(head.StreamID, false, ":status", "200")
				}
			}
		}, http2.Setting{ID: http2.SettingEnableConnectProtocol, Val: 1}, http2.Setting{ID: http2.SettingMaxConcurrentStreams, Val: 0})
		r := start(t, d, with{cluster: overH2 + ", timeouts: {connect: 1s}, pool: {connections: 1}"}, at)
		k := r.dialFramed()
		sendTunnel(k, 1)
		if status := k.told(1); status != "503" {
			t.Errorf("the first tunnel is answered by %s", status)
		}
		sendTunnel(k, 3)
		if status := k.told(3); status != "200" {
			t.Errorf("the second tunnel is answered by %s", status)
		}
		if n := made.Load(); n != 2 {
			t.Errorf("%d connections", n)
		}
		_ = k.c.Close()
		r.rest()
	})
}

// corked is a connection whose writes go out together, before it reads.
type corked struct {
	net.Conn
	out []byte
}

// Write keeps p.
func (c *corked) Write(p []byte) (int, error) {
	c.out = append(c.out, p...)
	return len(p), nil
}

// Read sends what was kept, and reads.
func (c *corked) Read(p []byte) (int, error) {
	if len(c.out) > 0 {
		if _, err := c.Conn.Write(c.out); err != nil {
			return 0, err
		}
		c.out = nil
	}
	return c.Conn.Read(p)
}

// TestSettingsWithHandshake: a server's settings that come with the last of the TLS handshake are known before anybody is promised a
// stream of the connection. If they allow none, an ordinary request makes no connections without end either. (Sessions are not resumed:
// the last word would be the gateway's.)
func TestSettingsWithHandshake(t *testing.T) {
	ca := newAuthority(t)
	site := ca.issue("site", false, nil, "127.0.0.1")
	cfg := &tls.Config{Certificates: []tls.Certificate{site.Certificate}, NextProtos: []string{"h2"}, MaxVersion: tls.VersionTLS12, SessionTicketsDisabled: true}
	cluster := fmt.Sprintf("%s, tls: {ca: '%s'}, timeouts: {connect: 1s}", overH2, ca.file("ca.pem"))
	eachDriver(t, func(t *testing.T, d DriverName) {
		var made atomic.Int32
		at := origin(t, func(c *client) {
			made.Add(1)
			s := tls.Server(&corked{Conn: c.Conn}, cfg)
			if s.Handshake() != nil {
				return
			}
			k := http2.NewFramer(s, s)
			_ = k.WriteSettings(http2.Setting{ID: http2.SettingMaxConcurrentStreams, Val: 0})
			for b := make([]byte, 1024); ; {
				if _, err := s.Read(b); err != nil {
					return
				}
			}
		})
		r := start(t, d, with{cluster: cluster}, at)
		k := r.dialFramed()
		k.head(1, true, ":method", "GET", ":scheme", "http", ":path", "/", ":authority", "x")
		if status := k.told(1); status != "503" {
			t.Errorf("answered by %s", status)
		}
		if n := made.Load(); n != 1 {
			t.Errorf("%d connections for one request", n)
		}
	})
}

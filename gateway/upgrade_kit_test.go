package gateway

import (
	"bufio"
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"strings"
	"testing"

	"github.com/ringway/ringway/observe/metrics"
	"github.com/ringway/ringway/proto/ws"
)

// way is how the two sides of a tunnel are carried: where both are plain a relay has it, another one where one is encrypted, and
// tasks have it where one is a stream of HTTP/2.
type way struct {
	driver        DriverName
	tlsIn, tlsOut bool
	http2         int // further gateways on the way, to which HTTP/2 is spoken
	authority     *authority
	site          *pair
}

// eachWay runs f on every driver, with each side plain and encrypted, and over HTTP/2: from it, to it, and from it to it.
func eachWay(t *testing.T, f func(t *testing.T, w *way)) {
	ca := newAuthority(t)
	site := ca.issue("site", false, nil, "localhost", "127.0.0.1")
	eachDriver(t, func(t *testing.T, d DriverName) {
		for _, w := range []way{{tlsIn: false}, {tlsIn: true}, {tlsOut: true}, {tlsIn: true, tlsOut: true}, {http2: 1}, {tlsOut: true, http2: 2}} {
			w.driver, w.authority, w.site = d, ca, site
			name := fmt.Sprintf("%s to %s", word(w.tlsIn), word(w.tlsOut))
			if w.http2 > 0 {
				name = fmt.Sprintf("%d times HTTP2", w.http2)
			}
			t.Run(name, func(t *testing.T) { f(t, &w) })
		}
	})
}

func word(tls bool) string {
	if tls {
		return "TLS"
	}
	return "plain"
}

// start runs a gateway in front of an origin of the way's, and between them those to which HTTP/2 is spoken.
func (w *way) start(t *testing.T, extra with, origin string) *rig {
	t.Helper()
	secured := ""
	if w.tlsOut {
		secured = fmt.Sprintf("tls: {ca: '%s'}", w.authority.file("ca.pem"))
	}
	for i := range w.http2 {
		if i > 0 {
			secured = overH2
		}
		origin = start(t, w.driver, with{cluster: secured}, origin).addr
	}
	if w.http2 > 0 {
		secured = overH2
	}
	if w.tlsIn {
		extra.listener = strings.TrimPrefix(extra.listener+", tls: {certificates: ["+w.site.yaml()+"]}", ", ")
	}
	if secured != "" {
		extra.cluster = strings.TrimPrefix(extra.cluster+", "+secured, ", ")
	}
	return start(t, w.driver, extra, origin)
}

// dial connects a client to the gateway.
func (w *way) dial(r *rig) *client {
	r.Helper()
	if !w.tlsIn {
		return r.dial()
	}
	c, _ := r.dialTLS(w.authority.trusting("localhost"))
	return c
}

// origin serves each connection with f.
func (w *way) origin(t *testing.T, f func(c *client)) string {
	t.Helper()
	if !w.tlsOut {
		return origin(t, f)
	}
	return origin(t, func(c *client) {
		s := tls.Server(c.Conn, &tls.Config{Certificates: []tls.Certificate{w.site.Certificate}})
		defer func() { _ = s.Close() }()
		if s.Handshake() == nil {
			f(&client{Conn: s, t: t, br: bufio.NewReader(s), server: true})
		}
	})
}

// switches accepts every upgrade and then goes on with f.
func (w *way) switches(t *testing.T, f func(c *client)) string {
	return w.origin(t, func(c *client) {
		c.send("%s", accepting(c.head()))
		f(c)
	})
}

// accepting is the answer to a request for WebSocket, by the key in its head: a gateway behind HTTP/2 has made one up.
func accepting(head string) string {
	i := strings.Index(strings.ToLower(head), "\nsec-websocket-key: ")
	if i < 0 {
		return "HTTP/1.1 400 No key\r\nContent-Length: 0\r\n\r\n"
	}
	key, _, _ := strings.Cut(head[i+len("\nsec-websocket-key: "):], "\n")
	return strings.Replace(switching, "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=", string(ws.AppendAccept(nil, []byte(key))), 1)
}

const (
	asking    = "GET /chat?room=1 HTTP/1.1\r\nHost: a.example\r\nConnection: keep-alive, Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
	switching = "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n"
)

// upgrade asks for WebSocket, and wants it.
func (c *client) upgrade() {
	c.t.Helper()
	c.send("%s", asking)
	if got := c.head(); got != strings.ReplaceAll(switching, "\r\n", "\n") {
		c.t.Fatalf("answered by %q", got)
	}
}

// finish ends the sending side.
func (c *client) finish() {
	switch k := c.Conn.(type) {
	case *tls.Conn:
		_ = k.CloseWrite()
	case *net.TCPConn:
		_ = k.CloseWrite()
	}
}

// tunnels are the counters of the listener "in".
func (r *rig) tunnels() (sum metrics.TunnelCounters) {
	s := r.g.Snapshot()
	for i := range s.Listeners {
		if s.Listeners[i].Name == "in" {
			sum.Add(&s.Listeners[i].Tunnels)
		}
	}
	return sum
}

// wantTunnels waits until n tunnels have ended so, none in any other way, and none is open.
func (r *rig) wantTunnels(n uint64, end metrics.SessionEnd) {
	r.Helper()
	eventually(r, fmt.Sprintf("%d tunnels end with %v: %+v", n, end, r.tunnels()), func() bool { c := r.tunnels(); return c.Ends[end] == n && c.Open == 0 })
	c := r.tunnels()
	for e, count := range c.Ends {
		if metrics.SessionEnd(e) != end && count > 0 {
			r.Errorf("%d tunnels ended with %v", count, metrics.SessionEnd(e))
		}
	}
}

// abort breaks a connection off, below TLS if there is any.
func abort(c *client) {
	raw := c.Conn
	if k, ok := raw.(*tls.Conn); ok {
		raw = k.NetConn()
	}
	_ = raw.(*net.TCPConn).SetLinger(0)
	_ = raw.Close()
}

// newPatience is a context for Drain, and what ends it.
func newPatience() (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.Background(), patience)
}

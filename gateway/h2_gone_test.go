package gateway

import (
	"crypto/tls"
	"net"
	"testing"
	"time"

	"golang.org/x/net/http2"
)

// TestGoneBehindBackPressure: a client that takes nothing of what it is sent, so that over TLS nothing is read from it any more either,
// is missed as soon as it has gone.
func TestGoneBehindBackPressure(t *testing.T) {
	eachDriver(t, func(t *testing.T, d DriverName) {
		for _, encrypted := range []bool{false, true} {
			goneBehindBackPressure(t, d, encrypted)
		}
	})
}

func goneBehindBackPressure(t *testing.T, d DriverName, encrypted bool) {
	full := make(chan bool, 1)
	at := origin(t, func(c *client) {
		_, _ = readHead(c.br)
		c.send("HTTP/1.1 200 OK\r\n\r\n")
		for piece := make([]byte, 64<<10); ; {
			_ = c.SetWriteDeadline(time.Now().Add(time.Second))
			if _, err := c.Write(piece); err != nil {
				e, ok := err.(net.Error)
				full <- ok && e.Timeout()
				_, _ = c.br.ReadByte() // until the gateway goes
				return
			}
		}
	})
	var extra with
	ca := newAuthority(t)
	if encrypted {
		extra.listener = "tls: {certificates: [" + ca.issue("site", false, nil, "localhost").yaml() + "]}"
	}
	r := start(t, d, extra, at)
	c := r.dial()
	raw := c.Conn.(*net.TCPConn)
	if encrypted {
		cfg := ca.trusting("localhost").Clone()
		cfg.NextProtos = []string{"h2"}
		c.Conn = tls.Client(raw, cfg)
	}
	k := framedOver(c)
	_ = k.WriteSettings(http2.Setting{ID: http2.SettingInitialWindowSize, Val: 1 << 30})
	_ = k.WriteWindowUpdate(0, 1<<30)
	k.head(1, true, ":method", "GET", ":scheme", "http", ":path", "/", ":authority", "x")
	if !<-full {
		t.Fatal("the response was broken off")
	}
	for range 3 {
		_ = k.WritePing(false, [8]byte{})
	}
	_ = raw.SetLinger(0)
	_ = raw.Close()
	eventually(t, "the connection is gone", func() bool { s := r.g.Snapshot(); return s.Listeners[0].HTTP2.Connections == 0 })
}

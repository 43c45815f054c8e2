package gateway

import (
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"
	"time"
)

// TestHandshakeAcrossReload: a handshake that began before a reload took HTTP/2 from its listener, and agrees on it afterwards, leads to
// a connection that ends in good order.
func TestHandshakeAcrossReload(t *testing.T) {
	eachDriver(t, func(t *testing.T, d DriverName) {
		ca := newAuthority(t)
		site := ca.issue("site", false, nil, "localhost", "127.0.0.1")
		at := replies(t, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
		text := func(versions string) string {
			return fmt.Sprintf("listeners: {in: {address: '127.0.0.1:0', versions: [%s], tls: {certificates: [%s]}, routes: [{name: all, cluster: out}]}}\n"+
				"clusters: {out: {endpoints: ['%s']}}\nruntime: {driver: %s, loops: 1, drain_timeout: 10s}\n", versions, site.yaml(), at, d)
		}
		r := startWith(t, text("http1, http2"))
		raw, err := net.Dial("tcp", r.addr)
		if err != nil {
			t.Fatal(err)
		}
		defer raw.Close()
		_ = raw.SetDeadline(time.Now().Add(patience))
		eventually(t, "the connection is accepted", func() bool { s := r.g.Snapshot(); return s.Listeners[0].Active == 1 })
		if _, err := r.g.Reload(context.Background(), Change{Source: Source{"test.yaml", []byte(text("http1"))}}); err != nil {
			t.Fatal(err)
		}
		cfg := ca.trusting("localhost").Clone()
		cfg.NextProtos = []string{"h2", "http/1.1"}
		c := tls.Client(raw, cfg)
		if err := c.Handshake(); err != nil {
			t.Fatal(err)
		}
		if got := c.ConnectionState().NegotiatedProtocol; got == "h2" {
			b, _ := io.ReadAll(c) // up to the end, which comes without a request
			if len(b) == 0 {
				t.Error("the connection breaks off without a word")
			}
		} else if got != "http/1.1" {
			t.Errorf("%q was agreed on", got)
		}
		if strings.Contains(r.log.String(), "panic") {
			t.Error("something panicked")
		}
	})
}

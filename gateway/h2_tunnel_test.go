package gateway

import (
	"testing"

	"golang.org/x/net/http2"
)

// TestTunnelsBeforeSettings: tunnels that wait for a server's settings are given room before these say how much there is. Those that
// find none then go over further connections, however many they are.
func TestTunnelsBeforeSettings(t *testing.T) {
	eachDriver(t, func(t *testing.T, d DriverName) {
		at := frames(t, func(k *framed, _ int) {
			for f := k.next(); f != nil; f = k.next() {
				if head, ok := f.(*http2.MetaHeadersFrame); ok {
					k.head(head.StreamID, false, ":status", "200")
				}
			}
		}, http2.Setting{ID: http2.SettingEnableConnectProtocol, Val: 1}, http2.Setting{ID: http2.SettingMaxConcurrentStreams, Val: 1})
		r := start(t, d, with{cluster: overH2}, at)
		k := r.dialFramed()
		const all = 5
		for i := range uint32(all) {
			k.head(1+2*i, false, ":method", "CONNECT", ":protocol", "websocket", ":scheme", "http", ":path", "/", ":authority", "x")
		}
		for range all {
			f := k.next()
			if head, ok := f.(*http2.MetaHeadersFrame); !ok || head.PseudoValue("status") != "200" {
				t.Fatalf("a tunnel is answered by %v", f)
			}
		}
		_ = k.c.Close()
		r.rest()
	})
}

// TestOrdinaryAnswerToConnect: an ordinary response in good order is never what an extended CONNECT is answered with, whoever made it:
// its client would take it for the tunnel.
func TestOrdinaryAnswerToConnect(t *testing.T) {
	const ok = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"
	for _, c := range []struct {
		name, answer string
		with         with
		fields       []string
		want         string
	}{
		{"an upstream's 200", ok, with{}, nil, "502"},
		{"an upstream's 204", "HTTP/1.1 204 No Content\r\n\r\n", with{}, nil, "502"},
		{"an upstream's refusal", "HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\n\r\nno", with{}, nil, "403"},
		{"a redirect", "HTTP/1.1 302 Found\r\nLocation: /\r\nContent-Length: 0\r\n\r\n", with{}, nil, "302"},
		{"a filter's 200", ok, with{route: "filters: [{respond: {status: 200, body: yes}}]"}, nil, "501"},
		{"a filter's 403", ok, with{route: "filters: [{respond: {status: 403, body: no}}]"}, nil, "403"},
		{"a status of gRPC", ok, with{route: "upgrades: []"}, []string{"content-type", "application/grpc"}, "501"},
		{"an upstream's 200 to gRPC", ok, with{}, []string{"content-type", "application/grpc"}, "502"},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := start(t, Epoll, c.with, replies(t, c.answer))
			k := r.dialFramed()
			k.head(1, false, append([]string{":method", "CONNECT", ":protocol", "websocket", ":scheme", "http", ":path", "/", ":authority", "x",
				"sec-websocket-version", "13"}, c.fields...)...)
			if status := k.told(1); status != c.want {
				t.Errorf("answered by %s, want %s", status, c.want)
			}
			k.head(3, true, ":method", "GET", ":scheme", "http", ":path", "/", ":authority", "x") // what was a tunnel's does not stick
			if status := k.told(3); status == "501" || status == "502" || status == "nothing" {
				t.Errorf("then an ordinary request is answered by %s", status)
			}
		})
	}
}

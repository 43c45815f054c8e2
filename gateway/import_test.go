package gateway

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"testing"

	"github.com/ringway/ringway/gateway/handover"
	"github.com/ringway/ringway/process"
)

const importConfig = `
listeners:
  web: {address: "127.0.0.1:0", routes: [{cluster: out}]}
  tls: {address: "127.0.0.1:0", tls: {certificates: [%s]}, routes: [{cluster: out}]}
  db: {address: "127.0.0.1:0", protocol: tcp, cluster: out}
clusters: {out: {endpoints: ["127.0.0.1:9"], health_check: {tcp: {interval: 1h}}}}
runtime: {driver: epoll, loops: 1}
`

// importText is importConfig, with a certificate.
func importText(t testing.TB) []byte {
	return fmt.Appendf(nil, importConfig, newAuthority(t).issue("site", false, nil, "localhost").yaml())
}

// importing is a gateway that takes connections over.
func importing(t testing.TB) *Gateway {
	spec, err := Load("test", importText(t))
	if err != nil {
		t.Fatal(err)
	}
	g, err := Start(context.Background(), spec, Options{Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = g.Drain(context.Background()) })
	return g
}

func files(t testing.TB, n int) (fds []int) {
	for range n {
		r, w, err := os.Pipe()
		if err != nil {
			t.Fatal(err)
		}
		w.Close()
		t.Cleanup(func() { r.Close() })
		fds = append(fds, int(r.Fd()))
	}
	return fds
}

// TestImportRefuses: what this configuration has no place for, and what cannot be understood, stays with who offers it.
func TestImportRefuses(t *testing.T) {
	g := importing(t)
	relay := func(cluster, endpoint string) []byte {
		return handover.Encode(&handover.Tunnel{Cluster: cluster, Endpoint: endpoint})
	}
	pooled := func(cluster, endpoint string) []byte {
		return handover.Encode(&handover.Pooled{Cluster: cluster, Endpoint: endpoint})
	}
	known := func(cluster, endpoint, kind string) []byte {
		return handover.Encode(&handover.Health{Cluster: cluster, Known: []byte(fmt.Sprintf(`[{"address":%q,"checks":[{"kind":%q,"healthy":true}]}]`, endpoint, kind))})
	}
	for _, c := range []struct {
		name  string
		c     process.Connection
		fds   int
		taken bool
	}{
		{"keep-alive client", process.Connection{Kind: handover.HTTP1, Listener: "web", State: []byte(`{"requests":3}`)}, 1, true},
		{"what a later version tells is skipped", process.Connection{Kind: handover.HTTP1, Listener: "web", State: []byte(`{"later":[1]}`)}, 1, true},
		{"before a handshake", process.Connection{Kind: handover.Hello, Listener: "tls", State: []byte(`{"source":"192.0.2.1:7"}`)}, 1, true},
		{"before a handshake, without TLS", process.Connection{Kind: handover.Hello, Listener: "web", State: []byte(`{}`)}, 1, false},
		{"before a handshake, at layer 4", process.Connection{Kind: handover.Hello, Listener: "db", State: []byte(`{}`)}, 1, false},
		{"waiting session", process.Connection{Kind: handover.Waiting, Listener: "db", State: []byte(`{}`)}, 1, true},
		{"relay", process.Connection{Kind: handover.Relay, Listener: "db", State: relay("out", "127.0.0.1:9")}, 2, true},
		{"upgraded", process.Connection{Kind: handover.Upgraded, Listener: "web", State: relay("out", "127.0.0.1:9")}, 2, true},
		{"upgraded at layer 4", process.Connection{Kind: handover.Upgraded, Listener: "db", State: relay("out", "127.0.0.1:9")}, 2, false},
		{"upgraded with one descriptor", process.Connection{Kind: handover.Upgraded, Listener: "web", State: relay("out", "127.0.0.1:9")}, 1, false},
		{"upgraded of no such endpoint", process.Connection{Kind: handover.Upgraded, Listener: "web", State: relay("out", "127.0.0.1:10")}, 2, false},
		{"pooled", process.Connection{Kind: handover.Upstream, State: pooled("out", "127.0.0.1:9")}, 1, true},
		{"health", process.Connection{Kind: handover.HealthOf, State: known("out", "127.0.0.1:9", "tcp")}, 0, true},
		{"health of no such check", process.Connection{Kind: handover.HealthOf, State: known("out", "127.0.0.1:9", "icmp")}, 0, false},
		{"health of no such endpoint", process.Connection{Kind: handover.HealthOf, State: known("out", "127.0.0.1:10", "tcp")}, 0, false},
		{"health of no such cluster", process.Connection{Kind: handover.HealthOf, State: known("gone", "127.0.0.1:9", "tcp")}, 0, false},
		{"health with a descriptor", process.Connection{Kind: handover.HealthOf, State: known("out", "127.0.0.1:9", "tcp")}, 1, false},
		{"torn health", process.Connection{Kind: handover.HealthOf, State: []byte(`{"cluster":"out","known":[{]}`)}, 0, false},
		{"health of nothing", process.Connection{Kind: handover.HealthOf, State: []byte(`{"cluster":"out"}`)}, 0, false},
		{"unknown kind", process.Connection{Kind: "http9", Listener: "web", State: []byte(`{}`)}, 1, false},
		{"no such listener", process.Connection{Kind: handover.HTTP1, Listener: "gone", State: []byte(`{}`)}, 1, false},
		{"listener of another protocol", process.Connection{Kind: handover.HTTP1, Listener: "db", State: []byte(`{}`)}, 1, false},
		{"relay of HTTP", process.Connection{Kind: handover.Relay, Listener: "web", State: relay("out", "127.0.0.1:9")}, 2, false},
		{"too few descriptors", process.Connection{Kind: handover.Relay, Listener: "db", State: relay("out", "127.0.0.1:9")}, 1, false},
		{"too many descriptors", process.Connection{Kind: handover.HTTP1, Listener: "web", State: []byte(`{}`)}, 2, false},
		{"no such cluster", process.Connection{Kind: handover.Relay, Listener: "db", State: relay("gone", "127.0.0.1:9")}, 2, false},
		{"no such endpoint", process.Connection{Kind: handover.Upstream, State: pooled("out", "127.0.0.1:10")}, 1, false},
		{"torn state", process.Connection{Kind: handover.HTTP1, Listener: "web", State: []byte(`{"requests":`)}, 1, false},
		{"wrong type", process.Connection{Kind: handover.HTTP1, Listener: "web", State: []byte(`{"requests":"many"}`)}, 1, false},
		{"no state", process.Connection{Kind: handover.HTTP1, Listener: "web"}, 1, false},
	} {
		t.Run(strings.ReplaceAll(c.name, " ", "_"), func(t *testing.T) {
			c.c.ID, c.c.Fds = 7, files(t, c.fds)
			refused := g.Import([]process.Connection{c.c})
			if taken := len(refused) == 0; taken != c.taken || !taken && refused[0] != 7 {
				t.Errorf("refused: %v", refused)
			}
			g.imports.pending = nil // the test's own cleanup closes them
		})
	}
}

// FuzzImport: whatever a peer says of a connection, it is understood or refused.
func FuzzImport(f *testing.F) {
	spec, err := Load("test", importText(f))
	if err != nil {
		f.Fatal(err)
	}
	g := &Gateway{}
	p, err := g.newPlan(context.Background(), spec, Source{}, nil)
	if err != nil {
		f.Fatal(err)
	}
	for _, kind := range []string{handover.HTTP1, handover.Hello, handover.Waiting, handover.Relay, handover.Upgraded, handover.Upstream, "other"} {
		f.Add(kind, "web", []byte(`{"unread":"AAAA","requests":1,"source":"1.2.3.4:5"}`), 1)
		f.Add(kind, "db", handover.Encode(&handover.Tunnel{Cluster: "out", Endpoint: "127.0.0.1:9"}), 2)
	}
	f.Fuzz(func(t *testing.T, kind, listener string, state []byte, fds int) {
		in, err := p.understand(process.Connection{Kind: kind, Listener: listener, State: state, Fds: make([]int, max(fds, 0)%5)})
		if err == nil && in.client == nil && in.tunnel == nil && in.after == nil && in.pooled == nil {
			t.Error("it was taken, and nothing is known of it")
		}
	})
}

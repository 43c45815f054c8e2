package gateway

import (
	"log/slog"
	"testing"

	"github.com/ringway/ringway/gateway/inbound"
)

// TestClientBounds: clients leave a quarter of the descriptors to upstreams, and every loop of a listener gets one at least.
func TestClientBounds(t *testing.T) {
	listener := func(n int) *inbound.Spec { return &inbound.Spec{Limits: inbound.Limits{Connections: n}} }
	spec := &Spec{Listeners: map[string]*inbound.Spec{"a": listener(60000), "b": listener(20000), "c": listener(1)}}
	for _, test := range []struct {
		files   uint64
		a, b, c int
	}{
		{1 << 20, 60000, 20000, 1}, // room for all
		{20000, 7499, 7499, 2},
		{60000, 24998, 20000, 2},
		{0, 2, 2, 2},
	} {
		got := clientBounds(spec, test.files, 2, slog.New(slog.DiscardHandler))
		if got["a"] != test.a || got["b"] != test.b || got["c"] != test.c {
			t.Errorf("%d descriptors: %v", test.files, got)
		}
	}
}

// A session of layer 4 counts twice, since it has an upstream of its own for as long as it lasts.
func TestClientBoundsOfSessions(t *testing.T) {
	listener := func(p inbound.Protocol, n int) *inbound.Spec {
		return &inbound.Spec{Protocol: p, Limits: inbound.Limits{Connections: n}}
	}
	for _, test := range []struct {
		web, db     int
		files       uint64
		wantW, want int
	}{
		{60000, 60000, 20000, 7500, 3750},
		{1000, 60000, 20000, 1000, 7000},
		{60000, 1000, 20000, 13000, 1000},
		{1000, 6000, 20000, 1000, 6000},
	} {
		spec := &Spec{Listeners: map[string]*inbound.Spec{"web": listener(inbound.HTTP, test.web), "db": listener(inbound.TCP, test.db)}}
		if got := clientBounds(spec, test.files, 2, slog.New(slog.DiscardHandler)); got["web"] != test.wantW || got["db"] != test.want {
			t.Errorf("%+v: %v", test, got)
		}
	}
}

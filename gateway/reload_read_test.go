package gateway

import (
	"context"
	"fmt"
	"math"
	"runtime/debug"
	"strings"
	"testing"

	"github.com/ringway/ringway/config"
)

// TestPreviewIsRemembered: what was previewed is not read a second time when it is gone over to, unless something else has happened in
// between, and it comes to the same.
func TestPreviewIsRemembered(t *testing.T) {
	a := named(t, "a")
	r := startWith(t, manyRoutes(Epoll, a, 20, 0))
	change := func(turn int, preview bool) Outcome {
		t.Helper()
		o, err := r.g.Reload(context.Background(), Change{Source: Source{"test.yaml", []byte(manyRoutes(Epoll, a, 20, turn))}, Preview: preview})
		if err != nil {
			t.Fatal(err)
		}
		return o
	}
	seen := change(1, true)
	if r.g.preview.Load() == nil {
		t.Error("the preview is not remembered")
	}
	spec := r.g.preview.Load().spec
	if o := change(1, false); len(o.Changes) != 2 || o.Diff() != seen.Diff() || r.g.Spec() != spec || r.g.preview.Load() != nil {
		t.Errorf("%q after a preview of %q", o.Diff(), seen.Diff())
	}
	change(2, true)
	change(3, false)
	if o := change(2, false); len(o.Changes) != 2 || !strings.Contains(o.Diff(), "r13 -> r12") {
		t.Errorf("what was compared with another configuration is used: %s", o.Diff())
	}
	change(3, true)
	if o := change(2, false); len(o.Changes) != 0 {
		t.Errorf("another one than was previewed: %s", o.Diff())
	}
}

// TestCollectLess: the collector is what it was when a large configuration has been read, and left alone by a small one or where memory
// is limited.
func TestCollectLess(t *testing.T) {
	percent := func() int {
		p := debug.SetGCPercent(100)
		debug.SetGCPercent(p)
		return p
	}
	before := percent()
	const large = 4 << 20
	restore := collectLess(large)
	if p := percent(); p < 2*before || p > 100*maxGarbage/leastHeap {
		t.Errorf("%d %% while a large one is read, %d before", p, before)
	}
	restore()
	restore = collectLess(largeText - 1)
	if p := percent(); p != before {
		t.Errorf("%d %% while a small one is read, %d before", p, before)
	}
	restore()
	debug.SetMemoryLimit(1 << 40)
	defer debug.SetMemoryLimit(math.MaxInt64)
	restore = collectLess(large)
	if p := percent(); p != before {
		t.Errorf("%d %% where memory is limited", p)
	}
	restore()
	if p := percent(); p != before {
		t.Errorf("%d %% in the end, %d before", p, before)
	}
}

// TestRepeatedRoutes: what a configuration repeats of the one that runs is judged as if it were read for the first time, and comes to
// the same.
func TestRepeatedRoutes(t *testing.T) {
	text := manyRoutes(Epoll, "127.0.0.1:1", 200, 0)
	first, err := Load("g.yaml", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name, old, new string
		changes        int
		fails          bool
	}{
		{"the same", "", "", 0, false},
		{"one other route", "path: /p7/*", "path: /q7/*", 1, false},
		{"another listener's default", "address: 127.0.0.1:0\n", "address: 127.0.0.1:0\n    upgrades: []\n", 1, false},
		{"another protocol", "address: 127.0.0.1:0\n", "address: 127.0.0.1:0\n    protocol: tcp\n", 0, true},
		{"a cluster that is gone", "  c3: {", "  d3: {", 0, true},
		{"a cluster that tells of one client", "  c3: {", "  c3: {send_proxy: v1, ", 0, true},
		{"a name twice", "name: r7,", "name: r8,", 0, true},
		{"a wrong route", "path: /p7/*", "path: p7/*", 0, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			next := []byte(strings.Replace(text, c.old, c.new, 1))
			alone, want := Load("g.yaml", next)
			after, got := first.load("g.yaml", next, nil)
			if fmt.Sprint(got) != fmt.Sprint(want) || (got != nil) != c.fails {
				t.Fatalf("got %v\nwant %v", got, want)
			}
			if c.fails {
				return
			}
			if !config.Equal(alone, after) {
				t.Error("it came to something else")
			}
			if changes := config.Diff(first, after); len(changes) != c.changes || fmt.Sprint(changes) != fmt.Sprint(config.Diff(first, alone)) {
				t.Errorf("%d changes: %v", len(changes), changes)
			}
			was, is := first.Listeners["in"].Routes, after.Listeners["in"].Routes
			if &was[9].Filters[0] != &is[9].Filters[0] {
				t.Error("a route that stayed was read again")
			}
		})
	}
}

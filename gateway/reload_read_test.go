package gateway

import (
	"context"
	"math"
	"runtime/debug"
	"strings"
	"testing"
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
	restore := collectLess(largeText)
	if p := percent(); p != garbageLimit {
		t.Errorf("%d %% while a large one is read", p)
	}
	restore()
	restore = collectLess(largeText - 1)
	if p := percent(); p != before {
		t.Errorf("%d %% while a small one is read, %d before", p, before)
	}
	restore()
	debug.SetMemoryLimit(1 << 40)
	defer debug.SetMemoryLimit(math.MaxInt64)
	restore = collectLess(largeText)
	if p := percent(); p != before {
		t.Errorf("%d %% where memory is limited", p)
	}
	restore()
	if p := percent(); p != before {
		t.Errorf("%d %% in the end, %d before", p, before)
	}
}

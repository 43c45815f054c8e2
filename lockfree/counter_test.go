package lockfree_test

import (
	"runtime"
	"sync/atomic"
	"testing"

	"github.com/ringway/ringway/lockfree"
)

func TestCounter(t *testing.T) {
	var c lockfree.Counter
	c.Add(2)
	c.Add(3)
	if c.Load() != 0 {
		t.Error("counted before it was published")
	}
	c.Publish()
	c.Publish()
	if c.Load() != 5 {
		t.Errorf("counted %d, want 5", c.Load())
	}
}

func TestCounters(t *testing.T) {
	c := lockfree.NewCounters(3)
	c.Add(0, 1)
	c.Add(2, 7)
	c.Publish()
	c.Add(1, 4)
	if c.Len() != 3 || c.Load(0) != 1 || c.Load(1) != 0 || c.Load(2) != 7 {
		t.Errorf("read %d %d %d", c.Load(0), c.Load(1), c.Load(2))
	}
	mustPanic(t, "a count beyond the last", func() { c.Add(3, 1) })
}

// TestCounterStress has readers see only what was published, never less than before, and what was done before it.
func TestCounterStress(t *testing.T) {
	var c lockfree.Counter
	all := lockfree.NewCounters(2)
	n := uint64(stressed(t))
	done := make([]uint64, n+1)
	var ended atomic.Bool
	go func() {
		for i := uint64(1); i <= n; i++ {
			done[i] = i // plain: the published count carries it
			c.Add(1)
			all.Add(0, 1)
			all.Add(1, 2)
			if i%7 == 0 || i == n {
				c.Publish()
				all.Publish()
			}
		}
		ended.Store(true)
	}()
	var last, last0, last1 uint64
	for end := false; ; {
		end = ended.Load()
		now, now1 := c.Load(), all.Load(1)
		now0 := all.Load(0)
		if now < last || now0 < last0 || now1 < last1 || 2*now0 < now1 || (now%7 != 0 && now != n) {
			t.Fatalf("read %d, %d, %d after %d, %d, %d", now, now0, now1, last, last0, last1)
		}
		if done[now] != now {
			t.Fatalf("the count says %d, but what was counted is not there", now)
		}
		last, last0, last1 = now, now0, now1
		if end {
			break
		}
		runtime.Gosched()
	}
	if last != n || last0 != n || last1 != 2*n {
		t.Errorf("at the end %d, %d, %d, want %d, twice, and double", last, last0, last1, n)
	}
}

package lockfree_test

import (
	"runtime"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/ringway/ringway/lockfree"
)

type reading struct {
	a    uint8
	b    [3]uint64
	last int16
}

func TestSeqlock(t *testing.T) {
	s := lockfree.NewSeqlock(reading{a: 1})
	want := reading{7, [3]uint64{1, 2, 1 << 63}, -5}
	s.Store(want)
	if got := s.Load(); got != want {
		t.Errorf("loaded %+v", got)
	}
	if got, ok := s.TryLoad(); !ok || got != want {
		t.Errorf("loaded %+v, %v", got, ok)
	}
	b := lockfree.NewSeqlock(true)
	if !b.Load() {
		t.Error("a small value was lost")
	}
	full := lockfree.NewSeqlock([64]byte{63: 9})
	if full.Load() != [64]byte{63: 9} {
		t.Error("a full value was lost")
	}
	if lockfree.NewSeqlock(struct{}{}).Load() != struct{}{} {
		t.Error("nothing was lost")
	}
}

func TestSeqlockRefuses(t *testing.T) {
	mustPanic(t, "a pointer", func() { lockfree.NewSeqlock(new(int)) })
	mustPanic(t, "a string in a struct", func() { lockfree.NewSeqlock(struct{ s string }{}) })
	mustPanic(t, "an interface", func() { lockfree.NewSeqlock[any](nil) })
	mustPanic(t, "an array of slices", func() { lockfree.NewSeqlock([1][]byte{}) })
	mustPanic(t, "65 bytes", func() { lockfree.NewSeqlock([65]byte{}) })
}

func TestSeqlockStress(t *testing.T) {
	type triple struct{ a, b, c uint64 }
	s := lockfree.NewSeqlock(triple{})
	var ended atomic.Bool
	var readers sync.WaitGroup
	for i := range 2 {
		readers.Go(func() {
			var last, loads uint64
			for !ended.Load() || loads == 0 {
				v, ok := triple{}, false
				if i == 0 {
					v = s.Load()
				} else if v, ok = s.TryLoad(); !ok {
					runtime.Gosched()
					continue
				}
				loads++
				if v.b != 2*v.a || v.c != 3*v.a || v.a < last {
					t.Errorf("loaded %+v after %d", v, last)
					return
				}
				last = v.a
				if loads%64 == 0 {
					runtime.Gosched()
				}
			}
		})
	}
	for n := range uint64(stressed(t)) {
		s.Store(triple{n, 2 * n, 3 * n})
		if n%512 == 0 {
			runtime.Gosched()
		}
	}
	ended.Store(true)
	readers.Wait()
}

package lockfree_test

import (
	"context"
	"errors"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/ringway/ringway/lockfree"
)

func TestEpochs(t *testing.T) {
	s := lockfree.NewEpochs(2)
	a, b := s.Reader(0), s.Reader(1)
	count := 0
	fired := func(want int, when string) {
		t.Helper()
		if count != want {
			t.Fatalf("%s: %d callbacks ran, want %d", when, count, want)
		}
	}
	due := func(e lockfree.Epoch) { s.WhenPassed(e, func() { count++ }) }

	due(s.Advance())
	fired(1, "nobody is online")
	a.Online()
	b.Online()
	first := s.Advance()
	second := s.Advance()
	due(second)
	due(first)
	a.Quiesce()
	a.Quiesce()
	fired(1, "one of two has passed")
	if s.Passed(first) {
		t.Fatal("passed while b may hold it")
	}
	b.Quiesce()
	fired(3, "both have passed")
	third := s.Advance()
	due(third)
	a.Quiesce()
	b.Offline()
	fired(4, "the other went offline")
	if !s.Passed(third) || s.Passed(third+1) {
		t.Fatal("Passed is wrong about the current epoch, or the next")
	}
	b.Online()
	fourth := s.Advance()
	due(fourth)
	a.Quiesce()
	b.Quiesce()
	fired(5, "after coming back")
}

func TestEpochsCallbackPublishes(t *testing.T) {
	s := lockfree.NewEpochs(1)
	r := s.Reader(0)
	r.Online()
	var order []string
	s.WhenPassed(s.Advance(), func() {
		order = append(order, "first")
		s.WhenPassed(s.Advance(), func() { order = append(order, "second") })
	})
	r.Quiesce()
	if len(order) != 1 {
		t.Fatalf("ran %v although the reader has passed only the first", order)
	}
	r.Quiesce()
	if len(order) != 2 {
		t.Fatalf("ran %v", order)
	}
}

func TestEpochsWait(t *testing.T) {
	s := lockfree.NewEpochs(1)
	r := s.Reader(0)
	r.Online()
	e := s.Advance()
	gone := errors.New("gone")
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(gone)
	if err := s.Wait(ctx, e); !errors.Is(err, gone) {
		t.Errorf("the wait ended with %v", err)
	}
	r.Quiesce()
	if err := s.Wait(t.Context(), e); err != nil {
		t.Error(err)
	}
}

// config is freed by being spoiled: plainly, so that the race detector finds a use at the same time.
type config struct{ number, twice int }

// TestSnapshotStress spoils each old value as soon as it is said to be free, while readers look at what they loaded
// twice in a tick, and go offline and come back.
func TestSnapshotStress(t *testing.T) {
	const readers, writers = 2, 2
	epochs := lockfree.NewEpochs(readers)
	snapshot := lockfree.NewSnapshot(epochs, &config{})
	var ended atomic.Bool
	var freed atomic.Int64
	var reading, writing sync.WaitGroup
	for i := range readers {
		reading.Go(func() {
			r := epochs.Reader(i)
			r.Online()
			defer r.Offline()
			for tick := 0; !ended.Load(); tick++ {
				c := snapshot.Load()
				for range 2 {
					if c.twice != 2*c.number {
						t.Errorf("read a freed value: %+v", *c)
						return
					}
					if tick%64 == 0 {
						runtime.Gosched()
					}
				}
				if tick%5 == 0 {
					r.Offline()
					r.Online()
				} else {
					r.Quiesce()
				}
			}
		})
	}
	each := stressed(t) / 20
	for w := range writers {
		writing.Go(func() {
			var last lockfree.Epoch
			for i := range each {
				n := i*writers + w
				last = snapshot.Publish(&config{n, 2 * n}, func(old *config) {
					old.number, old.twice = 1, 1
					freed.Add(1)
				})
			}
			if err := epochs.Wait(t.Context(), last); err != nil {
				t.Error(err)
			}
		})
	}
	writing.Wait()
	ended.Store(true)
	reading.Wait()
	if got := freed.Load(); got != int64(writers*each) {
		t.Errorf("%d of %d values were freed", got, writers*each)
	}
}

func TestSnapshotWithoutFree(t *testing.T) {
	epochs := lockfree.NewEpochs(1)
	s := lockfree.NewSnapshot[int](epochs, nil)
	if s.Load() != nil {
		t.Fatal("something was published")
	}
	one := 1
	if e := s.Publish(&one, nil); !epochs.Passed(e) || s.Load() != &one {
		t.Fatal("the value is not there, or its epoch has not passed without readers")
	}
}

package lockfree_test

import (
	"runtime"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/ringway/ringway/lockfree"
)

func TestMPMCIsFIFOAndBounded(t *testing.T) {
	for _, capacity := range []int{2, 4, 16} {
		q := lockfree.NewMPMC[int](capacity)
		next := 0
		for lap := range 20 {
			for i := range capacity {
				if !q.TryPush(lap*capacity + i) {
					t.Fatalf("capacity %d: push %d refused", capacity, i)
				}
			}
			if q.TryPush(-1) || q.Len() != capacity {
				t.Fatalf("capacity %d: a full queue took more, or has length %d", capacity, q.Len())
			}
			for range capacity {
				if v, ok := q.TryPop(); !ok || v != next {
					t.Fatalf("capacity %d: popped %d, %v, want %d", capacity, v, ok, next)
				}
				next++
			}
			if _, ok := q.TryPop(); ok || q.Len() != 0 {
				t.Fatalf("capacity %d: an empty queue gave something", capacity)
			}
		}
	}
}

func TestMPMCForgets(t *testing.T) {
	q := lockfree.NewMPMC[*[64]byte](2)
	freed := make(chan int, 1)
	v := new([64]byte)
	runtime.AddCleanup(v, func(i int) { freed <- i }, 0)
	q.TryPush(v)
	v = nil
	q.TryPop()
	awaitCleanup(t, freed)
	runtime.KeepAlive(q)
}

// TestMPMCStress looks that every value arrives once, and that each consumer sees each producer's values in order.
func TestMPMCStress(t *testing.T) {
	const producers, consumers = 3, 3
	type message struct{ from, number int }
	q := lockfree.NewMPMC[*message](8)
	each := stressed(t) / producers
	var popped atomic.Int64
	seen := make([][]atomic.Int32, producers)
	for p := range seen {
		seen[p] = make([]atomic.Int32, each)
	}
	var done sync.WaitGroup
	for p := range producers {
		done.Go(func() {
			for number := 0; number < each; {
				if q.TryPush(&message{p, number}) {
					number++
				} else {
					runtime.Gosched()
				}
			}
		})
	}
	for range consumers {
		done.Go(func() {
			last := [producers]int{-1, -1, -1}
			for popped.Load() < int64(producers*each) {
				m, ok := q.TryPop()
				if !ok {
					runtime.Gosched()
					continue
				}
				popped.Add(1)
				seen[m.from][m.number].Add(1)
				if m.number <= last[m.from] {
					t.Errorf("producer %d: %d after %d", m.from, m.number, last[m.from])
				}
				last[m.from] = m.number
			}
		})
	}
	done.Wait()
	for p := range seen {
		for i := range seen[p] {
			if n := seen[p][i].Load(); n != 1 {
				t.Fatalf("producer %d: %d was popped %d times", p, i, n)
			}
		}
	}
}

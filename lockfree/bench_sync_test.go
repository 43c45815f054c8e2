package lockfree_test

import (
	"fmt"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/puzpuzpuz/xsync/v4"
	"github.com/ringway/ringway/lockfree"
)

// watched runs f while another goroutine looks at what it writes, as a scrape does but far more often.
func watched(b *testing.B, look func(), f func()) {
	var ended atomic.Bool
	var watcher sync.WaitGroup
	watcher.Go(func() {
		for !ended.Load() {
			look()
			runtime.Gosched()
		}
	})
	f()
	ended.Store(true)
	watcher.Wait()
}

// BenchmarkCounterWriter is what an event costs the one who counts it, alone.
func BenchmarkCounterWriter(b *testing.B) {
	b.Run("Counter", func(b *testing.B) {
		var c lockfree.Counter
		for b.Loop() {
			c.Add(1)
		}
	})
	b.Run("Counter, published every 64", func(b *testing.B) {
		var c lockfree.Counter
		for i := 0; b.Loop(); i++ {
			if c.Add(1); i%64 == 0 {
				c.Publish()
			}
		}
	})
	b.Run("Counters", func(b *testing.B) {
		c := lockfree.NewCounters(16)
		for b.Loop() {
			c.Add(7, 1)
		}
	})
	b.Run("Counters/Publish of 16, 4 changed", func(b *testing.B) {
		c := lockfree.NewCounters(16)
		for b.Loop() {
			for i := range 4 {
				c.Add(4*i, 1)
			}
			c.Publish()
		}
	})
	b.Run("atomic Store of Load", func(b *testing.B) {
		var c atomic.Uint64
		for b.Loop() {
			c.Store(c.Load() + 1)
		}
	})
	b.Run("atomic Add", func(b *testing.B) {
		var c atomic.Uint64
		for b.Loop() {
			c.Add(1)
		}
	})
	b.Run("xsync/Counter", func(b *testing.B) {
		c := xsync.NewCounter()
		for b.Loop() {
			c.Inc()
		}
	})
	b.Run("mutex", func(b *testing.B) {
		var mu sync.Mutex
		n := 0
		for b.Loop() {
			mu.Lock()
			n++
			mu.Unlock()
		}
	})
}

// BenchmarkCounterWatched is the same with a reader on the other processor.
func BenchmarkCounterWatched(b *testing.B) {
	b.Run("Counter, published every 64", func(b *testing.B) {
		var c lockfree.Counter
		watched(b, func() { c.Load() }, func() {
			for i := 0; b.Loop(); i++ {
				if c.Add(1); i%64 == 0 {
					c.Publish()
				}
			}
		})
	})
	b.Run("atomic Add", func(b *testing.B) {
		var c atomic.Uint64
		watched(b, func() { c.Load() }, func() {
			for b.Loop() {
				c.Add(1)
			}
		})
	})
}

// BenchmarkSnapshotRead is what a reader pays: a load each time, and a look at the epoch each tick.
func BenchmarkSnapshotRead(b *testing.B) {
	epochs := lockfree.NewEpochs(1)
	s := lockfree.NewSnapshot(epochs, new(int))
	r := epochs.Reader(0)
	r.Online()
	b.Run("Load and Quiesce", func(b *testing.B) {
		for b.Loop() {
			if *s.Load() != 0 {
				b.Fatal("spoiled")
			}
			r.Quiesce()
		}
	})
	b.Run("RWMutex", func(b *testing.B) {
		var mu sync.RWMutex
		v := new(int)
		for b.Loop() {
			mu.RLock()
			if *v != 0 {
				b.Fatal("spoiled")
			}
			mu.RUnlock()
		}
	})
	b.Run("xsync/RBMutex", func(b *testing.B) {
		mu := xsync.NewRBMutex()
		v := new(int)
		for b.Loop() {
			token := mu.RLock()
			if *v != 0 {
				b.Fatal("spoiled")
			}
			mu.RUnlock(token)
		}
	})
}

// BenchmarkSeqlock is one side at a time: three words stored, or loaded.
func BenchmarkSeqlock(b *testing.B) {
	s := lockfree.NewSeqlock([3]uint64{})
	b.Run("Store", func(b *testing.B) {
		for i := uint64(0); b.Loop(); i++ {
			s.Store([3]uint64{i, i, i})
		}
	})
	b.Run("Load", func(b *testing.B) {
		for b.Loop() {
			s.Load()
		}
	})
}

// BenchmarkLease is a token acquired and released by each of GOMAXPROCS loops; a batch of 0 is the shared word itself.
func BenchmarkLease(b *testing.B) {
	for _, batch := range []int64{0, 8, 64} {
		b.Run(fmt.Sprintf("batch of %d", batch), func(b *testing.B) {
			budget := lockfree.NewBudget(1 << 20)
			b.RunParallel(func(pb *testing.PB) {
				l := budget.Lease(batch)
				for pb.Next() {
					if l.Acquire(1) {
						l.Release(1)
					}
				}
			})
		})
	}
}

// spent passes about as much time as n additions take, and is not optimised away.
//
//go:noinline
func spent(n int) (sum int) {
	for i := range n {
		sum += i ^ sum
	}
	return sum
}

// BenchmarkLock says which lock to use when: P is GOMAXPROCS, g goroutines contend, hold is the additions done while
// holding; four times as much is done between two holds.
func BenchmarkLock(b *testing.B) {
	kinds := []struct {
		name string
		make func() sync.Locker
	}{
		{"hot", func() sync.Locker { return new(lockfree.SpinHot) }},
		{"yield", func() sync.Locker { return new(lockfree.SpinYield) }},
		{"park", func() sync.Locker { return lockfree.NewSpinPark() }},
		{"Mutex", func() sync.Locker { return new(sync.Mutex) }},
	}
	for _, p := range []int{1, 2, 4} {
		for _, g := range []int{1, 2, 16} {
			for _, hold := range []int{10, 1000, 100_000} {
				for _, k := range kinds {
					b.Run(fmt.Sprintf("P=%d/g=%d/hold=%d/%s", p, g, hold, k.name), func(b *testing.B) {
						defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(p))
						contend(b, k.make(), g, hold)
					})
				}
			}
		}
	}
}

func contend(b *testing.B, l sync.Locker, goroutines, hold int) {
	var next atomic.Int64
	var done sync.WaitGroup
	b.ResetTimer()
	for range goroutines {
		done.Go(func() {
			for next.Add(1) <= int64(b.N) {
				l.Lock()
				runtime.KeepAlive(spent(hold))
				l.Unlock()
				runtime.KeepAlive(spent(4 * hold))
			}
		})
	}
	done.Wait()
}

package lockfree_test

import (
	"runtime"
	"sync"
	"testing"

	"github.com/puzpuzpuz/xsync/v4"
	"github.com/ringway/ringway/lockfree"
)

// The queues of one to one carry b.N words from one goroutine to another; ns/op is per word, and a full or empty queue
// lets the other side run. Ratios are within one run.
const (
	benchCapacity = 1024
	benchBatch    = 64
)

// carry has send called with how many are left, and receive, until b.N have gone through; both return how many they did.
func carry(b *testing.B, send, receive func(left int) int) {
	b.ReportAllocs()
	b.ResetTimer()
	var sender sync.WaitGroup
	sender.Go(func() { pump(b.N, send) })
	pump(b.N, receive)
	sender.Wait()
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds()/1e6, "M/s")
}

func pump(n int, f func(left int) int) {
	for n > 0 {
		k := f(n)
		if n -= k; k == 0 {
			runtime.Gosched()
		}
	}
}

func one(ok bool) int {
	if ok {
		return 1
	}
	return 0
}

func BenchmarkOneToOne(b *testing.B) {
	b.Run("SPSC", func(b *testing.B) {
		q := lockfree.NewSPSC[uint64](benchCapacity)
		carry(b, func(int) int { return one(q.TryPush(1)) }, func(int) int { _, ok := q.TryPop(); return one(ok) })
	})
	b.Run("SPSC/batched", func(b *testing.B) {
		q := lockfree.NewSPSC[uint64](benchCapacity)
		src, dst := make([]uint64, benchBatch), make([]uint64, benchBatch)
		carry(b, func(left int) int { return q.PushN(src[:min(left, benchBatch)]) }, func(int) int { return q.PopN(dst) })
	})
	b.Run("SPSC/of batches", func(b *testing.B) {
		q := lockfree.NewSPSC[[benchBatch]uint64](benchCapacity / benchBatch)
		carry(b, func(left int) int { return min(left, benchBatch) * one(q.TryPush([benchBatch]uint64{})) },
			func(left int) int { _, ok := q.TryPop(); return min(left, benchBatch) * one(ok) })
	})
	b.Run("MPMC", func(b *testing.B) {
		q := lockfree.NewMPMC[uint64](benchCapacity)
		carry(b, func(int) int { return one(q.TryPush(1)) }, func(int) int { _, ok := q.TryPop(); return one(ok) })
	})
	b.Run("MPSC", func(b *testing.B) { benchMPSC(b, 1) })
	b.Run("MPSC/batched", func(b *testing.B) { benchMPSC(b, benchBatch) })
	b.Run("Inbox", func(b *testing.B) {
		q := lockfree.NewInbox[uint64](benchCapacity)
		carry(b, func(int) int { _, ok := q.Send(1); return one(ok) }, func(int) int { return q.Receive(func(uint64) {}) })
	})
	b.Run("Inbox/batched", func(b *testing.B) {
		q := lockfree.NewInbox[uint64](benchCapacity)
		src := make([]uint64, benchBatch)
		carry(b, func(left int) int { n, _ := q.SendN(src[:min(left, benchBatch)]); return n },
			func(int) int { return q.Receive(func(uint64) {}) })
	})
	b.Run("channel", func(b *testing.B) {
		q := make(chan uint64, benchCapacity)
		carry(b, func(int) int { q <- 1; return 1 }, func(int) int { <-q; return 1 })
	})
	b.Run("channel/of batches", func(b *testing.B) {
		q := make(chan [benchBatch]uint64, benchCapacity/benchBatch)
		carry(b, func(left int) int { q <- [benchBatch]uint64{}; return min(left, benchBatch) },
			func(left int) int { <-q; return min(left, benchBatch) })
	})
	b.Run("mutex and slice", func(b *testing.B) { benchMutexQueue(b) })
	b.Run("xsync/SPSCQueue", func(b *testing.B) {
		q := xsync.NewSPSCQueue[uint64](benchCapacity)
		carry(b, func(int) int { return one(q.TryEnqueue(1)) }, func(int) int { _, ok := q.TryDequeue(); return one(ok) })
	})
	b.Run("xsync/MPMCQueue", func(b *testing.B) {
		q := xsync.NewMPMCQueue[uint64](benchCapacity)
		carry(b, func(int) int { return one(q.TryEnqueue(1)) }, func(int) int { _, ok := q.TryDequeue(); return one(ok) })
	})
	b.Run("xsync/UMPSCQueue", func(b *testing.B) {
		q := xsync.NewUMPSCQueue[uint64]()
		carry(b, func(int) int { q.Enqueue(1); return 1 }, func(int) int { q.Dequeue(); return 1 })
	})
}

// benchMPSC sends records that the taker gives back the same way, so many at a time.
func benchMPSC(b *testing.B, batch int) {
	var list, back lockfree.MPSC[uint64]
	var free *lockfree.Node[uint64]
	for range benchCapacity {
		back.Push(new(lockfree.Node[uint64]))
	}
	next := func() *lockfree.Node[uint64] {
		if free == nil {
			free = back.TakeAll()
		}
		n := free
		if n != nil {
			free = n.Unlink()
		}
		return n
	}
	carry(b, func(left int) int {
		var c lockfree.Chain[uint64]
		for k := range min(left, batch) {
			n := next()
			if n == nil {
				list.PushChain(&c)
				return k
			}
			c.Append(n)
		}
		list.PushChain(&c)
		return min(left, batch)
	}, func(int) (k int) {
		var c lockfree.Chain[uint64]
		for n := list.TakeAll(); n != nil; k++ {
			after := n.Unlink()
			c.Append(n)
			n = after
		}
		back.PushChain(&c)
		return k
	})
}

// benchMutexQueue is what one would write without this package: append under a lock, take the whole slice.
func benchMutexQueue(b *testing.B) {
	var mu sync.Mutex
	q, spare := make([]uint64, 0, benchCapacity), make([]uint64, 0, benchCapacity)
	carry(b, func(int) int {
		mu.Lock()
		defer mu.Unlock()
		if len(q) == benchCapacity {
			return 0
		}
		q = append(q, 1)
		return 1
	}, func(int) int {
		mu.Lock()
		defer mu.Unlock()
		n := len(q)
		q, spare = spare[:0], q
		return n
	})
}

// BenchmarkManyToMany is a push and a pop by each of GOMAXPROCS goroutines.
func BenchmarkManyToMany(b *testing.B) {
	b.Run("MPMC", func(b *testing.B) {
		q := lockfree.NewMPMC[uint64](benchCapacity)
		b.RunParallel(func(pb *testing.PB) {
			for pb.Next() {
				q.TryPush(1)
				q.TryPop()
			}
		})
	})
	b.Run("channel", func(b *testing.B) {
		q := make(chan uint64, benchCapacity)
		b.RunParallel(func(pb *testing.PB) {
			for pb.Next() {
				q <- 1
				<-q
			}
		})
	})
	b.Run("xsync/MPMCQueue", func(b *testing.B) {
		q := xsync.NewMPMCQueue[uint64](benchCapacity)
		b.RunParallel(func(pb *testing.PB) {
			for pb.Next() {
				q.TryEnqueue(1)
				q.TryDequeue()
			}
		})
	})
}

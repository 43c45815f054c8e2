package lockfree_test

import (
	"runtime"
	"testing"

	"github.com/ringway/ringway/lockfree"
)

// stressed is how many values a stress test sends; the race detector makes each dear.
func stressed(t *testing.T) int {
	if raceEnabled || testing.Short() {
		return 20_000
	}
	return 500_000
}

func TestRingCapacities(t *testing.T) {
	for _, c := range []struct{ wanted, spsc, mpmc int }{{1, 1, 2}, {2, 2, 2}, {3, 4, 4}, {4, 4, 4}, {1000, 1024, 1024}} {
		if got := lockfree.NewSPSC[int](c.wanted).Cap(); got != c.spsc {
			t.Errorf("SPSC for %d: %d slots, want %d", c.wanted, got, c.spsc)
		}
		if got := lockfree.NewMPMC[int](c.wanted).Cap(); got != c.mpmc {
			t.Errorf("MPMC for %d: %d slots, want %d", c.wanted, got, c.mpmc)
		}
	}
	for _, wrong := range []int{0, -1, 1<<30 + 1} {
		mustPanic(t, "a ring of a wrong size", func() { lockfree.NewSPSC[byte](wrong) })
	}
}

func mustPanic(t *testing.T, what string, f func()) {
	t.Helper()
	defer func() {
		if recover() == nil {
			t.Errorf("%s went unnoticed", what)
		}
	}()
	f()
}

func TestSPSCIsFIFOAndBounded(t *testing.T) {
	for _, capacity := range []int{1, 2, 8} {
		q := lockfree.NewSPSC[int](capacity)
		next := 0
		for lap := range 3 * capacity {
			for i := range capacity {
				if !q.TryPush(lap*capacity + i) {
					t.Fatalf("capacity %d: push %d refused", capacity, i)
				}
			}
			if q.TryPush(-1) || q.PushN([]int{-1, -2}) != 0 || q.Len() != capacity {
				t.Fatalf("capacity %d: a full ring took more, or has length %d", capacity, q.Len())
			}
			for range capacity {
				if v, ok := q.TryPop(); !ok || v != next {
					t.Fatalf("capacity %d: popped %d, %v, want %d", capacity, v, ok, next)
				}
				next++
			}
			if _, ok := q.TryPop(); ok || q.PopN(make([]int, 3)) != 0 || q.Len() != 0 {
				t.Fatalf("capacity %d: an empty ring gave something", capacity)
			}
		}
	}
}

// TestSPSCBatches pushes and pops batches of all sizes at all offsets of a small ring.
func TestSPSCBatches(t *testing.T) {
	const capacity = 8
	q := lockfree.NewSPSC[int](capacity)
	pushed, popped := 0, 0
	for step := range 2000 {
		src, dst := make([]int, step%11), make([]int, step%7)
		for i := range src {
			src[i] = pushed + i
		}
		room := capacity - (pushed - popped)
		if n := q.PushN(src); n != min(room, len(src)) {
			t.Fatalf("pushed %d of %d into room for %d", n, len(src), room)
		} else {
			pushed += n
		}
		if n := q.PopN(dst); n != min(pushed-popped, len(dst)) {
			t.Fatalf("popped %d of %d into room for %d", n, pushed-popped, len(dst))
		} else {
			for _, v := range dst[:n] {
				if v != popped {
					t.Fatalf("popped %d, want %d", v, popped)
				}
				popped++
			}
		}
	}
}

// TestSPSCForgets looks that a popped value is not kept alive by its slot.
func TestSPSCForgets(t *testing.T) {
	q := lockfree.NewSPSC[*[64]byte](4)
	freed := make(chan int, 3)
	for i := range 3 {
		v := new([64]byte)
		runtime.AddCleanup(v, func(i int) { freed <- i }, i)
		q.TryPush(v)
	}
	q.TryPop()
	q.PopN(make([]*[64]byte, 2))
	for range 3 {
		awaitCleanup(t, freed)
	}
	runtime.KeepAlive(q)
}

func TestSPSCStress(t *testing.T) {
	for name, batch := range map[string]int{"single": 0, "batched": 16} {
		t.Run(name, func(t *testing.T) {
			q, n := lockfree.NewSPSC[*int](64), stressed(t)
			go func() {
				buf := make([]*int, batch)
				for i := 0; i < n; {
					if batch == 0 {
						v := i
						if q.TryPush(&v) {
							i++
						} else {
							runtime.Gosched()
						}
						continue
					}
					src := buf[:min(batch, n-i)]
					for j := range src {
						v := i + j
						src[j] = &v
					}
					k := q.PushN(src)
					if i += k; k == 0 {
						runtime.Gosched()
					}
				}
			}()
			dst := make([]*int, max(batch, 1))
			for want := 0; want < n; {
				k := 0
				if batch > 0 {
					k = q.PopN(dst)
				} else if v, ok := q.TryPop(); ok {
					dst[0], k = v, 1
				}
				for _, v := range dst[:k] {
					if *v != want {
						t.Fatalf("got %d, want %d", *v, want)
					}
					want++
				}
				if k == 0 {
					runtime.Gosched()
				}
			}
			if q.Len() != 0 {
				t.Errorf("%d left", q.Len())
			}
		})
	}
}

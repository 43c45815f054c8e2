package lockfree_test

import (
	"math/rand/v2"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/ringway/ringway/lockfree"
)

func TestLeaseCap(t *testing.T) {
	b := lockfree.NewBudget(100)
	x, y := b.Lease(8), b.Lease(8)
	if !x.Acquire(1) || x.Idle() != 8 || b.Free() != 91 {
		t.Fatalf("idle %d, free %d after the first token", x.Idle(), b.Free())
	}
	for i := range 8 {
		if !x.Acquire(1) || b.Free() != 91 {
			t.Fatalf("token %d did not come from the lease", i)
		}
	}
	if x.Acquire(92) || x.Held() != 9 {
		t.Fatal("more than the total was given")
	}
	got := int64(0)
	for y.Acquire(1) {
		got++
	}
	if got != 91 || b.Free() != 0 {
		t.Fatalf("the other got %d of 91", got)
	}
	x.Release(9) // scarce: all goes back
	if x.Idle() != 0 || b.Free() != 9 {
		t.Fatalf("idle %d, free %d after a release while the budget was empty", x.Idle(), b.Free())
	}
	y.Release(91)
	if y.Idle() > 8 {
		t.Fatalf("%d idle with a batch of 8", y.Idle())
	}
	y.Settle()
	if b.Free() != 100 {
		t.Fatalf("free %d at the end", b.Free())
	}
	mustPanic(t, "a release of what was not acquired", func() { y.Release(1) })
	mustPanic(t, "an acquire of less than nothing", func() { y.Acquire(-1) })
}

// TestLeaseLastTokens looks that the last tokens are not hoarded: a large batch takes half of what is left.
func TestLeaseLastTokens(t *testing.T) {
	b := lockfree.NewBudget(8)
	x, y := b.Lease(1000), b.Lease(1000)
	if !x.Acquire(1) || x.Idle() != 3 {
		t.Fatalf("idle %d of 8", x.Idle())
	}
	for i := range 4 {
		if !y.Acquire(1) {
			t.Fatalf("token %d was refused", i)
		}
	}
	if y.Acquire(1) {
		t.Fatal("a token from nowhere")
	}
	x.Settle()
	if !y.Acquire(3) || y.Acquire(1) {
		t.Fatal("what was settled is not there, or more is")
	}
}

func TestBudgetResize(t *testing.T) {
	b := lockfree.NewBudget(4)
	l := b.Lease(0)
	if !l.Acquire(4) {
		t.Fatal("refused")
	}
	b.Resize(2)
	if l.Acquire(1) || b.Free() != 0 || b.Total() != 2 {
		t.Fatal("a smaller budget gave more")
	}
	l.Release(2)
	if l.Acquire(1) {
		t.Fatal("gave a token while all of the smaller budget is out")
	}
	l.Release(1)
	if !l.Acquire(1) || l.Acquire(1) {
		t.Fatal("the smaller budget does not hold")
	}
	b.Resize(5)
	if !l.Acquire(3) || l.Acquire(1) {
		t.Fatal("the larger budget does not hold")
	}
	mustPanic(t, "a budget below zero", func() { b.Resize(-1) })
}

func TestRate(t *testing.T) {
	b := lockfree.NewBudget(10)
	l := b.Lease(0)
	r := lockfree.NewRate(b, 3, time.Second, time.Hour)
	if !l.Spend(10) || l.Spend(1) {
		t.Fatal("the burst is not 10")
	}
	now, total := time.Hour, int64(0)
	for range 30 { // steps that are no multiple of a third of a second
		now += 70 * time.Millisecond
		total += r.Refill(now)
		if r.Refill(now-time.Second) != 0 {
			t.Fatal("time went back and gave tokens")
		}
	}
	if total != 6 { // 2.1 s at 3/s
		t.Fatalf("%d tokens in 2.1 s at 3/s", total)
	}
	if !l.Spend(6) || l.Spend(1) {
		t.Fatal("what came back is not what can be spent")
	}
	if got := r.Refill(1<<62 + now); got != 10 {
		t.Fatalf("%d tokens after an age", got)
	}
	if b.Free() != 10 || r.Refill(1<<62+now+time.Hour) != 0 {
		t.Fatal("a full bucket took more")
	}
}

// TestLeaseStress holds the bound: never more out than the total, and after all have settled everything is back.
func TestLeaseStress(t *testing.T) {
	const total, loops, batch = 64, 3, 8
	b := lockfree.NewBudget(total)
	var held, spent, refilled atomic.Int64
	var done sync.WaitGroup
	leases := make([]*lockfree.Lease, loops)
	for i := range leases {
		leases[i] = b.Lease(batch)
		done.Go(func() {
			l, dice := leases[i], rand.New(rand.NewPCG(1, uint64(i)))
			for range stressed(t) / loops {
				switch n := 1 + dice.Int64N(3); dice.IntN(8) {
				case 0, 1, 2:
					if l.Acquire(n) {
						if now := held.Add(n); now > total {
							t.Errorf("%d held of %d", now, total)
						}
					}
				case 3, 4:
					n = min(n, l.Held())
					held.Add(-n)
					l.Release(n)
				case 5:
					if l.Spend(1) {
						spent.Add(1)
					}
				case 6:
					refilled.Add(b.Refill(1))
				default:
					l.Settle()
					runtime.Gosched()
				}
				if l.Idle() > batch {
					t.Errorf("%d idle with a batch of %d", l.Idle(), batch)
				}
			}
			held.Add(-l.Held())
			l.Release(l.Held())
			l.Settle()
		})
	}
	done.Wait()
	for n := b.Refill(total); n > 0; n = b.Refill(total) {
		refilled.Add(n)
	}
	if b.Free() != total || spent.Load() != refilled.Load() {
		t.Errorf("free %d of %d at the end; spent %d, refilled %d", b.Free(), total, spent.Load(), refilled.Load())
	}
}

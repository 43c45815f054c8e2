package lockfree_test

import (
	"testing"

	"github.com/ringway/ringway/lockfree"
)

// TestNothingAllocates holds what the comments claim.
func TestNothingAllocates(t *testing.T) {
	spsc, mpmc := lockfree.NewSPSC[int](16), lockfree.NewMPMC[int](16)
	batch := make([]int, 8)
	var list lockfree.MPSC[int]
	n, chained := node(1), node(2)
	inbox := lockfree.NewInbox[int](16)
	for range 16 { // each of the pool's nodes gets room for a batch
		inbox.SendN(batch)
		inbox.SendN(batch)
		inbox.Receive(func(int) {})
	}
	var counter lockfree.Counter
	counters := lockfree.NewCounters(8)
	epochs := lockfree.NewEpochs(1)
	snapshot := lockfree.NewSnapshot(epochs, new(int))
	reader, value := epochs.Reader(0), new(int)
	reader.Online()
	budget := lockfree.NewBudget(100)
	lease, rate := budget.Lease(4), lockfree.NewRate(budget, 1, 1, 0)
	seq := lockfree.NewSeqlock([8]uint64{})
	hot, yield, park := new(lockfree.SpinHot), new(lockfree.SpinYield), lockfree.NewSpinPark()
	now := 0
	for name, f := range map[string]func(){
		"SPSC": func() { spsc.TryPush(1); spsc.PushN(batch); spsc.TryPop(); spsc.PopN(batch) },
		"MPMC": func() { mpmc.TryPush(1); mpmc.TryPop() },
		"MPSC": func() {
			var c lockfree.Chain[int]
			c.Append(chained)
			list.Push(n)
			list.PushChain(&c)
			for n := list.TakeAll(); n != nil; n = n.Unlink() {
				now += n.Value
			}
		},
		"Counter":  func() { counter.Add(1); counter.Publish(); counter.Load() },
		"Counters": func() { counters.Add(3, 1); counters.Publish(); counters.Load(3) },
		"Snapshot": func() { snapshot.Publish(value, nil); snapshot.Load(); reader.Quiesce() },
		"Lease": func() {
			lease.Acquire(1)
			lease.Spend(1)
			lease.Release(1)
			lease.Settle()
			now++
			rate.Refill(1)
		},
		"Seqlock": func() { seq.Store(seq.Load()) },
		"Inbox":   func() { inbox.Send(1); inbox.SendN(batch); inbox.Receive(func(int) {}) },
		"spin locks": func() {
			hot.Lock()
			now++
			hot.Unlock()
			yield.Lock()
			now++
			yield.Unlock()
			park.Lock()
			now++
			park.Unlock()
		},
	} {
		if allocs := testing.AllocsPerRun(100, f); allocs != 0 {
			t.Errorf("%s: %v allocations", name, allocs)
		}
	}
}

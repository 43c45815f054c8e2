package main

import (
	"fmt"
	"runtime"
	"sync/atomic"
	"time"

	"github.com/ringway/ringway/lockfree"
	"github.com/ringway/ringway/loop"
)

// The shape of the measurement: numbers go from one goroutine to one loop, which adds them up.
const (
	singles   = 500_000
	batched   = 8_000_000
	batchSize = 64
	queueSize = 8192
)

// lane is one way to carry numbers. It gives the time from the first to the last.
type lane struct {
	name  string
	count uint64
	carry func(l *loop.Loop, c *sum, count uint64)
}

// sum is the loop's side: what has come so far.
type sum struct {
	total uint64
	left  uint64
	done  chan struct{}
}

// add takes a number in.
func (s *sum) add(v uint64) {
	s.total += v
	if s.left--; s.left == 0 {
		close(s.done)
	}
}

// lanes are the ways there are.
func lanes() []lane {
	return []lane{
		{"Post, one message a call", singles, carryPost},
		{"Post, 64 messages a call", batched, carryPostBatches},
		{"lockfree.MPSC, chains of 64, and Post when it was empty", batched, carryMPSC},
		{"lockfree.Inbox, 64 a call, and Post when it was empty", batched, carryInbox},
		{"lockfree.SPSC, 64 a call, and Post when it was idle", batched, carrySPSC},
		{"buffered channel of 64-message arrays to a goroutine", batched, carryChannel},
	}
}

// mailbox measures every lane.
func mailbox() ([]Figure, error) {
	var figures []Figure
	for _, lane := range lanes() {
		l, err := startLoop("auto")
		if err != nil {
			return nil, err
		}
		s := &sum{left: lane.count, done: make(chan struct{})}
		runtime.GC() // what the lane before has left
		start := time.Now()
		lane.carry(l, s, lane.count)
		<-s.done
		elapsed := time.Since(start)
		if want := lane.count * (lane.count - 1) / 2; s.total != want {
			return nil, fmt.Errorf("%s: the numbers add up to %d, want %d", lane.name, s.total, want)
		}
		figures = append(figures, Figure{lane.name, "M messages/s", float64(lane.count) / elapsed.Seconds() / 1e6})
		if err := stopLoop(l); err != nil {
			return nil, err
		}
	}
	return figures, nil
}

// carryPost posts a function for each number, which is the message there is without batches.
func carryPost(l *loop.Loop, s *sum, count uint64) {
	next := uint64(0) // numbers come in order, so the loop can count along
	take := func() { s.add(next); next++ }
	for range count {
		l.Post(take)
	}
}

// batch is numbers that travel together, and the function that takes them in. The loop gives it back.
type batch struct {
	numbers [batchSize]uint64
	take    func()
}

// carryPostBatches posts a function for 64 numbers.
func carryPostBatches(l *loop.Loop, s *sum, count uint64) {
	free := lockfree.NewSPSC[*batch](queueSize / batchSize)
	for range free.Cap() {
		b := new(batch)
		b.take = func() {
			for _, v := range b.numbers {
				s.add(v)
			}
			free.TryPush(b)
		}
		free.TryPush(b)
	}
	for v := uint64(0); v < count; {
		b, ok := free.TryPop()
		if !ok {
			runtime.Gosched()
			continue
		}
		for i := range b.numbers {
			b.numbers[i] = v
			v++
		}
		l.Post(b.take)
	}
}

// carryMPSC pushes chains of records, which the loop gives back the same way.
func carryMPSC(l *loop.Loop, s *sum, count uint64) {
	var list, back lockfree.MPSC[uint64]
	for range queueSize {
		back.Push(new(lockfree.Node[uint64]))
	}
	drain := func() {
		var c lockfree.Chain[uint64]
		for n := list.TakeAll(); n != nil; {
			after := n.Unlink()
			s.add(n.Value)
			c.Append(n)
			n = after
		}
		back.PushChain(&c)
	}
	var free *lockfree.Node[uint64]
	for v := uint64(0); v < count; {
		var c lockfree.Chain[uint64]
		for i := 0; i < batchSize && v < count; i++ {
			if free == nil {
				if free = back.TakeAll(); free == nil {
					break
				}
			}
			n := free
			free = n.Unlink()
			n.Value = v
			v++
			c.Append(n)
		}
		if c.Empty() {
			runtime.Gosched()
		} else if wasEmpty, _ := list.PushChain(&c); wasEmpty {
			l.Post(drain)
		}
	}
}

// carryInbox sends batches through an inbox.
func carryInbox(l *loop.Loop, s *sum, count uint64) {
	in := lockfree.NewInbox[uint64](queueSize)
	drain := func() { in.Receive(s.add) }
	pushBatches(count, func(vs []uint64) int {
		n, wasEmpty := in.SendN(vs)
		if wasEmpty {
			l.Post(drain)
		}
		return n
	})
}

// carrySPSC pushes batches into a ring. A flag says whether the loop has been told since it last looked.
func carrySPSC(l *loop.Loop, s *sum, count uint64) {
	ring := lockfree.NewSPSC[uint64](queueSize)
	var told atomic.Bool
	got := make([]uint64, queueSize)
	drain := func() {
		told.Store(false) // before the look: what is pushed after it tells again
		for _, v := range got[:ring.PopN(got)] {
			s.add(v)
		}
	}
	pushBatches(count, func(vs []uint64) int {
		n := ring.PushN(vs)
		if n > 0 && !told.Load() && told.CompareAndSwap(false, true) {
			l.Post(drain)
		}
		return n
	})
}

// pushBatches has push called with the numbers up to count, 64 at a time; it says how many it took.
func pushBatches(count uint64, push func([]uint64) int) {
	var numbers [batchSize]uint64
	for v := uint64(0); v < count; {
		vs := numbers[:min(batchSize, count-v)]
		for i := range vs {
			vs[i] = v + uint64(i)
		}
		n := push(vs)
		if n == 0 {
			runtime.Gosched()
		}
		v += uint64(n)
	}
}

// carryChannel is what Go offers, without a loop.
func carryChannel(_ *loop.Loop, s *sum, count uint64) {
	ch := make(chan [batchSize]uint64, queueSize/batchSize)
	go func() {
		for vs := range ch {
			for _, v := range vs {
				s.add(v)
			}
		}
	}()
	defer close(ch)
	pushBatches(count, func(vs []uint64) int {
		ch <- [batchSize]uint64(vs)
		return len(vs)
	})
}

package lockfree

import "sync/atomic"

// MPMC is a bounded queue for any number of producers and consumers, after Dmitry Vyukov: each slot has a sequence that
// says whose turn it is. Nothing in it waits or allocates.
//
// Memory order. A slot's sequence is 2^k·lap + i (its position) while the slot is free for that position, and position
// + 1 while it is filled. A producer that sees its turn claims the position with a compare-and-swap on tail, writes the
// value plainly and stores the sequence: the consumer that loads it reads the value after it was written. The consumer
// clears the slot and stores the sequence of the next lap: the producer that loads it writes after the value was read.
// tail and head carry no values, they only keep two threads from claiming one position.
//
// A claim is not yet a value. While a producer stands between claim and store, consumers cannot pass its slot: TryPop
// then says false though values pushed later by others are complete behind it, and TryPush says false while a consumer
// stands so at the slot it needs. So false means "nothing to be had now", not "empty" or "full"; who must not miss a
// value asks again when it is told of one. Values are never lost, doubled or reordered.
type MPMC[T any] struct {
	_     pad
	slots []slot[T]
	mask  uint64
	_     pad
	tail  atomic.Uint64
	_     pad
	head  atomic.Uint64
	_     pad
}

type slot[T any] struct {
	seq   atomic.Uint64
	value T
}

// NewMPMC makes a queue for at least capacity values: the next power of two, and at least 2, since with one slot
// "filled" and "free for the next lap" would be the same sequence.
func NewMPMC[T any](capacity int) *MPMC[T] {
	n := ringSize(capacity, 2)
	q := &MPMC[T]{slots: make([]slot[T], n), mask: uint64(n - 1)}
	for i := range q.slots {
		q.slots[i].seq.Store(uint64(i))
	}
	return q
}

// Cap is how many values fit.
func (q *MPMC[T]) Cap() int { return len(q.slots) }

// Len is about how many values are in the queue, claimed slots included.
func (q *MPMC[T]) Len() int {
	head := q.head.Load() // first, so that the difference is never negative
	return int(min(q.tail.Load()-head, uint64(len(q.slots))))
}

// TryPush adds v; false says that there is no room now.
func (q *MPMC[T]) TryPush(v T) bool {
	for {
		pos := q.tail.Load()
		s := &q.slots[pos&q.mask]
		switch turn := s.seq.Load(); {
		case turn == pos:
			if q.tail.CompareAndSwap(pos, pos+1) {
				s.value = v
				s.seq.Store(pos + 1)
				return true
			}
		case int64(turn-pos) < 0: // still of the lap before
			return false
		} // else another producer was quicker: pos is old
	}
}

// TryPop takes the oldest value; false says that there is none to be had now.
func (q *MPMC[T]) TryPop() (v T, ok bool) {
	for {
		pos := q.head.Load()
		s := &q.slots[pos&q.mask]
		switch turn := s.seq.Load(); {
		case turn == pos+1:
			if q.head.CompareAndSwap(pos, pos+1) {
				v = s.value
				var zero T
				s.value = zero
				s.seq.Store(pos + q.mask + 1)
				return v, true
			}
		case int64(turn-(pos+1)) < 0: // not yet filled
			return v, false
		} // else another consumer was quicker: pos is old
	}
}

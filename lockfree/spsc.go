package lockfree

import (
	"reflect"
	"sync/atomic"
)

// SPSC is a bounded ring from one producer to one consumer. Push methods belong to the producer, pop methods to the
// consumer: each side is one goroutine at a time, or several that hand the side over with a happens-before edge. Nothing
// in it waits or allocates.
//
// Memory order. The producer writes slots plainly and then stores tail; the consumer loads tail and then reads the slots
// before it: that edge carries the values. The consumer reads and clears slots plainly and then stores head; the
// producer loads head and writes only slots before it: that edge carries the slots back. Each side alone stores its own
// index, so it may load it without an edge, and the copy it keeps of the other's is only ever too low, which shows a
// ring fuller (to the producer) or emptier (to the consumer) than it is: the copy is refreshed before either is said.
//
// Both indices run freely, so that all slots are used, and wrap around after 2^64 values.
type SPSC[T any] struct {
	_    pad
	ring []T
	mask uint64
	keep bool // popped values may stay in their slots: nobody collects what they point to, and the line stays shared
	_    pad

	tail     atomic.Uint64 // of the producer: where it writes next
	headSeen uint64        // of the producer: a head of some time ago
	_        pad

	head     atomic.Uint64 // of the consumer: where it reads next
	tailSeen uint64        // of the consumer: a tail of some time ago
	_        pad
}

// NewSPSC makes a ring for at least capacity values: the next power of two.
func NewSPSC[T any](capacity int) *SPSC[T] {
	n := ringSize(capacity, 1)
	return &SPSC[T]{ring: make([]T, n), mask: uint64(n - 1), keep: plain(reflect.TypeFor[T]())}
}

// Cap is how many values fit.
func (q *SPSC[T]) Cap() int { return len(q.ring) }

// Len is how many values wait. Anyone may ask; on the consumer's side it is at least what is there to pop, on the
// producer's at most what is still in the way, elsewhere it was about right a moment ago.
func (q *SPSC[T]) Len() int {
	head := q.head.Load() // first, so that the difference is never negative
	return int(min(q.tail.Load()-head, uint64(len(q.ring))))
}

// room is how many slots the producer may write, known to be less than wanted only if it is.
func (q *SPSC[T]) room(tail, wanted uint64) uint64 {
	size := uint64(len(q.ring))
	if size-(tail-q.headSeen) < wanted {
		q.headSeen = q.head.Load()
	}
	return size - (tail - q.headSeen)
}

// TryPush adds v; false says that the ring is full.
func (q *SPSC[T]) TryPush(v T) bool {
	tail := q.tail.Load()
	if q.room(tail, 1) == 0 {
		return false
	}
	q.ring[tail&q.mask] = v
	q.tail.Store(tail + 1)
	return true
}

// PushN adds as many of src as fit, in order, and returns how many. One store publishes them all. It looks for room once:
// what a pop frees after that look is not used, so a batch may come out shorter than the ring allowed when it was
// published; but it is 0 only if the ring was full.
func (q *SPSC[T]) PushN(src []T) int {
	tail := q.tail.Load()
	n := min(uint64(len(src)), q.room(tail, uint64(len(src))))
	if n == 0 {
		return 0
	}
	first := copy(q.ring[tail&q.mask:], src[:n])
	copy(q.ring, src[first:n])
	q.tail.Store(tail + n)
	return int(n)
}

// filled is how many slots the consumer may read, known to be less than wanted only if it is.
func (q *SPSC[T]) filled(head, wanted uint64) uint64 {
	if q.tailSeen-head < wanted {
		q.tailSeen = q.tail.Load()
	}
	return q.tailSeen - head
}

// TryPop takes the oldest value; false says that the ring is empty. The ring keeps no copy, so that what the value
// points to can be collected.
func (q *SPSC[T]) TryPop() (v T, ok bool) {
	head := q.head.Load()
	if q.filled(head, 1) == 0 {
		return v, false
	}
	slot := &q.ring[head&q.mask]
	v = *slot
	if !q.keep {
		var zero T
		*slot = zero
	}
	q.head.Store(head + 1)
	return v, true
}

// PopN takes as many of the oldest values as there are and fit into dst, in order, and returns how many. It
// looks once, as PushN does: it is 0 only if the ring was empty.
func (q *SPSC[T]) PopN(dst []T) int {
	head := q.head.Load()
	n := min(uint64(len(dst)), q.filled(head, uint64(len(dst))))
	if n == 0 {
		return 0
	}
	at := head & q.mask
	run := q.ring[at:min(at+n, uint64(len(q.ring)))]
	first := copy(dst, run)
	if !q.keep {
		clear(run)
	}
	run = q.ring[:n-uint64(first)]
	copy(dst[first:], run)
	if !q.keep {
		clear(run)
	}
	q.head.Store(head + n)
	return int(n)
}

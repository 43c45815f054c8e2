package lockfree

import (
	"context"
	"math"
	"sync/atomic"
)

// Epoch numbers publications.
type Epoch uint64

// offline is what a reader announces that reads nothing.
const offline = math.MaxUint64

// Epochs tells when a fixed set of readers (the loops) has let go of what was there before. Each reader announces, at
// points where it holds nothing (between ticks), which epoch it is at; a writer that has unpublished something advances
// the epoch and learns, without waiting on anybody, when all readers have announced it. This is quiescent-state-based
// reclamation: reading itself costs nothing.
//
// Memory order. A writer unpublishes (an atomic store) and then advances now.
//
//   - A reader that loads the advanced now, at a point where it holds nothing, will from then on load what was published:
//     the writer's store stands before. It stores the epoch as seen; the writer that loads it there frees after the
//     reader's last use, which came before that store.
//   - A reader that comes online stores seen and then loads what is published; a writer stores what is published and
//     then loads seen. So if the writer still sees the reader offline, the reader sees the new value.
//   - A callback is put into the list and then the readers are looked at; a reader announces and then looks at the list.
//     So one of the two sees that the callback is due; and since callbacks not yet due are put back and then the readers
//     looked at once more, it is not lost while it is out of the list either.
type Epochs struct {
	_       pad
	now     atomic.Uint64
	_       pad
	readers []EpochReader
	waiting MPSC[waiter]
}

// EpochReader is one reader of Epochs. All its methods belong to that reader's thread.
type EpochReader struct {
	_    pad
	set  *Epochs
	seen atomic.Uint64 // what the writers look at
	last uint64        // the same for the reader itself
	_    pad
}

type waiter struct {
	epoch Epoch
	f     func()
}

// NewEpochs makes a set of so many readers, all offline.
func NewEpochs(readers int) *Epochs {
	s := &Epochs{readers: make([]EpochReader, readers)}
	for i := range s.readers {
		r := &s.readers[i]
		r.set, r.last = s, offline
		r.seen.Store(offline)
	}
	return s
}

// Reader gives the i-th reader. It belongs to one thread.
func (s *Epochs) Reader(i int) *EpochReader { return &s.readers[i] }

// Online says that the reader begins to read. Before it, and after Offline, it must hold nothing.
func (r *EpochReader) Online() {
	r.last = r.set.now.Load()
	r.seen.Store(r.last)
}

// Quiesce says that the reader, which is online, holds nothing from before this call: between two ticks of a loop. It
// costs a load while nothing was published. It may run callbacks of WhenPassed.
func (r *EpochReader) Quiesce() {
	if now := r.set.now.Load(); now != r.last {
		r.last = now
		r.seen.Store(now)
		r.set.fire()
	}
}

// Offline says that the reader holds nothing and will not read until Online: before it waits for long, so that nobody
// waits for it, and when it ends. It may run callbacks of WhenPassed.
func (r *EpochReader) Offline() {
	r.last = offline
	r.seen.Store(offline)
	r.set.fire()
}

// Advance begins a new epoch and returns it: what the caller unpublished before is free when Passed says so. Anyone may
// call it.
func (s *Epochs) Advance() Epoch { return Epoch(s.now.Add(1)) }

// Passed reports whether all readers have let go of what was unpublished before Advance returned e.
func (s *Epochs) Passed(e Epoch) bool { return s.passed() >= e }

// passed is the epoch that all readers have passed. Looking at one after the other is enough: a reader that was seen
// past an epoch never again gets hold of anything older.
func (s *Epochs) passed() Epoch {
	least := uint64(offline)
	for i := range s.readers {
		least = min(least, s.readers[i].seen.Load())
	}
	return Epoch(least)
}

// WhenPassed calls f once when Passed(e) is true: at once, or later from the Quiesce or Offline of the reader that was
// last. There it holds up a loop, so f only passes the word on. Callbacks of different calls come in no order. Anyone
// may call it; how many wait is bounded by how far the caller lets publications run ahead of the readers.
func (s *Epochs) WhenPassed(e Epoch, f func()) {
	s.waiting.Push(&Node[waiter]{Value: waiter{epoch: e, f: f}})
	s.fire()
}

// Wait returns when Passed(e) is true, or with the context's error. For goroutines, not for loops.
func (s *Epochs) Wait(ctx context.Context, e Epoch) error {
	passed := make(chan struct{})
	s.WhenPassed(e, func() { close(passed) })
	select {
	case <-passed:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// fire runs the callbacks that are due. Several threads may be in it: the list's swap gives each callback to one.
func (s *Epochs) fire() {
	for again := true; again && !s.waiting.Empty(); {
		n := s.waiting.TakeAll()
		passed, earliest := s.passed(), Epoch(offline)
		var due, early Chain[waiter]
		for n != nil {
			next := n.Unlink()
			if n.Value.epoch <= passed {
				due.Append(n)
			} else {
				early.Append(n)
				earliest = min(earliest, n.Value.epoch)
			}
			n = next
		}
		again = !early.Empty()
		s.waiting.PushChain(&early)
		for n = inOrder(due.top); n != nil; n = n.Unlink() {
			n.Value.f()
		}
		again = again && s.passed() >= earliest // somebody may have announced while they were out of the list
	}
}

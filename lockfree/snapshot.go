package lockfree

import "sync/atomic"

// Snapshot is a published immutable value, such as a configuration: anyone loads it, writers replace it whole, and the
// readers' Epochs tell when the one before is free. Several snapshots may share one Epochs.
//
// Memory order. The value is written before Publish swaps the pointer, and read after Load saw it. When the old one is
// free is Epochs' argument: the swap is the unpublishing, and Advance follows it.
type Snapshot[T any] struct {
	_       pad
	current atomic.Pointer[T]
	_       pad
	epochs  *Epochs
}

// NewSnapshot publishes first, which may be nil, to the readers of epochs.
func NewSnapshot[T any](epochs *Epochs, first *T) *Snapshot[T] {
	s := &Snapshot[T]{epochs: epochs}
	s.current.Store(first)
	return s
}

// Load gives the current value, which nobody may change. A reader of the epochs may use it until its next Quiesce or
// Offline. Others may look at it too, but what Publish's free releases is not theirs to use.
func (s *Snapshot[T]) Load() *T { return s.current.Load() }

// Publish makes v current. When all readers have let go of the value before, free is called with it as WhenPassed says:
// perhaps at once, perhaps on a loop, once. A nil free leaves the old value to the garbage collector. The epoch returned
// tells, through Epochs, when every reader has v or a later one. Anyone may call it.
func (s *Snapshot[T]) Publish(v *T, free func(old *T)) Epoch {
	old := s.current.Swap(v)
	e := s.epochs.Advance()
	if free != nil {
		s.epochs.WhenPassed(e, func() { free(old) })
	}
	return e
}

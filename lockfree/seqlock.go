package lockfree

import (
	"reflect"
	"runtime"
	"sync/atomic"
	"unsafe"
)

// SeqlockMaxBytes is the size of the largest value a Seqlock carries: beyond it, a Snapshot is cheaper.
const SeqlockMaxBytes = 64

const (
	seqlockWords = SeqlockMaxBytes / 8
	// seqlockTries is how often Load looks before it lets the writer, which may wait for this very processor, run.
	seqlockTries = 64
)

// Seqlock is a small plain value with one writer and any number of readers, who never hold up the writer and repeat
// when it was in their way. T has no pointers and at most SeqlockMaxBytes.
//
// Memory order. The sequence is odd while the writer is at the words. All words are atomics: a reader that runs into a
// writer reads torn values, but no data race, and throws them away. That it does: if any word it loaded is of a later
// Store than the sequence it loaded first, then that Store's odd sequence was stored before the word, so the sequence
// loaded last is another. And if the sequence is even and the same, all words are of the Store that wrote it or were
// never overwritten: the writer stores the even sequence after its words.
type Seqlock[T any] struct {
	_     pad
	seq   atomic.Uint64
	words [seqlockWords]atomic.Uint64
	_     pad
}

// NewSeqlock holds first. It panics for a T that has pointers or is too large.
func NewSeqlock[T any](first T) *Seqlock[T] {
	if t := reflect.TypeFor[T](); !plain(t) || t.Size() > SeqlockMaxBytes {
		panic("lockfree: a Seqlock of " + t.String() + ", which has pointers or more than 64 bytes")
	}
	s := new(Seqlock[T])
	s.Store(first)
	return s
}

// plain reports whether values of t are only bits: the collector does not look into the words.
func plain(t reflect.Type) bool {
	switch k := t.Kind(); k {
	case reflect.Array:
		return t.Len() == 0 || plain(t.Elem())
	case reflect.Struct:
		for f := range t.Fields() {
			if !plain(f.Type) {
				return false
			}
		}
		return true
	default:
		return k >= reflect.Bool && k <= reflect.Complex128
	}
}

// size is the number of words of T.
func (s *Seqlock[T]) size() int {
	var v T
	return int(unsafe.Sizeof(v)+7) / 8
}

// Store makes v the value. Only the writer may call it.
func (s *Seqlock[T]) Store(v T) {
	var words [seqlockWords]uint64
	*(*T)(unsafe.Pointer(&words)) = v // fits and is aligned: NewSeqlock saw to the size, words are aligned for anything plain
	seq := s.seq.Load()
	if seq&1 != 0 {
		panic("lockfree: two writers of a Seqlock")
	}
	s.seq.Store(seq + 1)
	for i := range s.size() {
		s.words[i].Store(words[i])
	}
	s.seq.Store(seq + 2)
}

// TryLoad looks once: false says that a Store was in the way. For loops, which have a value from before to go on with.
func (s *Seqlock[T]) TryLoad() (v T, ok bool) {
	var words [seqlockWords]uint64
	seq := s.seq.Load()
	if seq&1 != 0 {
		return v, false
	}
	for i := range s.size() {
		words[i] = s.words[i].Load()
	}
	if s.seq.Load() != seq {
		return v, false
	}
	return *(*T)(unsafe.Pointer(&words)), true
}

// Load looks until no Store was in the way, and lets others run when that takes long. For goroutines.
func (s *Seqlock[T]) Load() T {
	for try := 1; ; try++ {
		if v, ok := s.TryLoad(); ok {
			return v
		}
		if try%seqlockTries == 0 {
			runtime.Gosched()
		} else {
			pause(1)
		}
	}
}

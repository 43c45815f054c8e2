package accesslog

import (
	"encoding/binary"
	"sync/atomic"
)

const (
	// averageRecordSize turns a number of records into a number of bytes.
	averageRecordSize = 512
	// minRingSize leaves room for several records of the greatest size, the
	// one at the end of the ring that is skipped included.
	minRingSize = 1 << 16
	// skipMark in place of a record's size sends the reader to the start.
	skipMark = ^uint32(0)
	// align keeps every record's size on one cache line.
	align = 8
	// cacheLine is twice the line of amd64: its prefetcher pulls pairs.
	cacheLine = 128
)

// ring is a queue of records between one writing and one reading thread. Its
// size is a power of two; positions count bytes since the start and never go
// back, so head-tail is the room in use. A record never wraps: one that does
// not fit before the end leaves a skip mark there and begins at the start.
//
// The two sides' fields lie on different cache lines. The producer looks at
// tail only when its last look does not promise enough room.
type ring struct {
	data []byte
	mask uint64

	_        [cacheLine]byte
	head     atomic.Uint64 // end of what may be read; written by the producer
	ahead    uint64        // the producer's own copy of head
	seenTail uint64        // tail when the producer last looked

	_    [cacheLine]byte
	tail atomic.Uint64 // start of what may not be overwritten; written by the reader
	_    [cacheLine]byte
}

// newRing makes a ring for about that many records.
func newRing(records int) *ring {
	size := minRingSize
	for size < records*averageRecordSize {
		size *= 2
	}
	return &ring{data: make([]byte, size), mask: uint64(size - 1)}
}

// reserve returns size bytes of the ring to write a record into, or nil if it
// is full. Only the producer calls it.
func (r *ring) reserve(size int) []byte {
	need := uint64(size+align-1) &^ (align - 1)
	at := r.ahead & r.mask
	skip := uint64(0)
	if rest := uint64(len(r.data)) - at; rest < need {
		skip = rest
	}
	if r.ahead+skip+need-r.seenTail > uint64(len(r.data)) {
		r.seenTail = r.tail.Load()
		if r.ahead+skip+need-r.seenTail > uint64(len(r.data)) {
			return nil
		}
	}
	if skip > 0 {
		binary.LittleEndian.PutUint32(r.data[at:], skipMark)
		r.ahead += skip
		at = 0
	}
	r.ahead += need
	return r.data[at : at+uint64(size) : at+uint64(size)]
}

// publish lets the reader see what was written since the last publish.
func (r *ring) publish() { r.head.Store(r.ahead) }

// pastHalf reports whether more than half of the ring was in use when the
// producer last looked. If it was, it looks again.
func (r *ring) pastHalf() bool {
	half := uint64(len(r.data) / 2)
	if r.ahead-r.seenTail <= half {
		return false
	}
	r.seenTail = r.tail.Load()
	return r.ahead-r.seenTail > half
}

// next returns the record at position pos, which is before end, and the
// position after it; nil where the ring skips to its start. Only the reader
// calls it; the bytes stay valid until release passes them.
func (r *ring) next(pos uint64) (record []byte, after uint64) {
	at := pos & r.mask
	size := binary.LittleEndian.Uint32(r.data[at:])
	if size == skipMark {
		return nil, pos + uint64(len(r.data)) - at
	}
	return r.data[at : at+uint64(size)], pos + (uint64(size)+align-1)&^(align-1)
}

// release gives everything before pos back to the producer.
func (r *ring) release(pos uint64) { r.tail.Store(pos) }

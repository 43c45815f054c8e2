package accesslog

import "sync/atomic"

// Producer is one loop's end of the access log. All of its methods are for
// that loop's thread alone, except Dropped. The nil Producer belongs to a log
// that is off: it takes every record and keeps none.
type Producer struct {
	log     *Log
	ring    *ring
	dropped atomic.Uint64
}

// Enabled reports whether records go anywhere, so that a caller need not
// gather them in vain.
func (p *Producer) Enabled() bool { return p != nil }

// Push copies r into the loop's ring and reports whether there was room. It
// never blocks and allocates nothing. Strings beyond the package's limits are
// cut. A record for which there is no room, or that comes after Close, is
// lost and counted.
func (p *Producer) Push(r *Record) bool {
	if p == nil {
		return true
	}
	n, size, truncated := r.measure()
	if p.log.closing.Load() {
		p.dropped.Add(1)
		return false
	}
	b := p.ring.reserve(size)
	if b == nil {
		p.dropped.Add(1)
		p.log.rouse()
		return false
	}
	r.encode(b, &n, truncated)
	p.ring.publish()
	if p.ring.pastHalf() {
		p.log.rouse()
	}
	return true
}

// Dropped returns how many records of this loop were lost for want of room.
// Any goroutine may call it.
func (p *Producer) Dropped() uint64 {
	if p == nil {
		return 0
	}
	return p.dropped.Load()
}

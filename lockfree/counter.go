package lockfree

import "sync/atomic"

// Counter has one writer and any number of readers. The writer adds to a word of its own, plainly, and publishes it when
// it has a moment (a loop: once a tick); readers see the last published count.
//
// Why so: a plain add that others read would be a data race, and both atomic forms, Store(Load+n) (an XCHG on amd64) and
// Add (a LOCK XADD, the cheaper of the two), cost a full barrier at every event, six to twelve times the plain add
// (BenchmarkCounterWriter). A barrier a tick is not felt. The two words stand apart, so that a reader takes from the
// writer only the line that the writer touches when it publishes.
//
// Memory order. The own word is the writer's alone. Publish stores the published word atomically, Load loads it: who sees
// a count sees also all that the writer did before it published it.
//
// The zero value is ready. A Counter must not be copied.
type Counter struct {
	_         pad
	own       uint64
	_         pad
	published atomic.Uint64
	_         pad
}

// Add counts n more, for the writer. Readers see it after the next Publish.
func (c *Counter) Add(n uint64) { c.own += n }

// Publish shows readers what was counted, if it changed. For the writer.
func (c *Counter) Publish() { publish(&c.published, c.own) }

// Load is the count last published, for anyone.
func (c *Counter) Load() uint64 { return c.published.Load() }

// Counters are many counters of one writer in a row, like a loop's metrics: counters of the same writer need nothing
// between them. Otherwise they are as Counter.
type Counters struct {
	own       []uint64
	published []atomic.Uint64
}

// NewCounters makes n counters.
func NewCounters(n int) *Counters {
	const gap = len(pad{}) / 8
	// One array each, with a gap at both ends, so that neither shares a line with anything.
	own, published := make([]uint64, gap+n+gap), make([]atomic.Uint64, gap+n+gap)
	return &Counters{own: own[gap : gap+n : gap+n], published: published[gap : gap+n : gap+n]}
}

// Add counts n more of the i-th, for the writer.
func (c *Counters) Add(i int, n uint64) { c.own[i] += n }

// Publish shows readers what was counted of each that changed, for the writer. A reader that sums up while it runs may
// see some counters from before and some from after.
func (c *Counters) Publish() {
	for i, n := range c.own {
		publish(&c.published[i], n)
	}
}

// Load is what was last published of the i-th, for anyone.
func (c *Counters) Load(i int) uint64 { return c.published[i].Load() }

// Len is how many counters there are.
func (c *Counters) Len() int { return len(c.own) }

// publish spares the barrier, and the readers' copy of the line, when there is nothing new. The load is the writer's of
// its own store.
func publish(to *atomic.Uint64, n uint64) {
	if to.Load() != n {
		to.Store(n)
	}
}

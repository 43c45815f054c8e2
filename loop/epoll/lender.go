package epoll

import (
	"slices"

	"github.com/ringway/ringway/buf"
	"github.com/ringway/ringway/loop"
)

// lender is a pool of receive buffers, and the receives that found none.
type lender struct {
	pool    *buf.Pool
	limit   int
	starved []*loop.Op
}

func newLender(size, blocks int) lender {
	return lender{pool: buf.NewPool(size, blocks), limit: blocks}
}

// lenderOf is the pool that an operation takes its buffers from.
func (d *Driver) lenderOf(op *loop.Op) *lender {
	if op.Code == loop.OpRecvmsg {
		return &d.messages
	}
	return &d.bytes
}

// starve keeps op until a buffer comes back.
func (d *Driver) starve(op *loop.Op) {
	d.stats.Starved++
	from := d.lenderOf(op)
	from.starved = append(from.starved, op)
}

// serveStarved tries as many starved receives as there are free buffers, until either runs out: one that is tried may
// leave its buffer unused, and no Return would come to serve the next.
func (d *Driver) serveStarved(from *lender) {
	for {
		before := len(from.starved)
		n := min(from.limit-from.pool.InUse(), before)
		if n <= 0 {
			return
		}
		d.queued = append(d.queued, from.starved[:n]...)
		from.starved = slices.Delete(from.starved, 0, n)
		d.attemptQueued()
		if len(from.starved) == before { // the machine is out of memory; the next Wait tries again
			return
		}
	}
}

package uring

import (
	"github.com/ringway/ringway/loop"
	"github.com/ringway/ringway/sys"
	ring "github.com/ringway/ringway/sys/uring"
)

// Reap delivers every completion that was ready when it was called.
func (d *Driver) Reap() int {
	n := d.ring.Completions()
	for i := range n {
		c := *d.ring.Peek(i)
		if c.UserData >= tagEventfd {
			d.internal(c)
			continue
		}
		d.complete(c)
	}
	if n > 0 {
		d.ring.Seen(n)
	}
	return int(n) + d.reapQuiet()
}

func (d *Driver) internal(c ring.CQE) {
	if c.UserData == tagEventfd {
		sys.EventfdDrain(d.wakeFD)
		if c.Flags&ring.IORING_CQE_F_MORE == 0 {
			d.unwatched = true
		}
	}
}

func (d *Driver) complete(c ring.CQE) {
	op := d.slots[c.UserData]
	r := loop.Result{N: c.Res, More: c.Flags&ring.IORING_CQE_F_MORE != 0}
	if op.Driver.Batch != 0 && d.retryLoud(op, c.Res) {
		return
	}
	if op.Driver.Aborted {
		r.N = -sys.ECANCELED // the completion is that of a no-op
	} else if (op.Code == loop.OpRecv || op.Code == loop.OpRecvmsg) && !d.received(op, c, &r) {
		return
	}
	d.deliver(op, r)
}

// deliver gives a result to who asked for it; the last one frees the operation's slot.
func (d *Driver) deliver(op *loop.Op, r loop.Result) {
	if !r.More {
		d.slots[op.Driver.Slot] = nil
		d.free = append(d.free, op.Driver.Slot)
		op.Driver.InFlight = false
	}
	d.stats.Completed++
	op.Done.Complete(op, r)
}

// received fills in the lent block; false says that the receive waits for a buffer and has no result yet.
func (d *Driver) received(op *loop.Op, c ring.CQE, r *loop.Result) bool {
	from := d.lenderOf(op)
	r.Drained = c.Flags&ring.IORING_CQE_F_SOCK_NONEMPTY == 0
	if c.Flags&ring.IORING_CQE_F_BUFFER != 0 {
		b := from.pool.Block(c.Flags >> ring.IORING_CQE_BUFFER_SHIFT)
		from.provided--
		d.stats.Lent++
		if c.Res <= 0 { // taken but not used
			d.Return(b)
			return !d.renewed(op, c.Res)
		}
		b.Len = int(c.Res)
		r.Block = b
		if op.Code == loop.OpRecv && r.More {
			d.renew(op, r.Drained)
		}
		return true
	}
	if c.Res != -sys.ENOBUFS {
		return !d.renewed(op, c.Res)
	}
	if op.Driver.Cancelled { // its cancellation found nothing, since it was between two tries
		r.N = -sys.ECANCELED
		return true
	}
	op.Driver.Renewed = false // it begins anew as it is
	if from.provided == 0 {
		from.target += from.first
		from.provide(from.first)
	}
	switch {
	case from.provided > 0: // now, or because a block came back since
		d.push(op)
	case !op.Driver.Polled && (!op.PollFirst || op.Multi && op.Code == loop.OpRecv):
		// The kernel takes the buffer before it looks for data. Only who has data may queue for a buffer: the others
		// would be given one, leave it unused, and no Return would come to serve the next.
		op.Driver.Polled, op.Driver.Row = true, recvRow
		d.push(op)
	default:
		op.Driver.Polled, op.Driver.Row = true, recvRow
		d.stats.Starved++
		from.starved.push(op)
	}
	return false
}

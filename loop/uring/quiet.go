package uring

import (
	"github.com/ringway/ringway/loop"
	"github.com/ringway/ringway/sys"
	ring "github.com/ringway/ringway/sys/uring"
)

// A quiet send must not end a wait by succeeding: half of a gateway's wake-ups would be for the news that the kernel has
// copied a few hundred bytes. It is submitted so that it either takes everything within the call that submits it, and
// then says nothing (CQE_SKIP_SUCCESS), or fails at once (MSG_DONTWAIT; MSG_WAITALL makes a short send a failure too).
// After the submission, silence is therefore success.

// quietOp is a quiet send that the kernel may have been told of.
type quietOp struct {
	op    *loop.Op
	batch uint32 // position in the submission queue, which also tells tries apart
}

func (d *Driver) fillQuiet(sqe *ring.SQE, op *loop.Op) {
	sqe.Flags = ring.IOSQE_CQE_SKIP_SUCCESS
	sqe.OpFlags |= sys.MSG_DONTWAIT | sys.MSG_WAITALL
	op.Driver.Batch = d.ring.Tail() | quietMark
	d.quiet = append(d.quiet, quietOp{op, op.Driver.Batch})
}

// quietMark keeps a batch from being nought.
const quietMark = 1 << 31

// retryLoud takes the completion of a quiet send, which says that it failed. A socket without room is waited for in the
// ordinary way.
func (d *Driver) retryLoud(op *loop.Op, res int32) bool {
	op.Driver.Batch = 0
	if res != -sys.EAGAIN || op.Driver.Cancelled {
		return false
	}
	op.Driver.Loud = true
	d.push(op)
	return true
}

// reapQuiet delivers the success of the quiet sends that were submitted and said nothing.
func (d *Driver) reapQuiet() int {
	n, kept := 0, 0
	for i := 0; i < len(d.quiet); i++ { // grows when a completer submits again
		q := d.quiet[i]
		switch {
		case q.op.Driver.Batch != q.batch: // it failed, and that has been delivered
		case !d.ring.Submitted(q.batch &^ quietMark):
			d.quiet[kept] = q
			kept++
		default:
			q.op.Driver.Batch = 0
			d.deliver(q.op, loop.Result{N: int32(len(q.op.Buf))})
			n++
		}
	}
	clear(d.quiet[kept:])
	d.quiet = d.quiet[:kept]
	return n
}

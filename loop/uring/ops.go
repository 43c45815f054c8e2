package uring

import (
	"unsafe"

	"github.com/ringway/ringway/loop"
	"github.com/ringway/ringway/sys"
	ring "github.com/ringway/ringway/sys/uring"
)

// User data of entries that belong to no operation; an operation's is its slot.
const (
	tagIgnore  = ^uint64(0)
	tagEventfd = ^uint64(0) - 1
)

// Submit gives op a slot, which keeps it reachable until its last completion, and queues it.
func (d *Driver) Submit(op *loop.Op) {
	if op.Driver.InFlight {
		panic("uring: operation submitted while in flight")
	}
	var slot uint32
	if n := len(d.free) - 1; n >= 0 {
		slot, d.free = d.free[n], d.free[:n]
		d.slots[slot] = op
	} else {
		slot = uint32(len(d.slots))
		d.slots = append(d.slots, op)
	}
	op.Driver = loop.DriverState{Slot: slot, InFlight: true}
	d.stats.Submitted++
	d.push(op)
}

// push makes a submission entry of op, now or as soon as the queue has room.
func (d *Driver) push(op *loop.Op) {
	if sqe := d.next(); sqe != nil {
		d.fill(sqe, op)
		return
	}
	d.backlog.push(op)
}

// next gives a free entry; a full queue is submitted first.
func (d *Driver) next() *ring.SQE {
	if sqe := d.ring.Next(); sqe != nil {
		return sqe
	}
	d.publish()
	if err := d.ring.Submit(); err != nil {
		d.failed = err
		return nil
	}
	return d.ring.Next()
}

// drainBacklog queues what found no room before.
func (d *Driver) drainBacklog() {
	if d.unwatched {
		d.watchEventfd()
	}
	for !d.backlog.empty() {
		sqe := d.next()
		if sqe == nil {
			return
		}
		d.fill(sqe, d.backlog.pop())
	}
	for n := len(d.cancels) - 1; n >= 0; n-- {
		op := d.cancels[n]
		if op.Driver.InFlight && (op.Driver.Cancelled || op.Driver.Renewed) && !d.pushCancel(op) {
			return
		}
		d.cancels[n] = nil
		d.cancels = d.cancels[:n]
	}
}

func address[T any](p *T) uint64 { return uint64(uintptr(unsafe.Pointer(p))) }

func (d *Driver) fill(sqe *ring.SQE, op *loop.Op) {
	sqe.FD = op.FD
	sqe.UserData = uint64(op.Driver.Slot)
	if op.Driver.Aborted {
		sqe.Opcode = ring.IORING_OP_NOP
		return
	}
	switch op.Code {
	case loop.OpRecv:
		sqe.Opcode = ring.IORING_OP_RECV
		sqe.Flags = ring.IOSQE_BUFFER_SELECT
		sqe.BufGroup = d.bytes.group
		if op.PollFirst && !op.Multi || op.Driver.Polled { // renew.go says why
			sqe.Ioprio = ring.IORING_RECVSEND_POLL_FIRST
		}
		if op.Multi {
			sqe.Ioprio |= ring.IORING_RECV_MULTISHOT
		}
	case loop.OpRecvmsg:
		d.fillRecvmsg(sqe, op)
	case loop.OpSend:
		sqe.Opcode = ring.IORING_OP_SEND
		sqe.Addr = address(unsafe.SliceData(op.Buf))
		sqe.Len = uint32(len(op.Buf))
		sqe.OpFlags = sendFlags(op)
		if op.Quiet && !op.Driver.Loud {
			d.fillQuiet(sqe, op)
		}
	case loop.OpSendmsg:
		sqe.Opcode = ring.IORING_OP_SENDMSG
		sqe.Addr = uint64(uintptr(op.Msg.Pointer()))
		sqe.Len = 1
		sqe.OpFlags = sendFlags(op)
	case loop.OpAccept:
		sqe.Opcode = ring.IORING_OP_ACCEPT
		sqe.Ioprio = ring.IORING_ACCEPT_MULTISHOT
		sqe.OpFlags = sys.SOCK_CLOEXEC
	case loop.OpConnect:
		sqe.Opcode = ring.IORING_OP_CONNECT
		sqe.Addr = uint64(uintptr(op.Addr.Pointer()))
		sqe.Off = uint64(op.Addr.Len())
	case loop.OpPoll:
		sqe.Opcode = ring.IORING_OP_POLL_ADD
		sqe.OpFlags = uint32(uint16(op.Events))
	case loop.OpClose:
		sqe.Opcode = ring.IORING_OP_CLOSE
	case loop.OpForget:
		sqe.Opcode = ring.IORING_OP_NOP // the ring keeps nothing of a descriptor without operations
	default:
		fillFile(sqe, op)
	}
}

func (d *Driver) fillRecvmsg(sqe *ring.SQE, op *loop.Op) {
	if d.messages.pool.Len() == 0 {
		d.messages.provide(d.messages.first)
		d.messages.publish()
	}
	sqe.Opcode = ring.IORING_OP_RECVMSG
	sqe.Flags = ring.IOSQE_BUFFER_SELECT
	sqe.BufGroup = d.messages.group
	sqe.Ioprio = ring.IORING_RECV_MULTISHOT
	if op.PollFirst || op.Driver.Polled {
		sqe.Ioprio |= ring.IORING_RECVSEND_POLL_FIRST
	}
	sqe.Addr = uint64(uintptr(d.header.Pointer()))
	sqe.Len = 1
	sqe.OpFlags = sys.RECEIVE_FLAGS
}

func sendFlags(op *loop.Op) uint32 {
	if op.NotLast {
		return sys.MSG_NOSIGNAL | sys.MSG_MORE
	}
	return sys.MSG_NOSIGNAL
}

// Cancel asks the kernel; an operation that waits in a queue of ours is completed by the next Reap instead.
func (d *Driver) Cancel(op *loop.Op) {
	if !op.Driver.InFlight || op.Driver.Cancelled {
		return
	}
	op.Driver.Cancelled = true
	if d.lenderOf(op).starved.remove(op) || d.backlog.remove(op) {
		op.Driver.Aborted = true
		d.push(op) // as a no-op, whose completion comes out of Reap like any other
		return
	}
	if !d.pushCancel(op) {
		d.cancels = append(d.cancels, op)
	}
}

// pushCancel queues the cancellation of an operation that the kernel has; false says that the queue is full. Entries are
// taken in their order, so it never hits a later operation in the same slot.
func (d *Driver) pushCancel(op *loop.Op) bool {
	sqe := d.next()
	if sqe == nil {
		return false
	}
	sqe.Opcode = ring.IORING_OP_ASYNC_CANCEL
	sqe.Addr = uint64(op.Driver.Slot)
	sqe.UserData = tagIgnore
	sqe.Flags = ring.IOSQE_CQE_SKIP_SUCCESS
	return true
}

// watchEventfd polls the eventfd, now or, when the queue is full, at the next Wait.
func (d *Driver) watchEventfd() {
	sqe := d.next()
	if d.unwatched = sqe == nil; d.unwatched {
		return
	}
	sqe.Opcode = ring.IORING_OP_POLL_ADD
	sqe.FD = int32(d.wakeFD)
	sqe.OpFlags = sys.POLLIN
	sqe.Len = ring.IORING_POLL_ADD_MULTI
	sqe.UserData = tagEventfd
}

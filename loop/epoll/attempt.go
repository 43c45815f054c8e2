package epoll

import (
	"fmt"

	"github.com/ringway/ringway/loop"
	"github.com/ringway/ringway/sys"
	abi "github.com/ringway/ringway/sys/epoll"
)

func (d *Driver) attemptQueued() {
	if len(d.queued) == 0 {
		return
	}
	d.trying, d.queued = d.queued, d.trying[:0]
	for i, op := range d.trying {
		d.trying[i] = nil
		d.attempt(op)
	}
}

// attempt tries op once: it finishes, or waits for the next edge.
func (d *Driver) attempt(op *loop.Op) {
	switch op.Code {
	case loop.OpClose:
		d.closeFile(op)
		return
	case loop.OpForget:
		d.forgetFile(op)
		return
	}
	f, e := d.file(op.FD)
	if e != 0 {
		d.finish(op, loop.Result{N: e})
		return
	}
	switch op.Code {
	case loop.OpRecv:
		d.attemptRecv(op, f)
	case loop.OpRecvmsg:
		d.attemptRecvmsg(op, f)
	case loop.OpSend:
		d.attemptSend(op, f, sys.Send(op.FD, op.Buf, sendFlags(op)))
	case loop.OpSendmsg:
		d.attemptSend(op, f, sys.Sendmsg(op.FD, op.Msg, sendFlags(op)))
	case loop.OpAccept:
		d.attemptAccept(op, f)
	case loop.OpConnect:
		d.attemptConnect(op, f)
	case loop.OpPoll:
		d.attemptPoll(op, f)
	default:
		panic(fmt.Sprintf("epoll: unknown operation %d", op.Code))
	}
}

func (d *Driver) park(op *loop.Op, f *file, dir direction) {
	if f.waiting[dir] != nil {
		panic("epoll: two operations wait on one side of a descriptor")
	}
	f.waiting[dir] = op
}

func (d *Driver) attemptRecv(op *loop.Op, f *file) {
	b := d.bytes.pool.Get()
	if b == nil {
		d.starve(op)
		return
	}
	n := sys.Recv(op.FD, b.Bytes)
	if n <= 0 {
		b.Put()
		if n == -sys.EAGAIN {
			f.ready[in] = false
			d.park(op, f, in)
			return
		}
		d.finish(op, loop.Result{N: n, Drained: true})
		return
	}
	// A short read has emptied a TCP socket: the next byte brings an edge. After a hang-up there is none to come. On a Unix
	// socket a read ends with a message that carries descriptors, whatever follows.
	f.ready[in] = int(n) == len(b.Bytes) || f.hangup || f.isUnix(op.FD)
	b.Len = int(n)
	d.stats.Lent++
	r := loop.Result{N: n, Block: b, Drained: !f.ready[in], More: op.Multi}
	d.finish(op, r)
	switch {
	case !r.More:
	case f.ready[in]:
		d.queued = append(d.queued, op)
	default:
		d.park(op, f, in)
	}
}

// attemptRecvmsg takes a call's worth of messages. Only EAGAIN says that there are no more: a message is short for its own
// reasons.
func (d *Driver) attemptRecvmsg(op *loop.Op, f *file) {
	want := 2
	if f.busy {
		want = maxMessages
	}
	d.blocks = d.blocks[:0]
	for i := range want {
		b := d.messages.pool.Get()
		if b == nil {
			break
		}
		d.blocks = append(d.blocks, b)
		d.receiver.Set(i, b.Bytes)
	}
	if len(d.blocks) == 0 {
		d.starve(op)
		return
	}
	n := d.receiver.Receive(op.FD, len(d.blocks))
	f.busy = int(n) == len(d.blocks)
	goesOn := true
	for i, b := range d.blocks {
		if i >= int(n) {
			b.Put()
			continue
		}
		b.Len = d.receiver.Finish(i, b.Bytes)
		goesOn = goesOn && b.Len > sys.ReceivedOverhead // else it may be the end, which would come again and again
		d.stats.Lent++
		d.finish(op, loop.Result{N: int32(b.Len), Block: b, More: goesOn || i < int(n)-1})
	}
	clear(d.blocks)
	switch {
	case n == -sys.EAGAIN:
		f.ready[in] = false
		d.park(op, f, in)
	case n < 0:
		d.finish(op, loop.Result{N: n, Drained: true})
	case goesOn:
		d.queued = append(d.queued, op)
	}
}

func (d *Driver) attemptSend(op *loop.Op, f *file, n int32) {
	if n == -sys.EAGAIN {
		f.ready[out] = false
		d.park(op, f, out)
		return
	}
	d.finish(op, loop.Result{N: n})
}

func sendFlags(op *loop.Op) uint32 {
	if op.NotLast {
		return sys.MSG_MORE
	}
	return 0
}

func (d *Driver) attemptAccept(op *loop.Op, f *file) {
	for range maxAccepts {
		n := sys.Accept(op.FD, true)
		switch {
		case n == -sys.EAGAIN:
			f.ready[in] = false
			d.park(op, f, in)
			return
		case n == -sys.ECONNABORTED:
			continue
		case n < 0:
			d.finish(op, loop.Result{N: n})
			return
		}
		d.done = append(d.done, outcome{op, loop.Result{N: n, More: true}})
	}
	d.queued = append(d.queued, op)
}

func (d *Driver) attemptConnect(op *loop.Op, f *file) {
	if op.Driver.Slot == 0 { // first try
		op.Driver.Slot = 1
		f.ready[out] = false
		n := sys.Connect(op.FD, op.Addr.Pointer(), op.Addr.Len())
		if n == -sys.EINPROGRESS { // EAGAIN is an answer: a full backlog (Unix) or no local port left, and no edge comes
			d.park(op, f, out)
			return
		}
		d.finish(op, loop.Result{N: n})
		return
	}
	if !f.ready[out] || sys.Poll(op.FD, sys.POLLOUT) == 0 {
		d.park(op, f, out) // the edge was that of the fresh socket, not of the connection
		return
	}
	d.finish(op, loop.Result{N: sys.SocketError(int(op.FD))})
}

func (d *Driver) attemptPoll(op *loop.Op, f *file) {
	dir := directionOf(op)
	if got := sys.Poll(op.FD, op.Events); got != 0 {
		d.finish(op, loop.Result{N: int32(uint16(got))})
		return
	}
	if op.Events&sys.POLLIN != 0 { // who asked for POLLRDHUP only has not learnt that there is nothing to read
		f.ready[in] = false
	}
	d.park(op, f, dir)
}

func (d *Driver) closeFile(op *loop.Op) {
	d.assertIdle(op.FD)
	d.forget(op.FD)
	n := int32(0)
	if err := sys.Close(int(op.FD)); err != nil {
		n = errnoOf(err)
	}
	d.finish(op, loop.Result{N: n})
}

// forgetFile stops watching a descriptor that stays open.
func (d *Driver) forgetFile(op *loop.Op) {
	d.assertIdle(op.FD)
	if op.FD >= 0 && int(op.FD) < len(d.files) && d.files[op.FD].registered {
		abi.Delete(d.ep, op.FD)
		d.forget(op.FD)
	} else if op.FD >= 0 && int(op.FD) < len(d.files) {
		d.files[op.FD].leaving = false
	}
	d.finish(op, loop.Result{})
}

func (d *Driver) assertIdle(fd int32) {
	if fd >= 0 && int(fd) < len(d.files) && (d.files[fd].waiting[in] != nil || d.files[fd].waiting[out] != nil) {
		panic("epoll: descriptor given up with an operation in flight")
	}
}

package sim

import (
	"fmt"

	"github.com/ringway/ringway/loop"
	"github.com/ringway/ringway/sys"
)

// attempt tries op once: it has its result, or waits on its socket.
func (d *Driver) attempt(op *loop.Op) {
	n := &d.w.net
	s := n.socket(op.FD)
	if op.Code == loop.OpForget {
		d.finish(op, loop.Result{})
		return
	}
	if s == nil {
		d.finish(op, loop.Result{N: -sys.EBADF})
		return
	}
	if op.Code != loop.OpClose && d.interrupted(op, s) {
		return
	}
	switch op.Code {
	case loop.OpRecv:
		d.attemptRecv(op, s)
	case loop.OpRecvmsg:
		d.attemptRecvmsg(op, s)
	case loop.OpSend:
		d.attemptSend(op, s, s.send(op.Buf))
	case loop.OpSendmsg:
		a, b := op.Msg.Buffers()
		d.attemptSend(op, s, s.send(a, b))
	case loop.OpAccept:
		d.attemptAccept(op, s)
	case loop.OpConnect:
		d.attemptConnect(op, s)
	case loop.OpPoll:
		if got := s.revents() & (op.Events | sys.POLLERR | sys.POLLHUP); got != 0 {
			d.finish(op, loop.Result{N: int32(uint16(got))})
			return
		}
		s.park(d, op)
	case loop.OpClose:
		if len(s.waiting) > 0 && s.refs == 1 {
			panic(fmt.Sprintf("sim: descriptor %d closed with an operation in flight", op.FD))
		}
		d.finish(op, loop.Result{N: n.release(op.FD)})
	default:
		panic(fmt.Sprintf("sim: unknown operation %d", op.Code))
	}
}

// interrupted ends op without reason, if the seed says so.
func (d *Driver) interrupted(op *loop.Op, s *socket) bool {
	f := &d.w.cfg.Faults
	e := int32(0)
	switch op.Code {
	case loop.OpRecv, loop.OpRecvmsg, loop.OpAccept:
		if s.dice.chance(f.Interrupted) {
			e = -sys.EINTR
		}
	case loop.OpSend, loop.OpSendmsg:
		if s.dice.chance(f.Interrupted) {
			e = -sys.EINTR
		} else if s.dice.chance(f.NoBuffers) {
			e = -sys.ENOBUFS
		}
	}
	if e == 0 || d.w.mode != running {
		return false
	}
	d.finish(op, loop.Result{N: e})
	return true
}

// waits parks op, or ends it where the socket must not wait: io_uring keeps to O_NONBLOCK.
func (d *Driver) waits(op *loop.Op, s *socket) {
	if s.nonblock && !d.w.cfg.NonBlocking && op.Code != loop.OpConnect {
		d.finish(op, loop.Result{N: -sys.EAGAIN})
		return
	}
	s.park(d, op)
}

func (d *Driver) attemptRecv(op *loop.Op, s *socket) {
	if len(s.rx) == 0 {
		if n := s.recv(nil); n != -sys.EAGAIN {
			d.finish(op, loop.Result{N: n, Drained: true})
			return
		}
		d.waits(op, s)
		return
	}
	b := d.recv.Get()
	if b == nil {
		d.stats.Starved++
		d.starved = append(d.starved, op)
		return
	}
	n := s.recv(b.Bytes)
	b.Len = int(n)
	d.stats.Lent++
	r := loop.Result{N: n, Block: b, Drained: len(s.rx) == 0, More: op.Multi}
	d.finish(op, r)
	switch {
	case !r.More:
	case s.readable():
		d.queued = append(d.queued, op)
	default:
		s.park(d, op)
	}
}

// attemptRecvmsg takes one message, and waits for the next.
func (d *Driver) attemptRecvmsg(op *loop.Op, s *socket) {
	if !s.readable() {
		d.waits(op, s)
		return
	}
	b := d.msgs.Get()
	if b == nil {
		d.stats.Starved++
		d.starved = append(d.starved, op)
		return
	}
	n := d.w.net.receiveMessage(s, b.Bytes)
	if n < 0 {
		b.Put()
		if n == -sys.EAGAIN {
			d.waits(op, s)
			return
		}
		d.finish(op, loop.Result{N: n, Drained: true})
		return
	}
	b.Len = int(n)
	d.stats.Lent++
	end := b.Len == sys.ReceivedOverhead // of nought bytes: io_uring does not go on after one
	d.finish(op, loop.Result{N: n, Block: b, More: !end})
	switch {
	case end:
	case s.readable():
		d.queued = append(d.queued, op)
	default:
		s.park(d, op)
	}
}

func (d *Driver) attemptSend(op *loop.Op, s *socket, n int32) {
	if n == -sys.EAGAIN {
		d.waits(op, s)
		return
	}
	d.finish(op, loop.Result{N: n})
}

func (d *Driver) attemptAccept(op *loop.Op, s *socket) {
	if s.ls == nil {
		d.finish(op, loop.Result{N: -sys.EINVAL})
		return
	}
	for {
		n := d.w.net.accept(s, d.w.cfg.NonBlocking)
		if n == -sys.EAGAIN {
			d.waits(op, s)
			return
		}
		d.finish(op, loop.Result{N: n, More: n >= 0})
		if n < 0 {
			return
		}
	}
}

func (d *Driver) attemptConnect(op *loop.Op, s *socket) {
	if op.Driver.Slot == 0 {
		op.Driver.Slot = 1
		n := d.w.net.connect(s, op.Addr)
		if n != -sys.EINPROGRESS {
			d.finish(op, loop.Result{N: n})
			return
		}
	}
	if s.state == connecting {
		s.park(d, op)
		return
	}
	d.finish(op, loop.Result{N: s.takeErr()})
}

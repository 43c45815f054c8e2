package conn

import (
	"net"
	"slices"

	"github.com/ringway/ringway/loop"
	"github.com/ringway/ringway/sys"
)

// poller waits until a descriptor is ready on one side, for any number of tasks. It is part of the record that owns the
// descriptor, which tries what it wants to do first and comes here when it would have to wait.
type poller struct {
	l        *loop.Loop
	op       loop.Op
	events   int16 // that held when the last wait ended
	rounds   uint64
	tasks    []*loop.Task
	deadline deadline
	closed   bool
	idle     func() // called when the poller was closed and nothing is in flight any more
}

func (p *poller) init(l *loop.Loop, fd int32, events int16, idle func()) {
	p.l, p.idle = l, idle
	p.op = loop.Op{Code: loop.OpPoll, FD: fd, Events: events, Done: p}
	p.deadline.timer.Expirer = p
}

// check says why nobody may wait any more.
func (p *poller) check() error {
	switch {
	case p.closed:
		return net.ErrClosed
	case p.deadline.passed(p.l):
		return errDeadline
	}
	return p.l.Current().Cause()
}

// wait parks the task until the descriptor may be ready. Who comes back tries again.
func (p *poller) wait() error {
	if err := p.check(); err != nil {
		return err
	}
	t, round := p.l.Current(), p.rounds
	if !p.op.InFlight() {
		p.l.Submit(&p.op)
	}
	p.tasks = append(p.tasks, t)
	var err error
	for err == nil && p.rounds == round {
		if err = t.Park(p); err == nil {
			err = p.check()
		}
	}
	p.leave(t)
	return err
}

// leave strikes a task off; when none is left, nobody needs the wait any more.
func (p *poller) leave(t *loop.Task) {
	if i := slices.Index(p.tasks, t); i >= 0 {
		p.tasks = slices.Delete(p.tasks, i, i+1)
	}
	if len(p.tasks) == 0 && p.op.InFlight() {
		p.l.CancelOp(&p.op)
	}
}

// CancelWait ends a task's wait.
func (p *poller) CancelWait(t *loop.Task) { p.l.Ready(t) }

// Complete ends everybody's wait.
func (p *poller) Complete(_ *loop.Op, r loop.Result) {
	p.rounds++
	p.events = int16(max(r.N, 0))
	if r.N < 0 && r.N != -sys.ECANCELED {
		p.events = sys.POLLERR // whatever is tried next says more
	}
	p.wake()
	if p.closed {
		p.idle()
	}
}

func (p *poller) wake() {
	for _, t := range p.tasks {
		p.l.Ready(t)
	}
}

// Expire ends the waits whose deadline has passed.
func (p *poller) Expire(*loop.Timer) {
	if p.deadline.expire(p.l) {
		p.wake()
	}
}

// close ends all waits. Unless something is in flight, idle has been called when it returns.
func (p *poller) close() {
	p.closed = true
	p.l.StopTimer(&p.deadline.timer)
	p.wake()
	if p.op.InFlight() {
		p.l.CancelOp(&p.op)
		return
	}
	p.idle()
}

package conn

import (
	"time"

	"github.com/ringway/ringway/loop"
	"github.com/ringway/ringway/sys"
)

// Readiness waits for a descriptor that somebody else owns and reads or writes: a device, an eventfd, a library's socket. It is not
// for what a connection of this package owns, which has Readable. One Readiness at a time watches a descriptor, and one task at a
// time waits with it.
type Readiness struct {
	n      *Net
	fd     int32
	p      poller
	forget forgetting
}

// NewReadiness watches fd until Close; until then fd must stay open.
func NewReadiness(n *Net, fd int) *Readiness {
	r := &Readiness{n: n, fd: int32(fd)}
	n.open++
	r.p.init(n.Loop, r.fd, 0, r.finishClose)
	r.forget.op = loop.Op{Code: loop.OpForget, FD: r.fd, Done: &r.forget}
	return r
}

// Readable waits until a read would not wait: there is something, or an end or error; d bounds the wait (0: no bound), after
// which it returns os.ErrDeadlineExceeded.
func (r *Readiness) Readable(d time.Duration) error { return r.await(sys.POLLIN|sys.POLLRDHUP, d) }

// Writable waits until a write would not wait.
func (r *Readiness) Writable(d time.Duration) error { return r.await(sys.POLLOUT, d) }

func (r *Readiness) await(events int16, d time.Duration) error {
	for {
		if err := r.p.check(); err != nil && err != errDeadline {
			return err
		}
		if !r.p.op.InFlight() {
			break
		}
		r.p.deadline.set(r.n.Loop, 0)
		if err := r.p.wait(); err != nil { // the end of a wait that was given up
			return err
		}
	}
	r.p.op.Events, r.p.events = events, 0
	r.p.deadline.set(r.n.Loop, d)
	for {
		err := r.p.wait()
		if r.p.events != 0 || err != nil {
			r.p.deadline.set(r.n.Loop, 0)
			return err
		}
	}
}

// Close stops watching, and waits until the loop has let go of the descriptor, which its owner may then close. It must run in
// a task, also in one that is cancelled.
func (r *Readiness) Close() error {
	if r.p.closed {
		return nil
	}
	r.forget.task = r.n.Loop.Current()
	r.p.close()
	for !r.forget.done {
		_ = r.forget.task.ParkUncancelled(nil) // the cause stays with the task
	}
	r.n.open--
	return nil
}

func (r *Readiness) finishClose() { r.n.Loop.Submit(&r.forget.op) }

// forgetting gives a descriptor back.
type forgetting struct {
	op   loop.Op
	task *loop.Task
	done bool
}

func (f *forgetting) Complete(*loop.Op, loop.Result) {
	f.done = true
	f.task.Loop().Ready(f.task)
}

// WaitReadable waits until a read from fd, which somebody else owns, would not wait; d bounds the wait (0: no bound).
func WaitReadable(n *Net, fd int, d time.Duration) error {
	r := NewReadiness(n, fd)
	defer r.Close()
	return r.Readable(d)
}

// WaitWritable is WaitReadable for writes.
func WaitWritable(n *Net, fd int, d time.Duration) error {
	r := NewReadiness(n, fd)
	defer r.Close()
	return r.Writable(d)
}

package conn

import (
	"net"

	"github.com/ringway/ringway/loop"
)

// Incoming is a listener of streams whose connections a task takes one by one, where an Acceptor would be told of them. While too many wait
// to be taken it stops accepting, and the kernel's queue fills.
type Incoming struct {
	ln    *Listener
	limit int
	queue []*Conn
	task  *loop.Task
	sel   *AcceptCase
}

// ListenQueue accepts connections from the listening socket fd, which it owns from then on, and lets limit of them wait; 0: 128.
// Every connection that was taken is reported to Release when it has been closed, if the configuration has a cap.
func ListenQueue(n *Net, fd int, cfg ListenConfig, limit int) *Incoming {
	if limit == 0 {
		limit = 128
	}
	in := &Incoming{limit: limit}
	in.ln = newListener(n, fd, cfg)
	in.ln.to, in.ln.queue = in, in
	n.Loop.Submit(&in.ln.op)
	return in
}

// Listener is what accepts, with its counters.
func (in *Incoming) Listener() *Listener { return in.ln }

func (in *Incoming) full() bool { return len(in.queue) >= in.limit }

// Accept is for the listener; Take gives what it brings.
func (in *Incoming) Accept(c *Conn) {
	if in.ln.closing { // the kernel had accepted it before it heard of Close
		c.Abort()
		in.ln.conns--
		return
	}
	in.queue = append(in.queue, c)
	in.wake()
}

func (in *Incoming) wake() {
	if in.task != nil {
		in.ln.n.Loop.Ready(in.task)
	}
	if in.sel != nil {
		in.sel.take()
	}
}

// Take waits for a connection. One task at a time may wait. After Close it returns net.ErrClosed.
func (in *Incoming) Take() (*Conn, error) {
	for {
		if c := in.next(); c != nil {
			return c, nil
		}
		if in.ln.closing {
			return nil, net.ErrClosed
		}
		in.task = in.ln.n.Loop.Current()
		err := in.task.Park(in)
		in.task = nil
		if err != nil {
			return nil, err
		}
	}
}

// CancelWait ends a wait.
func (in *Incoming) CancelWait(t *loop.Task) { in.ln.n.Loop.Ready(t) }

// next takes the connection that has waited longest, nil if none has.
func (in *Incoming) next() *Conn {
	if len(in.queue) == 0 {
		return nil
	}
	c := in.queue[0]
	in.queue = append(in.queue[:0], in.queue[1:]...)
	in.ln.drain()
	return c
}

// Release says that a connection that was taken has been closed.
func (in *Incoming) Release() { in.ln.Release() }

// Close stops accepting and closes the socket, and the connections that nobody has taken.
func (in *Incoming) Close() {
	if in.ln.closing {
		return
	}
	in.ln.Close()
	for _, c := range in.queue {
		c.Abort()
		in.ln.conns--
	}
	in.queue = nil
	in.ln.drain() // what waited behind them comes to Accept
	in.wake()
}

// AcceptCase is an Incoming in a loop.Select. It may be used again after that.
type AcceptCase struct {
	Conn   *Conn // that was taken; nil: the listener is closed
	in     *Incoming
	ticket loop.Ticket
}

// Case gives a case that takes a connection.
func (in *Incoming) Case() *AcceptCase { return &AcceptCase{in: in} }

// Try is for Select.
func (a *AcceptCase) Try(*loop.Task) bool {
	a.Conn = a.in.next()
	return a.Conn != nil || a.in.ln.closing
}

// Enqueue is for Select.
func (a *AcceptCase) Enqueue(k loop.Ticket) {
	if a.in.sel != nil {
		panic(inOneSelect)
	}
	a.ticket, a.in.sel = k, a
}

// take carries the case out if no other has taken effect.
func (a *AcceptCase) take() {
	if a.in.ln.closing || len(a.in.queue) > 0 {
		if a.ticket.Take() {
			a.Conn = a.in.next()
			a.in.sel = nil
		}
	}
}

// Dequeue is for Select.
func (a *AcceptCase) Dequeue() {
	if a.in.sel == a {
		a.in.sel = nil
	}
}

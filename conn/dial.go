package conn

import (
	"net"
	"net/netip"
	"strings"
	"time"

	"github.com/ringway/ringway/loop"
	"github.com/ringway/ringway/sys"
)

// Address is a resolved address to dial.
type Address struct {
	sa   sys.Sockaddr
	text string
}

// NewAddress takes ip:port or unix:/path. It resolves no names.
func NewAddress(s string) (Address, error) {
	sa, err := ParseAddress(s)
	return Address{sa: sa, text: s}, err
}

// AddressOf is the address of an IP address and port.
func AddressOf(ap netip.AddrPort) (Address, error) {
	var sa sys.Sockaddr
	err := sa.SetAddrPort(ap)
	return Address{sa: sa, text: ap.String()}, err
}

// String gives the address as it was written.
func (a *Address) String() string { return a.text }

// dialing is a connect in flight and the task that waits for it.
type dialing struct {
	l        *loop.Loop
	op       loop.Op
	addr     sys.Sockaddr
	task     *loop.Task
	res      int32
	done     bool
	deadline loop.Timer
	timedOut bool
}

func (d *dialing) Complete(_ *loop.Op, r loop.Result) {
	d.done, d.res = true, r.N
	d.l.Ready(d.task)
}

// Expire cancels the connect when its time is up.
func (d *dialing) Expire(*loop.Timer) {
	if d.done && d.res != -sys.EAGAIN {
		return // it has its result
	}
	d.timedOut = true
	d.l.CancelOp(&d.op)
}

// CancelWait cancels the connect; its completion wakes the task.
func (d *dialing) CancelWait(*loop.Task) { d.l.CancelOp(&d.op) }

// Dial connects to addr within the timeout (0: the kernel's own). It must run in a task; a cancelled task gets its cause.
func Dial(n *Net, addr *Address, timeout time.Duration) (*Conn, error) {
	l := n.Loop
	t := l.Current()
	if err := t.Cause(); err != nil {
		return nil, err
	}
	fd, err := n.sock.StreamSocket(addr.sa.Family(), l.NonBlocking())
	if err != nil {
		return nil, dialError(addr, err)
	}
	unix := addr.sa.Family() == sys.AF_UNIX
	if !unix {
		_ = n.sock.SetNoDelay(fd, true) // a socket without it is slower, not wrong
	}
	d := &dialing{l: l, addr: addr.sa, task: t}
	d.op = loop.Op{Code: loop.OpConnect, FD: int32(fd), Addr: &d.addr, Done: d}
	d.deadline.Expirer = d
	if timeout > 0 {
		l.StartTimer(&d.deadline, timeout)
	}
	cause := d.connect()
	for unix && cause == nil && d.res == -sys.EAGAIN && !d.timedOut {
		// A Unix listener whose queue is full does not let a non-blocking connect wait for room.
		if cause = t.Sleep(queuePause); cause == nil {
			cause = d.connect()
		}
	}
	l.StopTimer(&d.deadline)
	c := New(n, int32(fd), unix)
	switch {
	case cause != nil:
		err = cause
	case d.timedOut && d.res < 0:
		err = errDeadline
	case d.res < 0:
		err = sys.Error("connect", d.res)
	default:
		c.rd.drained = true // nothing can have come yet
		return c, nil
	}
	_ = c.Close()
	return nil, dialError(addr, err)
}

// queuePause is how long a dial waits before it tries a full queue again.
const queuePause = 2 * time.Millisecond

// connect waits for one attempt; it returns why the task was cancelled meanwhile, if it was.
func (d *dialing) connect() error {
	var cause error
	d.done = false
	d.l.Submit(&d.op)
	for !d.done {
		if cause = d.task.ParkUncancelled(d); cause != nil {
			d.l.CancelOp(&d.op)
		}
	}
	return cause
}

func dialError(addr *Address, err error) error {
	return &net.OpError{Op: "dial", Net: textAddr(addr.text).Network(), Addr: textAddr(addr.text), Err: err}
}

type textAddr string

func (a textAddr) Network() string { return networkOf(strings.HasPrefix(string(a), unixPrefix)) }
func (a textAddr) String() string  { return string(a) }

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

// NewAddress takes ip:port, unix:/path or unix:@name, which has no file. It resolves no names.
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

// DialConfig says how a connection is made. The zero value suits most.
type DialConfig struct {
	Timeout time.Duration  // 0: the kernel's own
	Local   netip.AddrPort // this side's address; with port 0 the kernel chooses one, late enough to share it among peers
	// FastOpen sends the first bytes with the SYN (RFC 7413) to a peer that has allowed it before: the connection counts as made
	// at once, and that it failed shows at the first write. Only what may arrive twice may be sent so.
	FastOpen bool
	SocketOptions
}

// options are the socket options that stand for the configuration.
func (c *DialConfig) options() []sys.OptionValue {
	list := c.SocketOptions.options()
	if c.Local.IsValid() && c.Local.Port() == 0 {
		list = append(list, sys.OptionValue{Option: sys.IP_BIND_ADDRESS_NO_PORT, Value: 1})
	}
	if c.FastOpen {
		list = append(list, sys.OptionValue{Option: sys.TCP_FASTOPEN_CONNECT, Value: 1})
	}
	return list
}

// Dial connects to addr within the timeout (0: the kernel's own). It must run in a task; a cancelled task gets its cause.
func Dial(n *Net, addr *Address, timeout time.Duration) (*Conn, error) {
	return DialWith(n, addr, DialConfig{Timeout: timeout})
}

// DialWith is Dial with all there is to set. An error names the option that could not be set.
func DialWith(n *Net, addr *Address, cfg DialConfig) (*Conn, error) {
	fd, err := dialStream(n, addr, sys.SOCK_STREAM, cfg)
	if err != nil {
		return nil, dialError(addr, err)
	}
	c := New(n, int32(fd), addr.sa.Family() == sys.AF_UNIX)
	c.rd.drained = true // nothing can have come yet
	return c, nil
}

// dialStream opens a socket and connects it.
func dialStream(n *Net, addr *Address, kind int, cfg DialConfig) (int, error) {
	l := n.Loop
	t := l.Current()
	if err := t.Cause(); err != nil {
		return -1, err
	}
	if err := n.dials.Await(t); err != nil {
		return -1, err
	}
	fd, err := dialSocket(n, addr.sa.Family(), kind, &cfg)
	if err != nil {
		return -1, err
	}
	unix := addr.sa.Family() == sys.AF_UNIX
	d := &dialing{l: l, addr: addr.sa, task: t}
	d.op = loop.Op{Code: loop.OpConnect, FD: int32(fd), Addr: &d.addr, Done: d}
	d.deadline.Expirer = d
	if cfg.Timeout > 0 {
		l.StartTimer(&d.deadline, cfg.Timeout)
	}
	cause := d.connect()
	for unix && cause == nil && d.res == -sys.EAGAIN && !d.timedOut {
		// A Unix listener whose queue is full does not let a non-blocking connect wait for room.
		if cause = t.Sleep(queuePause); cause == nil {
			cause = d.connect()
		}
	}
	l.StopTimer(&d.deadline)
	switch {
	case cause != nil:
		err = cause
	case d.timedOut && d.res < 0:
		err = errDeadline
	case d.res < 0:
		err = sys.Error("connect", d.res)
	default:
		return fd, nil
	}
	_ = New(n, int32(fd), unix).Close() // the driver knows the descriptor, so it has to close it
	return -1, err
}

// dialSocket opens a socket as the configuration says.
func dialSocket(n *Net, family, kind int, cfg *DialConfig) (int, error) {
	fd, err := n.sock.Socket(family, kind, n.Loop.NonBlocking())
	if err != nil {
		return -1, err
	}
	if family != sys.AF_UNIX && !cfg.Delay {
		_ = n.sock.SetNoDelay(fd, true) // a socket without it is slower, not wrong
	}
	for _, o := range cfg.options() {
		if err == nil {
			err = n.sock.SetOption(fd, o.Option, o.Value)
		}
	}
	if err == nil && cfg.Local.IsValid() {
		var own sys.Sockaddr
		if err = own.SetAddrPort(cfg.Local); err == nil {
			err = n.sock.Bind(fd, &own)
		}
	}
	if err != nil {
		_ = n.sock.Close(fd)
		return -1, err
	}
	return fd, nil
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

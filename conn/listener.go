package conn

import (
	"net/netip"
	"strings"
	"time"

	"github.com/ringway/ringway/loop"
	"github.com/ringway/ringway/sys"
)

// ListenConfig says where and how a loop listens. The options are those of the accepted connections, which inherit them.
type ListenConfig struct {
	Address  string // host:port with a numeric or empty host, unix:/path, or unix:@name, which has no file
	Backlog  int    // accept queue; 0 means 4,096
	MaxConns int    // connections open at a time; 0 means no cap

	Packets     bool // connections are of messages (Unix, SOCK_SEQPACKET): the acceptor is a PacketAcceptor
	NoReusePort bool // only this socket has the address (without SO_REUSEPORT)
	NoReuseAddr bool // the address is refused while connections of an earlier socket linger (without SO_REUSEADDR)
	// FastOpen is how many connections may wait whose peers sent data with their SYN (RFC 7413); 0: none.
	FastOpen int
	// DeferAccept keeps connections from being accepted until their first bytes are there, for this long; 0: no. It suits
	// protocols in which the client speaks first.
	DeferAccept time.Duration
	SocketOptions
}

// options are what the configuration asks of the socket.
func (c *ListenConfig) options(nonblock bool) sys.ListenOptions {
	o := sys.ListenOptions{Backlog: c.Backlog, ReusePort: !c.NoReusePort, NoReuse: c.NoReuseAddr, NoDelay: !c.Delay, NonBlock: nonblock}
	if o.Backlog == 0 {
		o.Backlog = 4096
	}
	if c.Packets {
		o.Kind = sys.SOCK_SEQPACKET
	}
	o.Options = c.SocketOptions.options()
	if c.FastOpen > 0 {
		o.Options = append(o.Options, sys.OptionValue{Option: sys.TCP_FASTOPEN, Value: c.FastOpen})
	}
	if c.DeferAccept > 0 {
		o.Options = append(o.Options, sys.OptionValue{Option: sys.TCP_DEFER_ACCEPT, Value: seconds(c.DeferAccept)})
	}
	return o
}

// Acceptor takes accepted connections, on the loop and outside any task.
type Acceptor interface {
	Accept(c *Conn)
}

// PacketAcceptor takes accepted connections of messages, on the loop and outside any task.
type PacketAcceptor interface {
	AcceptPackets(c *PacketConn)
}

// unixPrefix marks the path of a Unix socket in an address.
const unixPrefix = "unix:"

// acceptPause is how long a listener waits when the process has run out of descriptors or memory.
const acceptPause = 100 * time.Millisecond

// Listener accepts connections on one loop. Several loops listen on one address with a socket each (SO_REUSEPORT), among
// which the kernel spreads connections.
type Listener struct {
	n         *Net
	fd        int32
	addr      netip.AddrPort
	unix      bool
	op        loop.Op
	to        Acceptor
	packets   PacketAcceptor // in place of to
	queue     *Incoming      // is to, and holds accepting up when it is full
	maxConns  int
	conns     int
	over      []int32 // accepted by the kernel before it heard of the cap; given out as room comes
	address   string
	closing   bool
	closed    bool
	paused    loop.Timer
	exhausted bool // accepting fails, and that has been logged
	forgetOp  loop.Op
	closeOp   loop.Op

	// Accepted, Paused and Capped count connections, pauses for lack of descriptors, and stops at the cap.
	Accepted, Paused, Capped uint64
}

// ParseAddress turns host:port, :port or unix:/path into a socket address. It resolves no names.
func ParseAddress(s string) (sys.Sockaddr, error) {
	var sa sys.Sockaddr
	if path, ok := strings.CutPrefix(s, unixPrefix); ok {
		return sa, sa.SetUnix(path)
	}
	if strings.HasPrefix(s, ":") {
		s = "[::]" + s
	}
	ap, err := netip.ParseAddrPort(s)
	if err != nil {
		return sa, err
	}
	return sa, sa.SetAddrPort(ap)
}

// OpenListener opens a listening socket that any loop on the same network may take over with Listen: sock is the loops'
// (Loop.Sockets), or sys.KernelSockets where there is no loop yet. nonblock must be what the loop's driver wants
// (Loop.NonBlocking).
func OpenListener(sock loop.Sockets, cfg ListenConfig, nonblock bool) (fd int, addr netip.AddrPort, err error) {
	sa, err := ParseAddress(cfg.Address)
	if err != nil {
		return -1, addr, err
	}
	o := cfg.options(nonblock)
	fd, err = sock.Listen(&sa, o)
	if port, ok := strings.CutPrefix(cfg.Address, ":"); ok && sys.IsNoFamily(err) { // this machine has no IPv6
		if sa, err = ParseAddress("0.0.0.0:" + port); err == nil {
			fd, err = sock.Listen(&sa, o)
		}
	}
	if err != nil {
		return -1, addr, err
	}
	if addr, err = sock.Getsockname(fd); err != nil {
		_ = sock.Close(fd)
		return -1, addr, err
	}
	return fd, addr, nil
}

// Listen accepts connections from the listening socket fd, which it owns from then on, and gives them to to.
func Listen(n *Net, fd int, cfg ListenConfig, to Acceptor) *Listener {
	ln := newListener(n, fd, cfg)
	ln.to = to
	n.Loop.Submit(&ln.op)
	return ln
}

// ListenPackets is Listen for a socket that was opened with ListenConfig.Packets.
func ListenPackets(n *Net, fd int, cfg ListenConfig, to PacketAcceptor) *Listener {
	ln := newListener(n, fd, cfg)
	ln.packets = to
	n.Loop.Submit(&ln.op)
	return ln
}

func newListener(n *Net, fd int, cfg ListenConfig) *Listener {
	ln := &Listener{n: n, fd: int32(fd), maxConns: cfg.MaxConns, unix: strings.HasPrefix(cfg.Address, unixPrefix), address: cfg.Address}
	ln.addr, _ = n.sock.Getsockname(fd)
	ln.op = loop.Op{Code: loop.OpAccept, FD: ln.fd, Done: ln}
	ln.forgetOp = loop.Op{Code: loop.OpForget, FD: ln.fd, Done: (*listenerCloser)(ln)}
	ln.closeOp = loop.Op{Code: loop.OpClose, FD: ln.fd, Done: (*listenerCloser)(ln)}
	ln.paused.Expirer = ln
	return ln
}

// Addr is the address listened on; the zero value for a Unix socket.
func (ln *Listener) Addr() netip.AddrPort { return ln.addr }

// Conns is the number of connections accepted here that are still open.
func (ln *Listener) Conns() int { return ln.conns }

// Complete takes an accepted connection, or the end of accepting.
func (ln *Listener) Complete(_ *loop.Op, r loop.Result) {
	if r.N >= 0 {
		ln.accepted(r.N)
	}
	if r.More {
		return
	}
	switch {
	case ln.closing:
		ln.finishClose()
	case r.N >= 0, r.N == -sys.ECONNABORTED, r.N == -sys.EINTR, r.N == -sys.EAGAIN:
		ln.resume()
	case r.N == -sys.ECANCELED:
		ln.resume() // cancelled at the cap, and room may have come since
	default:
		if ln.Paused++; !ln.exhausted {
			ln.exhausted = true
			ln.n.Loop.Log().Warn("cannot accept, trying again until it works", "address", ln.address, "err", sys.Error("accept", r.N), "pause", acceptPause)
		}
		ln.n.Loop.StartTimer(&ln.paused, acceptPause)
	}
}

// accepted gives a connection out, or keeps it while the cap is reached: one call may accept a whole burst.
func (ln *Listener) accepted(fd int32) {
	if ln.full() {
		ln.over = append(ln.over, fd)
		return
	}
	if ln.Accepted++; ln.exhausted {
		ln.exhausted = false
		ln.n.Loop.Log().Info("accepting again", "address", ln.address, "pauses", ln.Paused)
	}
	ln.conns++
	capped := ln.full()
	if capped {
		ln.Capped++
	}
	ln.give(fd)
	if (capped || ln.full()) && ln.op.InFlight() { // the acceptor's queue may be full only now
		ln.n.Loop.CancelOp(&ln.op)
	}
}

// give makes a connection of an accepted socket.
func (ln *Listener) give(fd int32) {
	if ln.packets != nil {
		ln.packets.AcceptPackets(NewPacketConn(ln.n, int(fd), Unixpacket))
		return
	}
	c := New(ln.n, fd, ln.unix)
	c.local = ln.addr
	if ln.addr.Addr().IsUnspecified() {
		c.local = netip.AddrPort{}
	}
	ln.to.Accept(c)
}

func (ln *Listener) full() bool {
	return ln.maxConns > 0 && ln.conns >= ln.maxConns || ln.queue != nil && ln.queue.full()
}

// Release says that a connection accepted here has been closed. The acceptor calls it once for each.
func (ln *Listener) Release() {
	ln.conns--
	ln.drain()
}

// drain gives out what waited for room, and accepts again.
func (ln *Listener) drain() {
	for len(ln.over) > 0 && !ln.full() {
		fd := ln.over[0]
		ln.over = ln.over[1:]
		ln.accepted(fd)
	}
	ln.resume()
}

// resume accepts again, unless that goes on, is paused, or the cap is reached.
func (ln *Listener) resume() {
	if ln.closing || ln.op.InFlight() || ln.paused.Active() || ln.full() {
		return
	}
	ln.n.Loop.Submit(&ln.op)
}

// Expire ends a pause.
func (ln *Listener) Expire(*loop.Timer) { ln.resume() }

// Close stops accepting and closes the socket. Connections accepted before stay, and those among them that wait for
// room under the cap are still given out.
func (ln *Listener) Close() {
	if ln.closing {
		return
	}
	ln.closing = true
	ln.n.Loop.StopTimer(&ln.paused)
	if ln.op.InFlight() {
		ln.n.Loop.CancelOp(&ln.op)
		return
	}
	ln.finishClose()
}

// finishClose closes the socket once: Close may be called by an acceptor, inside the completion that ends accepting. Others may have
// descriptors of the same socket, so that closing this one alone would not end epoll's interest in it.
func (ln *Listener) finishClose() {
	if !ln.closed {
		ln.closed = true
		ln.n.Loop.Submit(&ln.forgetOp)
		ln.n.Loop.Submit(&ln.closeOp)
	}
}

type listenerCloser Listener

func (*listenerCloser) Complete(*loop.Op, loop.Result) {}

package conn

import (
	"net"
	"net/netip"
	"strings"
	"time"

	"github.com/ringway/ringway/buf"
	"github.com/ringway/ringway/loop"
	"github.com/ringway/ringway/sys"
)

// PacketKind is what carries the messages of a PacketConn.
type PacketKind uint8

// The kinds of packet connections.
const (
	UDP        PacketKind = iota // datagrams over IP
	Unixgram                     // datagrams over a Unix socket: in order, none lost, a full receiver holds the sender up
	Unixpacket                   // messages over a connection between two Unix sockets (SOCK_SEQPACKET)
)

// String is the name that package net has for the kind.
func (k PacketKind) String() string { return [...]string{"udp", "unixgram", "unixpacket"}[k] }

// PacketConn is a socket of one loop that keeps the bounds of messages, connected or not. At rest it holds no buffer: what
// arrives comes in buffers that the loop lends. One task at a time may read; any number may write.
type PacketConn struct {
	n      *Net
	fd     int32
	kind   PacketKind
	gone   bool // the descriptor is closed
	local  netip.AddrPort
	remote netip.AddrPort // of a connected socket

	dropped uint32
	in      inflow
	out     poller
	closeOp loop.Op
}

// Datagram is a received message. What it lends is valid until Release.
type Datagram struct {
	Data      []byte
	From      netip.AddrPort // of UDP
	Local     netip.Addr     // where it was sent to, with PacketConfig.PacketInfo
	Interface int            // that it came in by, with the same
	TOS       uint8          // or traffic class, with PacketConfig.ReceiveTOS: DSCP in the upper six bits, ECN in the lower two
	// Segment says that the kernel has joined datagrams (PacketConfig.Join): Data is a row of them, each of so many bytes, the
	// last perhaps of fewer. 0: it is one.
	Segment   int
	Truncated bool // it was longer than a buffer; only Unix has so long ones
	Cut       bool // descriptors, or others of what comes beside the data, were lost for want of room or numbers

	block  *buf.Block
	rights int // descriptors that came along and that nobody took yet
}

// ECN is the explicit congestion notification of the datagram (RFC 3168, section 5).
func (d *Datagram) ECN() uint8 { return d.TOS & 3 }

// FromPath is the Unix address that the message came from, @ standing for the nought of an abstract name; empty if the sender
// has none.
func (d *Datagram) FromPath() string {
	if d.block == nil {
		return ""
	}
	return sys.Received(d.block.Data()).FromPath()
}

// Files gives the descriptors that came with the message. They are the caller's to close; a second call gives none, and
// Release closes those that nobody asked for.
func (d *Datagram) Files() []int {
	if d.rights == 0 || d.block == nil {
		return nil
	}
	d.rights = 0
	control, _ := sys.Received(d.block.Data()).Control()
	fds, _ := sys.ParseRights(control) // what else is there was not asked for
	return fds
}

// PacketConfig says how a packet socket is set up.
type PacketConfig struct {
	Address       string // host:port with a numeric or empty host, unix:/path or unix:@name; empty: the kernel chooses
	ReusePort     bool   // several loops have a socket each on the address, among which the kernel spreads senders
	ReceiveBuffer int    // bytes; 0: the kernel's default
	SendBuffer    int    // bytes; 0: the kernel's default
	PacketInfo    bool   // say where each datagram was sent to
	ReceiveTOS    bool   // say the TOS byte of each
	TOS           uint8  // of what is sent
	Join          bool   // let the kernel join datagrams of one sender (UDP_GRO)
	CountDrops    bool   // let Dropped count what the receive queue had no room for
}

// options are the socket options that stand for the configuration.
func (c *PacketConfig) options(family int) []sys.OptionValue {
	var list []sys.OptionValue
	set := func(on bool, v int, all ...sys.Option) {
		for _, o := range all {
			if on {
				list = append(list, sys.OptionValue{Option: o, Value: v})
			}
		}
	}
	set(c.ReusePort && family != sys.AF_UNIX, 1, sys.SO_REUSEPORT)
	set(c.ReceiveBuffer != 0, c.ReceiveBuffer, sys.SO_RCVBUF)
	set(c.SendBuffer != 0, c.SendBuffer, sys.SO_SNDBUF)
	set(c.Join, 1, sys.UDP_GRO)
	set(c.CountDrops, 1, sys.SO_RXQ_OVFL)
	set(c.ReceiveTOS, 1, sys.IP_RECVTOS) // also for what comes to a socket of IPv6 by IPv4
	set(c.TOS != 0, int(c.TOS), sys.IP_TOS)
	if family == sys.AF_INET6 {
		set(c.PacketInfo, 1, sys.IPV6_RECVPKTINFO)
		set(c.ReceiveTOS, 1, sys.IPV6_RECVTCLASS)
		set(c.TOS != 0, int(c.TOS), sys.IPV6_TCLASS)
	} else {
		set(c.PacketInfo, 1, sys.IP_PKTINFO)
	}
	return list
}

// OpenPacket opens a UDP or Unix datagram socket that is bound to the address, which any loop on the same network may take
// over with NewPacketConn. sock and nonblock are as for OpenListener. The file of a Unix socket is the caller's to remove.
func OpenPacket(sock loop.Sockets, cfg PacketConfig, nonblock bool) (fd int, addr netip.AddrPort, err error) {
	sa, err := ParseAddress(cfg.Address)
	if err != nil {
		return -1, addr, err
	}
	fd, err = openPacket(sock, &sa, cfg, nonblock)
	if port, ok := strings.CutPrefix(cfg.Address, ":"); ok && sys.IsNoFamily(err) { // this machine has no IPv6
		if sa, err = ParseAddress("0.0.0.0:" + port); err == nil {
			fd, err = openPacket(sock, &sa, cfg, nonblock)
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

// openPacket opens a socket of sa's family, sets it up, and binds it to sa if the configuration has an address.
func openPacket(sock loop.Sockets, sa *sys.Sockaddr, cfg PacketConfig, nonblock bool) (int, error) {
	fd, err := sock.Socket(sa.Family(), sys.SOCK_DGRAM, nonblock)
	if err != nil {
		return -1, err
	}
	for _, o := range cfg.options(sa.Family()) {
		if err = sock.SetOption(fd, o.Option, o.Value); err != nil {
			break
		}
	}
	if err == nil && cfg.Address != "" {
		err = sock.Bind(fd, sa)
	}
	if err != nil {
		_ = sock.Close(fd)
		return -1, err
	}
	return fd, nil
}

// NewPacketConn makes a connection of an open socket, which it owns from then on.
func NewPacketConn(n *Net, fd int, kind PacketKind) *PacketConn {
	c := &PacketConn{n: n, fd: int32(fd), kind: kind}
	n.open++
	c.local, _ = n.sock.Getsockname(fd)
	c.remote, _ = n.sock.Getpeername(fd)
	c.in.init(c)
	c.out.init(n.Loop, c.fd, sys.POLLOUT, c.finishClose)
	c.closeOp = loop.Op{Code: loop.OpClose, FD: c.fd, Done: (*packetCloser)(c)}
	return c
}

// ListenPacket opens a UDP or Unix datagram socket on the address of the configuration.
func ListenPacket(n *Net, cfg PacketConfig) (*PacketConn, error) {
	fd, _, err := OpenPacket(n.sock, cfg, n.Loop.NonBlocking())
	kind := kindOf(cfg.Address)
	if err != nil {
		return nil, &net.OpError{Op: "listen", Net: kind.String(), Addr: packetText{kind, cfg.Address}, Err: err}
	}
	return NewPacketConn(n, fd, kind), nil
}

// DialPacket opens a socket that sends to addr and hears nobody else; errors that the network reports (a port where nobody
// listens) come out of its reads and writes.
func DialPacket(n *Net, addr *Address, cfg PacketConfig) (*PacketConn, error) {
	kind := kindOf(addr.text)
	c, err := n.dialPacket(addr, cfg, kind)
	if err != nil {
		return nil, &net.OpError{Op: "dial", Net: kind.String(), Addr: packetText{kind, addr.text}, Err: err}
	}
	return c, nil
}

func (n *Net) dialPacket(addr *Address, cfg PacketConfig, kind PacketKind) (*PacketConn, error) {
	own := addr.sa // its family, where no address is asked for
	if cfg.Address != "" {
		var err error
		if own, err = ParseAddress(cfg.Address); err != nil {
			return nil, err
		}
	}
	fd, err := openPacket(n.sock, &own, cfg, n.Loop.NonBlocking())
	if err != nil {
		return nil, err
	}
	to := addr.sa
	if res := n.sock.Connect(int32(fd), &to); res < 0 { // nothing is sent for it, so it never waits
		_ = n.sock.Close(fd)
		return nil, sys.Error("connect", res)
	}
	return NewPacketConn(n, fd, kind), nil
}

// DialPackets connects to a listening socket of messages (Unix, SOCK_SEQPACKET) within the timeout. It must run in a task.
func DialPackets(n *Net, addr *Address, timeout time.Duration) (*PacketConn, error) {
	fd, err := dialStream(n, addr, sys.SOCK_SEQPACKET, DialConfig{Timeout: timeout})
	if err != nil {
		return nil, &net.OpError{Op: "dial", Net: Unixpacket.String(), Addr: packetText{Unixpacket, addr.text}, Err: err}
	}
	return NewPacketConn(n, fd, Unixpacket), nil
}

// PacketPair gives two connected sockets of a Unix kind.
func PacketPair(n *Net, kind PacketKind) (a, b *PacketConn, err error) {
	typ := sys.SOCK_DGRAM
	if kind == Unixpacket {
		typ = sys.SOCK_SEQPACKET
	}
	fds, err := n.sock.Pair(typ, n.Loop.NonBlocking())
	if err != nil {
		return nil, nil, err
	}
	return NewPacketConn(n, fds[0], kind), NewPacketConn(n, fds[1], kind), nil
}

func kindOf(address string) PacketKind {
	if strings.HasPrefix(address, unixPrefix) {
		return Unixgram
	}
	return UDP
}

// FD is the descriptor; it stays the connection's.
func (c *PacketConn) FD() int { return int(c.fd) }

// Kind says what carries the messages.
func (c *PacketConn) Kind() PacketKind { return c.kind }

// Local is this side's address; the zero value for a Unix socket.
func (c *PacketConn) Local() netip.AddrPort { return c.local }

// Remote is where a connected socket sends to; the zero value for others and for Unix sockets.
func (c *PacketConn) Remote() netip.AddrPort { return c.remote }

// Dropped is how many messages the socket's receive queue had no room for, as of the message that was read last, with
// PacketConfig.CountDrops.
func (c *PacketConn) Dropped() uint32 { return c.dropped }

// Credentials are those of the process at the other end of a connected Unix socket.
func (c *PacketConn) Credentials() (Credentials, error) {
	if c.out.closed {
		return Credentials{}, net.ErrClosed
	}
	return c.n.sock.Credentials(int(c.fd))
}

// Close ends the connection: tasks that wait get net.ErrClosed. What was received and not read is dropped; what is lent stays
// valid until its Release.
func (c *PacketConn) Close() error {
	if c.out.closed {
		return net.ErrClosed
	}
	c.in.close()
	c.out.close()
	return nil
}

// finishClose closes the descriptor once no operation is in flight on it.
func (c *PacketConn) finishClose() {
	if c.gone || !c.out.closed || c.in.op.InFlight() || c.out.op.InFlight() {
		return
	}
	c.gone = true
	c.n.Loop.Submit(&c.closeOp)
}

// packetCloser is the connection as the completer of its last operation.
type packetCloser PacketConn

func (k *packetCloser) Complete(*loop.Op, loop.Result) { k.n.open-- }

func (c *PacketConn) opError(op string, err error) error {
	e := &net.OpError{Op: op, Net: c.kind.String(), Source: c.LocalAddr(), Err: err}
	if c.Remote().IsValid() {
		e.Addr = c.RemoteAddr()
	}
	return e
}

// packetText is an address as it was written.
type packetText struct {
	kind PacketKind
	text string
}

func (a packetText) Network() string { return a.kind.String() }
func (a packetText) String() string  { return a.text }

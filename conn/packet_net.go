package conn

import (
	"net"
	"net/netip"
	"time"

	"github.com/ringway/ringway/sys"
)

var (
	_ net.PacketConn = (*PacketConn)(nil)
	_ net.Conn       = (*PacketConn)(nil)
)

// ReadFromAddrPort copies the next message into b and says which IP address it came from. What does not fit is lost.
func (c *PacketConn) ReadFromAddrPort(b []byte) (n int, from netip.AddrPort, err error) {
	d := c.in.one[:]
	if _, err = c.ReadBatch(d); err != nil {
		return 0, from, err
	}
	n, from = copy(b, d[0].Data), d[0].From
	c.Release(d)
	return n, from, nil
}

// WriteToAddrPort sends b as one message.
func (c *PacketConn) WriteToAddrPort(b []byte, to netip.AddrPort) (int, error) {
	return c.writeOne(Packet{Data: b, To: to})
}

func (c *PacketConn) writeOne(p Packet) (int, error) {
	one := c.n.packet()
	one[0] = p
	_, err := c.WriteBatch(one)
	n := len(p.Data)
	one[0] = Packet{}
	c.n.idlePackets = append(c.n.idlePackets, one)
	if err != nil {
		return 0, err
	}
	return n, nil
}

// packet is a record of one message to be sent: a task may wait with it while others send.
func (n *Net) packet() []Packet {
	if i := len(n.idlePackets) - 1; i >= 0 {
		p := n.idlePackets[i]
		n.idlePackets = n.idlePackets[:i]
		return p
	}
	return make([]Packet, 1)
}

// Read copies the next message into b, as net.Conn wants it of a connected socket.
func (c *PacketConn) Read(b []byte) (int, error) {
	n, _, err := c.ReadFromAddrPort(b)
	return n, err
}

// Write sends b as one message to where the socket is connected to.
func (c *PacketConn) Write(b []byte) (int, error) { return c.writeOne(Packet{Data: b}) }

// ReadFrom is for net.PacketConn; it allocates the address.
func (c *PacketConn) ReadFrom(b []byte) (int, net.Addr, error) {
	d := c.in.one[:]
	if _, err := c.ReadBatch(d); err != nil {
		return 0, nil, err
	}
	defer c.Release(d)
	n := copy(b, d[0].Data)
	if c.kind == UDP {
		return n, net.UDPAddrFromAddrPort(d[0].From), nil
	}
	return n, &net.UnixAddr{Name: d[0].FromPath(), Net: c.kind.String()}, nil
}

// WriteTo is for net.PacketConn.
func (c *PacketConn) WriteTo(b []byte, to net.Addr) (int, error) {
	switch a := to.(type) {
	case *net.UDPAddr:
		return c.WriteToAddrPort(b, a.AddrPort())
	case *net.UnixAddr:
		name, err := NewAddress(unixPrefix + a.Name)
		if err != nil {
			return 0, c.opError("write", err)
		}
		return c.writeOne(Packet{Data: b, Name: &name})
	}
	return 0, c.opError("write", sys.ErrAddress)
}

// LocalAddr is Local in the form of package net.
func (c *PacketConn) LocalAddr() net.Addr { return c.addr(c.local) }

// RemoteAddr is Remote in the form of package net.
func (c *PacketConn) RemoteAddr() net.Addr { return c.addr(c.remote) }

func (c *PacketConn) addr(ap netip.AddrPort) net.Addr {
	if c.kind != UDP {
		return &net.UnixAddr{Net: c.kind.String()}
	}
	return net.UDPAddrFromAddrPort(ap)
}

// SetDeadline sets both deadlines; the zero time means none.
func (c *PacketConn) SetDeadline(t time.Time) error {
	if err := c.SetReadDeadline(t); err != nil {
		return err
	}
	return c.SetWriteDeadline(t)
}

// SetReadDeadline makes reads fail with os.ErrDeadlineExceeded from t on.
func (c *PacketConn) SetReadDeadline(t time.Time) error {
	if c.out.closed {
		return net.ErrClosed
	}
	c.SetReadTimeout(until(t))
	return nil
}

// SetWriteDeadline makes writes fail with os.ErrDeadlineExceeded from t on.
func (c *PacketConn) SetWriteDeadline(t time.Time) error {
	if c.out.closed {
		return net.ErrClosed
	}
	c.SetWriteTimeout(until(t))
	return nil
}

// SetReadTimeout is SetReadDeadline counted from the loop's present time; 0 means none, less means that it has passed.
func (c *PacketConn) SetReadTimeout(d time.Duration) {
	if !c.out.closed {
		c.in.deadline.set(c.n.Loop, d)
	}
}

// SetWriteTimeout is SetWriteDeadline counted from the loop's present time; 0 means none, less means that it has passed.
func (c *PacketConn) SetWriteTimeout(d time.Duration) {
	if !c.out.closed {
		c.out.deadline.set(c.n.Loop, d)
	}
}

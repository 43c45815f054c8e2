package conn

import (
	"net/netip"

	"github.com/ringway/ringway/sys"
)

// Packet is a message to be sent. Nothing of it is kept when the call that sends it has returned.
type Packet struct {
	Data []byte
	To   netip.AddrPort // of UDP; the zero value: where the socket is connected to
	Name *Address       // in place of To for Unix
	// Segment has the kernel cut Data into datagrams of so many bytes, at most 64 (UDP_SEGMENT); 0: it is one.
	Segment int
	Local   netip.Addr // of this machine's addresses, the one to send from; the zero value: the kernel chooses
	TOS     uint8      // or traffic class; 0: the socket's
	Files   []int      // descriptors to go along (Unix); the sender keeps its own
}

// What one call gives to the kernel at most: it copies all of it before the thread goes on.
const (
	maxBatch      = 64 // messages
	maxBatchBytes = 256 << 10
)

// WriteBatch sends the messages, in their order, and waits for room where there is none. It returns how many the kernel took:
// fewer come with the error that concerns the next one, or, like syscall.ECONNREFUSED, one that was sent earlier.
func (c *PacketConn) WriteBatch(p []Packet) (int, error) {
	sent, full := 0, false
	for {
		if err := c.out.check(); err != nil {
			return sent, err
		}
		n, err := c.TryWriteBatch(p[sent:])
		if sent += n; err != nil || sent == len(p) {
			return sent, err
		}
		if n > 0 {
			full = false
			continue
		}
		if full && c.kind == Unixgram && !c.connected() {
			// Poll knows of the room of a peer only if there is one peer.
			if err := c.n.Loop.Current().Sleep(queuePause); err != nil {
				return sent, err
			}
		} else if err := c.out.wait(); err != nil {
			return sent, err
		}
		full = true
	}
}

func (c *PacketConn) connected() bool {
	_, err := c.n.sock.Getpeername(int(c.fd))
	return err == nil
}

// TryWriteBatch is WriteBatch that does not wait, and need not run in a task: fewer without an error say that there is no room.
func (c *PacketConn) TryWriteBatch(p []Packet) (int, error) {
	if c.out.closed {
		return 0, c.out.check()
	}
	sent := 0
	for sent < len(p) {
		o, size := c.n.messages(), 0
		for o.Reset(); o.Len() < maxBatch && sent+o.Len() < len(p) && size < maxBatchBytes; {
			next := &p[sent+o.Len()]
			if err := c.add(o, next); err != nil {
				o.Reset()
				return sent, c.opError("write", err)
			}
			size += len(next.Data)
		}
		n := c.n.sock.SendMessages(c.fd, o, 0)
		o.Reset()
		if n < 0 {
			if n == -sys.EAGAIN {
				return sent, nil
			}
			return sent, c.opError("write", sys.Error("sendmmsg", n))
		}
		sent += int(n)
	}
	return sent, nil
}

// add makes the kernel's form of a message.
func (c *PacketConn) add(o *sys.Outgoing, p *Packet) error {
	o.Add(p.Data)
	to := c.remote
	switch {
	case p.Name != nil:
		o.ToName(&p.Name.sa)
	case p.To.IsValid():
		to = p.To
		if err := o.To(to); err != nil {
			return err
		}
	}
	if c.kind != UDP {
		if len(p.Files) > 0 {
			o.Control(sys.Rights(p.Files))
		}
		return nil
	}
	if p.Segment > 0 && p.Segment < len(p.Data) {
		o.Segment(p.Segment)
	}
	if p.Local.IsValid() {
		o.From(p.Local)
	}
	if p.TOS != 0 {
		o.TOS(p.TOS, to.Addr().Is6() && !to.Addr().Is4In6())
	}
	return nil
}

// messages is where all packet connections of a loop build what they send: nothing waits between that and the call.
func (n *Net) messages() *sys.Outgoing {
	if n.outgoing == nil {
		n.outgoing = sys.NewOutgoing(maxBatch)
	}
	return n.outgoing
}

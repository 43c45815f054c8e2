package sim

import (
	"net/netip"
	"slices"

	"github.com/ringway/ringway/sys"
)

// message is a datagram, or one message of a connection that keeps their bounds.
type message struct {
	from    *sys.Sockaddr // nil: the sender has no address
	local   netip.Addr    // where it was sent to
	tos     uint8
	payload []byte
	rights  []*socket // descriptors in flight, each counted among its socket's
}

// inbox is what a socket of messages has received.
type inbox struct {
	queue []message
	bytes int
}

// mostMessage is the longest datagram of IP.
const mostMessage = 65507

func (s *socket) messages() bool { return s.kind != sys.SOCK_STREAM }

// capacity is how many bytes fit between two sockets.
func (s *socket) capacity() int {
	if n := s.w.cfg.Faults.Room; n > 0 {
		return n
	}
	return defaultRoom
}

// sendMessages is the system call.
func (n *network) sendMessages(s *socket, o *sys.Outgoing, from int) int32 {
	for i := from; i < o.Len(); i++ {
		sent := n.sendMessage(s, o, i)
		switch {
		case sent >= 0:
			o.SetSent(i, int(sent))
		case i > from:
			return int32(i - from)
		default:
			return sent
		}
	}
	return int32(o.Len() - from)
}

func (n *network) sendMessage(s *socket, o *sys.Outgoing, i int) int32 {
	control, data := o.ControlOf(i), o.Data(i)
	var a sys.Ancillary
	if !sys.ParseControl(control, &a) {
		return -sys.EINVAL
	}
	if s.err != 0 {
		return s.takeErr()
	}
	m := message{tos: a.TOS, payload: slices.Clone(data)}
	if a.Rights > 0 {
		fds, _ := sys.ParseRights(control)
		for _, fd := range fds {
			if n.socket(int32(fd)) == nil {
				return -sys.EBADF
			}
		}
		for _, fd := range fds {
			m.rights = append(m.rights, n.socket(int32(fd)))
		}
	}
	var sent int32
	switch {
	case !s.messages():
		if sent = s.send(data); sent > 0 {
			s.peer.rights = append(s.peer.rights, m.rights...)
		}
	case s.peer != nil || s.kind == sys.SOCK_SEQPACKET:
		sent = s.sendConnected(m)
	case s.unix:
		sent = n.sendUnix(s, o.Name(i), m)
	default:
		sent = n.sendUDP(s, o.Name(i), m, a)
	}
	if sent >= 0 {
		for _, r := range m.rights {
			r.refs++
		}
	}
	return sent
}

// sendConnected gives a message to the other end of a pair or connection.
func (s *socket) sendConnected(m message) int32 {
	switch {
	case s.state != connected:
		return -sys.ENOTCONN
	case s.shut || s.dead || s.peerGone():
		return -sys.EPIPE
	case len(m.payload) > s.capacity()/2:
		return -sys.EMSGSIZE
	case s.flight+s.peer.in.bytes+len(m.payload) > s.capacity():
		return -sys.EAGAIN
	}
	size := len(m.payload)
	s.flight += size
	s.arrive(func(to *socket) {
		s.flight -= size
		to.takeIn(m)
	})
	return int32(size)
}

// sendUnix gives a datagram to the socket that is bound to a path.
func (n *network) sendUnix(s *socket, name *sys.Sockaddr, m message) int32 {
	if name == nil {
		name = s.to
	}
	if name == nil {
		return -sys.ENOTCONN
	}
	i := slices.IndexFunc(n.bound, func(x *socket) bool { return x.unix && x.path == name.Path() })
	if i < 0 {
		return -sys.ENOENT
	}
	to := n.bound[i]
	switch {
	case len(m.payload) > to.capacity()/2:
		return -sys.EMSGSIZE
	case to.in.bytes+len(m.payload) > to.capacity():
		return -sys.EAGAIN
	}
	if s.path != "" {
		m.from = new(sys.Sockaddr)
		_ = m.from.SetUnix(s.path) // it was bound to it
	}
	to.takeIn(m)
	return int32(len(m.payload))
}

// sendUDP puts datagrams on their way: several if they are to be cut.
func (n *network) sendUDP(s *socket, name *sys.Sockaddr, m message, a sys.Ancillary) int32 {
	if name == nil {
		name = s.to
	}
	if name == nil {
		return -sys.EDESTADDRREQ
	}
	if a.Segment == 0 {
		a.Segment = s.options[sys.UDP_SEGMENT]
	}
	if len(m.payload) > mostMessage || a.Segment > 0 && len(m.payload) > 64*a.Segment {
		return -sys.EMSGSIZE
	}
	if !s.local.IsValid() {
		n.bindUDP(s, netip.AddrPort{})
	}
	from := s.local
	if a.Local.IsValid() {
		from = netip.AddrPortFrom(a.Local, from.Port())
	} else if from.Addr().IsUnspecified() {
		from = netip.AddrPortFrom(loopback(name.Family()), from.Port())
	}
	m.from = new(sys.Sockaddr)
	if m.from.SetAddrPort(from) != nil {
		return -sys.EINVAL
	}
	m.local = name.AddrPort().Addr()
	size, whole := len(m.payload), m.payload
	for first := true; first || len(whole) > 0; first = false {
		part := len(whole)
		if a.Segment > 0 {
			part = min(part, a.Segment)
		}
		m.payload = whole[:part:part]
		whole = whole[part:]
		n.travelUDP(s, name.AddrPort(), m)
	}
	return int32(size)
}

// travelUDP lets one datagram arrive, or be lost, by itself: datagrams overtake each other.
func (n *network) travelUDP(s *socket, to netip.AddrPort, m message) {
	w := n.w
	if w.mode == running && s.dice.chance(w.cfg.Faults.Lost) {
		w.say("a datagram of %d bytes is lost", len(m.payload))
		return
	}
	at := w.now
	if w.cfg.Faults.Latency > 0 && w.mode != frozen {
		at += int64(w.cfg.Faults.Latency) + s.dice.upTo(w.cfg.Faults.Jitter)
	}
	w.at(at, func() {
		r := n.receiver(m.from.AddrPort(), to)
		switch {
		case r == nil:
			if s.to != nil && s.refs > 0 { // the ICMP error finds only who is connected
				s.err = -sys.ECONNREFUSED
				s.poke()
			}
		case r.in.bytes+len(m.payload) <= r.capacity(): // else it is dropped, as everywhere
			r.takeIn(m)
		}
	})
}

// receiver is the socket that a datagram is for: one that is connected to its sender before others, and among several the
// same for the same pair of addresses.
func (n *network) receiver(from, to netip.AddrPort) *socket {
	var found []*socket
	for _, s := range n.bound {
		switch {
		case s.unix || s.local.Port() != to.Port(), !s.local.Addr().IsUnspecified() && s.local.Addr() != to.Addr():
		case s.to == nil:
			found = append(found, s)
		case s.remote == from:
			return s
		}
	}
	if len(found) == 0 {
		return nil
	}
	return found[int(from.Port())%len(found)]
}

// takeIn puts an arrived message into the inbox.
func (s *socket) takeIn(m message) {
	if s.refs == 0 || s.deaf {
		s.w.net.drop(m.rights)
		return
	}
	s.in.queue = append(s.in.queue, m)
	s.in.bytes += len(m.payload)
	s.poke()
}

// drop closes descriptors that nobody received.
func (n *network) drop(rights []*socket) {
	for _, r := range rights {
		if r.refs--; r.refs == 0 {
			r.closed()
		}
	}
}

// receiveMessage is the system call: how much of block the message fills, or -errno.
func (n *network) receiveMessage(s *socket, block []byte) int32 {
	if !s.messages() {
		return n.receiveStream(s, block)
	}
	m, e := s.next()
	if e == 0 { // an end looks like a message of nought bytes
		return int32(sys.MakeReceived(block, nil, nil, nil))
	} else if e < 0 {
		return e
	}
	return int32(sys.MakeReceived(block, m.from, n.control(s, m), m.payload))
}

// next takes the first message: 1, 0 at the end, or -errno.
func (s *socket) next() (m message, n int32) {
	if len(s.in.queue) == 0 {
		switch {
		case s.err != 0:
			return m, s.takeErr()
		case s.fin || s.dead || s.deaf:
			return m, 0
		case s.kind == sys.SOCK_SEQPACKET && s.state != connected:
			return m, -sys.ENOTCONN
		}
		return m, -sys.EAGAIN
	}
	m = s.in.queue[0]
	s.in.queue = slices.Delete(s.in.queue, 0, 1)
	s.in.bytes -= len(m.payload)
	if s.peer != nil {
		s.peer.poke()
	}
	return m, 1
}

// receiveStream takes bytes, and the descriptors that have come with bytes so far.
func (n *network) receiveStream(s *socket, block []byte) int32 {
	got := s.recv(block[sys.ReceivedOverhead:])
	if got < 0 {
		return got
	}
	m := message{}
	if got > 0 {
		m.rights, s.rights = s.rights, nil
	}
	return int32(sys.MakeReceived(block, nil, n.control(s, m), block[sys.ReceivedOverhead:][:got]))
}

// control makes the control messages that a receiver asked for.
func (n *network) control(s *socket, m message) []byte {
	var b []byte
	if s.options[sys.IP_PKTINFO] != 0 || s.options[sys.IPV6_RECVPKTINFO] != 0 {
		b = sys.AppendLocal(b, m.local, 1)
	}
	if s.options[sys.IP_RECVTOS] != 0 && !s.unix {
		b = sys.AppendTOS(b, m.tos, m.local.Is6())
	}
	if len(m.rights) > 0 {
		fds := make([]int, 0, len(m.rights))
		for _, r := range m.rights {
			r.refs--
			if fd := n.give(r); fd >= 0 {
				fds = append(fds, int(fd))
			} else if r.refs == 0 {
				r.closed()
			}
		}
		b = append(b, sys.Rights(fds)...)
	}
	return b
}

// bindTo gives a socket of messages its address.
func (n *network) bindTo(s *socket, addr *sys.Sockaddr) int32 {
	if s.unix {
		if slices.ContainsFunc(n.bound, func(x *socket) bool { return x.unix && x.path == addr.Path() }) {
			return -sys.EADDRINUSE
		}
		s.path = addr.Path()
		n.bound = append(n.bound, s)
		return 0
	}
	return n.bindUDP(s, addr.AddrPort())
}

func (n *network) bindUDP(s *socket, ap netip.AddrPort) int32 {
	if !ap.IsValid() {
		unspecified := netip.IPv4Unspecified()
		if s.family == sys.AF_INET6 {
			unspecified = netip.IPv6Unspecified()
		}
		ap = netip.AddrPortFrom(unspecified, 0)
	}
	if ap.Port() == 0 {
		n.ports++
		ap = netip.AddrPortFrom(ap.Addr(), 32768+n.ports%28000)
	}
	for _, x := range n.bound {
		if !x.unix && x.local == ap && (x.options[sys.SO_REUSEPORT] == 0 || s.options[sys.SO_REUSEPORT] == 0) {
			return -sys.EADDRINUSE
		}
	}
	s.local = ap
	n.bound = append(n.bound, s)
	return 0
}

// connectTo says where a datagram socket sends to, and whom it hears.
func (n *network) connectTo(s *socket, addr *sys.Sockaddr) int32 {
	to := *addr
	if s.unix {
		if !slices.ContainsFunc(n.bound, func(x *socket) bool { return x.unix && x.path == addr.Path() }) {
			return -sys.ENOENT
		}
	} else if !s.local.IsValid() || s.local.Addr().IsUnspecified() {
		if s.local.IsValid() {
			s.local = netip.AddrPortFrom(loopback(addr.Family()), s.local.Port())
		} else {
			n.bindUDP(s, netip.AddrPortFrom(loopback(addr.Family()), 0))
		}
	}
	s.to, s.remote, s.state = &to, addr.AddrPort(), connected
	return 0
}

// closedMessages ends a socket of messages.
func (s *socket) closedMessages() {
	n := &s.w.net
	n.bound = slices.DeleteFunc(n.bound, func(x *socket) bool { return x == s })
	for _, m := range s.in.queue {
		n.drop(m.rights)
	}
	s.in = inbox{}
}

func loopback(family int) netip.Addr {
	if family == sys.AF_INET6 {
		return netip.IPv6Loopback()
	}
	return netip.AddrFrom4([4]byte{127, 0, 0, 1})
}

// messageEvents is what poll would say of a datagram socket.
func (s *socket) messageEvents() int16 {
	var ev int16
	if s.readable() {
		ev |= sys.POLLIN
	}
	if s.err != 0 {
		ev |= sys.POLLERR
	}
	if s.peer == nil || s.peerGone() || s.flight+s.peer.in.bytes < s.capacity()/2 {
		ev |= sys.POLLOUT
	}
	return ev
}

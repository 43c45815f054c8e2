package sim

import (
	"net/netip"
	"slices"

	"github.com/ringway/ringway/sys"
)

// firstFD is where the world's descriptors begin: far from the process's own, so that mixing them up fails.
const firstFD = 1 << 16

// network is the table of descriptors and who listens where; it gives the calls that answer at once (loop.Sockets).
type network struct {
	w         *World
	fds       []*socket // by descriptor from firstFD on
	open      int
	serial    uint64
	listeners []*socket
	bound     []*socket // sockets of messages that have an address
	ports     uint16    // ephemeral ones given out
}

// listener is what a listening socket has more than others.
type listener struct {
	path    string // of a Unix socket
	backlog int
	queue   []*socket // accepted by nobody yet
	coming  int       // on their way into the queue
}

func (n *network) socket(fd int32) *socket {
	i := int(fd) - firstFD
	if i < 0 || i >= len(n.fds) {
		return nil
	}
	return n.fds[i]
}

func (n *network) newSocket(family int, nonblock bool) *socket {
	n.serial++
	return &socket{w: n.w, serial: n.serial, kind: sys.SOCK_STREAM, dice: n.w.root.fork(n.serial), family: family, unix: family == sys.AF_UNIX, nonblock: nonblock, lowat: 1}
}

// give puts s under the lowest free descriptor.
func (n *network) give(s *socket) int32 {
	if most := n.w.cfg.Faults.Files; most > 0 && n.open >= most {
		return -sys.EMFILE
	}
	s.refs++
	n.open++
	i := slices.Index(n.fds, nil)
	if i < 0 {
		i = len(n.fds)
		n.fds = append(n.fds, nil)
	}
	n.fds[i] = s
	return int32(firstFD + i)
}

// release closes a descriptor.
func (n *network) release(fd int32) int32 {
	s := n.socket(fd)
	if s == nil {
		return -sys.EBADF
	}
	n.fds[fd-firstFD] = nil
	n.open--
	if s.refs--; s.refs == 0 {
		s.closed()
	}
	return 0
}

// abandon forgets what d's operations wait for.
func (n *network) abandon(d *Driver) {
	for _, s := range n.fds {
		if s != nil {
			s.waiting = slices.DeleteFunc(s.waiting, func(p parked) bool { return p.d == d })
		}
	}
}

// bind connects two sockets.
func bind(a, b *socket) {
	a.peer, b.peer = b, a
	f := a.w.drawFate(&a.dice)
	a.fate, b.fate = f, f
}

// find gives those that listen on an address.
func (n *network) find(addr *sys.Sockaddr) []*socket {
	var out []*socket
	path, ap := addr.Path(), addr.AddrPort()
	for _, s := range n.listeners {
		switch {
		case s.unix != (addr.Family() == sys.AF_UNIX):
		case s.unix && s.ls.path == path,
			!s.unix && s.local.Port() == ap.Port() && (s.local.Addr() == ap.Addr() || s.local.Addr().IsUnspecified()):
			out = append(out, s)
		}
	}
	return out
}

// connect starts a connection: 0, -EINPROGRESS, or another -errno.
func (n *network) connect(s *socket, addr *sys.Sockaddr) int32 {
	if s.kind == sys.SOCK_DGRAM {
		return n.connectTo(s, addr)
	}
	if s.state != fresh || s.ls != nil {
		return -sys.EALREADY
	}
	f := &n.w.cfg.Faults
	found := n.find(addr)
	s.remote = addr.AddrPort()
	if len(found) == 0 && s.unix {
		return -sys.ENOENT
	}
	if len(found) == 0 && f.Latency == 0 {
		return -sys.ECONNREFUSED
	}
	s.state = connecting
	if s.dice.chance(f.Unanswered) {
		n.unanswered(s)
		return -sys.EINPROGRESS
	}
	rtt := 2*int64(f.Latency) + s.dice.upTo(2*f.Jitter)
	if n.w.mode == frozen {
		rtt = 0
	}
	if len(found) == 0 || s.dice.chance(f.Refused) {
		n.w.at(n.w.now+rtt, func() { s.settled(-sys.ECONNREFUSED) })
		return n.outcome(s)
	}
	to := found[s.dice.below(len(found))]
	if s.unix && len(to.ls.queue)+to.ls.coming > to.ls.backlog {
		s.state = fresh
		return -sys.EAGAIN
	}
	n.handshake(s, to, addr, rtt, firstRetry)
	return n.outcome(s)
}

// outcome is the result of a connect that may have been settled at once.
func (n *network) outcome(s *socket) int32 {
	if s.state == connecting {
		return -sys.EINPROGRESS
	}
	return s.takeErr()
}

// firstRetry is when a connect tries again that found no room in the listener's queue; each time is twice the last.
const firstRetry = int64(1_000_000_000)

// handshake connects s with a listener after a round trip, or later if its queue is full.
func (n *network) handshake(s, to *socket, addr *sys.Sockaddr, rtt, retry int64) {
	ls := to.ls
	if len(ls.queue)+ls.coming > ls.backlog {
		if retry > 64*firstRetry {
			s.settled(-sys.ETIMEDOUT)
			return
		}
		n.w.at(n.w.now+retry, func() {
			if s.state == connecting && !s.gone {
				n.handshake(s, to, addr, rtt, 2*retry)
			}
		})
		return
	}
	ls.coming++
	n.w.at(n.w.now+rtt, func() {
		ls.coming--
		if s.gone || s.state != connecting {
			return
		}
		if to.gone {
			s.settled(-sys.ECONNREFUSED)
			return
		}
		served := n.newSocket(to.family, false)
		served.kind, served.state = to.kind, connected
		served.local, served.remote = addr.AddrPort(), n.localOf(s, addr)
		s.local = served.remote
		bind(s, served)
		s.settled(0)
		ls.queue = append(ls.queue, served)
		to.poke()
	})
}

// localOf gives a connecting socket its own address.
func (n *network) localOf(s *socket, addr *sys.Sockaddr) netip.AddrPort {
	if s.unix {
		return netip.AddrPort{}
	}
	n.ports++
	ip := netip.MustParseAddr("127.0.0.1")
	if addr.Family() == sys.AF_INET6 {
		ip = netip.IPv6Loopback()
	}
	return netip.AddrPortFrom(ip, 32768+n.ports%28000)
}

// settled ends a connect.
func (s *socket) settled(e int32) {
	if s.state != connecting {
		return
	}
	s.state = connected
	if e != 0 {
		s.state, s.err = fresh, e
	}
	s.poke()
}

// unanswered lets a connect wait for an answer until the kernel gives up.
func (n *network) unanswered(s *socket) {
	n.w.at(n.w.now+127*firstRetry, func() { s.settled(-sys.ETIMEDOUT) })
}

// accept takes a connection off the queue: its descriptor, or -errno.
func (n *network) accept(s *socket, nonblock bool) int32 {
	if len(s.ls.queue) == 0 {
		return -sys.EAGAIN
	}
	c := s.ls.queue[0]
	c.nonblock = nonblock
	fd := n.give(c)
	if fd >= 0 {
		s.ls.queue = slices.Delete(s.ls.queue, 0, 1)
	}
	return fd
}

// unlisten resets what nobody will accept.
func (n *network) unlisten(s *socket) {
	n.listeners = slices.DeleteFunc(n.listeners, func(x *socket) bool { return x == s })
	for _, c := range s.ls.queue {
		c.linger0 = true
		c.closed()
	}
	s.ls.queue = nil
	s.poke()
}

// errno gives a system call's error, or nil.
func errno(call string, n int32) error {
	if n >= 0 {
		return nil
	}
	return sys.Error(call, n)
}

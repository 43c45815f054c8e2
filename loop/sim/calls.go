package sim

import (
	"net/netip"

	"github.com/ringway/ringway/sys"
)

// with runs f on the socket of fd, under the world's lock.
func (n *network) with(call string, fd int, f func(s *socket) int32) error {
	n.w.mu.Lock()
	defer n.w.mu.Unlock()
	s := n.socket(int32(fd))
	if s == nil {
		return sys.Error(call, -sys.EBADF)
	}
	return errno(call, f(s))
}

// StreamSocket opens a stream socket.
func (n *network) StreamSocket(family int, nonblock bool) (int, error) {
	return n.Socket(family, sys.SOCK_STREAM, nonblock)
}

// Socket opens a socket of any kind.
func (n *network) Socket(family, kind int, nonblock bool) (int, error) {
	n.w.mu.Lock()
	defer n.w.mu.Unlock()
	s := n.newSocket(family, nonblock)
	s.kind = kind
	fd := n.give(s)
	return int(fd), errno("socket", fd)
}

// StreamPair opens two connected stream sockets.
func (n *network) StreamPair(nonblock bool) ([2]int, error) {
	return n.Pair(sys.SOCK_STREAM, nonblock)
}

// Pair opens two connected sockets of any kind.
func (n *network) Pair(kind int, nonblock bool) (fds [2]int, err error) {
	n.w.mu.Lock()
	defer n.w.mu.Unlock()
	a, b := n.newSocket(sys.AF_UNIX, nonblock), n.newSocket(sys.AF_UNIX, nonblock)
	a.state, b.state, a.kind, b.kind = connected, connected, kind, kind
	bind(a, b)
	for i, s := range [...]*socket{a, b} {
		fd := n.give(s)
		if fd < 0 {
			if i > 0 {
				n.release(int32(fds[0]))
			}
			return fds, errno("socketpair", fd)
		}
		fds[i] = int(fd)
	}
	return fds, nil
}

// Bind gives a socket its address; that of a stream means nothing here, where nobody looks at it.
func (n *network) Bind(fd int, addr *sys.Sockaddr) error {
	return n.with("bind", fd, func(s *socket) int32 {
		if s.messages() {
			return n.bindTo(s, addr)
		}
		s.local = addr.AddrPort()
		return 0
	})
}

// Listen opens a listening socket; port 0 becomes a free one.
func (n *network) Listen(addr *sys.Sockaddr, o sys.ListenOptions) (int, error) {
	n.w.mu.Lock()
	defer n.w.mu.Unlock()
	s := n.newSocket(addr.Family(), o.NonBlock)
	if o.Kind != 0 {
		s.kind = o.Kind
	}
	for _, v := range o.Options {
		s.setOption(v.Option, v.Value)
	}
	s.local = addr.AddrPort()
	if !s.unix && s.local.Port() == 0 {
		n.ports++
		s.local = netip.AddrPortFrom(s.local.Addr(), 32768+n.ports%28000)
	}
	own := *addr
	if !s.unix {
		if err := own.SetAddrPort(s.local); err != nil {
			return -1, err
		}
	}
	if len(n.find(&own)) > 0 && !o.ReusePort {
		return -1, sys.Error("bind", -sys.EADDRINUSE)
	}
	s.ls = &listener{path: addr.Path(), backlog: o.Backlog}
	fd := n.give(s)
	if fd >= 0 {
		n.listeners = append(n.listeners, s)
	}
	return int(fd), errno("socket", fd)
}

// Dup gives a socket another descriptor.
func (n *network) Dup(fd int) (int, error) {
	out := int32(-1)
	err := n.with("dup", fd, func(s *socket) int32 { out = n.give(s); return out })
	return int(out), err
}

// Close closes a descriptor.
func (n *network) Close(fd int) error {
	n.w.mu.Lock()
	defer n.w.mu.Unlock()
	return errno("close", n.release(int32(fd)))
}

// Getsockname gives a socket's own address.
func (n *network) Getsockname(fd int) (ap netip.AddrPort, err error) {
	err = n.with("getsockname", fd, func(s *socket) int32 { ap = s.local; return 0 })
	return ap, err
}

// Getpeername gives the peer's address.
func (n *network) Getpeername(fd int) (ap netip.AddrPort, err error) {
	err = n.with("getpeername", fd, func(s *socket) int32 {
		if s.state != connected {
			return -sys.ENOTCONN
		}
		ap = s.remote
		return 0
	})
	return ap, err
}

// SetNoDelay has nothing to do: nothing is put off here.
func (n *network) SetNoDelay(fd int, _ bool) error {
	return n.with("setsockopt TCP_NODELAY", fd, func(*socket) int32 { return 0 })
}

// SetOption keeps an option. Those that say what comes with datagrams, and how they are cut, work; the others change nothing.
func (n *network) SetOption(fd int, o sys.Option, v int) error {
	return n.with("setsockopt "+o.String(), fd, func(s *socket) int32 { s.setOption(o, v); return 0 })
}

func (s *socket) setOption(o sys.Option, v int) {
	if s.options == nil {
		s.options = map[sys.Option]int{}
	}
	s.options[o] = v
}

// Option gives what an option was set to.
func (n *network) Option(fd int, o sys.Option) (v int, err error) {
	err = n.with("getsockopt "+o.String(), fd, func(s *socket) int32 { v = s.options[o]; return 0 })
	return v, err
}

// Credentials are the same for everybody: one process lives in this world.
func (n *network) Credentials(fd int) (c sys.Credentials, err error) {
	err = n.with("getsockopt SO_PEERCRED", fd, func(s *socket) int32 {
		if !s.unix || s.state != connected {
			return -sys.ENOTCONN
		}
		c = sys.Credentials{PID: 1}
		return 0
	})
	return c, err
}

// SetRcvLowat sets how many bytes make a socket readable to who polls.
func (n *network) SetRcvLowat(fd, bytes int) error {
	return n.with("setsockopt SO_RCVLOWAT", fd, func(s *socket) int32 {
		s.lowat = max(bytes, 1)
		s.poke()
		return 0
	})
}

// SetLinger0 makes the close a reset.
func (n *network) SetLinger0(fd int) error {
	return n.with("setsockopt SO_LINGER", fd, func(s *socket) int32 { s.linger0 = true; return 0 })
}

// SetNonblock sets or clears O_NONBLOCK.
func (n *network) SetNonblock(fd int, on bool) error {
	return n.with("fcntl O_NONBLOCK", fd, func(s *socket) int32 { s.nonblock = on; return 0 })
}

// Nonblock reports whether O_NONBLOCK is set.
func (n *network) Nonblock(fd int) (on bool, err error) {
	err = n.with("fcntl F_GETFL", fd, func(s *socket) int32 { on = s.nonblock; return 0 })
	return on, err
}

// Shutdown ends one or both directions.
func (n *network) Shutdown(fd, how int) error {
	return n.with("shutdown", fd, func(s *socket) int32 { return s.shutdown(how) })
}

// result is with for calls whose result is a number.
func (n *network) result(fd int32, f func(s *socket) int32) int32 {
	n.w.mu.Lock()
	defer n.w.mu.Unlock()
	if s := n.socket(fd); s != nil {
		return f(s)
	}
	return -sys.EBADF
}

// Accept takes a connection off a listening socket.
func (n *network) Accept(fd int32, nonblock bool) int32 {
	return n.result(fd, func(s *socket) int32 {
		if s.ls == nil {
			return -sys.EINVAL
		}
		return n.accept(s, nonblock)
	})
}

// Connect starts a connection.
func (n *network) Connect(fd int32, addr *sys.Sockaddr) int32 {
	return n.result(fd, func(s *socket) int32 { return n.connect(s, addr) })
}

// Recv reads without waiting.
func (n *network) Recv(fd int32, b []byte) int32 {
	return n.result(fd, func(s *socket) int32 { return s.recv(b) })
}

// Send writes without waiting.
func (n *network) Send(fd int32, b []byte, _ uint32) int32 {
	return n.result(fd, func(s *socket) int32 {
		if s.messages() {
			o := sys.NewOutgoing(1)
			o.Add(b)
			return n.sendMessage(s, o, 0)
		}
		return s.send(b)
	})
}

// SendMessages sends messages without waiting.
func (n *network) SendMessages(fd int32, o *sys.Outgoing, from int) int32 {
	return n.result(fd, func(s *socket) int32 { return n.sendMessages(s, o, from) })
}

// ReceiveMessage takes a message without waiting.
func (n *network) ReceiveMessage(fd int32, block []byte) int32 {
	return n.result(fd, func(s *socket) int32 { return n.receiveMessage(s, block) })
}

// Read reads from a pipe or socket without waiting.
func (n *network) Read(fd int32, b []byte) int32 {
	return n.result(fd, func(s *socket) int32 {
		if s.pipe != nil {
			return s.pipe.read(s, b)
		}
		return s.recv(b)
	})
}

// Write writes to a pipe or socket without waiting.
func (n *network) Write(fd int32, b []byte) int32 {
	return n.result(fd, func(s *socket) int32 {
		if s.pipe != nil {
			return s.pipe.write(s, b)
		}
		return s.send(b)
	})
}

// Pipe opens a pipe.
func (n *network) Pipe(size int) (r, w, room int, err error) {
	n.w.mu.Lock()
	defer n.w.mu.Unlock()
	p := &pipe{room: size}
	if most := n.w.cfg.Faults.Room; most > 0 {
		p.room = min(size, most)
	}
	var fds [2]int32
	for i := range fds {
		s := n.newSocket(sys.AF_UNIX, true)
		s.pipe, s.end, p.ends[i] = p, i == 1, s
		if fds[i] = n.give(s); fds[i] < 0 {
			if i > 0 {
				n.release(fds[0])
			}
			return -1, -1, 0, errno("pipe2", fds[i])
		}
	}
	return int(fds[0]), int(fds[1]), p.room, nil
}

// Splice moves bytes between a socket and a pipe. A socket that may wait is a mistake of the caller: the loop would stop.
func (n *network) Splice(in, out, count int, _ bool) int32 {
	n.w.mu.Lock()
	defer n.w.mu.Unlock()
	from, to := n.socket(int32(in)), n.socket(int32(out))
	switch {
	case from == nil || to == nil:
		return -sys.EBADF
	case !from.nonblock || !to.nonblock:
		panic("sim: splice on a socket that may wait")
	case from.pipe != nil && to.pipe == nil:
		return from.pipe.drain(to, count)
	case from.pipe == nil && to.pipe != nil:
		return to.pipe.fill(from, count)
	}
	return -sys.EINVAL
}

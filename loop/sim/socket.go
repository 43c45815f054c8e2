package sim

import (
	"net/netip"
	"slices"

	"github.com/ringway/ringway/loop"
	"github.com/ringway/ringway/sys"
)

// defaultRoom is how many bytes fit between the two ends of a connection.
const defaultRoom = 256 << 10

// socket is what a descriptor stands for: one end of a connection, a listener, or one end of a pipe.
type socket struct {
	w        *World
	serial   uint64
	dice     dice
	refs     int  // descriptors
	gone     bool // they were closed; a connection that nobody has accepted yet has none, but is there
	kind     int  // sys.SOCK_STREAM, …
	unix     bool
	family   int
	nonblock bool
	lowat    int
	linger0  bool
	local    netip.AddrPort
	remote   netip.AddrPort
	waiting  []parked

	peer   *socket
	state  state
	err    int32 // pending, as -errno
	rx     []byte
	fin    bool  // nothing more will arrive
	done   bool  // because the peer has ended its direction
	dead   bool  // reset: nothing moves any more
	shut   bool  // this side has ended its direction
	deaf   bool  // this side has shut its receiving direction
	flight int   // bytes sent that have not arrived
	lastAt int64 // arrival of what was sent last

	in      inbox              // of a socket of messages
	to      *sys.Sockaddr      // of a datagram socket that is connected
	path    string             // of a Unix datagram socket that is bound
	rights  []*socket          // descriptors that came with rx
	options map[sys.Option]int // that were set

	fate *fate     // what the two ends share
	ls   *listener // of a listening socket
	pipe *pipe     // of an end of a pipe
	end  bool      // of a pipe: this is the writing one
}

type state uint8

const (
	fresh state = iota
	connecting
	connected
)

// parked is an operation that waits on a socket.
type parked struct {
	op *loop.Op
	d  *Driver
}

// fate is what will go wrong on a connection, drawn when it is made.
type fate struct {
	moved  int
	reset  int  // after so many bytes; -1: never
	silent int  // after so many bytes; -1: never
	hushed bool // silent has come
	given  bool // up: nothing was heard for so long that both ends have noticed
}

// unheard is how long a connection lives on which bytes are sent and never acknowledged.
const unheard = 15 * 60 * 1_000_000_000

// drawFate decides what happens to a connection.
func (w *World) drawFate(d *dice) *fate {
	f := &fate{reset: -1, silent: -1}
	if d.chance(w.cfg.Faults.Reset) {
		f.reset = d.below(1 << (4 + d.below(14)))
	}
	if d.chance(w.cfg.Faults.Silent) {
		f.silent = d.below(1 << (4 + d.below(14)))
	}
	return f
}

func (s *socket) room() int {
	return s.capacity() - s.flight - len(s.peer.rx)
}

// readable says whether a receive would not wait; lowat counts only for who asks by poll.
func (s *socket) readable() bool {
	return len(s.rx) > 0 || len(s.in.queue) > 0 || s.fin || s.dead || s.deaf || s.err != 0
}

func (s *socket) pollReadable() bool {
	if len(s.rx) > 0 && len(s.rx) < min(s.lowat, s.capacity()/2) && !s.fin && !s.dead && s.err == 0 {
		return false
	}
	return s.readable()
}

// revents is what poll would say.
func (s *socket) revents() int16 {
	switch {
	case s.ls != nil:
		if len(s.ls.queue) > 0 {
			return sys.POLLIN
		}
		return 0
	case s.pipe != nil:
		return s.pipe.revents(s.end)
	case s.kind == sys.SOCK_DGRAM:
		return s.messageEvents()
	case s.state != connected:
		if s.err != 0 || s.state == fresh {
			return sys.POLLOUT | sys.POLLHUP
		}
		return 0
	}
	var ev int16
	if s.pollReadable() {
		ev |= sys.POLLIN
	}
	if s.fin || s.dead {
		ev |= sys.POLLRDHUP
	}
	if s.dead || s.fin && (s.shut || s.unix && s.peerGone()) {
		ev |= sys.POLLHUP
	}
	if s.err != 0 {
		ev |= sys.POLLERR
	}
	if s.dead || s.shut || s.peerGone() || s.writable() {
		ev |= sys.POLLOUT
	}
	return ev
}

// writable says whether there is room: for some bytes, or for most messages.
func (s *socket) writable() bool {
	if s.messages() {
		return s.messageEvents()&sys.POLLOUT != 0
	}
	return s.room() > 0
}

func (s *socket) peerGone() bool { return s.peer == nil || s.peer.gone }

// takeErr gives the pending error once.
func (s *socket) takeErr() int32 {
	e := s.err
	s.err = 0
	return e
}

// recv takes bytes: how many, 0 at the end, or -errno.
func (s *socket) recv(b []byte) int32 {
	if s.messages() {
		m, n := s.next()
		s.w.net.drop(m.rights)
		if n <= 0 {
			return n
		}
		return int32(copy(b, m.payload))
	}
	switch {
	case len(s.rx) > 0:
		n := copy(b, s.rx)
		n = s.dice.part(n, s.w.cfg.Faults.Short)
		s.take(n)
		return int32(n)
	case s.done:
		return 0
	case s.err != 0:
		return s.takeErr()
	case s.fin || s.dead || s.deaf:
		return 0
	case s.state != connected:
		return -sys.ENOTCONN
	}
	return -sys.EAGAIN
}

// take removes n received bytes; whoever waits for room on the other side tries again.
func (s *socket) take(n int) {
	s.rx = s.rx[n:]
	if len(s.rx) == 0 {
		s.rx = nil
	}
	if s.peer != nil {
		s.peer.poke()
	}
}

// send gives bytes to the network: how many, or -errno.
func (s *socket) send(parts ...[]byte) int32 {
	switch {
	case s.err != 0:
		return s.takeErr()
	case s.shut || s.dead || s.unix && s.state == connected && s.peerGone():
		return -sys.EPIPE
	case s.state != connected:
		return -sys.ENOTCONN
	}
	n := 0
	for _, p := range parts {
		n += len(p)
	}
	if n == 0 {
		return 0
	}
	room := s.room()
	if room <= 0 {
		return -sys.EAGAIN
	}
	n = s.dice.part(min(n, room), s.w.cfg.Faults.Short)
	data := make([]byte, 0, n)
	for _, p := range parts {
		data = append(data, p[:min(len(p), n-len(data))]...)
	}
	s.flight += n
	s.travel(data)
	return int32(n)
}

// travel sends data on its way, in segments.
func (s *socket) travel(data []byte) {
	most := s.w.cfg.Faults.Segment
	for len(data) > 0 {
		n := len(data)
		if most > 0 {
			n = min(n, 1+s.dice.below(most))
		}
		part := data[:n:n]
		data = data[n:]
		s.arrive(func(to *socket) { s.deliver(to, part) })
	}
}

// arrive lets something happen to the peer when it has travelled there, after everything that was sent before.
func (s *socket) arrive(f func(to *socket)) {
	w, to := s.w, s.peer
	at := w.now
	if w.cfg.Faults.Latency > 0 && w.mode != frozen {
		at += int64(w.cfg.Faults.Latency) + s.dice.upTo(w.cfg.Faults.Jitter)
	}
	s.lastAt = max(s.lastAt, at)
	w.at(s.lastAt, func() { f(to) })
}

// deliver brings data to its receiver, unless the connection's fate is against it.
func (s *socket) deliver(to *socket, data []byte) {
	f := s.fate
	f.moved += len(data)
	if f.reset >= 0 && f.moved > f.reset {
		f.reset = -1
		s.w.say("connection %d is reset on the way", s.serial)
		s.flight -= len(data)
		s.die()
		to.die()
		return
	}
	if f.silent >= 0 && f.moved > f.silent && !f.hushed {
		f.hushed = true
		s.w.say("connection %d falls silent", s.serial)
	}
	if f.hushed { // lost, and so is every repetition
		s.giveUp()
		return
	}
	s.flight -= len(data)
	switch {
	case to.dead:
	case to.gone || to.deaf:
		if to.gone && !s.unix {
			to.arrive(func(from *socket) { from.die() }) // who has closed answers with a reset
		}
	default:
		to.rx = append(to.rx, data...)
		to.poke()
	}
	s.poke()
}

// giveUp ends a connection of which nothing was heard for a long time.
func (s *socket) giveUp() {
	if s.fate.given {
		return
	}
	s.fate.given = true
	s.w.at(s.w.now+unheard, func() {
		for _, e := range [...]*socket{s, s.peer} {
			if !e.dead {
				e.err, e.dead, e.fin = -sys.ETIMEDOUT, true, true
				e.poke()
			}
		}
	})
}

// die is the arrival of a reset.
func (s *socket) die() {
	if s.dead || s.fate.hushed {
		return
	}
	s.dead, s.fin, s.err = true, true, -sys.ECONNRESET
	if s.done {
		s.err = -sys.EPIPE
	}
	if s.dice.chance(s.w.cfg.Faults.Discard) && !s.done { // after the peer's end, what came before it is kept
		s.rx = nil
	}
	s.poke()
}

// finish ends this side's direction.
func (s *socket) finish() {
	if s.shut || s.state != connected || s.dead {
		return
	}
	s.shut = true
	s.arrive(func(to *socket) {
		if !s.fate.hushed && !to.dead {
			to.fin, to.done = true, true
			to.poke()
		}
	})
}

// shutdown is the system call.
func (s *socket) shutdown(how int) int32 {
	if s.state != connected || s.dead {
		return -sys.ENOTCONN
	}
	if how == sys.SHUT_WR || how == sys.SHUT_RDWR {
		s.finish()
	}
	if how == sys.SHUT_RD || how == sys.SHUT_RDWR {
		s.deaf = true
	}
	s.poke()
	return 0
}

// closed ends the socket when its last descriptor has been closed.
func (s *socket) closed() {
	s.gone = true
	switch {
	case s.pipe != nil:
		s.pipe.closed(s.end)
		return
	case s.ls != nil:
		s.w.net.unlisten(s)
		return
	}
	s.w.net.drop(s.rights)
	s.rights = nil
	if s.messages() {
		s.closedMessages()
	}
	if s.peer == nil {
		return
	}
	abrupt := s.linger0 || len(s.rx) > 0
	s.rx = nil
	if abrupt && !s.unix && !s.dead {
		s.dead = true
		s.arrive(func(to *socket) { to.die() })
	} else {
		s.finish()
		if s.unix { // a Unix peer learns at once that nobody reads
			s.peer.poke()
		}
	}
	s.poke()
}

// park lets op wait on s.
func (s *socket) park(d *Driver, op *loop.Op) {
	s.waiting = append(s.waiting, parked{op, d})
}

// unpark takes op off those that wait.
func (s *socket) unpark(op *loop.Op) bool {
	i := slices.IndexFunc(s.waiting, func(p parked) bool { return p.op == op })
	if i < 0 {
		return false
	}
	s.waiting = slices.Delete(s.waiting, i, i+1)
	return true
}

// poke lets everything that waits on s try again, each in its own loop.
func (s *socket) poke() {
	if len(s.waiting) == 0 {
		return
	}
	list := s.waiting
	s.waiting = nil
	for _, p := range list {
		if s.wants(p.op) {
			p.d.queued = append(p.d.queued, p.op)
			s.w.poked(p.d)
		} else {
			s.waiting = append(s.waiting, p)
		}
	}
}

// wants reports whether op would not wait any more.
func (s *socket) wants(op *loop.Op) bool {
	switch op.Code {
	case loop.OpRecv, loop.OpRecvmsg:
		return s.readable()
	case loop.OpSend, loop.OpSendmsg:
		return s.err != 0 || s.shut || s.dead || s.peerGone() || s.writable()
	case loop.OpAccept:
		return s.ls == nil || len(s.ls.queue) > 0
	case loop.OpConnect:
		return s.state != connecting
	case loop.OpPoll:
		return s.revents()&(op.Events|sys.POLLERR|sys.POLLHUP) != 0
	}
	return true
}

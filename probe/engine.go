package probe

import (
	"bytes"
	"context"
	"encoding/binary"
	"sync"
	"sync/atomic"
	"time"

	"github.com/ringway/ringway/proto/icmp"
	"github.com/ringway/ringway/sys"
)

// engine is the loop that sends what a plan has due and tells a ledger what came. One goroutine runs it; the lock is for
// those who read the ledger meanwhile, and is never held during a system call.
type engine struct {
	options Options
	nonce   uint64
	base    time.Time
	sockets [2]*socket // by family; nil where there is none
	wake    int

	mu     sync.Mutex
	ledger *ledger
	plan   plan
	held   *spec // due, but there was no slot for it
	spare  spec
	ended  bool // the descriptors are closed

	stopped atomic.Bool
	polls   []sys.PollFd
	tick    time.Duration
	refused bool // the kernel refused a packet since the last look
	quick   bool // read as soon as something comes, because the time of reading is the measurement
}

// now is CLOCK_MONOTONIC in nanoseconds since the engine was made, and a bit, so that it is never nought.
func (e *engine) now() int64 { return int64(time.Since(e.base)) + 1 }

// The least and the most time between two looks at what came, while many probes are under way: stamps of the kernel are as
// right when they are read later, and each look costs system calls. The most is still so short that a target gets no burst.
const (
	minTick = 200 * time.Microsecond
	maxTick = time.Millisecond
)

// run sends and receives until the plan is finished and all probes have their outcome, or ctx ends.
func (e *engine) run(ctx context.Context) error {
	defer context.AfterFunc(ctx, func() {
		e.stopped.Store(true)
		e.mu.Lock()
		defer e.mu.Unlock()
		if !e.ended { // else the descriptor may be somebody else's by now
			sys.EventfdSignal(e.wake)
		}
	})()
	e.tick = min(max(e.options.Interval, minTick), maxTick)
	for !e.stopped.Load() {
		if e.receive() {
			return nil
		}
		due, more := e.fill(e.now())
		for _, s := range e.sockets {
			if s != nil {
				e.flush(s)
			}
		}
		if more || e.refused { // a refusal may be what the plan waited for
			e.refused = false
			continue
		}
		if err := e.wait(due); err != nil {
			return err
		}
	}
	return nil
}

// receive takes all that came. Time passes in the ledger only up to where everything that came before has been taken, so
// that no pause of this process makes a loss of an answer that waited in the queue. done says that there is nothing left
// to send nor to wait for.
func (e *engine) receive() (done bool) {
	begin, drained := e.now(), true
	for _, s := range e.sockets {
		if s != nil {
			e.readErrors(s)
			drained = e.readReplies(s) && drained
		}
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	if drained {
		e.ledger.advance(begin)
	}
	return e.held == nil && e.plan.finished() && e.ledger.idle()
}

// fill puts what is due into the sockets' batches. more says that not all that is due fitted.
func (e *engine) fill(now int64) (due int64, more bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	for {
		if e.held == nil {
			p, at, ok := e.plan.next(now)
			if !ok {
				return at, false
			}
			e.spare = p
			e.held = &e.spare
		}
		t := &e.ledger.targets[e.held.target]
		s := e.sockets[familyIndex(t.family)]
		if s.full {
			return never, false
		}
		if !s.room() || e.quick && len(s.batch) > 0 {
			return now, true
		}
		number, _, ok := e.ledger.begin(e.held.target, e.held.ttl, e.held.size, now)
		if !ok {
			return now + int64(time.Millisecond), false
		}
		if err := s.put(e.options.Pattern, e.nonce, number, e.held.size, e.held.ttl, t.dest); err != nil {
			e.ledger.unsent(number, SendFailed, err, now)
		}
		e.held = nil
	}
}

// attempts is how often a packet is tried whose refusal may be about an earlier one: the kernel reports an ICMP error that
// came by refusing whatever is sent next.
const attempts = 4

// flush sends a socket's batch, or as much of it as the kernel takes.
func (e *engine) flush(s *socket) {
	tries := 0
	s.full = false
	for s.from < len(s.batch) {
		real, mono := time.Now().UnixNano(), e.now()
		n := s.out.Send(s.fd, s.from, len(s.batch))
		if n > 0 {
			e.mu.Lock()
			for _, number := range s.batch[s.from : s.from+int(n)] {
				e.ledger.sent(number, mono, real)
			}
			e.mu.Unlock()
			s.from += int(n)
			tries = 0
			continue
		}
		err := sys.Error("sendmmsg", n)
		if sys.IsAgain(err) {
			s.full = true
			return
		}
		if tries++; tries < attempts && !sys.IsExhausted(err) {
			continue
		}
		tries = 0
		o, why := refusal(err)
		e.mu.Lock()
		e.ledger.unsent(s.batch[s.from], o, why, e.now())
		e.mu.Unlock()
		e.refused = true
		s.from++
	}
	s.batch, s.from = s.batch[:0], 0
}

// readBatches bounds how many batches are read before sending has its turn again.
const readBatches = 8

// readErrors takes what the error queue has: transmit stamps, and on a datagram socket ICMP errors.
func (e *engine) readErrors(s *socket) {
	for range readBatches {
		n := int(s.errs.Receive(s.fd, true))
		if n <= 0 {
			return
		}
		now := e.now()
		e.mu.Lock()
		for i := range n {
			e.takeError(s, i, now)
		}
		e.mu.Unlock()
		if n < s.errs.Len() {
			return
		}
	}
}

func (e *engine) takeError(s *socket, i int, now int64) {
	control, complete := s.errs.Control(i)
	var a sys.Ancillary
	if !sys.ParseControl(control, &a) || !complete {
		e.ledger.session.Truncated++
		return
	}
	if !a.HasError {
		return
	}
	data := s.errs.Data(i)
	switch a.Error.Origin {
	case sys.SO_EE_ORIGIN_TIMESTAMPING:
		key, ok := a.Error.Data, true
		if !s.named {
			key, ok = s.keyOf(data)
		}
		if ok {
			e.ledger.stamp(key, a.Software, a.Hardware, now)
		}
	case sys.SO_EE_ORIGIN_ICMP, sys.SO_EE_ORIGIN_ICMP6:
		if s.raw {
			return // the message itself is in the receive queue
		}
		q, err := icmp.QuoteEcho(s.family, s.errs.From(i), data)
		if err != nil {
			e.ledger.session.StrayErrors++
			return
		}
		// The kernel restores the identifier that it had put into the request.
		q.ID = s.id
		e.ledger.errorAbout(&q, Event{From: a.Error.Offender, Family: s.family, Kind: icmp.ErrorKind(s.family, a.Error.Type, a.Error.Code),
			Code: a.Error.Code, MTU: int(a.Error.Info), At: now}, Stamps{RxSoft: a.Software, RxHard: a.Hardware, RxMicro: a.Micro})
	}
}

// keyOf finds our number in the packet that a transmit stamp came with, behind headers of whatever link it went over.
func (s *socket) keyOf(frame []byte) (uint32, bool) {
	at := bytes.Index(frame, s.nonce[:])
	if at < 0 || at+IdentityLength > len(frame) {
		return 0, false
	}
	return binary.BigEndian.Uint32(frame[at+12:]), true
}

// readReplies takes what the receive queue has; drained says that this was all.
func (e *engine) readReplies(s *socket) (drained bool) {
	for range readBatches {
		n := int(s.in.Receive(s.fd, false))
		if n <= 0 {
			if n < 0 && -n != int(sys.EAGAIN) {
				continue // the error that an ICMP message left on the socket; it is gone now
			}
			return true
		}
		now := e.now()
		e.mu.Lock()
		for i := range n {
			e.takeReply(s, i, now)
		}
		e.mu.Unlock()
		if n < s.in.Len() {
			return true
		}
	}
	return false
}

func (e *engine) takeReply(s *socket, i int, now int64) {
	control, complete := s.in.Control(i)
	var a sys.Ancillary
	if !sys.ParseControl(control, &a) || !complete {
		e.ledger.session.Truncated++
	}
	if a.HasDrops {
		e.overflow(s, a.Dropped)
	}
	data := s.in.Data(i)
	if s.raw && s.family == icmp.V4 {
		h, err := icmp.ParseIPv4(data)
		if err != nil {
			e.ledger.session.Foreign++
			return
		}
		data = data[h.Length:]
	}
	m, err := icmp.Parse(s.family, data)
	if err != nil {
		e.ledger.session.Foreign++
		return
	}
	if !m.Kind.IsError() {
		e.ledger.arrive(&arrival{family: s.family, from: s.in.From(i), raw: data, message: m, mono: now, soft: a.Software, hard: a.Hardware, micro: a.Micro})
		return
	}
	q, err := m.Quote()
	if err != nil {
		e.ledger.session.StrayErrors++
		return
	}
	e.ledger.errorAbout(&q, Event{From: s.in.From(i), Family: s.family, Kind: m.Kind, Code: m.Code, MTU: int(m.MTU), At: now},
		Stamps{RxSoft: a.Software, RxHard: a.Hardware, RxMicro: a.Micro})
}

// overflow takes the receive queue's count of what it dropped, which only rises.
func (e *engine) overflow(s *socket, drops uint32) {
	e.ledger.session.QueueOverflow += uint64(drops - s.drops)
	s.drops = drops
}

// wait sleeps until something comes, or is due.
func (e *engine) wait(due int64) error {
	e.mu.Lock()
	if at, ok := e.ledger.deadline(); ok {
		due = min(due, at)
	}
	busy := e.ledger.flying > 0
	e.mu.Unlock()
	now := e.now()
	timeout := time.Duration(min(due-now, int64(time.Second)))
	e.polls = append(e.polls[:0], sys.PollFd{Fd: int32(e.wake), Events: sys.POLLIN})
	// With many probes a second, and stamps of the kernel, looking at once would only cost more.
	if e.quick || !busy || timeout > 2*e.tick {
		for _, s := range e.sockets {
			if s == nil {
				continue
			}
			events := int16(sys.POLLIN)
			if s.full {
				events |= sys.POLLOUT
			}
			e.polls = append(e.polls, sys.PollFd{Fd: int32(s.fd), Events: events})
		}
	} else {
		timeout = max(timeout, e.tick)
	}
	_, err := sys.PollWait(e.polls, timeout)
	return err
}

package probe

import (
	"math/bits"
	"net/netip"
	"time"

	"github.com/ringway/ringway/proto/icmp"
)

// slot is the record of one probe, from before it is sent until nothing about it is expected any more.
type slot struct {
	stamps   Stamps
	number   uint64
	target   int32
	seq      uint32
	size     uint16
	ttl      uint8
	outcome  Outcome // InFlight until it has one
	extra    Extra   // of an answer that waits for its transmit stamp: None or Late
	queued   bool    // not sent yet
	answered bool    // somebody answered it, whether in time or not
	awaiting bool    // answered, and its time waits for the transmit stamp
	from     netip.Addr
}

// ledger knows every probe that an answer may still come to. It does no I/O and reads no clock: times are given to it, so
// that its truth can be tested.
//
// All probes have the same timeout, so they end in the order in which they began. Numbers are given out one after the
// other, and the slots of the numbers from head to next are a ring.
type ledger struct {
	config  ledgerConfig
	slots   []slot // a power of two
	head    uint64 // the oldest number that is remembered
	expiry  uint64 // the oldest that may still be in flight
	next    uint64
	targets []target
	total   totalLatency
	session Session
	flying  int      // probes without an outcome
	late    []uint64 // numbers answered whose transmit stamp is awaited, in the order of arrival
	scratch []byte   // the answer as it should be
	telling Event
	stamped bool // a transmit stamp has come
	missed  int  // transmit stamps waited for in vain before any came
}

// ledgerConfig is what does not change in a session.
type ledgerConfig struct {
	nonce     uint64
	id        [2]uint16 // of IPv4 and IPv6
	checked   [2]bool   // the kernel refuses wrong checksums before we see them
	pattern   Pattern
	timeout   int64 // nanoseconds
	late      int64 // how long after the timeout an answer is still known
	stampWait int64 // how long an answer waits for its transmit stamp; nought: none will come
	limit     Domain
	capacity  int // slots at the start
	maximum   int // slots at most
	sink      func(*Event)
}

// Session counts what belongs to no single target.
type Session struct {
	Foreign       uint64 // packets that passed the filter and are not ours
	Stale         uint64 // answers to probes so old that they are forgotten
	StrayErrors   uint64 // ICMP errors about probes that are forgotten
	StampsMissing uint64 // answers whose transmit stamp did not come
	StampsUnknown uint64 // transmit stamps of probes that are forgotten
	// QueueOverflow is the packets that the receive queues had no room for (SO_RXQ_OVFL). The kernel counts them before the
	// filter, so others' may be among them, and with IPv6 those whose checksum was wrong: it is the most that this host lost.
	QueueOverflow uint64
	Truncated     uint64 // control messages cut off
	Held          uint64 // times that sending paused because all slots were in use
	// Slipped is how far sending is behind what was asked for, and was not made up for.
	Slipped time.Duration
}

func newLedger(c ledgerConfig, addrs []netip.Addr) *ledger {
	l := &ledger{config: c, targets: make([]target, len(addrs))}
	l.slots = make([]slot, 1<<bits.Len(uint(max(c.capacity, 64)-1)))
	for i, a := range addrs {
		l.targets[i] = newTarget(a)
	}
	return l
}

// familyOf is the family of an address.
func familyOf(a netip.Addr) icmp.Family {
	if a.Is6() {
		return icmp.V6
	}
	return icmp.V4
}

func familyIndex(f icmp.Family) int {
	if f == icmp.V6 {
		return 1
	}
	return 0
}

// at is the slot of a number that is remembered.
func (l *ledger) at(number uint64) *slot { return &l.slots[number&uint64(len(l.slots)-1)] }

// find is the slot of a number, or nil if it is not remembered.
func (l *ledger) find(number uint64) *slot {
	if number < l.head || number >= l.next {
		return nil
	}
	return l.at(number)
}

// begin writes the slot of a new probe, before it is sent. It fails when all slots that may be are in use.
func (l *ledger) begin(index int, ttl uint8, size int, now int64) (number uint64, seq uint32, ok bool) {
	if l.next-l.head == uint64(len(l.slots)) && !l.grow() {
		l.session.Held++
		return 0, 0, false
	}
	t := &l.targets[index]
	number, seq = l.next, t.seq
	*l.at(number) = slot{number: number, target: int32(index), seq: seq, size: uint16(size), ttl: ttl, queued: true, stamps: Stamps{SentMono: now}}
	l.next++
	t.seq++
	t.counters.Sent++
	l.flying++
	return number, seq, true
}

// grow doubles the ring.
func (l *ledger) grow() bool {
	if 2*len(l.slots) > l.config.maximum {
		return false
	}
	old := l.slots
	l.slots = make([]slot, 2*len(old))
	for n := l.head; n < l.next; n++ {
		*l.at(n) = old[n&uint64(len(old)-1)]
	}
	return true
}

// sent says that the kernel took the probe, with the clocks just before.
func (l *ledger) sent(number uint64, mono, realtime int64) {
	s := l.find(number)
	if s == nil || !s.queued {
		return
	}
	s.queued = false
	s.stamps.SentMono, s.stamps.SentReal = mono, realtime
}

// unsent says that the kernel refused the probe: it never left. mtu is that of the interface, if it was too big for it.
func (l *ledger) unsent(number uint64, o Outcome, err error, now int64) {
	s := l.find(number)
	if s == nil || s.outcome != InFlight {
		return
	}
	s.queued = false
	e := l.event(s, now)
	e.Err = err
	l.finish(s, o, e)
}

// event begins an event about a slot. There is one at a time, which the sink may read until it returns.
func (l *ledger) event(s *slot, now int64) *Event {
	l.telling = Event{Target: int(s.target), Seq: s.seq, TTL: s.ttl, Size: int(s.size), Family: l.targets[s.target].family, At: now}
	return &l.telling
}

// finish gives a probe its outcome and tells of it. That of an answer is told later, with its time.
func (l *ledger) finish(s *slot, o Outcome, e *Event) {
	t := &l.targets[s.target]
	s.outcome = o
	t.finish(o)
	l.flying--
	e.Outcome = o
	if o == Answered {
		return
	}
	t.remember(RecentLost)
	if o != Timeout {
		t.last = *e
	}
	l.tell(e)
}

// note counts an extra and tells of it.
func (l *ledger) note(s *slot, x Extra, e *Event) {
	l.targets[s.target].counters.ByExtra[x]++
	e.Extra, e.Outcome = x, s.outcome
	l.tell(e)
}

func (l *ledger) tell(e *Event) {
	if l.config.sink != nil {
		l.config.sink(e)
	}
}

// stamp takes a transmit stamp in. The key is the low half of the probe's number.
func (l *ledger) stamp(key uint32, soft, hard, now int64) {
	number := l.next - uint64(uint32(l.next)-key)
	s := l.find(number)
	if s == nil || s.queued {
		l.session.StampsUnknown++
		return
	}
	l.stamped = true
	if soft != 0 {
		s.stamps.TxSoft = soft
	}
	if hard != 0 {
		s.stamps.TxHard = hard
	}
	if s.awaiting && (s.stamps.RxHard == 0 || s.stamps.TxHard != 0) {
		l.measure(s, now)
	}
}

// advance lets time pass: probes time out, answers stop waiting for their stamps, and what is too old is forgotten.
func (l *ledger) advance(now int64) {
	l.settle(now)
	for ; l.expiry < l.next; l.expiry++ {
		s := l.at(l.expiry)
		if now-s.stamps.SentMono < l.config.timeout {
			break
		}
		if s.outcome != InFlight {
			continue
		}
		e := l.event(s, now)
		if s.queued { // the kernel would not take it for so long
			s.queued = false
			l.finish(s, LocalDrop, e)
			continue
		}
		l.finish(s, Timeout, e)
	}
	for ; l.head < l.expiry; l.head++ {
		s := l.at(l.head)
		if now-s.stamps.SentMono < l.config.timeout+l.config.late || s.awaiting {
			break
		}
	}
}

// settle measures answers whose transmit stamp did not come in time by what else is known of them.
func (l *ledger) settle(now int64) {
	done := 0
	for _, number := range l.late {
		s := l.find(number)
		if s != nil && s.awaiting {
			if now-s.stamps.RxMono < l.config.stampWait {
				break
			}
			l.missed++
			l.session.StampsMissing++
			l.measure(s, now)
		}
		done++
	}
	l.late = l.late[:copy(l.late, l.late[done:])]
}

// deadline is when advance has something to do next; ok is false if nothing is under way.
func (l *ledger) deadline() (at int64, ok bool) {
	if len(l.late) > 0 {
		if s := l.find(l.late[0]); s != nil {
			return s.stamps.RxMono + l.config.stampWait, true
		}
	}
	for n := l.expiry; n < l.next; n++ {
		if s := l.at(n); s.outcome == InFlight {
			return s.stamps.SentMono + l.config.timeout, true
		}
		l.expiry = n + 1 // nothing will happen to it at its timeout
	}
	return 0, false
}

// idle reports that no probe is in flight and no time is awaited.
func (l *ledger) idle() bool { return l.flying == 0 && len(l.late) == 0 }

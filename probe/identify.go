package probe

import (
	"encoding/binary"
	"math/bits"
	"net/netip"

	"github.com/ringway/ringway/proto/icmp"
)

// arrival is one packet that passed the filter.
type arrival struct {
	family  icmp.Family
	from    netip.Addr
	raw     []byte // the ICMP message
	message icmp.Message
	mono    int64
	soft    int64
	hard    int64
	micro   bool
}

// maxDamage is how many bits of its 160 that tell an answer's probe (identifier, sequence number, nonce, number) may be
// wrong for it still to count as ours, damaged. Of a stranger's, about half are.
const maxDamage = 24

// arrive takes an echo reply in.
func (l *ledger) arrive(a *arrival) {
	s, stale := l.identify(a)
	if s == nil {
		if stale {
			l.session.Stale++
		} else {
			l.session.Foreign++
		}
		return
	}
	t := &l.targets[s.target]
	e := l.event(s, a.mono)
	e.From = a.from
	if s.answered || s.outcome != InFlight && s.outcome != Timeout {
		l.note(s, Duplicate, e)
		return
	}
	s.answered = true
	if damage, ok := l.inspect(s, a); !ok {
		e.Damage = damage
		if s.outcome == InFlight {
			l.finish(s, Corrupted, e)
		} else { // late and damaged: the probe is lost already, and one thing more to say of it is enough
			l.note(s, Late, e)
		}
		return
	}
	if a.from != t.addr {
		t.counters.ByExtra[OtherHost]++
	}
	s.from = a.from
	l.answer(s, a, e)
}

// answer takes the first undamaged answer of a probe in.
func (l *ledger) answer(s *slot, a *arrival, e *Event) {
	t := &l.targets[s.target]
	if s.seq+1 < t.newest {
		t.counters.ByExtra[Reordered]++
	} else {
		t.newest = s.seq + 1
	}
	s.stamps.RxMono, s.stamps.RxSoft, s.stamps.RxHard, s.stamps.RxMicro = a.mono, a.soft, a.hard, a.micro
	s.extra = None
	if rtt, _ := s.stamps.RTT(l.config.limit); s.outcome == InFlight && int64(rtt) >= l.config.timeout {
		l.finish(s, Timeout, e) // it is read before its timeout was noticed
	}
	if s.outcome == Timeout {
		s.extra = Late
		t.counters.ByExtra[Late]++
	} else {
		l.finish(s, Answered, e)
	}
	// The transmit stamp may come after the answer. Until one has come at all, only a few answers wait.
	complete := s.stamps.TxHard != 0 || s.stamps.TxSoft != 0 && s.stamps.RxHard == 0
	if l.config.stampWait > 0 && !complete && (l.stamped || l.missed < 8) {
		s.awaiting = true
		l.late = append(l.late, s.number)
		return
	}
	l.measure(s, a.mono)
}

// measure computes the time of an answered probe and tells of it.
func (l *ledger) measure(s *slot, now int64) {
	s.awaiting = false
	t := &l.targets[s.target]
	e := l.event(s, now)
	e.From, e.Outcome, e.Extra = s.from, s.outcome, s.extra
	e.RTT, e.Domain = s.stamps.RTT(l.config.limit)
	if s.extra == None { // the times of late answers would belong to probes that count as lost
		t.counters.ByExtra[Unmeasured] += t.latency.add(e.RTT, e.Domain)
		l.total.add(e.RTT, e.Domain)
		t.remember(int32(min(int64(e.RTT)*recentScale/1000, 1<<31-1)))
	}
	l.tell(e)
}

// identify finds the probe that an echo reply answers. stale says that it is ours, but forgotten.
func (l *ledger) identify(a *arrival) (s *slot, stale bool) {
	m := &a.message
	if len(m.Payload) >= IdentityLength && m.ID == l.config.id[familyIndex(a.family)] &&
		binary.BigEndian.Uint64(m.Payload) == l.config.nonce {
		number := binary.BigEndian.Uint64(m.Payload[8:])
		if uint16(number) == m.Seq {
			if s := l.find(number); s != nil && !s.queued { // nobody can know the number of one that is queued
				return s, false
			}
			stale = number < l.head
		}
	}
	if s := l.nearest(a); s != nil {
		return s, false
	}
	return nil, stale
}

// nearest finds the probe that a damaged reply answers: of those that its own number, or its sequence number and sender,
// point at, the one whose answer differs from it in the fewest bits; of two that are alike, the one in flight.
func (l *ledger) nearest(a *arrival) *slot {
	var best *slot
	var least int
	try := func(number uint64) {
		s := l.find(number)
		if s == nil || s == best || s.queued || l.targets[s.target].addr != a.from || l.distance(number, a) > maxDamage {
			return
		}
		d, _ := l.inspect(s, a)
		if best == nil || d.Bits < least || d.Bits == least && best.outcome != InFlight && s.outcome == InFlight {
			best, least = s, d.Bits
		}
	}
	if len(a.message.Payload) >= IdentityLength {
		try(binary.BigEndian.Uint64(a.message.Payload[8:]))
	}
	l.eachOfSequence(a.message.Seq, try)
	return best
}

// eachOfSequence calls f with every number that is remembered and has this low half, the newest first.
func (l *ledger) eachOfSequence(seq uint16, f func(number uint64)) {
	if l.next == l.head {
		return
	}
	number := l.next - 1 - uint64(uint16(l.next-1)-seq)
	for ; number < l.next && number >= l.head; number -= 1 << 16 {
		f(number)
	}
}

// distance counts the bits by which a reply's identity differs from that of a probe. A reply that is too short to carry one
// has to be right in what it has.
func (l *ledger) distance(number uint64, a *arrival) int {
	m := &a.message
	d := bits.OnesCount16(m.ID^l.config.id[familyIndex(a.family)]) + bits.OnesCount16(m.Seq^uint16(number))
	if len(m.Payload) < IdentityLength {
		if d > 0 {
			return maxDamage + 1
		}
		return 0
	}
	return d + bits.OnesCount64(binary.BigEndian.Uint64(m.Payload)^l.config.nonce) +
		bits.OnesCount64(binary.BigEndian.Uint64(m.Payload[8:])^number)
}

// inspect compares a reply with what it should be; ok if it is that.
func (l *ledger) inspect(s *slot, a *arrival) (Damage, bool) {
	f, number := familyIndex(a.family), s.number
	l.scratch = append(l.scratch[:0], a.raw[0], 0, 0, 0)
	l.scratch = binary.BigEndian.AppendUint16(l.scratch, l.config.id[f])
	l.scratch = binary.BigEndian.AppendUint16(l.scratch, uint16(number))
	l.scratch = l.config.pattern.appendPayload(l.scratch, l.config.nonce, number, int(s.size))
	right := l.config.checked[f] || icmp.Checksum(a.raw) == 0
	if right { // then it tells nothing of what was sent
		copy(l.scratch[2:4], a.raw[2:4])
	} else {
		icmp.SetChecksum(l.scratch)
	}
	damage, ok := compare(l.scratch, a.raw)
	damage.ChecksumOK = right
	return damage, ok
}

// errorAbout takes an ICMP error in, about the packet quoted, with the stamps of its arrival.
func (l *ledger) errorAbout(q *icmp.Quote, e Event, arrived Stamps) {
	s := l.quoted(q, e.Family)
	if s == nil {
		l.session.StrayErrors++
		return
	}
	told := l.event(s, e.At)
	told.From, told.Kind, told.Code, told.MTU, told.Err = e.From, e.Kind, e.Code, e.MTU, e.Err
	// Who waits for a transmit stamp waits for an answer's only; the time of an error is as good as what is there.
	times := s.stamps
	times.RxMono, times.RxSoft, times.RxHard, times.RxMicro = e.At, arrived.RxSoft, arrived.RxHard, arrived.RxMicro
	told.RTT, told.Domain = times.RTT(l.config.limit)
	switch {
	case s.outcome == InFlight:
		l.finish(s, outcomeOf(e.Kind), told)
	case s.outcome == Timeout && !s.answered:
		l.targets[s.target].last = *told
		l.note(s, LateError, told)
	default:
		l.note(s, Duplicate, told)
	}
}

// quoted finds the probe that an error quotes: by its identity if that was quoted, else the newest one in flight to the same
// target with the same sequence number.
func (l *ledger) quoted(q *icmp.Quote, f icmp.Family) *slot {
	if q.ID != l.config.id[familyIndex(f)] {
		return nil
	}
	if len(q.Payload) >= IdentityLength {
		number := binary.BigEndian.Uint64(q.Payload[8:])
		s := l.find(number)
		if binary.BigEndian.Uint64(q.Payload) != l.config.nonce || uint16(number) != q.Seq || s == nil || s.queued {
			return nil
		}
		return s
	}
	if len(q.Payload) >= 8 && binary.BigEndian.Uint64(q.Payload) != l.config.nonce {
		return nil
	}
	var found *slot
	l.eachOfSequence(q.Seq, func(number uint64) {
		s := l.at(number)
		if s.queued || l.targets[s.target].addr != q.Dst {
			return
		}
		if found == nil || found.outcome != InFlight && s.outcome == InFlight {
			found = s
		}
	})
	return found
}

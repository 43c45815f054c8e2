package probe

import (
	"encoding/binary"
	"errors"
	"net/netip"
	"testing"
	"time"

	"github.com/ringway/ringway/proto/icmp"
)

const (
	testNonce = 0x1122334455667788
	testID    = 0x4242
	second    = int64(time.Second)
	ms        = int64(time.Millisecond)
)

var testAddrs = []netip.Addr{netip.MustParseAddr("10.0.0.1"), netip.MustParseAddr("10.0.0.2"), netip.MustParseAddr("2001:db8::1")}

// bench is a ledger with a clock that the test moves, and the packets of its probes.
type bench struct {
	*ledger
	t      testing.TB
	now    int64
	events []Event
}

func newBench(t testing.TB, change func(*ledgerConfig)) *bench {
	b := &bench{t: t, now: 1000 * second}
	c := ledgerConfig{nonce: testNonce, id: [2]uint16{testID, testID}, checked: [2]bool{false, true}, timeout: second, late: second,
		stampWait: 50 * ms, limit: Hardware, maximum: 1 << 20, sink: func(e *Event) { b.events = append(b.events, *e) }}
	if change != nil {
		change(&c)
	}
	b.ledger = newLedger(c, testAddrs)
	return b
}

// send begins a probe and says that it was sent and stamped.
func (b *bench) send(target int) uint64 {
	b.t.Helper()
	n, _, ok := b.begin(target, 0, 56, b.now)
	if !ok {
		b.t.Fatal("no slot")
	}
	b.sent(n, b.now, realtime(b.now))
	b.stamp(uint32(n), realtime(b.now)+1000, 0, b.now)
	return n
}

// realtime is the kernel's clock of the test, which has nothing to do with the monotonic one.
func realtime(mono int64) int64 { return mono + 1_700_000_000*second }

// reply is the answer to a probe, as it should be.
func (b *bench) reply(number uint64) []byte {
	s := b.find(number)
	size := 56
	family := icmp.V4
	if s != nil {
		size, family = int(s.size), b.targets[s.target].family
	}
	return icmp.AppendEchoReply(nil, family, testID, uint16(number), b.config.pattern.appendPayload(nil, testNonce, number, size))
}

// receive has a packet arrive from a target.
func (b *bench) receive(target int, raw []byte) {
	b.t.Helper()
	m, err := icmp.Parse(b.targets[target].family, raw)
	if err != nil {
		b.t.Fatal(err)
	}
	b.arrive(&arrival{family: b.targets[target].family, from: b.targets[target].addr, raw: raw, message: m, mono: b.now, soft: realtime(b.now) - 1000})
}

func (b *bench) pass(d int64) { b.now += d; b.advance(b.now) }

// want compares all counters of a target: outcomes, and extras.
func (b *bench) want(target int, outcomes map[Outcome]uint64, extras map[Extra]uint64) {
	b.t.Helper()
	c := &b.targets[target].counters
	var sum uint64
	for _, o := range append(Outcomes(), InFlight) {
		if c.Of(o) != outcomes[o] {
			b.t.Errorf("target %d: %d %v, want %d", target, c.Of(o), o, outcomes[o])
		}
		sum += c.Of(o)
	}
	for _, x := range Extras() {
		if c.Extra(x) != extras[x] {
			b.t.Errorf("target %d: %d %v, want %d", target, c.Extra(x), x, extras[x])
		}
	}
	if sum != c.Sent {
		b.t.Errorf("target %d: %d sent, but %d accounted for", target, c.Sent, sum)
	}
}

func (b *bench) quote(number uint64, cut int) *icmp.Quote {
	s := b.find(number)
	request := icmp.AppendEchoRequest(nil, icmp.V4, testID, uint16(number), b.config.pattern.appendPayload(nil, testNonce, number, int(s.size)))
	q, err := icmp.QuoteEcho(icmp.V4, b.targets[s.target].addr, request[:min(cut, len(request))])
	if err != nil {
		b.t.Fatal(err)
	}
	return &q
}

type o = map[Outcome]uint64
type x = map[Extra]uint64

// fate is what happens to one probe or two of target 0, and what the counters then say.
type fate struct {
	run    func(b *bench)
	counts o
	extra  x
}

func fates() map[string]fate {
	router := netip.MustParseAddr("10.9.9.9")
	return map[string]fate{
		"answered":            {func(b *bench) { n := b.send(0); b.pass(ms); b.receive(0, b.reply(n)) }, o{Answered: 1}, nil},
		"in flight":           {func(b *bench) { b.send(0); b.pass(second - 1) }, o{InFlight: 1}, nil},
		"timeout":             {func(b *bench) { b.send(0); b.pass(second) }, o{Timeout: 1}, nil},
		"at the last moment":  {func(b *bench) { n := b.send(0); b.pass(second - 1); b.receive(0, b.reply(n)); b.pass(second) }, o{Answered: 1}, nil},
		"late":                {func(b *bench) { n := b.send(0); b.pass(second); b.receive(0, b.reply(n)) }, o{Timeout: 1}, x{Late: 1}},
		"late, twice":         {func(b *bench) { n := b.send(0); b.pass(second); b.receive(0, b.reply(n)); b.receive(0, b.reply(n)) }, o{Timeout: 1}, x{Late: 1, Duplicate: 1}},
		"duplicate":           {func(b *bench) { n := b.send(0); b.receive(0, b.reply(n)); b.receive(0, b.reply(n)) }, o{Answered: 1}, x{Duplicate: 1}},
		"duplicate, too late": {func(b *bench) { n := b.send(0); b.receive(0, b.reply(n)); b.pass(second); b.receive(0, b.reply(n)) }, o{Answered: 1}, x{Duplicate: 1}},
		"reordered": {func(b *bench) {
			n := b.send(0)
			m := b.send(0)
			b.receive(0, b.reply(m))
			b.receive(0, b.reply(n))
		}, o{Answered: 2}, x{Reordered: 1}},
		"another target's are not reordered": {func(b *bench) {
			n := b.send(0)
			b.receive(1, b.reply(b.send(1)))
			b.receive(0, b.reply(n))
		}, o{Answered: 1}, nil},
		"corrupted": {func(b *bench) {
			raw := b.reply(b.send(0))
			raw[40] ^= 8
			b.receive(0, raw)
		}, o{Corrupted: 1}, nil},
		"corrupted, then whole": {func(b *bench) {
			n := b.send(0)
			raw := b.reply(n)
			raw[40] ^= 8
			b.receive(0, raw)
			b.receive(0, b.reply(n))
		}, o{Corrupted: 1}, x{Duplicate: 1}},
		"unreachable":       {func(b *bench) { b.complain(b.send(0), router, icmp.Unreachable, 1000) }, o{Unreachable: 1}, nil},
		"of eight bytes":    {func(b *bench) { b.complain(b.send(0), router, icmp.Unreachable, 8) }, o{Unreachable: 1}, nil},
		"with half a nonce": {func(b *bench) { b.complain(b.send(0), router, icmp.Unreachable, 12) }, o{Unreachable: 1}, nil},
		"TTL exceeded":      {func(b *bench) { b.complain(b.send(0), router, icmp.TimeExceeded, 8) }, o{TTLExceeded: 1}, nil},
		"too big":           {func(b *bench) { b.complain(b.send(0), router, icmp.PacketTooBig, 8) }, o{TooBig: 1}, nil},
		"parameter problem": {func(b *bench) { b.complain(b.send(0), router, icmp.ParameterProblem, 8) }, o{OtherError: 1}, nil},
		"late error":        {func(b *bench) { n := b.send(0); b.pass(second); b.complain(n, router, icmp.Unreachable, 8) }, o{Timeout: 1}, x{LateError: 1}},
		"error, then answer": {func(b *bench) {
			n := b.send(0)
			b.complain(n, router, icmp.Unreachable, 8)
			b.receive(0, b.reply(n))
		}, o{Unreachable: 1}, x{Duplicate: 1}},
		"local drop": {func(b *bench) {
			n, _, _ := b.begin(0, 0, 56, b.now)
			b.unsent(n, LocalDrop, errors.New("no room"), b.now)
		}, o{LocalDrop: 1}, nil},
		"no route": {func(b *bench) {
			n, _, _ := b.begin(0, 0, 56, b.now)
			b.unsent(n, SendFailed, errors.New("no route"), b.now)
			b.pass(5 * second)
		}, o{SendFailed: 1}, nil},
		"stuck in this host": {func(b *bench) { b.begin(0, 0, 56, b.now); b.pass(second) }, o{LocalDrop: 1}, nil},
		"from elsewhere":     {func(b *bench) { b.receive(1, b.reply(b.send(0))) }, o{Answered: 1}, x{OtherHost: 1}},
	}
}

func TestOutcomes(t *testing.T) {
	for name, c := range fates() {
		t.Run(name, func(t *testing.T) {
			b := newBench(t, nil)
			c.run(b)
			b.want(0, c.counts, c.extra)
			if b.session.Foreign+b.session.Stale+b.session.StrayErrors != 0 {
				t.Errorf("unexplained: %+v", b.session)
			}
		})
	}
}

// complain has an ICMP error arrive.
func (b *bench) complain(number uint64, from netip.Addr, k icmp.Kind, cut int) {
	b.errorAbout(b.quote(number, cut), Event{From: from, Family: icmp.V4, Kind: k, Code: 1, At: b.now}, Stamps{})
}

// Every single bit that a network can flip in an answer is found, and named.
func TestEveryFlippedBit(t *testing.T) {
	for _, repaired := range []bool{false, true} {
		for _, target := range []int{0, 2} {
			b := newBench(t, nil)
			length := 56 + icmp.HeaderLength
			for i := 1; i < length; i++ { // a flipped type is no answer any more, and lost in the filter
				for bit := range 8 {
					if i == 2 || i == 3 {
						if repaired || target == 2 { // a checksum that was repaired is right; IPv6's is the kernel's business
							continue
						}
					}
					b.events = b.events[:0]
					raw := b.reply(b.send(target))
					if i == 7 && bit == 0 {
						b.send(target) // whose sequence number the damaged answer shows
					}
					raw[i] ^= 1 << bit
					if repaired && target == 0 {
						icmp.SetChecksum(raw)
					}
					b.receive(target, raw)
					if len(b.events) != 1 {
						t.Fatalf("byte %d, bit %d: %+v", i, bit, b.events)
					}
					e := b.events[0]
					if d := e.Damage; e.Outcome != Corrupted || d.Byte != i || d.Bit != bit || d.Bits != 1 || d.ChecksumOK != (repaired || target == 2) ||
						d.Got != raw[i] || d.Sent != raw[i]^1<<bit {
						t.Fatalf("byte %d, bit %d: %+v", i, bit, e)
					}
				}
			}
			if b.session.Foreign+b.session.Stale != 0 || b.targets[target].counters.Of(Corrupted) == 0 {
				t.Errorf("%+v, %+v", b.session, b.targets[target].counters)
			}
		}
	}
}

func TestCutAnswers(t *testing.T) {
	for _, n := range []int{8, 12, 24, 40, 63} {
		b := newBench(t, nil)
		raw := b.reply(b.send(0))[:n]
		icmp.SetChecksum(raw)
		b.receive(0, raw)
		b.want(0, o{Corrupted: 1}, nil)
		if d := b.events[0].Damage; d.Byte != n || d.Bit != -1 || d.GotLength != n || d.SentLength != 64 {
			t.Errorf("cut at %d: %+v", n, d)
		}
	}
}

// Packets of others, however alike, are nobody's outcome.
func TestStrangers(t *testing.T) {
	b := newBench(t, nil)
	n := b.send(0)
	foreign := func(name string, raw []byte) {
		t.Helper()
		before := b.session.Foreign
		b.receive(0, raw)
		if b.session.Foreign != before+1 {
			t.Errorf("%s was taken for ours: %+v", name, b.events)
		}
	}
	foreign("another pinger with our identifier and number", icmp.AppendEchoReply(nil, icmp.V4, testID, uint16(n), make([]byte, 56)))
	foreign("one that carries no identity", icmp.AppendEchoReply(nil, icmp.V4, testID+1, uint16(n), nil))
	foreign("an earlier session of ours", icmp.AppendEchoReply(nil, icmp.V4, testID, uint16(n), Pattern{}.appendPayload(nil, ^uint64(testNonce), n, 56)))
	future := n + 5
	foreign("a guess at a probe to come", icmp.AppendEchoReply(nil, icmp.V4, testID, uint16(future), Pattern{}.appendPayload(nil, testNonce, future, 56)))
	b.want(0, o{InFlight: 1}, nil)

	q := b.quote(n, 8)
	for name, spoil := range map[string]func(q *icmp.Quote){
		"identifier": func(q *icmp.Quote) { q.ID++ }, "sequence number": func(q *icmp.Quote) { q.Seq++ },
		"destination": func(q *icmp.Quote) { q.Dst = testAddrs[1] }, "nonce": func(q *icmp.Quote) { q.Payload = make([]byte, 8) },
		"identity": func(q *icmp.Quote) { q.Payload = make([]byte, 56) },
	} {
		spoiled, before := *q, b.session.StrayErrors
		spoil(&spoiled)
		b.errorAbout(&spoiled, Event{Family: icmp.V4, Kind: icmp.Unreachable, At: b.now}, Stamps{})
		if b.session.StrayErrors != before+1 {
			t.Errorf("an error about another %s was taken for ours", name)
		}
	}
	b.want(0, o{InFlight: 1}, nil)
}

func TestForgottenProbes(t *testing.T) {
	b := newBench(t, nil)
	n := b.send(0)
	raw, q := b.reply(n), b.quote(n, 8)
	b.pass(second)
	b.pass(2 * second)
	b.receive(0, raw)
	b.errorAbout(q, Event{Family: icmp.V4, Kind: icmp.Unreachable, At: b.now}, Stamps{})
	b.stamp(uint32(n), 1, 0, b.now)
	if s := b.session; s.Stale != 1 || s.StrayErrors != 1 || s.StampsUnknown != 1 || s.Foreign != 0 {
		t.Errorf("%+v", s)
	}
	b.want(0, o{Timeout: 1}, nil)
}

// 70,000 probes under way: sequence numbers repeat, and each answer finds its own.
func TestSequenceNumbersRepeat(t *testing.T) {
	b := newBench(t, nil)
	const n = 140_000
	for range n {
		b.send(0)
	}
	for _, number := range []uint64{5, 5 + 1<<16, 5 + 2<<16} {
		b.receive(0, b.reply(number))
		damaged := b.reply(number + 1)
		damaged[9] ^= 1
		b.receive(0, damaged)
		if s := b.find(number + 1); s.outcome != Corrupted || b.find(number).outcome != Answered {
			t.Errorf("%d: %v, %v", number, b.find(number).outcome, s.outcome)
		}
	}
	// An error that quotes no more than it must means the newest.
	b.complain(7, testAddrs[1], icmp.Unreachable, 8)
	if got := b.find(7 + 2<<16).outcome; got != Unreachable {
		t.Error(got)
	}
	b.pass(second)
	b.pass(second)
	if b.head != n || b.flying != 0 {
		t.Errorf("%d remembered, %d in flight", b.next-b.head, b.flying)
	}
}

func TestSlotsAreBounded(t *testing.T) {
	b := newBench(t, func(c *ledgerConfig) { c.maximum = 128 })
	for range 128 {
		b.send(0)
	}
	if _, _, ok := b.begin(0, 0, 56, b.now); ok || b.session.Held != 1 {
		t.Error("a slot beyond the bound")
	}
	b.want(0, o{InFlight: 128}, nil)
	b.pass(second)
	b.pass(second)
	b.send(0)
	b.want(0, o{InFlight: 1, Timeout: 128}, nil)
}

func TestStampsAfterAnswers(t *testing.T) {
	late := func(b *bench, hard int64) uint64 {
		n, _, _ := b.begin(0, 0, 56, b.now)
		b.sent(n, b.now, realtime(b.now))
		b.now += 10 * ms
		m, _ := icmp.Parse(icmp.V4, b.reply(n))
		b.arrive(&arrival{family: icmp.V4, from: testAddrs[0], raw: b.reply(n), message: m, mono: b.now, soft: realtime(b.now) - ms, hard: hard})
		return n
	}
	b := newBench(t, nil)
	n := late(b, 0)
	if len(b.events) != 0 || b.idle() {
		t.Fatalf("measured without its stamp: %+v", b.events)
	}
	b.stamp(uint32(n), realtime(b.now)-9*ms, 0, b.now)
	if e := b.events[0]; e.RTT != 8*time.Millisecond || e.Domain != Software || e.Outcome != Answered {
		t.Errorf("%+v", e)
	}
	b.pass(0)
	if !b.idle() {
		t.Error("still awaiting")
	}

	// The card's stamp is waited for as well, where the answer has one.
	n = late(b, 5_000_000)
	b.stamp(uint32(n), realtime(b.now)-9*ms, 0, b.now)
	if len(b.events) != 1 {
		t.Fatalf("measured without the card's stamp: %+v", b.events[1:])
	}
	b.stamp(uint32(n), 0, 3_000_000, b.now)
	if e := b.events[1]; e.RTT != 2*time.Millisecond || e.Domain != Hardware {
		t.Errorf("%+v", e)
	}

	// Without one, the worse domain has to do, and it is not mixed with the better.
	late(b, 0)
	b.pass(50 * ms)
	if e := b.events[2]; e.RTT != 9*time.Millisecond || e.Domain != ReceiveNano || b.session.StampsMissing != 1 {
		t.Errorf("%+v, %+v", e, b.session)
	}
	b.want(0, o{Answered: 3}, x{Unmeasured: 2}) // of the software domain, when the card's came; and this one
	if l := b.targets[0].latency.summary(); l.Domain != Hardware || l.Count != 1 || l.Max != 2*time.Millisecond {
		t.Errorf("%+v", l)
	}
}

// Where a driver never stamps, answers soon stop waiting for it.
func TestNoStampsAtAll(t *testing.T) {
	b := newBench(t, nil)
	for i := range 20 {
		n, _, _ := b.begin(0, 0, 56, b.now)
		b.sent(n, b.now, realtime(b.now))
		b.now += ms
		b.receive(0, b.reply(n))
		if waits := len(b.late) > 0; waits != (i < 8) {
			t.Errorf("answer %d waits: %v", i, waits)
		}
		b.pass(60 * ms)
	}
	b.want(0, o{Answered: 20}, nil)
	if d := b.total.best(); d != ReceiveNano {
		t.Error(d)
	}
}

func TestDeadlines(t *testing.T) {
	b := newBench(t, nil)
	if _, ok := b.deadline(); ok {
		t.Error("nothing is under way")
	}
	n := b.send(0)
	b.now += ms
	b.send(0)
	b.receive(0, b.reply(n))
	if at, ok := b.deadline(); !ok || at != b.now+second {
		t.Errorf("%v %v", at-b.now, ok)
	}
	b.pass(second)
	if _, ok := b.deadline(); ok || !b.idle() {
		t.Error("all is done")
	}
	b.want(0, o{Answered: 1, Timeout: 1}, nil)
}

func TestNoAllocationsPerProbe(t *testing.T) {
	b := newBench(t, func(c *ledgerConfig) { c.sink = nil; c.capacity = 1 << 12; c.maximum = 1 << 12 })
	raw, a := make([]byte, 0, 128), arrival{family: icmp.V4, from: testAddrs[0]}
	payload := make([]byte, 0, 128)
	run := func() {
		n := b.send(0)
		payload = b.config.pattern.appendPayload(payload[:0], testNonce, n, 56)
		raw = icmp.AppendEchoReply(raw[:0], icmp.V4, testID, uint16(n), payload)
		a.raw = raw
		a.message, _ = icmp.Parse(icmp.V4, raw)
		b.now += 10000
		a.mono, a.soft = b.now, realtime(b.now)
		b.arrive(&a)
		if n%4 == 0 {
			b.send(1)
		}
		b.pass(ms)
	}
	for range 5000 {
		run()
	}
	if n := testing.AllocsPerRun(1000, run); n != 0 {
		t.Errorf("%v allocations per probe", n)
	}
	if c := b.targets[0].counters; c.Of(Answered) != c.Sent {
		t.Errorf("%+v", c)
	}
}

// FuzzArrival: no packet breaks the books, and none but the answer itself counts as one.
func FuzzArrival(f *testing.F) {
	f.Add([]byte{0, 0, 0, 0, 0x42, 0x42, 0, 0}, false)
	f.Add(icmp.AppendEchoReply(nil, icmp.V4, testID, 1, Pattern{}.appendPayload(nil, testNonce, 1, 56)), false)
	f.Add(binary.BigEndian.AppendUint64([]byte{3, 1, 0, 0, 0, 0, 0, 0}, testNonce), true)
	f.Fuzz(func(t *testing.T, whole []byte, six bool) {
		b := newBench(t, nil)
		target, family := 0, icmp.V4
		if six {
			target, family = 2, icmp.V6
		}
		for range 3 {
			b.send(target)
		}
		for n := range len(whole) + 1 {
			raw := whole[:n]
			m, err := icmp.Parse(family, raw)
			if err != nil {
				continue
			}
			if q, err := m.Quote(); err == nil {
				b.errorAbout(&q, Event{Family: family, Kind: m.Kind, At: b.now}, Stamps{})
			}
			if m.Kind != icmp.EchoReply {
				continue
			}
			answered := b.targets[target].counters.Of(Answered)
			b.receive(target, raw)
			if b.targets[target].counters.Of(Answered) > answered {
				number := binary.BigEndian.Uint64(m.Payload[8:])
				if want := b.reply(number); string(want[4:]) != string(raw[4:]) {
					t.Fatalf("%x counts as %x", raw, want)
				}
			}
		}
		b.pass(second)
		b.pass(second)
		if c := b.targets[target].counters; c.Sent != 3 || c.Finished() != 3 || b.flying != 0 || b.head != b.next {
			t.Fatalf("%+v, %d in flight, %d remembered", c, b.flying, b.next-b.head)
		}
	})
}

// An answer that is read before its timeout was noticed is late all the same, and one that waited in the queue beyond its
// timeout is not.
func TestTimeoutGoesByStamps(t *testing.T) {
	arrive := func(read, stamped int64) *bench {
		b := newBench(t, nil)
		n := b.send(0)
		b.now += read
		m, _ := icmp.Parse(icmp.V4, b.reply(n))
		b.arrive(&arrival{family: icmp.V4, from: testAddrs[0], raw: b.reply(n), message: m, mono: b.now, soft: realtime(1000*second) + stamped})
		return b
	}
	arrive(1100*ms, 1050*ms).want(0, o{Timeout: 1}, x{Late: 1})
	arrive(1100*ms, 900*ms).want(0, o{Answered: 1}, nil)
}

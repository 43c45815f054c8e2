package probe

import (
	"bytes"
	"math/rand/v2"
	"slices"
	"testing"
	"time"
)

func TestRTT(t *testing.T) {
	const us = 1000
	full := Stamps{SentMono: 1000 * us, RxMono: 1100 * us, SentReal: 5_000_000 * us, TxSoft: 5_000_010 * us, RxSoft: 5_000_090 * us, TxHard: 700 * us, RxHard: 770 * us}
	with := func(change func(*Stamps)) Stamps { s := full; change(&s); return s }
	for name, c := range map[string]struct {
		s      Stamps
		limit  Domain
		want   time.Duration
		domain Domain
	}{
		"all there":                   {full, Hardware, 70 * us, Hardware},
		"limited":                     {full, Software, 80 * us, Software},
		"limited to receive":          {full, ReceiveNano, 90 * us, ReceiveNano},
		"limited to the program":      {full, User, 100 * us, User},
		"no card on the way out":      {with(func(s *Stamps) { s.TxHard = 0 }), Hardware, 80 * us, Software},
		"no card on the way in":       {with(func(s *Stamps) { s.RxHard = 0 }), Hardware, 80 * us, Software},
		"no transmit stamp":           {with(func(s *Stamps) { s.TxHard, s.TxSoft = 0, 0 }), Hardware, 90 * us, ReceiveNano},
		"only the card's out, not in": {with(func(s *Stamps) { s.TxSoft, s.RxHard = 0, 0 }), Hardware, 90 * us, ReceiveNano},
		"microseconds":                {with(func(s *Stamps) { s.TxHard, s.RxMicro = 0, true }), Hardware, 90 * us, ReceiveMicro},
		"microseconds, limited":       {with(func(s *Stamps) { s.TxHard, s.RxMicro = 0, true }), User, 100 * us, User},
		"no receive stamp":            {with(func(s *Stamps) { s.RxSoft, s.RxHard = 0, 0 }), Hardware, 100 * us, User},
		"the clock stepped ahead":     {with(func(s *Stamps) { s.RxHard = 0; s.RxSoft += int64(time.Hour) }), Hardware, 100 * us, User},
		"the clock stepped back":      {with(func(s *Stamps) { s.RxHard = 0; s.RxSoft -= int64(time.Hour) }), Hardware, 100 * us, User},
		"the card's stepped":          {with(func(s *Stamps) { s.RxHard = s.TxHard - 1 }), Hardware, 80 * us, Software},
	} {
		if got, d := c.s.RTT(c.limit); got != c.want || d != c.domain {
			t.Errorf("%s: %v in %v, want %v in %v", name, got, d, c.want, c.domain)
		}
	}
	if User.String() != "user" || Hardware.String() != "hardware" || Domain(99).String() != "unknown" {
		t.Error("names")
	}
}

func TestPayload(t *testing.T) {
	for pattern, tail := range map[string][]byte{"zeros": {0, 0, 0, 0, 0}, "ones": {255, 255, 255, 255, 255}, "alternating": {0x55, 0xaa, 0x55, 0xaa, 0x55}, "0x010203": {1, 2, 3, 1, 2}, "deadbeef": {0xde, 0xad, 0xbe, 0xef, 0xde}} {
		p, err := ParsePattern(pattern)
		if err != nil {
			t.Fatal(err)
		}
		if got := p.appendPayload(nil, 1, 2, 21); len(got) != 21 || !bytes.Equal(got[16:], tail) {
			t.Errorf("%s: %x", pattern, got)
		}
		if p.String() != pattern {
			t.Errorf("%s is named %s", pattern, p)
		}
	}
	for _, bad := range []string{"x", "0x", "abc", "12 34"} {
		if _, err := ParsePattern(bad); err == nil {
			t.Errorf("%q is a pattern", bad)
		}
	}
	// Random bytes are the same for the same probe, others for another, of every size, and fill it evenly.
	var random Pattern
	var ones int
	for size := MinSize; size < 200; size++ {
		a, b := random.appendPayload(nil, 7, uint64(size), size), random.appendPayload(nil, 7, uint64(size), size)
		if len(a) != size || !bytes.Equal(a, b) {
			t.Fatalf("%d: %x and %x", size, a, b)
		}
		if size >= 24 && bytes.Equal(a[16:], random.appendPayload(nil, 7, uint64(size)+1, size)[16:]) {
			t.Fatalf("%d: two probes have the same payload", size)
		}
		for _, v := range a[16:] {
			for ; v > 0; v &= v - 1 {
				ones++
			}
		}
	}
	if total := 8 * 184 * 183 / 2; ones < total*48/100 || ones > total*52/100 {
		t.Errorf("%d of %d bits are set", ones, total)
	}
}

func TestCompare(t *testing.T) {
	want := []byte{1, 2, 3, 4}
	for _, c := range []struct {
		got []byte
		d   Damage
	}{
		{[]byte{1, 2, 3, 4}, Damage{Byte: -1, Bit: -1, SentLength: 4, GotLength: 4}},
		{[]byte{1, 2, 7, 4}, Damage{Byte: 2, Bit: 2, Bits: 1, Sent: 3, Got: 7, SentLength: 4, GotLength: 4}},
		{[]byte{1, 0, 3, 0xff}, Damage{Byte: 1, Bit: 1, Bits: 8, Sent: 2, Got: 0, SentLength: 4, GotLength: 4}},
		{[]byte{1, 2}, Damage{Byte: 2, Bit: -1, SentLength: 4, GotLength: 2}},
		{[]byte{1, 2, 3, 4, 5}, Damage{Byte: 4, Bit: -1, SentLength: 4, GotLength: 5}},
	} {
		if d, ok := compare(want, c.got); d != c.d || ok != (c.d.Byte < 0) {
			t.Errorf("%v: %+v, %v; want %+v", c.got, d, ok, c.d)
		}
	}
}

// The figures of a target against those computed from all its times: within a hundredth.
func TestLatency(t *testing.T) {
	var l latency
	var all []int64
	var jitter int64
	r := rand.New(rand.NewPCG(3, 4))
	for i := range 10_000 {
		v := int64(20_000 + r.ExpFloat64()*50_000)
		if i > 0 {
			jitter += max(v-all[i-1], all[i-1]-v)
		}
		all = append(all, v)
		l.add(time.Duration(v), Software)
	}
	slices.Sort(all)
	s := l.summary()
	near := func(name string, got time.Duration, want int64) {
		if d := int64(got) - want; d > want/100 || d < -want/100 {
			t.Errorf("%s is %v, want %v", name, got, time.Duration(want))
		}
	}
	near("p50", s.P50, all[5000])
	near("p90", s.P90, all[9000])
	near("p99", s.P99, all[9900])
	near("jitter", s.Jitter, jitter/9999)
	if int64(s.Min) != all[0] || int64(s.Max) != all[9999] || s.Count != 10_000 || s.PeriodCount != 10_000 || s.PeriodMin != s.Min {
		t.Errorf("%+v", s)
	}
	l.endWindow()
	l.add(5, Software)
	if s := l.summary(); s.PeriodCount != 1 || s.PeriodMin != 5 || s.PeriodMax != 5 || s.PeriodAvg != 5 || s.Min != 5 || s.Count != 10_001 {
		t.Errorf("%+v", s)
	}
	// A worse clock adds nothing, a better one begins anew.
	if n := l.add(time.Hour, User); n != 1 || l.summary().Max == time.Hour {
		t.Error("clocks are mixed")
	}
	if n := l.add(7, Hardware); n != 10_001 {
		t.Errorf("%d thrown away", n)
	}
	if s := l.summary(); s.Count != 1 || s.Max != 7 || s.P99 != 7 || s.Domain != Hardware || s.Jitter != 0 {
		t.Errorf("%+v", s)
	}
}

func TestTotalLatency(t *testing.T) {
	var l totalLatency
	if l.best() != NoDomain || l.summary(NoDomain).Count != 0 {
		t.Error("something measured")
	}
	for i := range 1000 {
		l.add(time.Duration(i+1)*time.Microsecond, Software)
	}
	l.add(time.Second, ReceiveNano)
	s := l.summary(l.best())
	if s.Domain != Software || s.Count != 1000 || s.Min != time.Microsecond || s.Max != time.Millisecond || s.P50 < 499*time.Microsecond || s.P50 > 501*time.Microsecond || s.Avg != 500500 {
		t.Errorf("%+v", s)
	}
}

func TestCounters(t *testing.T) {
	var a, b Counters
	a.Sent, a.ByOutcome[Answered], a.ByOutcome[Timeout], a.ByExtra[Late] = 10, 6, 2, 1
	b.Add(&a)
	b.Add(&a)
	if b.Sent != 20 || b.Of(InFlight) != 4 || b.Lost() != 4 || b.Loss() != 0.25 || b.Extra(Late) != 2 || b.Finished() != 16 {
		t.Errorf("%+v", b)
	}
	if d := b.Sub(a); d != a {
		t.Errorf("%+v", d)
	}
	if (&Counters{}).Loss() != 0 {
		t.Error("nothing sent, and yet a loss")
	}
	for _, o := range Outcomes() {
		if o.String() == "" || o.String() == "unknown" {
			t.Error(o)
		}
	}
	for _, x := range Extras() {
		if x.String() == "" || x.String() == "unknown" {
			t.Error(x)
		}
	}
}

// With hardly any room for what is received, answers are lost in this host, and the report says so. A full queue refuses packets
// before the filter does, so on loopback our own requests count there as well.
func TestQueueOverflowIsTold(t *testing.T) {
	p := open(t, loopback(t, "127.0.0.1"), Options{TotalRate: 100_000, Count: 5000, Timeout: 300 * time.Millisecond, BufferSize: 1})
	s := run(t, p)
	lost := s.Total.Of(Timeout)
	if lost == 0 || s.Session.QueueOverflow < lost || s.Session.QueueOverflow > 2*lost || s.Total.Sent != 5000 || s.Total.Of(Answered)+lost != 5000 {
		t.Errorf("%d timeouts, %d dropped by this host's queue; %+v", lost, s.Session.QueueOverflow, s.Total)
	}
}

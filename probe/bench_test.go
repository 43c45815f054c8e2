package probe

import (
	"context"
	"testing"
	"time"

	"github.com/ringway/ringway/proto/icmp"
)

// BenchmarkLoopback is a probe's whole way, as fast as one loop goes: slot, packet, both stamps, answer, histogram.
func BenchmarkLoopback(b *testing.B) {
	b.ReportAllocs()
	p := open(b, loopback(b, "127.0.1.0/26"), Options{TotalRate: 1e6, Count: uint64(b.N)/62 + 1, Timeout: 5 * time.Second})
	b.ResetTimer()
	if err := p.Run(context.Background()); err != nil {
		b.Fatal(err)
	}
	b.StopTimer()
	s := p.Snapshot(SnapshotOptions{})
	if lost := s.Total.Lost(); lost > 0 {
		b.Errorf("%d of %d lost; %+v", lost, s.Total.Sent, s.Session)
	}
	b.ReportMetric(float64(s.Total.Sent)/b.Elapsed().Seconds(), "probes/s")
}

// BenchmarkLedger is what the bookkeeping takes of it, with the payload's comparison and without the kernel.
func BenchmarkLedger(b *testing.B) {
	t := newBench(b, func(c *ledgerConfig) { c.sink = nil; c.timeout, c.late = ms, ms })
	var raw, payload []byte
	b.ReportAllocs()
	for b.Loop() {
		n := t.send(0)
		payload = t.config.pattern.appendPayload(payload[:0], testNonce, n, 56)
		raw = icmp.AppendEchoReply(raw[:0], icmp.V4, testID, uint16(n), payload)
		t.now += 10_000
		t.receive(0, raw)
		t.advance(t.now)
	}
	if c := &t.targets[0].counters; c.Of(Answered) != c.Sent {
		b.Errorf("%+v", c)
	}
}

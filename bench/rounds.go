package main

import (
	"context"
	"time"
)

// warmup is how long each proxy is under each load before the first round:
// caches, pools and Go's heap reach their size.
const warmup = time.Second

// results are the raw figures of all rounds.
type results struct {
	Loads  []loadSample  `json:"loads"`
	Idle   []idleSample  `json:"idle"`
	Tails  []tailSample  `json:"tails,omitempty"`
	Bursts []burstSample `json:"bursts,omitempty"`
	Micro  []figure      `json:"micro"`
}

// empty says that nothing was measured.
func (r results) empty() bool {
	return len(r.Loads)+len(r.Idle)+len(r.Tails)+len(r.Bursts)+len(r.Micro) == 0
}

// rotated returns the order of a round: each starts with the next proxy, so
// that none is always the first or always runs after the same burden.
func rotated[T any](all []T, round int) []T {
	first := round % len(all)
	return append(append([]T{}, all[first:]...), all[:first]...)
}

// inRounds starts every proxy and has each measured in every scenario, round by round, first once to warm up: that round is nought.
func inRounds[T any](ctx context.Context, b *bench, contenders []contender, scenarios []T, measure func(p *running, scenario T, round int, duration time.Duration) error) error {
	var all []*running
	for _, c := range contenders {
		b.progress("starting %s", c.name)
		p, err := b.start(ctx, c, nil)
		if err != nil {
			return err
		}
		defer b.stop(p)
		all = append(all, p)
	}
	for round := 0; round <= b.options.rounds; round++ {
		duration := b.options.duration
		if round == 0 {
			duration = warmup
		}
		for _, s := range scenarios {
			for _, p := range rotated(all, round) {
				if err := measure(p, s, round, duration); err != nil {
					return err
				}
			}
		}
		if round == 0 {
			b.progress("warmed up")
		}
	}
	return nil
}

// runLoads puts every proxy under every load. The samples before a failure are returned with it.
func (b *bench) runLoads(ctx context.Context, contenders []contender, loads []load) ([]loadSample, error) {
	var samples []loadSample
	err := inRounds(ctx, b, contenders, loads, func(p *running, l load, round int, duration time.Duration) error {
		sample, err := b.measure(ctx, p, l, round, duration)
		if err != nil || round == 0 {
			return err
		}
		b.progress("round %d/%d  %-9s  %-13s %6.1f + %6.1f µs  %7.0f/s  p99 %6.0f µs  %s",
			round, b.options.rounds, l.name, p.name, sample.UserMicros, sample.SystemMicros,
			sample.RequestsPerSecond, sample.P99Micros, sample.FailureText)
		samples = append(samples, sample)
		return nil
	})
	return samples, err
}

// runIdle measures the memory of connections at rest, round by round.
func (b *bench) runIdle(ctx context.Context, scenario string, contenders []contender) ([]idleSample, error) {
	var samples []idleSample
	for round := 1; round <= b.options.rounds; round++ {
		for _, c := range rotated(contenders, round) {
			sample, err := b.measureIdle(ctx, c, round)
			if err != nil {
				return samples, err
			}
			b.progress("round %d/%d  %-9s  %-13s %6.2f KiB RSS, %6.2f KiB PSS per connection  %s",
				round, b.options.rounds, scenario, c.name, sample.rssPerConn(), sample.pssPerConn(), sample.FailureText)
			samples = append(samples, sample)
		}
	}
	return samples, nil
}

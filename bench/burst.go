package main

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"
)

// burstScenario is requests of one client while many others begin their handshakes at once.
const burstScenario = "tls-burst"

// burstHellos is how many those are.
const burstHellos = 400

// burstSample is how long the slowest request took in one round, in microseconds: the median of its bursts.
type burstSample struct {
	Round       int     `json:"round"`
	Peer        string  `json:"peer"`
	Worst       float64 `json:"worst_us"`
	Bursts      int64   `json:"bursts"`
	Failures    int64   `json:"failures"`
	FailureText string  `json:"failure_text,omitempty"`
}

// measureBursts has so many bursts as fit into the time.
func (b *bench) measureBursts(ctx context.Context, p *running, round int, duration time.Duration) (burstSample, error) {
	program, args, err := b.tlsLoad(ctx, "bursts", p.addr, tailGroup, burstHellos, 0, duration)
	if err != nil {
		return burstSample{}, err
	}
	text, _, err := b.loadWith(ctx, p, program, args...)
	if err != nil {
		return burstSample{}, p.failure(err)
	}
	r, err := parseTLSLoad(text)
	if err != nil {
		return burstSample{}, p.failure(err)
	}
	s := burstSample{Round: round, Peer: p.name, Worst: micros(r.P50), Bursts: r.Done, Failures: r.Failures}
	if r.Failures > 0 {
		s.FailureText = r.FailureText
	}
	return s, nil
}

// runBursts measures every proxy round by round, all of which stay running.
func (b *bench) runBursts(ctx context.Context, contenders []contender) ([]burstSample, error) {
	var samples []burstSample
	err := inRounds(ctx, b, contenders, []string{burstScenario}, func(p *running, scenario string, round int, duration time.Duration) error {
		s, err := b.measureBursts(ctx, p, round, duration)
		if err != nil || round == 0 {
			return err
		}
		b.progress("round %d/%d  %-9s  %-13s %6.0f µs  %s", round, b.options.rounds, scenario, p.name, s.Worst, s.FailureText)
		samples = append(samples, s)
		return nil
	})
	return samples, err
}

// writeBursts prints what one client waits for while others begin.
func (r report) writeBursts(w io.Writer, in section) {
	if !slices.ContainsFunc(r.results.Bursts, func(s burstSample) bool { return slices.Contains(in.peers, s.Peer) }) {
		return
	}
	fmt.Fprintf(w, "\n### The slowest request over TLS 1.3 of one client while %d others say hello at once\n\n", burstHellos)
	writeTableHead(w, []string{"proxy", "slowest request (lowest–highest of the rounds)", "bursts", "errors"})
	for _, peer := range in.peers {
		var worst []float64
		var bursts int64
		var failed []string
		for _, s := range r.results.Bursts {
			if s.Peer != peer {
				continue
			}
			worst, bursts = append(worst, s.Worst), bursts+s.Bursts
			if s.FailureText != "" {
				failed = append(failed, s.FailureText)
			}
		}
		if len(worst) == 0 {
			continue // a failure ended the run before
		}
		cells := []string{lineName(peer, strings.Join(failed, "; ")),
			fmt.Sprintf("%s (%s–%s)", latency(median(worst)), latency(slices.Min(worst)), latency(slices.Max(worst))), fmt.Sprint(bursts), "0"}
		if len(failed) > 0 {
			cells[len(cells)-1] = strings.Join(failed, "; ")
		}
		fmt.Fprintln(w, row(cells))
	}
}

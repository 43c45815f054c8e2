package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// tailScenario is requests on connections that are kept, alone and beside handshakes.
const tailScenario = "tls-tail"

// Shape of that scenario.
const (
	tailConns = 64
	// tailRate is few enough requests a second that none waits for another, in a proxy that does nothing else.
	tailRate      = 2000
	handshakeRate = 500
	// handshakesOpen is how many may go on at a time: what a busy machine leaves of the rate is told beside.
	handshakesOpen = 512
	// tailGroup is the group for the key exchange, which all proxies have.
	tailGroup = "X25519"
	// tailLead is how long handshakes go on before the first request and after the last.
	tailLead = 300 * time.Millisecond
)

// tailSample is how long one proxy's requests took in one round, in microseconds.
type tailSample struct {
	Round               int     `json:"round"`
	Peer                string  `json:"peer"`
	AloneP50            float64 `json:"alone_p50_us"`
	AloneP99            float64 `json:"alone_p99_us"`
	BesideP50           float64 `json:"beside_p50_us"`
	BesideP99           float64 `json:"beside_p99_us"`
	HandshakesPerSecond float64 `json:"handshakes_per_second"`
	Failures            int64   `json:"failures"`
	FailureText         string  `json:"failure_text,omitempty"`
}

// add takes in what one of the loads printed.
func (s *tailSample) add(r tlsResult) {
	s.Failures += r.Failures
	if s.FailureText == "" && r.Failures > 0 {
		s.FailureText = fmt.Sprintf("%d: %s", r.Failures, r.FailureText)
	}
}

// measureTail makes requests for the time given, and then again while clients come and go.
func (b *bench) measureTail(ctx context.Context, p *running, round int, duration time.Duration) (tailSample, error) {
	s := tailSample{Round: round, Peer: p.name}
	alone, err := b.ask(ctx, p, duration)
	if err != nil {
		return tailSample{}, p.failure(err)
	}
	comers, log, err := b.startHandshakes(ctx, p, duration+2*tailLead)
	if err != nil {
		return tailSample{}, err
	}
	defer comers.stop()
	if err := pause(ctx, tailLead); err != nil {
		return tailSample{}, err
	}
	beside, err := b.ask(ctx, p, duration)
	if err != nil {
		return tailSample{}, p.failure(err)
	}
	select {
	case <-ctx.Done():
		return tailSample{}, ctx.Err()
	case <-comers.done:
	}
	text, err := os.ReadFile(log)
	if err != nil {
		return tailSample{}, err
	}
	handshakes, err := parseTLSLoad(string(text))
	if err != nil {
		return tailSample{}, p.failure(err)
	}
	s.AloneP50, s.AloneP99 = micros(alone.P50), micros(alone.P99)
	s.BesideP50, s.BesideP99 = micros(beside.P50), micros(beside.P99)
	s.HandshakesPerSecond = float64(handshakes.Done) / handshakes.Elapsed.Seconds()
	for _, r := range []tlsResult{alone, beside, handshakes} {
		s.add(r)
	}
	return s, nil
}

// ask makes requests at the scenario's rate.
func (b *bench) ask(ctx context.Context, p *running, duration time.Duration) (tlsResult, error) {
	program, args, err := b.tlsLoad(ctx, "requests", p.addr, tailGroup, tailConns, tailRate, duration)
	if err != nil {
		return tlsResult{}, err
	}
	text, _, err := b.loadWith(ctx, p, program, args...)
	if err != nil {
		return tlsResult{}, err
	}
	return parseTLSLoad(text)
}

// startHandshakes has clients come and go, and says where what came of it is told at the end.
func (b *bench) startHandshakes(ctx context.Context, p *running, duration time.Duration) (c *child, log string, err error) {
	program, args, err := b.tlsLoad(ctx, "handshakes", p.addr, tailGroup, handshakesOpen, handshakeRate, duration)
	if err != nil {
		return nil, "", err
	}
	log = filepath.Join(b.data, "handshakes.log")
	argv := b.pin.command(true, program, args...)
	c, err = startChild(log, b.data, nil, argv[0], argv[1:]...)
	return c, log, err
}

// runTails measures every proxy round by round, all of which stay running.
func (b *bench) runTails(ctx context.Context, contenders []contender) ([]tailSample, error) {
	var samples []tailSample
	err := inRounds(ctx, b, contenders, []string{tailScenario}, func(p *running, scenario string, round int, duration time.Duration) error {
		s, err := b.measureTail(ctx, p, round, duration)
		if err != nil || round == 0 {
			return err
		}
		b.progress("round %d/%d  %-9s  %-13s p99 %6.0f µs alone, %6.0f µs beside %.0f handshakes/s  %s",
			round, b.options.rounds, scenario, p.name, s.AloneP99, s.BesideP99, s.HandshakesPerSecond, s.FailureText)
		samples = append(samples, s)
		return nil
	})
	return samples, err
}

// writeTails prints how long requests take, alone and beside handshakes.
func (r report) writeTails(w io.Writer, in section) {
	if !slices.ContainsFunc(r.results.Tails, func(s tailSample) bool { return slices.Contains(in.peers, s.Peer) }) {
		return
	}
	fmt.Fprintf(w, "\n### Requests over TLS 1.3, %s/s on %d connections, alone and with %d full handshakes/s beside them\n\n", thousands(tailRate), tailConns, handshakeRate)
	writeTableHead(w, []string{"proxy", "p50 alone", "p99 alone", "p50 beside", "p99 beside", "p99 beside ÷ alone", "handshakes/s", "errors"})
	for _, peer := range in.peers {
		var of []tailSample
		failed := ""
		for _, s := range r.results.Tails {
			if s.Peer == peer {
				of = append(of, s)
				failed = strings.TrimPrefix(failed+"; "+s.FailureText, "; ")
			}
		}
		if len(of) == 0 {
			continue // a failure ended the run before
		}
		column := func(value func(tailSample) float64) float64 {
			var values []float64
			for _, s := range of {
				values = append(values, value(s))
			}
			return median(values)
		}
		failed = strings.TrimSuffix(failed, "; ")
		cells := []string{lineName(peer, failed),
			latency(column(func(s tailSample) float64 { return s.AloneP50 })), latency(column(func(s tailSample) float64 { return s.AloneP99 })),
			latency(column(func(s tailSample) float64 { return s.BesideP50 })), latency(column(func(s tailSample) float64 { return s.BesideP99 })),
			fmt.Sprintf("%.2f", column(func(s tailSample) float64 { return s.BesideP99 / s.AloneP99 })),
			fmt.Sprintf("%.0f", column(func(s tailSample) float64 { return s.HandshakesPerSecond })), "0"}
		if failed != "" {
			cells[len(cells)-1] = failed
		}
		fmt.Fprintln(w, row(cells))
	}
}

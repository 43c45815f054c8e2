package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"
)

// tlsResult is what a run of bench/tlsload printed.
type tlsResult struct {
	Done        int64         `json:"done"`
	Elapsed     time.Duration `json:"elapsed_ns"`
	P50         time.Duration `json:"p50_ns"`
	P99         time.Duration `json:"p99_ns"`
	Failures    int64         `json:"failures"`
	FailureText string        `json:"failure_text"`
	Group       string        `json:"group"`
}

// errTLSLoad is wrapped by every error of parseTLSLoad.
var errTLSLoad = errors.New("cannot read what tlsload printed")

// parseTLSLoad reads the output of bench/tlsload. A run that did nothing is an error: its zeros would pass for measurements.
func parseTLSLoad(text string) (r tlsResult, err error) {
	if err := json.Unmarshal([]byte(text), &r); err != nil {
		return tlsResult{}, fmt.Errorf("%w: %q: %w", errTLSLoad, text, err)
	}
	if r.Done == 0 || r.Elapsed <= 0 || r.Group == "" {
		return tlsResult{}, fmt.Errorf("%w: nothing was done; failures: %d, %s", errTLSLoad, r.Failures, r.FailureText)
	}
	return r, nil
}

// tlsLoad is the command line of a run of bench/tlsload.
func (b *bench) tlsLoad(ctx context.Context, command, addr, groups string, conns, rate int, duration time.Duration) (program string, args []string, err error) {
	program, err = built("./bench/tlsload")(ctx, b)
	return program, []string{command, "-to", addr, "-groups", groups, "-connections", strconv.Itoa(conns), "-rate", strconv.Itoa(rate), "-for", duration.String()}, err
}

// exerciseHandshakes has a proxy make full handshakes, and returns the CPU time it spent meanwhile.
func (b *bench) exerciseHandshakes(ctx context.Context, p *running, l load, duration time.Duration) (cpuTime, wrkResult, error) {
	program, args, err := b.tlsLoad(ctx, "handshakes", p.addr, l.offers, l.conns, 0, duration)
	if err != nil {
		return cpuTime{}, wrkResult{}, err
	}
	text, cpu, err := b.loadWith(ctx, p, program, args...)
	if err != nil {
		return cpuTime{}, wrkResult{}, err
	}
	r, err := parseTLSLoad(text)
	if err != nil {
		return cpuTime{}, wrkResult{}, err
	}
	return cpu, wrkResult{requests: r.Done, perSecond: float64(r.Done) / r.Elapsed.Seconds(), p50: r.P50, p99: r.P99, wrongCodes: r.Failures, reason: r.FailureText, detail: r.Group}, nil
}

// writeDetails says below a table what each peer settled with its clients, where the loads tell.
func (r report) writeDetails(w io.Writer, in section, group string) {
	for _, l := range in.loads {
		var told []string
		for _, s := range r.results.Loads {
			if s.Scenario == l.name && l.group == group && s.Detail != "" && slices.Contains(in.peers, s.Peer) {
				if one := s.Peer + ": " + s.Detail; !slices.Contains(told, one) {
					told = append(told, one)
				}
			}
		}
		if len(told) > 0 {
			slices.Sort(told)
			fmt.Fprintf(w, "\nKeys exchanged, %s: %s.\n", l.label, strings.Join(told, ", "))
		}
	}
}

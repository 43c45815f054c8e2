package main

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"
)

// load is one way to exercise a proxy or a server: wrk's requests for a path,
// or messages of our own.
type load struct {
	name string
	// group is the heading of the table it is shown in.
	group string
	label string
	path  string
	conns int
	// fresh asks for a new connection per request.
	fresh bool
	// secure asks for TLS.
	secure bool
	// streams asks for HTTP/2, with so many requests open on each connection; 0: HTTP/1.1.
	streams int
	// calls asks for calls of gRPC, over HTTP/2.
	calls bool
	// offers, if not empty, asks for full handshakes, with these groups for the key exchange.
	offers string
	// messages, if not nil, are sent instead of requests.
	messages *messages
}

// Headings of the tables.
const (
	groupSmall = "Keep-alive, 128-byte body"
	groupLarge = "Keep-alive, larger bodies"
	groupFresh = "A new connection per request, 128-byte body"
)

// The scenarios that no load makes, see idle.go: connections at rest, and those with TLS.
const (
	idleScenario    = "idle"
	tlsIdleScenario = "tls-idle"
)

// allLoads is the table of loads, in the order they are run and shown.
func allLoads() []load {
	return []load{
		{name: "small-16", group: groupSmall, label: "16 connections", path: smallPath, conns: 16},
		{name: "small-64", group: groupSmall, label: "64 connections", path: smallPath, conns: 64},
		{name: "small-256", group: groupSmall, label: "256 connections", path: smallPath, conns: 256},
		{name: "16k-64", group: groupLarge, label: "16 KiB, 64 connections", path: mediumPath, conns: 64},
		{name: "1m-16", group: groupLarge, label: "1 MiB, 16 connections", path: largePath, conns: 16},
		{name: "fresh-64", group: groupFresh, label: "64 at a time", path: smallPath, conns: 64, fresh: true},
	}
}

// loadSample is one proxy under one load in one round. Times are microseconds;
// the CPU's are per request.
type loadSample struct {
	Round             int     `json:"round"`
	Scenario          string  `json:"scenario"`
	Peer              string  `json:"peer"`
	Requests          int64   `json:"requests"`
	UserMicros        float64 `json:"user_us"`
	SystemMicros      float64 `json:"system_us"`
	RequestsPerSecond float64 `json:"requests_per_second"`
	P50Micros         float64 `json:"p50_us"`
	P99Micros         float64 `json:"p99_us"`
	Failures          int64   `json:"failures"`
	FailureText       string  `json:"failure_text,omitempty"`
	Detail            string  `json:"detail,omitempty"`
}

// totalMicros is the CPU time of one request.
func (s loadSample) totalMicros() float64 { return s.UserMicros + s.SystemMicros }

// settle lets a proxy finish with the connections of the last run before
// the next reading, so that their end is not charged to another load.
const settle = 200 * time.Millisecond

// Limits on the wall clock, which wrk tells time by.
const (
	// clockTolerance is the step that voids a run: a step looks to wrk like
	// latency, a large or backward one like as many timeouts as connections.
	clockTolerance = 50 * time.Millisecond
	// clockAttempts is how many runs may be voided in a row.
	clockAttempts = 3
)

// measure puts one proxy under one load. A run during which the machine's wall
// clock was set is void and made again; no other error is.
func (b *bench) measure(ctx context.Context, p *running, l load, round int, duration time.Duration) (loadSample, error) {
	for range clockAttempts {
		if err := pause(ctx, settle); err != nil {
			return loadSample{}, err
		}
		start := time.Now()
		cpu, result, err := b.exercise(ctx, p, l, duration)
		if err != nil {
			return loadSample{}, p.failure(err)
		}
		step := clockStep(start, time.Now())
		if step.Abs() < clockTolerance {
			return newLoadSample(p.name, l.name, round, cpu, result)
		}
		b.progress("the wall clock was set by %v while %s was under load: again", step, p.name)
	}
	return loadSample{}, fmt.Errorf("the wall clock was set during %d runs in a row", clockAttempts)
}

// clockStep is by how much the wall clock was set between two readings, which
// both have the monotonic clock too.
func clockStep(start, end time.Time) time.Duration {
	return end.Round(0).Sub(start.Round(0)) - end.Sub(start)
}

// exercise runs the load and returns the CPU time the proxy spent meanwhile.
func (b *bench) exercise(ctx context.Context, p *running, l load, duration time.Duration) (cpuTime, wrkResult, error) {
	if l.messages != nil {
		return b.exchangeMessages(ctx, p, l, duration)
	}
	if l.offers != "" {
		return b.exerciseHandshakes(ctx, p, l, duration)
	}
	if l.streams > 0 {
		return b.exerciseHTTP2(ctx, p, l, duration)
	}
	args := []string{
		"-t", "1", "-c", strconv.Itoa(l.conns), "--latency",
		"-d", strconv.Itoa(int(duration/time.Second)) + "s",
	}
	if l.fresh {
		args = append(args, "-H", "Connection: close")
	}
	scheme := "http://"
	if l.secure {
		scheme = "https://"
	}
	text, cpu, err := b.loadWith(ctx, p, b.wrk, append(args, scheme+p.addr+l.path)...)
	if err != nil {
		return cpuTime{}, wrkResult{}, err
	}
	result, err := parseWrk(text)
	return cpu, result, err
}

// loadWith runs a load program to its end, and returns what it printed and the CPU time the proxy spent meanwhile.
func (b *bench) loadWith(ctx context.Context, p *running, program string, args ...string) (text string, cpu cpuTime, err error) {
	argv := b.pin.command(true, program, args...)
	cpu, err = p.spent(func() (err error) {
		text, err = output(ctx, "", nil, argv[0], argv[1:]...)
		return err
	})
	return text, cpu, err
}

// newLoadSample divides the CPU time by the requests.
func newLoadSample(peer, scenario string, round int, cpu cpuTime, result wrkResult) (loadSample, error) {
	if result.requests <= 0 {
		return loadSample{}, fmt.Errorf("%s answered no request of %s: %w",
			peer, scenario, errors.New(result.failureText()))
	}
	perRequest := func(d time.Duration) float64 { return micros(d) / float64(result.requests) }
	return loadSample{
		Round: round, Scenario: scenario, Peer: peer,
		Requests:          result.requests,
		UserMicros:        perRequest(cpu.user),
		SystemMicros:      perRequest(cpu.system),
		RequestsPerSecond: result.perSecond,
		P50Micros:         micros(result.p50),
		P99Micros:         micros(result.p99),
		Failures:          result.failures(),
		FailureText:       result.failureText(),
		Detail:            result.detail,
	}, nil
}

// micros is a duration in microseconds.
func micros(d time.Duration) float64 { return float64(d) / float64(time.Microsecond) }

// pause waits, or ends early with the context's error.
func pause(ctx context.Context, d time.Duration) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(d):
		return nil
	}
}

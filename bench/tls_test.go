package main

import (
	"errors"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
)

func TestParseTLSLoad(t *testing.T) {
	const good = `{"done":900,"elapsed_ns":3000000000,"p50_ns":1000,"p99_ns":2000,"failures":2,"failure_text":"EOF","group":"X25519"}`
	r, err := parseTLSLoad(good)
	if want := (tlsResult{900, 3 * time.Second, 1000, 2000, 2, "EOF", "X25519"}); err != nil || r != want {
		t.Errorf("%+v, %v; want %+v", r, err, want)
	}
	for _, text := range []string{"", "tlsload: connection refused", strings.Replace(good, "900", "0", 1), strings.Replace(good, "X25519", "", 1),
		strings.Replace(good, "3000000000", "0", 1)} {
		if r, err := parseTLSLoad(text); !errors.Is(err, errTLSLoad) {
			t.Errorf("%q: %+v, %v", text, r, err)
		}
	}
}

// TestSecureConfigs: every peer of the TLS and HTTP/2 suites has a certificate, which an edit by text could fail to give it.
func TestSecureConfigs(t *testing.T) {
	o := options{driver: "both", caddy: true}
	for _, p := range append(tlsPeers(o), http2Peers(o)...) {
		dir := t.TempDir()
		s := site{Dir: dir, File: filepath.Join(dir, "config"), Listen: "127.0.0.1:1111", Origin: "127.0.0.1:2222", MaxConns: 3333}
		if err := s.write(p.config); err != nil {
			t.Fatal(err)
		}
		text, err := os.ReadFile(s.File)
		if err != nil || !strings.Contains(string(text), dir+"/cert.pem") && !strings.Contains(string(text), dir+"/both.pem") || !p.secure {
			t.Errorf("%s has no certificate: %v\n%s", p.name, err, text)
		}
		if h2 := regexp.MustCompile(`\bh2\b|http2`).Match(text); strings.HasSuffix(p.name, "-h2") && !p.subject && !h2 {
			t.Errorf("%s has no HTTP/2:\n%s", p.name, text)
		}
	}
}

// TestTLSIsMeasured puts Ringway through all that bench/tlsload does, for an instant, and through connections at rest.
func TestTLSIsMeasured(t *testing.T) {
	b := driveBench(t)
	b.options.driver, b.options.idleConns = "auto", 40
	b.maxConns = 1000
	var err error
	if b.origin, err = b.startGoOrigin(); err != nil {
		t.Fatal(err)
	}
	p := tlsPeers(b.options)[0]
	binary, err := p.locate(t.Context(), b)
	if err != nil {
		t.Fatal(err)
	}
	c := contender{peer: p, binary: binary}
	r, err := b.start(t.Context(), c, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer b.stop(r)
	for _, l := range tlsLoads() {
		if l.offers == "" {
			continue
		}
		cpu, result, err := b.exercise(t.Context(), r, l, 500*time.Millisecond)
		if err != nil || result.requests == 0 || result.failures() > 0 || cpu.user+cpu.system == 0 || !strings.HasPrefix(l.offers, result.detail) {
			t.Errorf("%s: %+v, %+v, %v", l.name, cpu, result, err)
		}
	}
	if s, err := b.measureTail(t.Context(), r, 1, 500*time.Millisecond); err != nil || s.Failures > 0 || s.AloneP99 < s.AloneP50 || s.BesideP50 <= 0 || s.HandshakesPerSecond <= 0 {
		t.Errorf("%+v, %v", s, err)
	}
	if s, err := b.measureBursts(t.Context(), r, 1, time.Millisecond); err != nil || s.Failures > 0 || s.Bursts != 1 || s.Worst <= 0 {
		t.Errorf("%+v, %v", s, err)
	}
	if s, err := b.measureIdle(t.Context(), c, 1); err != nil || s.Failures > 0 || s.RSSAfter <= 0 || s.Connections != 40 {
		t.Errorf("%+v, %v", s, err)
	}
}

// secureReport is sampleReport with what only the TLS suite has.
func secureReport() report {
	r := sampleReport()
	r.options.idleWait = 3 * time.Second
	r.sections = []section{{suite: suiteTLS, peers: []string{"ringway-tls", "nginx-tls"}, subjects: []string{"ringway-tls"}, loads: tlsLoads()}}
	for round := 1; round <= 3; round++ {
		r.results.Loads = append(r.results.Loads,
			loadSample{Round: round, Peer: "ringway-tls", Scenario: "tls-handshakes", Requests: 9, UserMicros: 150, SystemMicros: 50, Detail: "X25519"},
			loadSample{Round: round, Peer: "nginx-tls", Scenario: "tls-handshakes", Requests: 9, UserMicros: 200, SystemMicros: 50, Detail: "X25519"})
		r.results.Tails = append(r.results.Tails,
			tailSample{Round: round, Peer: "ringway-tls", AloneP50: 90, AloneP99: 100 * float64(round), BesideP50: 95, BesideP99: 150 * float64(round), HandshakesPerSecond: 499.6})
		r.results.Bursts = append(r.results.Bursts, burstSample{Round: round, Peer: "ringway-tls", Worst: 2500 * float64(round), Bursts: 4})
	}
	failed := tailSample{Round: 1, Peer: "nginx-tls", AloneP99: 1}
	failed.add(tlsResult{Failures: 3, FailureText: "EOF"})
	failed.add(tlsResult{Failures: 1, FailureText: "reset"})
	r.results.Tails = append(r.results.Tails, failed)
	r.results.Bursts = append(r.results.Bursts, burstSample{Round: 1, Peer: "nginx-tls", Failures: 1, FailureText: "EOF"})
	r.results.Idle = append(r.results.Idle, idleSample{Round: 1, Peer: "ringway-tls", Connections: 2000, RSSAfter: 24000, PSSAfter: 22000})
	return r
}

func TestSecureReport(t *testing.T) {
	var text strings.Builder
	r := secureReport()
	r.write(&text)
	for _, want := range []string{
		"CPU µs per handshake",
		"| X25519, 32 at a time | nginx-tls | 200.0 | 50.0 | 250.0 | **0.80** (0.80–0.80) |",
		"Keys exchanged, X25519, 32 at a time: nginx-tls: X25519, ringway-tls: X25519.\n",
		"2,000/s on 64 connections, alone and with 500 full handshakes/s",
		"| ringway-tls | 90 µs | 200 µs | 95 µs | 300 µs | 1.50 | 500 | 0 |\n",
		"| **invalid:** nginx-tls | 0 µs | 1 µs | 0 µs | 0 µs | 0.00 | 0 | 3: EOF |\n",
		"of one client while 400 others say hello at once",
		"| ringway-tls | 5.00 ms (2.50 ms–7.50 ms) | 12 | 0 |\n",
		"| **invalid:** nginx-tls | 0 µs (0 µs–0 µs) | 0 | EOF |\n",
		"keep-alive connections over TLS 1.3, 2,000 of them, after 3s at rest",
		"| ringway-tls | 12.00 | 1 | 11.00 | 0.0 | 0 |\n",
	} {
		if !strings.Contains(text.String(), want) {
			t.Errorf("missing %q in:\n%s", want, text.String())
		}
	}
	if got := r.results.invalid(); got != sampleReport().results.invalid()+2 {
		t.Errorf("%d samples are invalid", got)
	}
	if (results{Tails: r.results.Tails}).empty() {
		t.Error("results with nothing but tails are empty")
	}
	if (results{Bursts: r.results.Bursts}).empty() {
		t.Error("results with nothing but bursts are empty")
	}
}

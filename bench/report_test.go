package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
)

// sampleReport has two rounds of two loads; the machine is twice as slow in
// the second round, and haproxy fails in one of them.
func sampleReport() report {
	sample := func(round int, peer, scenario string, user, system float64) loadSample {
		return loadSample{
			Round: round, Peer: peer, Scenario: scenario, Requests: 1000,
			UserMicros: user, SystemMicros: system,
			RequestsPerSecond: 81234.4, P50Micros: 812, P99Micros: 5900,
		}
	}
	failing := sample(2, "haproxy", "small-16", 10, 20)
	failing.Failures, failing.FailureText = 3, "read 3"
	r := report{
		host:    host{Kernel: "6.1", CPU: "Some CPU", Cores: 2, Go: "go1.26", Peers: []version{{"nginx", "nginx/1.2"}}},
		options: options{run: regexp.MustCompile(""), rounds: 2, duration: time.Second},
		sections: []section{{
			suite: suiteGateway, peers: []string{"ringway", "nginx", "haproxy"}, subjects: []string{"ringway"}, loads: allLoads()[:2],
		}},
	}
	r.results.Loads = []loadSample{
		sample(1, "ringway", "small-16", 2, 6), sample(2, "ringway", "small-16", 4, 12),
		sample(1, "nginx", "small-16", 3, 7), sample(2, "nginx", "small-16", 6, 14),
		sample(1, "haproxy", "small-16", 5, 10), failing,
		sample(1, "ringway", "small-64", 1, 1), sample(1, "nginx", "small-64", 2, 2),
	}
	r.results.Idle = []idleSample{
		{Round: 1, Peer: "ringway", Connections: 1000, RSSBefore: 20480, RSSAfter: 22480, PSSBefore: 100, PSSAfter: 1600},
		{Round: 1, Peer: "nginx", Connections: 1000, RSSBefore: 10240, RSSAfter: 14240, PSSBefore: 100, PSSAfter: 3100},
		{Round: 1, Peer: "haproxy", Connections: 1000, RSSBefore: 10240, RSSAfter: 10240, Failures: 1000, FailureText: "EOF"},
	}
	return r
}

func TestReportRows(t *testing.T) {
	var text strings.Builder
	sampleReport().write(&text)
	for _, want := range []string{
		"Linux 6.1, Some CPU, 2 cores, Go 1.26.",
		"- nginx: nginx/1.2\n",
		"| 16 connections | ringway | 3.0 | 9.0 | 12.0 | 1 | 81,234 | 812 µs | 5.90 ms | 0 |\n",
		"| 16 connections | nginx | 4.5 | 10.5 | 15.0 | **0.80** (0.80–0.80) | 81,234 | 812 µs | 5.90 ms | 0 |\n",
		"| 16 connections | **invalid:** haproxy | 7.5 | 15.0 | 22.5 | – | 81,234 | 812 µs | 5.90 ms | read 3 |\n",
		"| 64 connections | nginx | 2.0 | 2.0 | 4.0 | **0.50** (0.50–0.50) |",
		"1,000 of them",
		"| nginx | 4.00 | **0.50** (0.50–0.50) | 3.00 | 10.0 | 0 |\n",
		"| **invalid:** haproxy | 0.00 | – | 0.00 | 10.0 | 1000: EOF |\n",
	} {
		if !strings.Contains(text.String(), want) {
			t.Errorf("missing %q in:\n%s", want, text.String())
		}
	}
	if strings.Contains(text.String(), "| 64 connections | haproxy |") {
		t.Error("shows a peer that was not measured under a load")
	}
	if strings.Contains(text.String(), groupFresh) {
		t.Error("shows a group that was not run")
	}
}

// TestReportIsTables holds that every table has as many cells in each row as
// in its head: Markdown drops the others without a word.
func TestReportIsTables(t *testing.T) {
	r := sampleReport()
	r.sections[0].subjects = []string{"ringway", "nginx"}
	var text strings.Builder
	r.write(&text)
	bars := 0
	for line := range strings.Lines(text.String()) {
		switch count := strings.Count(line, "|"); {
		case count == 0:
			bars = 0
		case bars == 0:
			bars = count
		case count != bars:
			t.Errorf("%d bars after a head with %d: %s", count, bars, line)
		}
	}
}

func TestInvalidCountsSamples(t *testing.T) {
	if got := sampleReport().results.invalid(); got != 2 {
		t.Errorf("invalid = %d, want 2", got)
	}
}

func TestSaveKeepsEveryRound(t *testing.T) {
	r := sampleReport()
	r.options.json = filepath.Join(t.TempDir(), "out.json")
	if err := r.save(); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(r.options.json)
	if err != nil {
		t.Fatal(err)
	}
	var back struct {
		Host host
		results
	}
	if err := json.Unmarshal(text, &back); err != nil {
		t.Fatal(err)
	}
	if len(back.Loads) != len(r.results.Loads) || len(back.Idle) != len(r.results.Idle) {
		t.Fatalf("got %d and %d samples back", len(back.Loads), len(back.Idle))
	}
	for i, want := range r.results.Loads {
		if back.Loads[i] != want {
			t.Errorf("sample %d = %+v, want %+v", i, back.Loads[i], want)
		}
	}
	if back.Host.Kernel != "6.1" {
		t.Errorf("kernel = %q", back.Host.Kernel)
	}
}

func TestNumbers(t *testing.T) {
	for value, want := range map[float64]string{0: "0", 999: "999", 1000: "1,000", 999999.6: "1,000,000", 12345: "12,345"} {
		if got := thousands(value); got != want {
			t.Errorf("thousands(%v) = %q, want %q", value, got, want)
		}
	}
	for value, want := range map[float64]string{0: "0 µs", 999: "999 µs", 1500: "1.50 ms", 2.5e6: "2.50 s"} {
		if got := latency(value); got != want {
			t.Errorf("latency(%v) = %q, want %q", value, got, want)
		}
	}
}

func TestLoadAverage(t *testing.T) {
	if load, err := loadAverage("7.12 7.69 6.30 3/321 4711\n"); load != 7.12 || err != nil {
		t.Errorf("loadAverage = %v, %v", load, err)
	}
	for _, text := range []string{"", "7.12", "much 1 2"} {
		if _, err := loadAverage(text); err == nil {
			t.Errorf("%q is taken", text)
		}
	}
}

// TestBusyMachineIsTold holds that a table made beside other work says so.
func TestBusyMachineIsTold(t *testing.T) {
	for load, want := range map[float64]bool{0.2: false, 7: true} {
		r := sampleReport()
		r.host.Load = load
		var text strings.Builder
		r.write(&text)
		if strings.Contains(text.String(), "do not count") != want {
			t.Errorf("load %v: told %v, want %v", load, !want, want)
		}
	}
}

func TestCPUModel(t *testing.T) {
	const info = "processor\t: 0\nmodel\t\t: 85\nmodel name\t: Fast: one\nflags\t\t: fpu\n"
	if got := cpuModel(info); got != "Fast: one" {
		t.Errorf("cpuModel = %q", got)
	}
	if got := cpuModel("processor\t: 0\n"); got == "" {
		t.Error("cpuModel without a name is empty")
	}
}

package main

import (
	"errors"
	"strconv"
	"strings"
	"testing"
	"time"
)

const h2loadText = `starting benchmark...
spawning thread #0: 16 total client(s). Timing-based test with 0s of warm-up time and 3s of main duration for measurements.
Main benchmark duration is over for thread #0. Stopping all clients.

finished in 3.00s, 29563.33 req/s, 8.92MB/s
requests: 88690 total, 89202 started, 88690 done, 88680 succeeded, 10 failed, 7 errored, 2 timeout
status codes: 88690 2xx, 0 3xx, 0 4xx, 0 5xx
`

func TestParseH2load(t *testing.T) {
	r, err := parseH2load(h2loadText)
	if want := (wrkResult{requests: 88680, perSecond: 29563.33, wrongCodes: 3, read: 7, timeout: 2}); err != nil || r != want {
		t.Errorf("%+v, %v; want %+v", r, err, want)
	}
	for _, text := range []string{"", "finished in 3.00s, 1.00 req/s, 8.92MB/s\n", strings.Replace(h2loadText, "29563.33", "many", 1),
		strings.Replace(h2loadText, "10 failed", "ten failed", 1)} {
		if r, err := parseH2load(text); !errors.Is(err, errH2load) {
			t.Errorf("%q: %+v, %v", text, r, err)
		}
	}
}

func TestReadH2loadLog(t *testing.T) {
	var log strings.Builder
	for i := range 101 {
		log.WriteString("1700000000000000\t200\t")
		log.WriteString(strconv.Itoa(100 - i))
		log.WriteString("\n")
	}
	if p50, p99, err := readH2loadLog(strings.NewReader(log.String())); p50 != 50*time.Microsecond || p99 != 99*time.Microsecond || err != nil {
		t.Errorf("%v, %v, %v", p50, p99, err)
	}
	for _, bad := range []string{"", "1\t200\n", "1\t200\tx\n"} {
		if _, _, err := readH2loadLog(strings.NewReader(bad)); !errors.Is(err, errH2load) {
			t.Errorf("%q: %v", bad, err)
		}
	}
}

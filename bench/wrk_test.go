package main

import (
	"errors"
	"strings"
	"testing"
	"time"
)

const wrkClean = `Running 3s test @ http://127.0.0.1:8080/small
  1 threads and 64 connections
  Thread Stats   Avg      Stdev     Max   +/- Stdev
    Latency     1.02ms    1.15ms  30.93ms   96.79%
    Req/Sec    71.21k     5.07k   80.29k    76.67%
  Latency Distribution
     50%  812.00us
     75%    1.05ms
     90%    1.48ms
     99%    5.90ms
  213037 requests in 3.01s, 59.52MB read
Requests/sec:  70789.12
Transfer/sec:     19.78MB
`

const wrkFailing = `Running 1m test @ http://127.0.0.1:8080/small
  1 threads and 64 connections
  Thread Stats   Avg      Stdev     Max   +/- Stdev
    Latency     1.02s     1.15ms  30.93ms   96.79%
    Req/Sec    71.21k     5.07k   80.29k    76.67%
  Latency Distribution
     50%    1.02s 
     75%    1.05s 
     90%    1.48s 
     99%    1.20m 
  42 requests in 1.00m, 59.52KB read
  Socket errors: connect 1, read 20, write 3, timeout 400
  Non-2xx or 3xx responses: 5
Requests/sec:      0.70
Transfer/sec:     19.78KB
`

func TestParseWrk(t *testing.T) {
	tests := []struct {
		name, text string
		want       wrkResult
		failures   int64
		failure    string
	}{
		{"clean", wrkClean, wrkResult{
			requests: 213037, perSecond: 70789.12,
			p50: 812 * time.Microsecond, p99: 5900 * time.Microsecond,
		}, 0, ""},
		{"failing", wrkFailing, wrkResult{
			requests: 42, perSecond: 0.7, p50: 1020 * time.Millisecond, p99: 72 * time.Second,
			connect: 1, read: 20, write: 3, timeout: 400, wrongCodes: 5,
		}, 429, "connect 1, read 20, write 3, timeout 400, status 5"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			got, err := parseWrk(test.text)
			if err != nil || got != test.want {
				t.Fatalf("parseWrk = %+v, %v; want %+v", got, err, test.want)
			}
			if got.failures() != test.failures || got.failureText() != test.failure {
				t.Errorf("failures = %d %q, want %d %q",
					got.failures(), got.failureText(), test.failures, test.failure)
			}
		})
	}
}

func TestParseWrkRefuses(t *testing.T) {
	tests := []struct{ name, text string }{
		{"empty", ""},
		{"connection refused", "unable to connect to 127.0.0.1:1 Connection refused\n"},
		{"no latency", strings.Replace(wrkClean, "     99%    5.90ms\n", "", 1)},
		{"no rate", strings.Replace(wrkClean, "Requests/sec:  70789.12\n", "", 1)},
		{"count is no number", strings.Replace(wrkClean, "213037 requests", "many requests", 1)},
		{"time is no time", strings.Replace(wrkClean, "5.90ms", "5.90parsec", 1)},
		{"time is negative", strings.Replace(wrkClean, "5.90ms", "-5.90ms", 1)},
		{"cut off in the errors", strings.Replace(wrkFailing, ", timeout 400", "", 1)},
		{"status count is no number", strings.Replace(wrkFailing, "responses: 5", "responses: ?", 1)},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			if got, err := parseWrk(test.text); !errors.Is(err, errWrk) {
				t.Errorf("parseWrk = %+v, %v; want errWrk", got, err)
			}
		})
	}
}

func FuzzParseWrk(f *testing.F) {
	f.Add(wrkClean)
	f.Add(wrkFailing)
	f.Fuzz(func(t *testing.T, text string) {
		result, err := parseWrk(text)
		if err != nil && result != (wrkResult{}) {
			t.Errorf("parseWrk(%q) gave both %+v and %v", text, result, err)
		}
		if result.p50 < 0 || result.p99 < 0 {
			t.Errorf("parseWrk(%q) gave a negative time: %+v", text, result)
		}
	})
}

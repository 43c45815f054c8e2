package main

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// wrkResult is what one run of wrk --latency printed, or what came of messages.
type wrkResult struct {
	requests   int64
	perSecond  float64
	p50, p99   time.Duration
	connect    int64
	read       int64
	write      int64
	timeout    int64
	wrongCodes int64
	// reason is what the first failure was, where the load tells.
	reason string
	// detail is what the two sides settled, where that matters.
	detail string
}

// failures counts everything that did not end as a complete, good response.
func (r wrkResult) failures() int64 {
	return r.connect + r.read + r.write + r.timeout + r.wrongCodes
}

// failureText names the failures, and is empty when there are none.
func (r wrkResult) failureText() string {
	var parts []string
	for _, one := range []struct {
		name  string
		count int64
	}{
		{"connect", r.connect}, {"read", r.read}, {"write", r.write},
		{"timeout", r.timeout}, {"status", r.wrongCodes},
	} {
		if one.count > 0 {
			parts = append(parts, fmt.Sprintf("%s %d", one.name, one.count))
		}
	}
	if r.reason != "" {
		parts = append(parts, r.reason)
	}
	return strings.Join(parts, ", ")
}

// errWrk is wrapped by every error of parseWrk.
var errWrk = errors.New("cannot read what wrk printed")

// parseWrk reads the output of wrk --latency. Lines it does not know are
// skipped; a figure that is missing or malformed is an error, because a zero
// would pass for a measurement.
func parseWrk(text string) (wrkResult, error) {
	var result wrkResult
	seen := map[string]bool{}
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		name, err := result.readLine(line)
		if err != nil {
			return wrkResult{}, fmt.Errorf("%w: %q: %w", errWrk, line, err)
		}
		seen[name] = true
	}
	for _, name := range []string{"requests", "rate", "50%", "99%"} {
		if !seen[name] {
			return wrkResult{}, fmt.Errorf("%w: no %s line", errWrk, name)
		}
	}
	return result, nil
}

// readLine takes one line in and says which one it was, "" for any other.
func (r *wrkResult) readLine(line string) (name string, err error) {
	fields := strings.Fields(line)
	switch {
	case len(fields) == 2 && fields[0] == "50%":
		r.p50, err = parseWrkTime(fields[1])
		return "50%", err
	case len(fields) == 2 && fields[0] == "99%":
		r.p99, err = parseWrkTime(fields[1])
		return "99%", err
	case len(fields) > 3 && fields[1] == "requests" && fields[2] == "in":
		r.requests, err = strconv.ParseInt(fields[0], 10, 64)
		return "requests", err
	case len(fields) == 2 && fields[0] == "Requests/sec:":
		r.perSecond, err = strconv.ParseFloat(fields[1], 64)
		return "rate", err
	case strings.HasPrefix(line, "Socket errors:"):
		_, err = fmt.Sscanf(line, "Socket errors: connect %d, read %d, write %d, timeout %d",
			&r.connect, &r.read, &r.write, &r.timeout)
		return "sockets", err
	case strings.HasPrefix(line, "Non-2xx or 3xx responses:"):
		_, err = fmt.Sscanf(line, "Non-2xx or 3xx responses: %d", &r.wrongCodes)
		return "codes", err
	}
	return "", nil
}

// parseWrkTime reads a duration as wrk prints it: a decimal number with us,
// ms, s, m or h. Go's notation has the same units.
func parseWrkTime(text string) (time.Duration, error) {
	d, err := time.ParseDuration(text)
	if err == nil && d < 0 {
		err = errors.New("negative time")
	}
	return d, err
}

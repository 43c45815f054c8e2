package config

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// Rate is a number of events in a span of time: 100/s, 10/m, 5000/h. The zero Rate is none; a file cannot write it.
type Rate struct {
	Events int           // at least 1
	Per    time.Duration // a second, a minute or an hour
}

var rateUnits = []struct {
	name string
	per  time.Duration
}{{"s", time.Second}, {"m", time.Minute}, {"h", time.Hour}}

// PerSecond returns the events a second; it is 0 for the zero Rate.
func (r Rate) PerSecond() float64 {
	if r.Per == 0 {
		return 0
	}
	return float64(r.Events) / r.Per.Seconds()
}

// String writes it as 100/s; the zero Rate is empty.
func (r Rate) String() string {
	for _, u := range rateUnits {
		if r.Per == u.per {
			return strconv.Itoa(r.Events) + "/" + u.name
		}
	}
	return ""
}

// MarshalText writes what UnmarshalText reads.
func (r Rate) MarshalText() ([]byte, error) { return []byte(r.String()), nil }

// UnmarshalText reads it; the error is an *Error.
func (r *Rate) UnmarshalText(text []byte) error {
	s := string(text)
	number, word, _ := strings.Cut(s, "/")
	n, err := strconv.ParseInt(number, 10, 32)
	ok := err == nil && n > 0 && isDigits(number)
	for _, u := range rateUnits {
		if ok && word == u.name {
			*r = Rate{Events: int(n), Per: u.per}
			return nil
		}
	}
	e := &Error{Problem: fmt.Sprintf("expected %s, found %s", r.Expects(), quoted(s))}
	if ok {
		if short, known := longUnits[strings.TrimSpace(word)]; known && short != "ms" {
			e.Suggestion = number + "/" + short
		}
	}
	return e
}

// isDigits keeps out the signs and underscores that strconv would let pass.
func isDigits(s string) bool {
	return s != "" && strings.Trim(s, "0123456789") == ""
}

// Expects says what a rate looks like.
func (r *Rate) Expects() string { return "a rate such as 100/s, 10/m or 5000/h" }

func (r *Rate) numbers() bool { return true }

package config

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// Duration is a span of time in Go's syntax: 2s, 150ms, 1h30m. Zero, written 0 or off, means none: no timeout, no limit.
// It is never negative.
type Duration time.Duration

// Std returns it as the standard library's type.
func (d Duration) Std() time.Duration { return time.Duration(d) }

// String writes it without empty trailing units, as 2m and not 2m0s; zero is off.
func (d Duration) String() string {
	if d == 0 {
		return "off"
	}
	s := time.Duration(d).String()
	if strings.HasSuffix(s, "m0s") {
		s = s[:len(s)-2]
	}
	if strings.HasSuffix(s, "h0m") {
		s = s[:len(s)-2]
	}
	return s
}

// MarshalText writes what UnmarshalText reads.
func (d Duration) MarshalText() ([]byte, error) { return []byte(d.String()), nil }

// UnmarshalText reads it; the error is an *Error.
func (d *Duration) UnmarshalText(text []byte) error {
	s := string(text)
	if s == "off" || s == "0" {
		*d = 0
		return nil
	}
	v, err := time.ParseDuration(s)
	switch {
	case err != nil:
		return &Error{Problem: fmt.Sprintf("expected %s, found %s", d.Expects(), quoted(s)), Suggestion: respelt(s)}
	case v < 0:
		return &Error{Problem: fmt.Sprintf("a duration cannot be negative, found %s", quoted(s))}
	}
	*d = Duration(v)
	return nil
}

// Expects says what a duration looks like.
func (d *Duration) Expects() string { return "a duration such as 2s, 150ms or off" }

func (d *Duration) numbers() bool { return true }

// longUnits are the ways people write units that Go does not read. A number with none is taken to be seconds.
var longUnits = map[string]string{
	"": "s", "sec": "s", "secs": "s", "second": "s", "seconds": "s", "S": "s",
	"min": "m", "mins": "m", "minute": "m", "minutes": "m", "M": "m",
	"hr": "h", "hrs": "h", "hour": "h", "hours": "h", "H": "h",
	"msec": "ms", "millis": "ms", "millisecond": "ms", "milliseconds": "ms", "MS": "ms",
}

// respelt guesses the duration that was meant, from a number followed by a word.
func respelt(s string) string {
	digits := len(s) - len(strings.TrimLeft(s, "0123456789"))
	number, word := s[:digits], strings.TrimSpace(s[digits:])
	if number == "" {
		return ""
	}
	if word == "d" || word == "day" || word == "days" {
		if n, err := strconv.ParseInt(number, 10, 16); err == nil {
			return strconv.FormatInt(n*24, 10) + "h"
		}
		return ""
	}
	if u, ok := longUnits[word]; ok {
		word = u
	}
	if _, err := time.ParseDuration(number + word); err != nil {
		return ""
	}
	return number + word
}

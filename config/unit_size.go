package config

import (
	"fmt"
	"math"
	"strconv"
	"strings"
)

// Size is a number of bytes: 64KiB and 10MiB by powers of 1024, 64kB and 1GB by powers of 1000, or a plain number. It is
// never negative.
type Size int64

// sizeUnits are the units in the order of their size.
var sizeUnits = []struct {
	name  string
	bytes int64
}{
	{"B", 1},
	{"kB", 1000}, {"KB", 1000}, {"KiB", 1 << 10},
	{"MB", 1000 * 1000}, {"MiB", 1 << 20},
	{"GB", 1000 * 1000 * 1000}, {"GiB", 1 << 30},
	{"TB", 1000 * 1000 * 1000 * 1000}, {"TiB", 1 << 40},
}

// Bytes returns it as a plain number.
func (s Size) Bytes() int64 { return int64(s) }

// String writes it in the largest unit of 1024 that divides it, or as a plain number.
func (s Size) String() string {
	for i := len(sizeUnits) - 1; i > 0 && s != 0; i-- {
		u := sizeUnits[i]
		if strings.HasSuffix(u.name, "iB") && int64(s)%u.bytes == 0 {
			return strconv.FormatInt(int64(s)/u.bytes, 10) + u.name
		}
	}
	return strconv.FormatInt(int64(s), 10)
}

// MarshalText writes what UnmarshalText reads.
func (s Size) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// UnmarshalText reads it; the error is an *Error.
func (s *Size) UnmarshalText(text []byte) error {
	t := string(text)
	digits := len(t) - len(strings.TrimLeft(t, "0123456789"))
	number, word := t[:digits], t[digits:]
	unit := int64(0)
	for _, u := range sizeUnits {
		if word == u.name || word == "" && u.bytes == 1 {
			unit = u.bytes
		}
	}
	if number == "" || unit == 0 {
		return &Error{Problem: fmt.Sprintf("expected %s, found %s", s.Expects(), quoted(t)), Suggestion: resized(number, word)}
	}
	n, err := strconv.ParseInt(number, 10, 64)
	if err != nil || n > math.MaxInt64/unit {
		return &Error{Problem: fmt.Sprintf("%s is out of range; at most 8388607TiB", quoted(t))}
	}
	*s = Size(n * unit)
	return nil
}

// resized guesses the size that was meant, from a number followed by a unit in another spelling.
func resized(number, word string) string {
	word = strings.ToLower(strings.TrimSpace(word))
	if number == "" || word == "" {
		return ""
	}
	for _, u := range sizeUnits {
		name := strings.ToLower(u.name)
		if word == name || word+"ib" == name || word+"b" == name && u.bytes&(u.bytes-1) == 0 || word == strings.TrimSuffix(name, "b")+"bytes" {
			return number + u.name
		}
	}
	return ""
}

// Expects says what a size looks like.
func (s *Size) Expects() string { return "a size such as 64KiB, 10MiB or a number of bytes" }

func (s *Size) numbers() bool { return true }

package config

import (
	"fmt"
	"strconv"
)

// Auto is a count that the program may choose itself: auto, which is the zero value, or a positive number.
type Auto int

// Or returns the number that was written, or n for auto.
func (a Auto) Or(n int) int {
	if a == 0 {
		return n
	}
	return int(a)
}

// String writes it as in the file.
func (a Auto) String() string {
	if a == 0 {
		return "auto"
	}
	return strconv.Itoa(int(a))
}

// MarshalText writes what UnmarshalText reads.
func (a Auto) MarshalText() ([]byte, error) { return []byte(a.String()), nil }

// UnmarshalText reads it; the error is an *Error.
func (a *Auto) UnmarshalText(text []byte) error {
	s := string(text)
	if s == "auto" {
		*a = 0
		return nil
	}
	n, err := strconv.ParseInt(s, 10, 32)
	if err != nil || n < 1 || !isDigits(s) {
		near, _ := Nearest(s, []string{"auto"})
		return &Error{Problem: fmt.Sprintf("expected %s, found %s", a.Expects(), quoted(s)), Suggestion: near}
	}
	*a = Auto(n)
	return nil
}

// Expects says what a count looks like.
func (a *Auto) Expects() string { return "auto or a positive number such as 4" }

func (a *Auto) numbers() bool { return true }

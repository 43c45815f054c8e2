package config

import (
	"errors"
	"fmt"
	"regexp"
	"regexp/syntax"
)

// Regexp is a compiled regular expression in RE2 syntax: matching takes time linear in the text, whatever the
// expression. The zero value holds none.
type Regexp struct {
	*regexp.Regexp
}

// String writes the expression; the zero value is empty.
func (r Regexp) String() string {
	if r.Regexp == nil {
		return ""
	}
	return r.Regexp.String()
}

// MarshalText writes what UnmarshalText reads.
func (r Regexp) MarshalText() ([]byte, error) { return []byte(r.String()), nil }

// UnmarshalText compiles it; the error is an *Error.
func (r *Regexp) UnmarshalText(text []byte) error {
	compiled, err := regexp.Compile(string(text))
	if err == nil {
		r.Regexp = compiled
		return nil
	}
	var cause *syntax.Error
	if errors.As(err, &cause) {
		return &Error{Problem: fmt.Sprintf("not a regular expression (RE2): %s in %s", cause.Code, quoted(cause.Expr))}
	}
	return &Error{Problem: "not a regular expression (RE2): " + err.Error()}
}

// Expects says what a regular expression looks like.
func (r *Regexp) Expects() string { return `a regular expression (RE2) such as "^/v[0-9]+/"` }

func (r *Regexp) numbers() bool { return false }

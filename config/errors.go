package config

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
)

// maxErrors bounds how many problems one Decode reports; past it a reader is not helped, only scrolled.
const maxErrors = 50

// Error is one problem at one place of a file.
//
// A FromScalar or UnmarshalText method may return one with only Problem and Suggestion set; Decode adds the place.
type Error struct {
	File       string // as given to Decode; empty when the text came from elsewhere
	Line       int    // from 1
	Column     int    // from 1, in characters
	Path       string // of the key, as listeners.web.routes[0].cluster; empty at the root
	Problem    string // what is wrong, without the suggestion
	Suggestion string // what was probably meant, or empty
}

// Error writes the problem on one line in the form that editors can jump to.
func (e *Error) Error() string {
	var b strings.Builder
	if e.File != "" {
		b.WriteString(e.File)
		b.WriteByte(':')
	}
	if e.Line > 0 {
		fmt.Fprintf(&b, "%d:%d: ", e.Line, e.Column)
	} else if e.File != "" {
		b.WriteByte(' ')
	}
	if e.Path != "" {
		b.WriteString(e.Path)
		b.WriteString(": ")
	}
	b.WriteString(e.Problem)
	if e.Suggestion != "" {
		fmt.Fprintf(&b, "; did you mean %s?", quoteWord(e.Suggestion))
	}
	return b.String()
}

// quoteWord quotes a suggested word, except where the quotes would change its meaning: true and 80 are not "true" and
// "80" in YAML, and a suggestion that is already quoted or bracketed is to be copied as it stands.
func quoteWord(s string) string {
	if s == "true" || s == "false" || strings.ContainsAny(s[:1], `"[{`) {
		return s
	}
	if _, err := strconv.ParseFloat(s, 64); err == nil {
		return s
	}
	return strconv.Quote(s)
}

// Errors is every problem of one file in the order of the file; it is never empty when returned as an error.
type Errors []*Error

// Error writes one problem a line.
func (e Errors) Error() string {
	lines := make([]string, len(e))
	for i, one := range e {
		lines[i] = one.Error()
	}
	return strings.Join(lines, "\n")
}

// Unwrap lets errors.As reach a single *Error.
func (e Errors) Unwrap() []error {
	out := make([]error, len(e))
	for i, one := range e {
		out[i] = one
	}
	return out
}

// compareErrors orders by place, then by path, so that the order never depends on how the errors were found.
func compareErrors(a, b *Error) int {
	if a.Line != b.Line {
		return a.Line - b.Line
	}
	if a.Column != b.Column {
		return a.Column - b.Column
	}
	return strings.Compare(a.Path, b.Path)
}

// report gathers errors: sorted as they come, the first maxErrors by place kept, the rest only counted.
type report struct {
	file   string
	kept   []*Error
	extra  int             // errors found and not kept
	said   map[saying]bool // what was filed already
	broken map[string]bool // paths whose value the decoder itself refused
	above  map[string]bool // paths with a broken value directly below
}

// saying identifies a complaint by the text it is about and not by its path: an anchored value that is used twice is
// still wrong only once.
type saying struct {
	node    *yaml.Node // the nearest value that is in the file
	below   string     // the way on from there, for a key that is missing
	problem string
}

// add files e at w, unless the same was said of the same text before.
func (r *report) add(w *where, e *Error) {
	s := saying{problem: e.Problem}
	near := w
	for near.node == nil && near.parent != nil {
		s.below = near.part() + s.below
		near = near.parent
	}
	s.node = near.node
	if r.said[s] {
		return
	}
	r.said[s] = true
	e.File, e.Line, e.Column, e.Path = r.file, w.line, w.column, w.path()
	at, _ := slices.BinarySearchFunc(r.kept, e, compareErrors)
	for at < len(r.kept) && compareErrors(r.kept[at], e) == 0 {
		at++
	}
	r.kept = slices.Insert(r.kept, at, e)
	if len(r.kept) > maxErrors {
		r.kept = r.kept[:maxErrors]
		r.extra++
	}
}

// refuse files an error of the decoder's own and marks the place, so that rules which look at the value stay silent.
func (r *report) refuse(w *where, e *Error) {
	r.broken[w.path()] = true
	if w.parent != nil {
		r.above[w.parent.path()] = true
	}
	r.add(w, e)
}

// spoiled reports whether the value at w could not be read whole: itself, something it stands in, or a key of its own.
func (r *report) spoiled(w *where) bool {
	if r.above[w.path()] {
		return true
	}
	for ; w != nil; w = w.parent {
		if r.broken[w.path()] {
			return true
		}
	}
	return false
}

// errors is the finished list, or nil when nothing was wrong.
func (r *report) errors() error {
	if len(r.kept) == 0 {
		return nil
	}
	if r.extra > 0 {
		last := r.kept[maxErrors-1]
		r.kept[maxErrors-1] = &Error{File: last.File, Line: last.Line, Column: last.Column,
			Problem: fmt.Sprintf("%d more problems from here on", r.extra+1)}
	}
	return Errors(r.kept)
}

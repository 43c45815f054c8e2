package config

import (
	"errors"
	"regexp"
	"slices"
	"testing"
	"unicode/utf8"
)

// lineBreak is what ends a line in YAML.
var lineBreak = regexp.MustCompile("\r\n|\n|\r|\u0085|\u2028|\u2029")

// FuzzDecode holds that no file makes Decode panic, that every error stands inside the file and is one of a sorted,
// bounded list without repetitions, and that the answer is the same each time.
func FuzzDecode(f *testing.F) {
	f.Add([]byte(goodFile))
	for _, g := range goldens {
		f.Add([]byte(g.text))
	}
	for i := range len(goodFile) { // cut at every byte
		f.Add([]byte(goodFile[:i]))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		err := Decode("f", data, new(testSpec))
		if err == nil {
			return
		}
		var errs Errors
		if !errors.As(err, &errs) || len(errs) == 0 || len(errs) > maxErrors {
			t.Fatalf("got %#v", err)
		}
		lines := lineBreak.Split(string(data), -1)
		for _, e := range errs {
			if e.Line < 1 || e.Line > len(lines) {
				t.Fatalf("line %d of %d: %v", e.Line, len(lines), e)
			}
			if width := utf8.RuneCountInString(lines[e.Line-1]); e.Column < 1 || e.Column > width+1 {
				t.Fatalf("column %d of %d: %v", e.Column, width, e)
			}
			if e.Problem == "" || e.File != "f" {
				t.Fatalf("nothing said: %#v", e)
			}
		}
		if own := errs[:min(len(errs), maxErrors-1)]; !slices.IsSortedFunc(own, compareErrors) {
			t.Fatalf("not in order:\n%v", errs)
		}
		if again := Decode("f", data, new(testSpec)); again == nil || again.Error() != err.Error() {
			t.Fatalf("first\n%v\nthen\n%v", err, again)
		}
	})
}

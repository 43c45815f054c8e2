package config

import (
	"errors"
	"fmt"
	"strings"
	"testing"
)

// TestSyntaxErrorsFarFromWhereTheyShow opens what is never closed at the top of a long file that also holds lists over
// several lines; the parser notices only at the end.
func TestSyntaxErrorsFarFromWhereTheyShow(t *testing.T) {
	var rest strings.Builder
	for i := range 3000 {
		fmt.Fprintf(&rest, "key%d: [\n  1,\n  2\n]\n", i)
	}
	for _, c := range []struct {
		name, text   string
		line, column int
	}{
		{"quote", "a: 1\nb: \"x\n" + rest.String(), 2, 4},
		{"list in the middle", rest.String() + "b:\n  c: [1\n" + "d: e\n", 12002, 6},
		{"indentation", rest.String() + "b:\n    c: 1\n   d: 2\n" + rest.String(), 12003, 4},
		{"one long line", "a: [" + strings.Repeat("1, ", 20000) + "b", 1, 4},
		{"after a byte order mark", "\uFEFFa: {\n", 1, 4},
	} {
		t.Run(c.name, func(t *testing.T) {
			var errs Errors
			if !errors.As(Decode("f", []byte(c.text), new(testSpec)), &errs) || len(errs) != 1 {
				t.Fatalf("got %v", errs)
			}
			if errs[0].Line != c.line || errs[0].Column != c.column {
				t.Errorf("got %v, want it at %d:%d", errs[0], c.line, c.column)
			}
		})
	}
}

func TestFilesThatAreTooLong(t *testing.T) {
	err := Decode("f", []byte(strings.Repeat("#\n", maxBytes/2+1)), new(testSpec))
	if err == nil || !strings.Contains(err.Error(), "f:1:1: the file has 16777218 bytes; at most 16777216 are read") {
		t.Errorf("got %v", err)
	}
}

func TestEmptyError(t *testing.T) {
	for _, c := range []struct {
		e    Error
		want string
	}{
		{Error{Problem: "wrong"}, "wrong"},
		{Error{File: "f", Problem: "wrong"}, "f: wrong"},
		{Error{File: "f", Line: 1, Column: 2, Problem: "wrong", Suggestion: "right"}, `f:1:2: wrong; did you mean "right"?`},
		{Error{Line: 1, Column: 2, Path: "a.b", Problem: "wrong", Suggestion: "12"}, "1:2: a.b: wrong; did you mean 12?"},
	} {
		if got := c.e.Error(); got != c.want {
			t.Errorf("got %q, want %q", got, c.want)
		}
	}
}

func BenchmarkDecode(b *testing.B) {
	var text strings.Builder
	text.WriteString("listeners:\n  web:\n    address: x\n    routes:\n")
	for i := range 10000 {
		fmt.Fprintf(&text, "      - {host: h%d, cluster: c%d}\n", i, i)
	}
	text.WriteString("clusters:\n")
	for i := range 10000 {
		fmt.Fprintf(&text, "  c%d: {endpoints: [\"h%d:80\"]}\n", i, i)
	}
	data := []byte(text.String())
	b.SetBytes(int64(len(data)))
	for b.Loop() {
		if err := Decode("f", data, new(testSpec)); err != nil {
			b.Fatal(err)
		}
	}
}

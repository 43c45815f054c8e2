package config

import (
	"reflect"
	"strings"
	"testing"
)

const partLines = "pool:\n  a: [\"b\", {c: d}]\n\n  # e\n  f: 'g'\n"

// Where lines tell what belongs to a key they are used, and stand where they stood; where they do not, all is parsed.
func TestOnlyKeys(t *testing.T) {
	for what, text := range map[string]string{
		"alone":               partLines,
		"between":             "# x\nother:\n  pool: x\n" + partLines + "more: [1, 2]\n",
		"a list":              "other:\n- pool: x\n- y\n" + partLines,
		"in brackets on more": "other: {\n  pool: x,\n}\n" + partLines,
		"comments":            "other: 1 # it\n#it's {\n" + partLines,
		"CRLF":                strings.ReplaceAll("other: 1\n"+partLines, "\n", "\r\n"),
	} {
		got := onlyKeys([]byte(text), []string{"pool"})
		if n, want := strings.Count(string(got), "\n"), strings.Count(text, "\n"); n != want {
			t.Errorf("%s: %d lines, want %d", what, n, want)
		}
		for i, line := range strings.Split(string(got), "\n") {
			if want := strings.Split(text, "\n")[i]; line != want && line != "" {
				t.Errorf("%s: line %d is %q, was %q", what, i+1, line, want)
			}
		}
		if !strings.Contains(string(got), "f: 'g'") || strings.Contains(string(got), "other:") || strings.Contains(string(got), "more:") {
			t.Errorf("%s: %q", what, got)
		}
	}
	for what, text := range map[string]string{
		"no such key":                  "other: 1\n",
		"the only one is in a text":    "other: \"it\npool: x\nis\"\n",
		"the only one is in brackets":  "other: {\npool: x\n}\n",
		"an escape":                    "other: \"b\\\" c\npool: x\n\\\" d\"\n",
		"a quote in a key":             "it's: 'text\npool: x\nend' # it's\n",
		"a bracket in a comment":       "other: { # }\npool: x\n}\n",
		"a bracket in a comment again": "other: {\n  a: b # }\npool: x\n}\n",
		"twice":                        partLines + partLines,
		"twice, in quotes":             partLines + "\"pool\": x\n",
		"twice, with a mark":           partLines + "? pool\n: x\n",
		"twice, with an anchor":        partLines + "&k pool: x\n",
		"a merge key":                  "<<: {a: b}\n" + partLines,
		"documents":                    partLines + "---\nother: 1\n",
		"the end of one":               partLines + "...\n",
		"a directive":                  "%YAML 1.1\n" + partLines,
		"CR alone":                     "pool:\n  a: b\r  c: d\n",
		"another line break":           "pool:\n  a: b\u2028  c: d\n",
	} {
		if got := onlyKeys([]byte(text), []string{"pool"}); got != nil {
			t.Errorf("%s: %q", what, got)
		}
	}
}

// FuzzDecodePart demands that looking at lines gives what parsing everything gives, of whatever is YAML.
func FuzzDecodePart(f *testing.F) {
	for _, text := range []string{partLines, "other:\n- x\n" + partLines, "a: {\n}\n" + partLines, "pool: {a: [b], f: g}\nb: |\n  it's {\n", "a: 'x\n  y'\npool: {}\n"} {
		f.Add([]byte(text))
	}
	type part struct {
		Pool struct {
			A []map[string]string `yaml:"a" doc:"a"`
			F string              `yaml:"f" doc:"f"`
		} `yaml:"pool" doc:"pool"`
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		if _, problem := parse(text); problem != nil {
			return
		}
		var fast, slow part
		err := DecodePart("f", text, &fast)
		d := newDecoder("f")
		d.part = true
		want := d.document(text, destination(&slow))
		if (err == nil) != (want == nil) || err == nil && !reflect.DeepEqual(fast, slow) || err != nil && err.Error() != want.Error() {
			t.Errorf("%q gives %+v, %v; parsed, %+v, %v", text, fast, err, slow, want)
		}
	})
}

package config

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"
	"unicode/utf8"

	"go.yaml.in/yaml/v3"
)

const (
	// maxBytes bounds a file. It is far above any configuration and far below what would hurt to hold as nodes.
	maxBytes = 16 << 20
	// maxNearTries and maxRetriedBytes bound what is parsed again to find where a syntax error stands.
	maxNearTries    = 256
	maxRetriedBytes = 1 << 20
)

// parse turns data into the node of its one document, or says what stops it.
func parse(data []byte) (*yaml.Node, *Error) {
	if len(data) > maxBytes {
		return nil, &Error{Line: 1, Column: 1, Problem: fmt.Sprintf("the file has %d bytes; at most %d are read", len(data), maxBytes)}
	}
	if at, problem := badCharacter(data); problem != "" {
		return nil, errorAt(data, at, problem)
	}
	decoder := yaml.NewDecoder(bytes.NewReader(data))
	var document, second yaml.Node
	err := decodeNode(decoder, &document)
	if errors.Is(err, io.EOF) || err == nil && isEmpty(&document) {
		return nil, &Error{Line: 1, Column: 1, Problem: "the file is empty; expected a mapping such as key: value"}
	}
	if err != nil {
		return nil, syntaxError(data, err)
	}
	switch err := decodeNode(decoder, &second); {
	case err == nil:
		return nil, &Error{Line: second.Line, Column: second.Column, Problem: "a second document starts here; one file holds one"}
	case !errors.Is(err, io.EOF):
		return nil, syntaxError(data, err)
	}
	return document.Content[0], nil
}

// isEmpty reports whether a document holds nothing, as one of comments only does.
func isEmpty(document *yaml.Node) bool {
	return len(document.Content) == 0 || document.Content[0].Value == "" && isNull(document.Content[0])
}

// decodeNode reads one document. The library panics where it finds itself at a loss; a file must not end the process.
func decodeNode(d *yaml.Decoder, n *yaml.Node) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("the YAML parser gave up: %v", p)
		}
	}()
	return d.Decode(n)
}

// badCharacter finds the first byte that YAML does not allow. The library finds it too, but not where it is.
func badCharacter(data []byte) (at int, problem string) {
	for at < len(data) {
		r, size := utf8.DecodeRune(data[at:])
		switch {
		case r == utf8.RuneError && size == 1:
			return at, fmt.Sprintf("byte 0x%02X is not UTF-8", data[at])
		case r == 0xFEFF && at == 0: // a byte order mark
		case r < 0x20 && r != '\t' && r != '\n' && r != '\r', r >= 0x7F && r < 0xA0 && r != 0x85, r == 0xFEFF, r == 0xFFFE, r == 0xFFFF:
			return at, fmt.Sprintf("character %U is not allowed in YAML; write it escaped in double quotes", r)
		}
		at += size
	}
	return at, ""
}

// problems rewrites the library's words, which speak of its own states, into what the reader has to look for.
var problems = []struct{ raw, plain string }{
	{"did not find expected key", "expected a key here; it does not line up with the keys above"},
	{"did not find expected '-' indicator", "expected \"- \" here, as on the list's lines above"},
	{"did not find expected ',' or ']'", "a list that starts with [ is not continued with , or closed with ]"},
	{"did not find expected ',' or '}'", "a mapping that starts with { is not continued with , or closed with }"},
	{"did not find expected node content", "expected a value here"},
	{"did not find expected <document start>", "expected the end of the document here"},
	{"could not find expected ':'", "expected \": \" after the key"},
	{"mapping values are not allowed in this context", "a second \": \" or a deeper key after a value; quote the value or fix the indentation"},
	{"found unexpected end of stream", "a quoted string is never closed"},
	{"found unknown escape character", "unknown escape in a double-quoted string; write \\\\ for a backslash"},
	{"found character that cannot start any token", "this character cannot start a value; quote the value"},
}

// tabProblem is what most readers need to hear: the tab cannot be seen.
const tabProblem = "a tab cannot indent YAML; use spaces"

// syntaxError rewrites an error of the library. Its line is left aside: it is missing for the first line, one too low
// for some kinds of error, and that of the enclosing block for others. The column is not given at all.
func syntaxError(data []byte, err error) *Error {
	raw := strings.TrimPrefix(err.Error(), "yaml: ")
	if rest, ok := strings.CutPrefix(raw, "line "); ok {
		if _, after, ok := strings.Cut(rest, ": "); ok {
			raw = after
		}
	}
	if name, ok := strings.CutPrefix(raw, "unknown anchor '"); ok {
		name = strings.TrimSuffix(name, "' referenced")
		return errorAt(data, aliasOffset(data, name), fmt.Sprintf("no anchor &%s stands above this alias", name))
	}
	at := breakOffset(data, raw)
	if at < len(data) && data[at] == '\t' {
		return errorAt(data, at, tabProblem)
	}
	if at < len(data) && (data[at] == ']' || data[at] == '}') {
		return errorAt(data, at, fmt.Sprintf("this %c closes nothing", data[at]))
	}
	for _, p := range problems {
		if raw == p.raw {
			raw = p.plain
			break
		}
	}
	return errorAt(data, at, raw)
}

// aliasOffset finds where the unknown alias stands. The parser stops within a few characters of having read it, so
// the last mention before that place is the one.
func aliasOffset(data []byte, name string) int {
	return max(0, bytes.LastIndex(data[:readBy(data)], []byte("*"+name)))
}

// breakOffset finds where the text stops being YAML: at the end of the longest beginning that still is. That names the
// bracket or the quote that was never closed, where the parser only notices at the end of the file.
func breakOffset(data []byte, raw string) int {
	end := readBy(data)
	if at, ok := pointOffset(data[:end], raw); ok {
		return at
	}
	starts := lineStarts(data[:end])
	near := max(1, min(maxNearTries, maxRetriedBytes/len(data)))
	line := lastGood(len(starts), near, func(k int) bool { return parses(data[:starts[k]]) })
	start := starts[line]
	stop := lineEnd(data, start)
	column := lastGood(stop-start+1, near, func(k int) bool { return parses(data[:start+k]) })
	return skipBlanks(data, start+column)
}

// lastGood returns the last k below n for which good holds, where it holds for 0. It tries one after the other for the
// nearest ones, as good may come and go where a list or a quote is open over several lines; further away it takes
// growing steps and then halves the rest, which finds such a place too, though not surely the last.
func lastGood(n, near int, good func(int) bool) int {
	low, high, step := n-1, n, 1
	for tries := 0; low > 0 && !good(low); tries++ {
		high = low
		if tries >= near {
			step *= 2
		}
		low = max(0, low-step)
	}
	for high-low > 1 {
		if middle := low + (high-low)/2; good(middle) {
			low = middle
		} else {
			high = middle
		}
	}
	return low
}

// pointOffset finds the character itself for the errors that are about one. The scanner looks at most a few characters
// ahead, so it is among the last ones read.
func pointOffset(read []byte, raw string) (int, bool) {
	var wanted string
	switch raw {
	case "found character that cannot start any token", "found a tab character that violates indentation":
		wanted = "\t@`%"
	case "found unknown escape character":
		wanted = `\`
	default:
		return 0, false
	}
	const lookAhead = 8
	from := max(0, len(read)-lookAhead)
	at := bytes.IndexAny(read[from:], wanted)
	return from + at, at >= 0
}

// readBy reports how many bytes the parser had read when it failed.
func readBy(data []byte) int {
	r := &byteReader{data: data}
	d := yaml.NewDecoder(r)
	for decodeNode(d, new(yaml.Node)) == nil {
	}
	return r.at
}

// byteReader hands out one byte at a time, so that what was read is what was needed.
type byteReader struct {
	data []byte
	at   int
}

func (r *byteReader) Read(p []byte) (int, error) {
	if r.at == len(r.data) || len(p) == 0 {
		return 0, io.EOF
	}
	p[0] = r.data[r.at]
	r.at++
	return 1, nil
}

// parses reports whether data is YAML.
func parses(data []byte) bool {
	d := yaml.NewDecoder(bytes.NewReader(data))
	for {
		if err := decodeNode(d, new(yaml.Node)); err != nil {
			return errors.Is(err, io.EOF)
		}
	}
}

// lineStarts are the offsets at which lines start.
func lineStarts(data []byte) []int {
	starts := []int{0}
	for i, c := range data {
		if c == '\n' {
			starts = append(starts, i+1)
		}
	}
	return starts
}

// lineEnd is the offset of the end of the line that starts at the given offset.
func lineEnd(data []byte, start int) int {
	if n := bytes.IndexByte(data[start:], '\n'); n >= 0 {
		return start + n
	}
	return len(data)
}

// skipBlanks moves over spaces: the place is what stands after them.
func skipBlanks(data []byte, at int) int {
	for at < len(data) && data[at] == ' ' {
		at++
	}
	return at
}

// clampOffset keeps an offset inside the data.
func clampOffset(data []byte, at int) int {
	return max(0, min(at, len(data)))
}

// errorAt makes an error at a byte offset. Lines and columns are counted as YAML does, in characters.
func errorAt(data []byte, at int, problem string) *Error {
	e := &Error{Line: 1, Column: 1, Problem: problem}
	text := bytes.TrimPrefix(data[:clampOffset(data, at)], []byte("\uFEFF"))
	for i := 0; i < len(text); {
		r, size := utf8.DecodeRune(text[i:])
		i += size
		switch {
		case r == '\r' && i < len(text) && text[i] == '\n':
		case r == '\n', r == '\r', r == 0x85, r == 0x2028, r == 0x2029:
			e.Line++
			e.Column = 1
		default:
			e.Column++
		}
	}
	return e
}

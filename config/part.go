package config

import (
	"bytes"
	"reflect"
)

// DecodePart is Decode of some of the document's keys: those that dst has. The others may hold anything, also what is faulty, as long as
// the document is YAML. Where the lines tell which of them are dst's keys, the rest is not even parsed: a small part of a large file is cheap.
func DecodePart(file string, data []byte, dst any) error {
	v := destination(dst)
	if text := onlyKeys(data, modelOf(v.Type()).names); text != nil {
		fresh := reflect.New(v.Type()).Elem()
		fresh.Set(v)
		if newDecoder(file).document(text, fresh) == nil {
			v.Set(fresh)
			return nil
		}
	}
	d := newDecoder(file)
	d.part = true
	return d.document(data, v)
}

// onlyKeys gives the lines of data that hold the values of these keys of the document, on the lines where they stand. It gives nil
// where lines do not tell: a key does not begin exactly one line, or does so where a bracket may be open, or a quoted text goes
// over several lines.
func onlyKeys(data []byte, names []string) []byte {
	text := make([]byte, 0, len(data)/16)
	seen := make(map[string]bool, len(names))
	inside, open := false, 0
	for line := range bytes.Lines(data) {
		if !isContinued(line) {
			name := keyThatBegins(line, names)
			if bytes.IndexByte([]byte("-.%<"), line[0]) >= 0 || seen[name] || name != "" && open != 0 {
				return nil // a document's mark, a directive, a merge key, or the doubt
			}
			if inside = name != ""; inside {
				seen[name] = true
			}
		}
		if inside {
			text = append(text, line...)
		} else {
			text = append(text, '\n')
		}
		if bytes.HasPrefix(bytes.TrimLeft(line, " "), []byte("#")) {
			continue
		}
		if bytes.Count(line, []byte{'"'})%2+bytes.Count(line, []byte{'\''})%2 > 0 {
			return nil
		}
		for _, c := range line {
			switch c {
			case '{', '[':
				open++
			case '}', ']':
				open--
			}
		}
	}
	if len(seen) < len(names) {
		return nil
	}
	return text
}

// isContinued reports whether a line belongs to the value of the key above it: it is indented, an element of a list, the end of a
// mapping or list in brackets, or says nothing.
func isContinued(line []byte) bool {
	return bytes.IndexByte([]byte(" \t\r\n#}]"), line[0]) >= 0 || line[0] == '-' && !bytes.HasPrefix(line, []byte("---"))
}

// keyThatBegins is which of the names stands at the beginning of the line, as a key.
func keyThatBegins(line []byte, names []string) string {
	for _, name := range names {
		if rest, ok := bytes.CutPrefix(line, []byte(name)); ok {
			if rest = bytes.TrimLeft(rest, " "); len(rest) > 1 && rest[0] == ':' && bytes.IndexByte([]byte(" \t\r\n"), rest[1]) >= 0 {
				return name
			}
		}
	}
	return ""
}

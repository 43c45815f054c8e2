package config

import (
	"bytes"
	"reflect"
	"slices"
	"unicode/utf8"
)

// DecodePart is Decode of some of the document's keys: those that dst has. The others may hold what is faulty. Where the lines tell which
// of them are dst's keys, the rest is not even parsed, and so may be no YAML: a small part of a large file is cheap.
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
// where lines do not tell: a key does not begin exactly one line, or might do so inside of brackets or of a text in quotes.
func onlyKeys(data []byte, names []string) []byte {
	text := make([]byte, 0, len(data)/16)
	seen := make(map[string]bool, len(names))
	inside, open := false, 0
	for line := range bytes.Lines(data) {
		if !isContinued(line) {
			key := keyThatBegins(line)
			if key == "" || seen[key] || open != 0 {
				return nil
			}
			if inside = slices.Contains(names, key); inside {
				seen[key] = true
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
		opened, certain := brackets(line)
		if !certain {
			return nil
		}
		open += opened
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

// brackets counts how many more are opened on a line than closed. It is not certain where a quote may be open at the line's end, where a
// comment or an escape could hide what counts, and where YAML may see another line begin.
func brackets(line []byte) (open int, certain bool) {
	double, single, comment := 0, 0, false
	for i, c := range line {
		switch c {
		case '{', '[':
			open++
		case '}', ']':
			open--
		case '"':
			double++
		case '\'':
			single++
		case '#':
			comment = comment || line[i-1] == ' ' || line[i-1] == '\t' // a line that begins with one is not looked at
		case '\\':
			return 0, false
		case '\r':
			if string(line[i:]) != "\r\n" {
				return 0, false
			}
		case 0xC2, 0xE2: // U+0085, U+2028 and U+2029 begin so
			if r, _ := utf8.DecodeRune(line[i:]); r == 0x85 || r == 0x2028 || r == 0x2029 {
				return 0, false
			}
		}
	}
	if comment && (double+single > 0 || bytes.ContainsAny(line, "{}[]")) {
		return 0, false
	}
	return open, double%2+single%2 == 0
}

// keyThatBegins is the plain key that a line begins with; "" if it begins with anything else.
func keyThatBegins(line []byte) string {
	n := 0
	for n < len(line) && (line[n] == '_' || line[n] >= 'a' && line[n] <= 'z' || line[n] >= 'A' && line[n] <= 'Z' ||
		n > 0 && (line[n] == '-' || line[n] >= '0' && line[n] <= '9')) {
		n++
	}
	rest := bytes.TrimLeft(line[n:], " ")
	if len(rest) < 2 || rest[0] != ':' || bytes.IndexByte([]byte(" \t\r\n"), rest[1]) < 0 {
		return ""
	}
	return string(line[:n])
}

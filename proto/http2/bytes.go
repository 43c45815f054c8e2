package http2

// The classes of bytes that field sections are checked against (RFC 9113 §8.2.1, §8.3.1).
const (
	className   = 1 << iota // tchar without upper case: field names
	classToken              // tchar
	classTarget             // visible ASCII without '#': :path
	classScheme             // scheme (RFC 3986 §3.1), in lower case
	classText               // what a field value may hold within
)

var classes = buildClasses()

func buildClasses() (t [256]uint8) {
	mark := func(class uint8, chars string) {
		for i := range len(chars) {
			t[chars[i]] |= class
		}
	}
	const digits, lower, upper = "0123456789", "abcdefghijklmnopqrstuvwxyz", "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
	mark(className|classToken, digits+lower+"!#$%&'*+-.^_`|~")
	mark(classToken, upper)
	mark(classScheme, digits+lower+"+-.")
	for c := range 256 {
		if c > ' ' && c < 0x7f && c != '#' {
			t[c] |= classTarget
		}
		if c == '\t' || c >= ' ' && c != 0x7f {
			t[c] |= classText
		}
	}
	return t
}

// all tells whether every byte of s is of the class.
func all(s string, class uint8) bool {
	for i := range len(s) {
		if classes[s[i]]&class == 0 {
			return false
		}
	}
	return true
}

// validName tells whether s is a field name as HTTP/2 spells it: a token in lower case.
func validName(s string) bool { return len(s) > 0 && all(s, className) }

// validValue tells whether s is a field value without white space at its ends.
func validValue(s string) bool {
	return all(s, classText) && (len(s) == 0 || !isSpace(s[0]) && !isSpace(s[len(s)-1]))
}

func isSpace(c byte) bool { return c == ' ' || c == '\t' }
func isDigit(c byte) bool { return c >= '0' && c <= '9' }
func isLower(c byte) bool { return c >= 'a' && c <= 'z' }
func isToken(c byte) bool { return classes[c]&classToken != 0 }

// appendLower appends s with its letters A to Z in lower case.
func appendLower(dst, s []byte) []byte {
	for _, c := range s {
		if c >= 'A' && c <= 'Z' {
			c |= 0x20
		}
		dst = append(dst, c)
	}
	return dst
}

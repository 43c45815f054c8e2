package http1

import (
	"encoding/binary"
	"math/bits"
)

// The classes of bytes. Two classes are scanned eight bytes at a time instead, since they make up most of a head: targets
// (scanTarget) and field values (scanValue).
const (
	classToken  = 1 << iota // tchar, RFC 9110 §5.6.2
	classHost               // unreserved and sub-delims of RFC 3986 without ',', for reg-name
	classHex                // HEXDIG
	classDigit              // DIGIT
	classQuoted             // qdtext, RFC 9110 §5.6.4
	classText               // HTAB, SP, VCHAR and obs-text: field values, reason phrases, what a backslash quotes
)

var classes = buildClasses()

func buildClasses() (t [256]uint8) {
	mark := func(class uint8, chars string) {
		for i := range len(chars) {
			t[chars[i]] |= class
		}
	}
	const digits, letters = "0123456789", "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
	mark(classDigit, digits)
	mark(classHex, digits+"abcdefABCDEF")
	mark(classToken, digits+letters+"!#$%&'*+-.^_`|~")
	mark(classHost, digits+letters+"-._~!$&'()*+;=")
	for c := range 256 {
		if c == '\t' || c >= ' ' && c != 0x7f {
			t[c] |= classText
			if c != '"' && c != '\\' {
				t[c] |= classQuoted
			}
		}
	}
	return t
}

func is(c byte, class uint8) bool { return classes[c]&class != 0 }

func isSpace(c byte) bool { return c == ' ' || c == '\t' }

// Words of eight equal bytes, for the scans below. They rest on two facts, for n <= 0x80: (x-n*ones)&^x has the high bit of
// the lowest byte of x that is below n set, and no high bit set below that one; bits above it may be wrong.
const (
	ones  = 0x0101010101010101
	highs = 0x8080808080808080
)

// zeros marks the lowest zero byte of x.
func zeros(x uint64) uint64 { return (x - ones) &^ x }

// scanColon returns the index of the first ':' in b at or after i, or len(b).
func scanColon(b []byte, i int) int {
	for ; len(b)-i >= 8; i += 8 {
		x := binary.LittleEndian.Uint64(b[i:])
		if m := zeros(x^(':'*ones)) & highs; m != 0 {
			return i + bits.TrailingZeros64(m)>>3
		}
	}
	for i < len(b) && b[i] != ':' {
		i++
	}
	return i
}

// scanValue returns the index of the first byte in b at or after i that a field value may not hold, or len(b). Finding the CR
// that ends the line and validating the value is one pass.
func scanValue(b []byte, i int) int {
	for ; len(b)-i >= 8; i += 8 {
		x := binary.LittleEndian.Uint64(b[i:])
		m := ((x - ' '*ones) &^ x) | zeros(x^(0x7f*ones))
		if m &= highs; m == 0 {
			continue
		}
		at := i + bits.TrailingZeros64(m)>>3
		if b[at] != '\t' {
			return at
		}
		i = at - 7 // go on behind the tab
	}
	for i < len(b) && is(b[i], classText) {
		i++
	}
	return i
}

// scanTarget returns the index of the first byte in b at or after i that is no visible ASCII character, or is '?' or '#', or
// len(b).
func scanTarget(b []byte, i int) int {
	for ; len(b)-i >= 8; i += 8 {
		x := binary.LittleEndian.Uint64(b[i:])
		m := ((x - '!'*ones) &^ x) | x | zeros(x^('?'*ones)) | zeros(x^('#'*ones)) | zeros(x^(0x7f*ones))
		if m &= highs; m != 0 {
			return i + bits.TrailingZeros64(m)>>3
		}
	}
	for i < len(b) && b[i] > ' ' && b[i] < 0x7f && b[i] != '?' && b[i] != '#' {
		i++
	}
	return i
}

// nextElement cuts the first element off a comma-separated list and trims white space (RFC 9110 §5.6.1). Elements may be
// empty; recipients skip those. It is for lists of tokens: it does not know quoted strings.
func nextElement(list []byte) (element, rest []byte) {
	i := 0
	for i < len(list) && list[i] != ',' {
		i++
	}
	element = list[:i]
	if i < len(list) {
		i++
	}
	return trimSpace(element), list[i:]
}

func trimSpace(b []byte) []byte {
	for len(b) > 0 && isSpace(b[0]) {
		b = b[1:]
	}
	for len(b) > 0 && isSpace(b[len(b)-1]) {
		b = b[:len(b)-1]
	}
	return b
}

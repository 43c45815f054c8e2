package header

import "bytes"

// tokenTable marks tchar (RFC 9110 §5.6.2); foldTable maps A–Z to a–z and every other byte to itself.
var (
	tokenTable = buildTokenTable()
	foldTable  = buildFoldTable()
)

func buildTokenTable() (t [256]bool) {
	for c := '0'; c <= '9'; c++ {
		t[c] = true
	}
	for c := 'a'; c <= 'z'; c++ {
		t[c], t[c-'a'+'A'] = true, true
	}
	for _, c := range "!#$%&'*+-.^_`|~" {
		t[c] = true
	}
	return t
}

func buildFoldTable() (t [256]byte) {
	for i := range t {
		t[i] = byte(i)
	}
	for c := 'A'; c <= 'Z'; c++ {
		t[c] = byte(c - 'A' + 'a')
	}
	return t
}

// ValidName tells whether b is a field name: a token of at least one byte (RFC 9110 §5.1).
func ValidName(b []byte) bool {
	for _, c := range b {
		if !tokenTable[c] {
			return false
		}
	}
	return len(b) > 0
}

// ValidValue tells whether b is a field value (RFC 9110 §5.5): visible characters, spaces, tabs and bytes above 0x7F, with
// no white space at either end. The empty value is valid.
func ValidValue(b []byte) bool {
	for _, c := range b {
		if c < 0x20 && c != '\t' || c == 0x7f {
			return false
		}
	}
	return len(b) == 0 || !isSpace(b[0]) && !isSpace(b[len(b)-1])
}

// EqualFold tells whether b and s are the same but for the case of ASCII letters. No other character folds: field names and
// the tokens of HTTP know only these (bytes.EqualFold would take the Kelvin sign for a k).
func EqualFold[S []byte | string](b []byte, s S) bool {
	if len(b) != len(s) {
		return false
	}
	for i, c := range b {
		if foldTable[c] != foldTable[s[i]] {
			return false
		}
	}
	return true
}

func isSpace(c byte) bool { return c == ' ' || c == '\t' }

// TakesTrailers tells whether a value of TE names trailers (RFC 9110 §10.1.4).
func TakesTrailers(te []byte) bool {
	for len(te) > 0 {
		var element []byte
		element, te, _ = bytes.Cut(te, []byte{','})
		if EqualFold(bytes.TrimSpace(element), "trailers") {
			return true
		}
	}
	return false
}

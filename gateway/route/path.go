package route

// normal gives the path that rules are matched against: percent-encoded unreserved characters decoded, dot segments
// removed (RFC 3986 §6.2.2), repeated slashes taken as one. Otherwise /public/../admin would be judged as public and
// served as admin. What is forwarded is the path as it came. ok is false if the path leads above the root.
func (m *Matcher) normal(path []byte) (p []byte, ok bool) {
	if plain(path) {
		return path, true
	}
	out := m.path[:0]
	for i := 0; i < len(path); i++ {
		c := path[i]
		if c == '%' && i+2 < len(path) {
			if d, is := unreserved(path[i+1], path[i+2]); is {
				c, i = d, i+2
			}
		}
		if c == '/' && len(out) > 0 && out[len(out)-1] == '/' {
			continue
		}
		if c == '/' {
			if out, ok = removeDots(out); !ok {
				return nil, false
			}
			if len(out) > 0 && out[len(out)-1] == '/' {
				continue
			}
		}
		out = append(out, c)
	}
	out, ok = removeDots(out)
	m.path = out
	return out, ok
}

// plain reports whether path is in its normal form already.
func plain(path []byte) bool {
	for i, c := range path {
		if c == '%' || i > 0 && path[i-1] == '/' && (c == '.' || c == '/') {
			return false
		}
	}
	return true
}

// removeDots takes a final segment "." or ".." off out.
func removeDots(out []byte) ([]byte, bool) {
	n := len(out)
	switch {
	case n >= 2 && out[n-1] == '.' && out[n-2] == '/':
		return out[:n-1], true
	case n >= 3 && out[n-1] == '.' && out[n-2] == '.' && out[n-3] == '/':
		if n == 3 {
			return nil, false
		}
		n -= 4
		for out[n] != '/' {
			n--
		}
		return out[:n+1], true
	}
	return out, true
}

// unreserved decodes two hexadecimal digits to a character that needs no encoding (RFC 3986 §2.3).
func unreserved(hi, lo byte) (byte, bool) {
	h, okh := hex(hi)
	l, okl := hex(lo)
	c := h<<4 | l
	ok := 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || c == '-' || c == '.' || c == '_' || c == '~'
	return c, okh && okl && ok
}

func hex(c byte) (byte, bool) {
	switch {
	case '0' <= c && c <= '9':
		return c - '0', true
	case 'a' <= c && c <= 'f':
		return c - 'a' + 10, true
	case 'A' <= c && c <= 'F':
		return c - 'A' + 10, true
	}
	return 0, false
}

package http1

import (
	"bytes"

	"github.com/ringway/ringway/proto/header"
)

// Form is the form of a request target (RFC 9112 §3.2).
type Form uint8

// The four forms.
const (
	OriginForm    Form = iota // /path?query
	AbsoluteForm              // http://host/path?query
	AuthorityForm             // host:port, CONNECT only
	AsteriskForm              // *, OPTIONS only
)

// String names the form as the RFC does.
func (f Form) String() string {
	return [...]string{"origin-form", "absolute-form", "authority-form", "asterisk-form"}[f&3]
}

// What stands for parts that the target leaves out or spells in several ways. Shared by all requests: not to be written to.
var (
	schemeHTTP  = []byte("http")
	schemeHTTPS = []byte("https")
	rootPath    = []byte("/")
	asterisk    = []byte("*")
)

// parseTarget finds the form and the parts of the target; query is where its first '?' stands, or 0.
func (r *Request) parseTarget(b []byte, query int) *Error {
	target := cut(b, r.target)
	r.path = r.target
	if query > 0 {
		r.HasQuery = true
		r.path.End = uint32(query)
		r.query = header.Span{Start: uint32(query) + 1, End: r.target.End}
	}
	switch {
	case r.Method == CONNECT:
		return r.authorityForm(target)
	case target[0] == '/':
		r.Form = OriginForm
		return nil
	case len(target) == 1 && target[0] == '*':
		if r.Method != OPTIONS {
			return ErrBadTarget
		}
		r.Form, r.Path, r.path = AsteriskForm, asterisk, header.Span{}
		r.head.emptyHost = true
		return nil
	}
	return r.absoluteForm(b, target)
}

// authorityForm reads host:port, where both must be present (RFC 9110 §9.3.6).
func (r *Request) authorityForm(target []byte) *Error {
	colon := bytes.LastIndexByte(target, ':')
	if colon <= 0 || colon == len(target)-1 || !ValidAuthority(target) || target[len(target)-1] == ']' {
		return ErrBadTarget
	}
	r.Form, r.authority, r.path = AuthorityForm, r.target, header.Span{}
	r.head.emptyHost = true
	return nil
}

// absoluteForm reads scheme://authority[path][?query]. Only http and https are ours to serve. User information in the
// authority is taken as an error (RFC 9110 §4.2.4), as is an empty host (§4.2.1).
func (r *Request) absoluteForm(b, target []byte) *Error {
	skip := 0
	switch {
	case len(target) > 7 && header.EqualFold(target[:7], "http://"):
		r.Scheme, skip = schemeHTTP, 7
	case len(target) > 8 && header.EqualFold(target[:8], "https://"):
		r.Scheme, skip = schemeHTTPS, 8
	default:
		return ErrBadTarget
	}
	start := r.target.Start + uint32(skip)
	end := r.path.End // of the target without its query
	if slash := bytes.IndexByte(b[start:end], '/'); slash >= 0 {
		end = start + uint32(slash)
	}
	r.authority = header.Span{Start: start, End: end}
	if start == end || !ValidAuthority(cut(b, r.authority)) {
		return ErrBadTarget
	}
	r.Form = AbsoluteForm
	r.path.Start = end
	if r.path.Len() == 0 {
		r.Path = rootPath
		if r.Method == OPTIONS && !r.HasQuery {
			r.Path = asterisk // RFC 9112 §3.2.4
		}
	}
	r.head.emptyHost = true
	return nil
}

// hostField checks Host (RFC 9112 §3.2: exactly one, and valid). It may be empty only where the target does not need it: in
// asterisk-form, and where the target's own authority replaces it. An http URI without a host is invalid (RFC 9110 §4.2.1).
func (h *head) hostField(value []byte, at header.Span) *Error {
	if h.hosts++; h.hosts > 1 {
		return ErrSeveralHosts
	}
	h.host = at
	if len(value) == 0 && h.emptyHost {
		return nil
	}
	if !ValidAuthority(value) {
		return ErrBadHost
	}
	return nil
}

// ValidAuthority tells whether b is uri-host [ ":" port ] (RFC 3986 §3.2.2, §3.2.3) with a host that is not empty. The comma
// of sub-delims is refused: Host is not a list, and a list that some recipient makes of it is an attack.
func ValidAuthority(b []byte) bool {
	i := 0
	if len(b) > 0 && b[0] == '[' {
		end := bytes.IndexByte(b, ']')
		if end < 0 || !validIPv6(b[1:end]) {
			return false
		}
		i = end + 1
	} else {
		for i < len(b) && b[i] != ':' {
			switch {
			case is(b[i], classHost):
				i++
			case b[i] == '%' && len(b)-i >= 3 && is(b[i+1], classHex) && is(b[i+2], classHex):
				i += 3
			default:
				return false
			}
		}
	}
	if i == len(b) {
		return i > 0
	}
	return i > 0 && b[i] == ':' && validPort(b[i+1:])
}

// validPort tells whether b is a port or empty, which the grammar allows and which means the scheme's port.
func validPort(b []byte) bool {
	port := 0
	for _, c := range b {
		if !is(c, classDigit) {
			return false
		}
		if port = port*10 + int(c-'0'); port > 65535 {
			return false
		}
	}
	return true
}

// validIPv6 tells whether b is an IPv6address (RFC 3986 §3.2.2): eight groups of up to four hexadecimal digits, the last two
// perhaps as an IPv4 address, with "::" once for one or more groups of zero. Zones have no meaning to another host and
// IPvFuture has no use: both are refused.
func validIPv6(b []byte) bool {
	groups, gap := 0, false
	if len(b) >= 2 && b[0] == ':' && b[1] == ':' {
		gap, b = true, b[2:]
	}
	for len(b) > 0 {
		n := 0
		for n < len(b) && is(b[n], classHex) {
			n++
		}
		if n < len(b) && b[n] == '.' {
			return validIPv4(b) && (groups == 6 && !gap || groups < 6 && gap)
		}
		if n == 0 || n > 4 {
			return false
		}
		groups++
		b = b[n:]
		if len(b) == 0 {
			break
		}
		if b[0] != ':' || len(b) == 1 {
			return false
		}
		b = b[1:]
		if b[0] == ':' {
			if gap {
				return false
			}
			gap, b = true, b[1:]
		}
	}
	return groups == 8 && !gap || groups < 8 && gap
}

// validIPv4 tells whether b is four decimal octets without leading zeros.
func validIPv4(b []byte) bool {
	for octet := range 4 {
		n, value := 0, 0
		for n < len(b) && n < 3 && is(b[n], classDigit) {
			value = value*10 + int(b[n]-'0')
			n++
		}
		if n == 0 || value > 255 || n > 1 && b[0] == '0' {
			return false
		}
		b = b[n:]
		if octet < 3 {
			if len(b) == 0 || b[0] != '.' {
				return false
			}
			b = b[1:]
		}
	}
	return len(b) == 0
}

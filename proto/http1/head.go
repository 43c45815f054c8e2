package http1

import (
	"bytes"

	"github.com/ringway/ringway/proto/header"
)

// phase is how far the parser of a head has come.
type phase uint8

const (
	phaseStartLine phase = iota
	phaseFields
	phaseDone
)

// head is what requests and responses have in common: the place in the input, and what the fields that concern the
// connection have said so far. Lines are parsed when they are complete, so that the outcome depends on their bytes only,
// not on how the input was cut.
type head struct {
	pos   int // where the first line not yet parsed starts
	seen  int // no LF stands between pos and seen
	phase phase
	err   *Error // the outcome, once there is one

	request   bool
	emptyHost bool // an empty Host may stand, see hostField
	http10    bool
	hosts     int
	host      header.Span
	length    int64 // Content-Length, -1 for none
	chunked   bool
	expect    bool

	optionClose     bool
	optionKeepAlive bool
	optionUpgrade   bool
	optionSettings  bool // HTTP2-Settings
	nominated       int  // names in Connection that are not well known
}

// semantic has the fields that parsing must understand, hopByHop those that concern the next hop only. RFC 9110 §7.6.1 lists
// the latter; Trailer is not among them (§6.6.2: it describes the content's trailers, which are forwarded), HTTP2-Settings
// is connection-specific by RFC 7540 §3.2.1.
const (
	hopByHop = 1<<header.Connection | 1<<header.KeepAlive | 1<<header.ProxyConnection | 1<<header.TE |
		1<<header.TransferEncoding | 1<<header.Upgrade | 1<<header.HTTP2Settings
	semantic = hopByHop | 1<<header.Host | 1<<header.ContentLength | 1<<header.Expect
)

// resume tells whether the bytes that are new since the last call complete a line. It keeps the whole work linear when the
// input comes byte by byte.
func (h *head) resume(b []byte) bool {
	if h.seen <= h.pos {
		return true
	}
	if h.seen >= len(b) || bytes.IndexByte(b[h.seen:], '\n') < 0 {
		h.seen = max(h.seen, len(b))
		return false
	}
	return true
}

// lineAt returns the line at pos once it is complete; before that nil, with an error when it can only become too long. It
// serves the slow path: lines that parsed need no search for their end.
func (h *head) lineAt(b []byte, lim *Limits, tooLong *Error) ([]byte, *Error) {
	from := max(h.pos, h.seen)
	i := bytes.IndexByte(b[from:], '\n')
	if i < 0 {
		h.seen = len(b)
		return nil, h.bounds(len(b)+1, lim, tooLong)
	}
	end := from + i + 1
	return b[h.pos:end], h.bounds(end, lim, tooLong)
}

// bounds checks the end of the line at pos against the limits. Where it passes both, the error is the one that a peer sending
// byte by byte meets first.
func (h *head) bounds(end int, lim *Limits, tooLong *Error) *Error {
	if end <= lim.MaxHead && end-h.pos <= lim.MaxLine {
		return nil
	}
	if h.pos+lim.MaxLine <= lim.MaxHead {
		return tooLong
	}
	return ErrHeadTooLarge
}

// parseFields parses field lines up to the empty line and returns the length of the head, or 0 when bytes are missing.
func (h *head) parseFields(f *header.Fields, b []byte, lim *Limits) (int, *Error) {
	for {
		p := h.pos
		if len(b)-p >= 2 && b[p] == '\r' && b[p+1] == '\n' {
			if e := h.bounds(p+2, lim, ErrLineTooLong); e != nil {
				return 0, e
			}
			h.phase = phaseDone
			return p + 2, nil
		}
		id, colon, start, end, next := parseField(b, p)
		if next == 0 {
			return 0, h.refuseField(f, b, lim)
		}
		if next-p > lim.MaxLine || next > lim.MaxHead {
			return 0, h.bounds(next, lim, ErrLineTooLong)
		}
		if f.Len() >= lim.MaxFields {
			return 0, ErrTooManyFields
		}
		field := f.AppendLine(id, p, colon, start, end, next)
		if semantic>>id&1 != 0 {
			if e := h.field(b, field); e != nil {
				return 0, e
			}
		}
		h.pos = next
	}
}

// refuseField says why the line at pos is no field line, or nil when it is not complete.
func (h *head) refuseField(f *header.Fields, b []byte, lim *Limits) *Error {
	line, e := h.lineAt(b, lim, ErrLineTooLong)
	if e != nil || line == nil {
		return e
	}
	if f.Len() >= lim.MaxFields {
		return ErrTooManyFields
	}
	return fieldFault(line)
}

// parseField parses the field line that starts at p (RFC 9112 §5). It returns the name's ID, the places of the colon and of the
// value, and where the next line starts. That is 0 if the line is not complete or not valid; which of the two, and why, is
// found out apart from this hot path.
func parseField(b []byte, p int) (id header.ID, colon, start, end, next int) {
	colon = scanColon(b, p)
	if colon >= len(b) {
		return 0, 0, 0, 0, 0
	}
	name := b[p:colon]
	id = header.Lookup(name)
	if id == header.Other && !header.ValidName(name) {
		return 0, 0, 0, 0, 0
	}
	start = colon + 1
	for start < len(b) && isSpace(b[start]) {
		start++
	}
	end = scanValue(b, start)
	if len(b)-end < 2 || b[end] != '\r' || b[end+1] != '\n' {
		return 0, 0, 0, 0, 0
	}
	next = end + 2
	for end > start && isSpace(b[end-1]) {
		end--
	}
	return id, colon, start, end, next
}

// lineFault says what is wrong with the ends of a complete line, or nil (RFC 9112 §2.2: a bare CR must not be taken for
// anything; a bare LF may be taken for a line end, which we refuse, since peers differ in it).
func lineFault(line []byte) *Error {
	if len(line) < 2 || line[len(line)-2] != '\r' {
		return ErrBareLF
	}
	if bytes.IndexByte(line[:len(line)-2], '\r') >= 0 {
		return ErrBareCR
	}
	return nil
}

// fieldFault says what is wrong with a complete line that parseField refused.
func fieldFault(line []byte) *Error {
	if e := lineFault(line); e != nil {
		return e
	}
	if isSpace(line[0]) {
		return ErrObsFold // RFC 9112 §5.2; before the first field, §2.2 asks for the same
	}
	colon := bytes.IndexByte(line, ':')
	switch {
	case colon < 0:
		return ErrNoColon
	case colon > 0 && isSpace(line[colon-1]):
		return ErrSpaceBeforeColon // RFC 9112 §5.1
	case !header.ValidName(line[:colon]):
		return ErrBadFieldName
	}
	return ErrBadFieldValue
}

// field takes up a field that concerns framing, routing or the connection.
func (h *head) field(b []byte, field *header.Field) *Error {
	if hopByHop>>field.ID&1 != 0 {
		field.Flags |= header.HopByHop
	}
	value := b[field.Value.Start:field.Value.End]
	switch field.ID {
	case header.Host:
		if h.request {
			return h.hostField(value, field.Value)
		}
	case header.ContentLength:
		return h.contentLength(value, field)
	case header.TransferEncoding:
		return h.transferEncoding(value)
	case header.Connection:
		return h.connection(value)
	case header.Expect:
		if h.request {
			// RFC 9110 §10.1.1: 100-continue is the only expectation there is.
			if !header.EqualFold(value, "100-continue") {
				return ErrExpectation
			}
			h.expect = true
		}
	}
	return nil
}

// contentLength reads Content-Length (RFC 9110 §8.6). A list of equal values, in one line or in several, is what a sloppy
// sender makes of one value: it is folded. Anything else that is not a plain number is refused (RFC 9112 §6.3).
func (h *head) contentLength(value []byte, field *header.Field) *Error {
	if h.chunked {
		return ErrFramingConflict
	}
	first, rest := nextElement(value)
	length, ok := parseLength(first)
	if !ok {
		return ErrBadContentLength
	}
	if len(first) != len(value) {
		if value[len(value)-1] == ',' {
			return ErrBadContentLength
		}
		for len(rest) > 0 {
			var element []byte
			element, rest = nextElement(rest)
			n, ok := parseLength(element)
			if !ok {
				return ErrBadContentLength
			}
			if n != length {
				return ErrContentLengths
			}
		}
		// The list must not be copied as it is: the field becomes its first element.
		field.Value.End = field.Value.Start + uint32(len(first))
		field.Line = header.Span{}
	}
	if h.length >= 0 {
		if h.length != length {
			return ErrContentLengths
		}
		field.Flags |= header.Removed
	}
	h.length = length
	return nil
}

// parseLength reads 1*DIGIT that fits 63 bits.
func parseLength(b []byte) (n int64, ok bool) {
	const cutoff = (1<<63 - 1) / 10
	for _, c := range b {
		if !is(c, classDigit) || n > cutoff {
			return 0, false
		}
		if n = n*10 + int64(c-'0'); n < 0 {
			return 0, false
		}
	}
	return n, len(b) > 0
}

// transferEncoding reads Transfer-Encoding (RFC 9112 §6.1). Chunked alone is understood, in both directions: another coding
// would have to be undone here, and one that is not last leaves the end of the body open.
func (h *head) transferEncoding(value []byte) *Error {
	switch {
	case h.http10:
		return ErrCodingVersion // RFC 9112 §6.1: such framing is to be taken as faulty
	case h.length >= 0:
		return ErrFramingConflict // RFC 9112 §6.3: "ought to be handled as an error"
	case h.chunked:
		return ErrBadCoding
	case header.EqualFold(value, "chunked"):
		h.chunked = true
		return nil
	}
	first, _ := nextElement(value)
	if !header.ValidName(first) || header.EqualFold(first, "chunked") {
		return ErrBadCoding
	}
	return ErrUnknownCoding
}

// connection reads the options of Connection (RFC 9110 §7.6.1). To nominate Host or Content-Length is refused: removing them,
// as the RFC asks of a recipient, changes routing or framing for the next hop, and no honest sender does it. Other well-known
// end-to-end fields are for all recipients, "never appropriate as a connection option": nominating those is ignored, so that
// a client cannot have Authorization or X-Forwarded-For dropped. The rest is marked when the head is complete.
func (h *head) connection(value []byte) *Error {
	for len(value) > 0 {
		var option []byte
		option, value = nextElement(value)
		switch {
		case len(option) == 0:
		case header.EqualFold(option, "close"):
			h.optionClose = true
		case header.EqualFold(option, "keep-alive"):
			h.optionKeepAlive = true
		case header.EqualFold(option, "upgrade"):
			h.optionUpgrade = true
		case !header.ValidName(option):
			return ErrBadConnection
		default:
			switch header.Lookup(option) {
			case header.Host, header.ContentLength:
				return ErrBadConnection
			case header.HTTP2Settings:
				h.optionSettings = true
			case header.Other:
				if h.nominated++; h.nominated > maxConnectionOptions {
					return ErrConnectionOptions
				}
			}
		}
	}
	return nil
}

// markNominated marks the fields that Connection names as hop-by-hop.
func (h *head) markNominated(f *header.Fields) {
	for i := range f.Len() {
		field := f.Field(i)
		if field.ID != header.Connection {
			continue
		}
		value := f.Bytes(field.Flags, field.Value)
		for len(value) > 0 {
			var option []byte
			option, value = nextElement(value)
			if header.Lookup(option) == header.Other {
				markHopByHop(f, option)
			}
		}
	}
}

func markHopByHop(f *header.Fields, name []byte) {
	for i := range f.Len() {
		field := f.Field(i)
		if field.ID == header.Other && header.EqualFold(f.Bytes(field.Flags, field.Name), name) {
			field.Flags |= header.HopByHop
		}
	}
}

// persistent tells whether the sender wants to keep the connection (RFC 9112 §9.3).
func (h *head) persistent() bool {
	return !h.optionClose && (!h.http10 || h.optionKeepAlive)
}

// upgrade tells whether the message carries an upgrade; HTTP/1.0 knows none (RFC 9110 §7.8).
func (h *head) upgrade(f *header.Fields) bool {
	return h.optionUpgrade && !h.http10 && f.Count(header.Upgrade) > 0
}

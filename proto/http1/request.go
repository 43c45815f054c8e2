package http1

import (
	"bytes"
	"encoding/binary"

	"github.com/ringway/ringway/proto/header"
)

// Framing says how the body that follows a head ends (RFC 9112 §6.3).
type Framing uint8

const (
	// NoBody is followed by the next message at once. A Content-Length of 0 counts as NoBody.
	NoBody Framing = iota
	// Length is followed by ContentLength bytes.
	Length
	// Chunked is followed by a body for ChunkDecoder.
	Chunked
	// UntilClose lasts until the connection is closed; responses only.
	UntilClose
)

// String names the framing for logs and tests.
func (f Framing) String() string {
	return [...]string{"none", "length", "chunked", "until-close"}[f&3]
}

// Request is the head of a request. The slices alias the bytes given to Parse and are valid until these are reused; when
// they move, call Rebase. A Request is reused from message to message: call Reset between them, and before the first.
type Request struct {
	header.Fields

	Method      Method
	MethodToken []byte
	Target      []byte // as received
	Form        Form

	// Scheme is "http" or "https" in absolute-form, else nil. Authority is host[:port]: of the target in absolute-form and
	// authority-form, else of Host; changing the field Host later does not change it. Path has no query, Query no '?';
	// HasQuery tells an empty query from none. In authority-form there is no path, in asterisk-form it is "*".
	Scheme    []byte
	Authority []byte
	Path      []byte
	Query     []byte
	HasQuery  bool

	Major, Minor   uint8
	Framing        Framing
	ContentLength  int64 // the field's value, -1 where there is none
	KeepAlive      bool  // the client wants to keep the connection
	ExpectContinue bool  // the client waits for 100 (Continue) before it sends the body
	Upgrade        bool  // Connection: upgrade with an Upgrade field
	HTTP2Settings  bool  // Connection: HTTP2-Settings, without which that field is not for this recipient (RFC 7540 §3.2.1)
	HeadLen        int   // what Parse returned

	head head
	// Where the slices above are in the input.
	method, target, authority, path, query header.Span
}

// Reset makes the request ready for a new message, keeping its storage. It sets field by field: assigning a whole Request
// copies the Fields twice, a tenth of the time of a small request.
func (r *Request) Reset() {
	r.Fields.Reset(nil)
	r.Method, r.Form = Other, OriginForm
	r.MethodToken, r.Target = nil, nil
	r.Scheme, r.Authority, r.Path, r.Query, r.HasQuery = nil, nil, nil, nil, false
	r.Major, r.Minor, r.Framing, r.ContentLength, r.HeadLen = 0, 0, NoBody, -1, 0
	r.KeepAlive, r.ExpectContinue, r.Upgrade, r.HTTP2Settings = false, false, false, false
	r.method, r.target, r.authority, r.path, r.query = header.Span{}, header.Span{}, header.Span{}, header.Span{}, header.Span{}
	r.head = head{request: true, length: -1}
}

// Parse parses a request head at the start of b. It returns the length of the head, the empty line included, or 0 and no error
// when b does not hold all of it: call again with the same bytes and more, which may have moved. Then only the new bytes are
// looked at. Faults are reported as soon as the line that has them is complete, limits as soon as they are passed; after an
// error, each further call returns it again. One empty line before the request is skipped (RFC 9112 §2.2).
func (r *Request) Parse(b []byte, lim *Limits) (n int, err error) {
	n, e := r.parse(b, lim)
	if e != nil {
		r.head.err = e
		return 0, e
	}
	return n, nil
}

func (r *Request) parse(b []byte, lim *Limits) (int, *Error) {
	h := &r.head
	switch {
	case h.err != nil:
		return 0, h.err
	case h.phase == phaseDone:
		return r.HeadLen, nil
	}
	r.Fields.Rebase(b)
	if !h.resume(b) {
		tooLong := ErrLineTooLong
		if h.phase == phaseStartLine {
			tooLong = ErrRequestLineTooLong
		}
		return 0, h.bounds(len(b)+1, lim, tooLong)
	}
	if h.phase == phaseStartLine {
		if ok, e := r.startLine(b, lim); !ok {
			return 0, e
		}
	}
	n, e := h.parseFields(&r.Fields, b, lim)
	if n == 0 {
		return 0, e
	}
	if e := r.finish(b); e != nil {
		return 0, e
	}
	r.HeadLen = n
	return n, nil
}

// startLine parses the request line; false without an error means that it is not complete.
func (r *Request) startLine(b []byte, lim *Limits) (bool, *Error) {
	h := &r.head
	if h.pos == 0 && len(b) >= 2 && b[0] == '\r' && b[1] == '\n' {
		h.pos = 2
	}
	next, query := r.requestLine(b, h.pos)
	if next == 0 {
		line, e := h.lineAt(b, lim, ErrRequestLineTooLong)
		if e != nil || line == nil {
			return false, e
		}
		return false, requestLineFault(line)
	}
	if e := h.bounds(next, lim, ErrRequestLineTooLong); e != nil {
		return false, e
	}
	r.Major = 1
	h.http10 = r.Minor == 0
	if e := r.parseTarget(b, query); e != nil {
		return false, e
	}
	h.pos, h.phase = next, phaseFields
	return true, nil
}

// httpVersion is "HTTP/1." as the low seven bytes of a word.
const httpVersion = 'H' | 'T'<<8 | 'T'<<16 | 'P'<<24 | '/'<<32 | '1'<<40 | '.'<<48

// requestLine parses METHOD SP target SP HTTP/1.x CRLF at p (RFC 9112 §3). It returns where the next line starts, or 0 if the
// line is not complete or not valid, and where the first '?' of the target stands, or 0.
func (r *Request) requestLine(b []byte, p int) (next, query int) {
	i := p
	for i < len(b) && is(b[i], classToken) {
		i++
	}
	if i == p || i == len(b) || b[i] != ' ' {
		return 0, 0
	}
	start := i + 1
	end := scanTarget(b, start)
	for end < len(b) && b[end] == '?' {
		if query == 0 {
			query = end
		}
		end = scanTarget(b, end+1)
	}
	if end == start || len(b)-end < len(" HTTP/1.1\r\n") || b[end] != ' ' {
		return 0, 0
	}
	version := b[end+1 : end+11]
	if binary.LittleEndian.Uint64(version)&(1<<56-1) != httpVersion || !is(version[7], classDigit) ||
		version[8] != '\r' || version[9] != '\n' {
		return 0, 0
	}
	r.Minor = version[7] - '0'
	r.Method = MethodOf(b[p:i])
	r.method = header.Span{Start: uint32(p), End: uint32(i)}
	r.target = header.Span{Start: uint32(start), End: uint32(end)}
	return end + 11, query
}

// requestLineFault says what is wrong with a complete line that requestLine refused.
func requestLineFault(line []byte) *Error {
	if e := lineFault(line); e != nil {
		return e
	}
	line = line[:len(line)-2]
	method, rest, ok := bytes.Cut(line, []byte(" "))
	target, version, ok2 := bytes.Cut(rest, []byte(" "))
	switch {
	case !ok || !ok2:
		return ErrBadRequestLine // HTTP/0.9 among them
	case !header.ValidName(method):
		return ErrBadMethod
	case len(target) == 0 || bytes.IndexByte(version, ' ') >= 0:
		return ErrBadRequestLine
	}
	if len(version) != 8 || string(version[:5]) != "HTTP/" || version[6] != '.' ||
		!is(version[5], classDigit) || !is(version[7], classDigit) {
		return ErrBadVersion
	}
	if version[5] != '1' {
		return ErrVersion
	}
	return ErrBadTarget
}

// finish draws the conclusions that need the whole head.
func (r *Request) finish(b []byte) *Error {
	h := &r.head
	if h.hosts == 0 && !h.http10 {
		return ErrNoHost // RFC 9112 §3.2
	}
	r.ContentLength = h.length
	switch {
	case h.chunked:
		r.Framing = Chunked
	case h.length > 0:
		r.Framing = Length
	}
	r.KeepAlive = h.persistent()
	r.Upgrade, r.HTTP2Settings = h.upgrade(&r.Fields), h.optionSettings
	// RFC 9110 §10.1.1: the expectation is ignored in HTTP/1.0, and is void without content.
	r.ExpectContinue = h.expect && !h.http10 && r.Framing != NoBody
	if h.nominated > 0 {
		h.markNominated(&r.Fields)
	}
	if r.Form == AbsoluteForm || r.Form == AuthorityForm {
		r.replaceHost(b)
	} else {
		r.authority = h.host
	}
	r.Rebase(b)
	return nil
}

// replaceHost makes Host what the target says (RFC 9112 §3.2.2), so that both cannot be read differently further on.
func (r *Request) replaceHost(b []byte) {
	authority := b[r.authority.Start:r.authority.End]
	if host, ok := r.Get(header.Host); !ok || !bytes.Equal(host, authority) {
		r.SetID(header.Host, authority)
	}
}

// Rebase tells that the bytes which were parsed now start at b[0], and makes all slices of the request alias those.
func (r *Request) Rebase(b []byte) {
	r.Fields.Rebase(b)
	r.MethodToken = cut(b, r.method)
	r.Target = cut(b, r.target)
	r.Authority = cut(b, r.authority)
	r.Query = cut(b, r.query)
	if r.path.Len() > 0 {
		r.Path = cut(b, r.path)
	}
}

// cut returns the bytes of a span, with no room to append into what follows.
func cut(b []byte, s header.Span) []byte { return b[s.Start:s.End:s.End] }

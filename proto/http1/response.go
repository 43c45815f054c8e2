package http1

import (
	"encoding/binary"

	"github.com/ringway/ringway/proto/header"
)

// Response is the head of a response. The slices alias the bytes given to Parse and are valid until these are reused; when
// they move, call Rebase. Call Reset between messages and before the first: also between an interim response (status 1xx)
// and the final one.
type Response struct {
	header.Fields

	Status       int
	Reason       []byte // may be empty
	Major, Minor uint8

	Framing       Framing
	ContentLength int64 // the field's value, -1 where there is none; after HEAD and with 304 it announces no body
	KeepAlive     bool  // the connection can be used again after the body
	Upgrade       bool  // Connection: upgrade with an Upgrade field
	HeadLen       int   // what Parse returned

	head   head
	method Method // of the request
	reason header.Span
}

// Reset makes the response ready for a new message in answer to a request of that method, keeping its storage.
func (r *Response) Reset(requestMethod Method) {
	r.Fields.Reset(nil)
	r.Status, r.Reason, r.Major, r.Minor = 0, nil, 0, 0
	r.Framing, r.ContentLength, r.HeadLen = NoBody, -1, 0
	r.KeepAlive, r.Upgrade = false, false
	r.head, r.method, r.reason = head{length: -1}, requestMethod, header.Span{}
}

// Parse parses a response head at the start of b, in the way of Request.Parse. Errors have status 502. Unlike a server, a
// client accepts no empty line before the message.
func (r *Response) Parse(b []byte, lim *Limits) (n int, err error) {
	n, e := r.parse(b, lim)
	if e != nil {
		r.head.err = e
		return 0, e.Response()
	}
	return n, nil
}

func (r *Response) parse(b []byte, lim *Limits) (int, *Error) {
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
			tooLong = ErrStatusLineTooLong
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
	if e := r.finish(); e != nil {
		return 0, e
	}
	r.Rebase(b)
	r.HeadLen = n
	return n, nil
}

// startLine parses the status line; false without an error means that it is not complete.
func (r *Response) startLine(b []byte, lim *Limits) (bool, *Error) {
	h := &r.head
	next := r.statusLine(b)
	if next == 0 {
		line, e := h.lineAt(b, lim, ErrStatusLineTooLong)
		if e != nil || line == nil {
			return false, e
		}
		return false, statusLineFault(line)
	}
	if e := h.bounds(next, lim, ErrStatusLineTooLong); e != nil {
		return false, e
	}
	r.Major = 1
	h.http10 = r.Minor == 0
	h.pos, h.phase = next, phaseFields
	return true, nil
}

// statusLine parses HTTP/1.x SP 3DIGIT SP [ reason-phrase ] CRLF (RFC 9112 §4; the second space must stand even without a
// reason). It returns where the next line starts, or 0 if the line is not complete or not valid.
func (r *Response) statusLine(b []byte) (next int) {
	const prefix = len("HTTP/1.1 200 ")
	if len(b) < prefix+2 {
		return 0
	}
	if binary.LittleEndian.Uint64(b)&(1<<56-1) != httpVersion || !is(b[7], classDigit) || b[8] != ' ' || b[12] != ' ' {
		return 0
	}
	if b[9] < '1' || !is(b[9], classDigit) || !is(b[10], classDigit) || !is(b[11], classDigit) {
		return 0
	}
	end := scanValue(b, prefix)
	if len(b)-end < 2 || b[end] != '\r' || b[end+1] != '\n' {
		return 0
	}
	r.Minor = b[7] - '0'
	r.Status = int(b[9]-'0')*100 + int(b[10]-'0')*10 + int(b[11]-'0')
	r.reason = header.Span{Start: uint32(prefix), End: uint32(end)}
	return end + 2
}

// statusLineFault says what is wrong with a complete line that statusLine refused.
func statusLineFault(line []byte) *Error {
	if e := lineFault(line); e != nil {
		return e
	}
	if len(line) >= 9 && string(line[:5]) == "HTTP/" && is(line[5], classDigit) && line[6] == '.' &&
		is(line[7], classDigit) && line[8] == ' ' && line[5] != '1' {
		return ErrVersion
	}
	return ErrBadStatusLine
}

// finish draws the conclusions that need the whole head. The order is that of RFC 9112 §6.3.
func (r *Response) finish() *Error {
	h := &r.head
	r.ContentLength = h.length
	r.KeepAlive = h.persistent()
	r.Upgrade = h.upgrade(&r.Fields)
	if h.nominated > 0 {
		h.markNominated(&r.Fields)
	}
	switch {
	case r.method == CONNECT && r.Status >= 200 && r.Status < 300:
		// A tunnel follows; framing fields are to be ignored (RFC 9110 §9.3.6).
		r.dropContentLength()
	case r.Status < 200 || r.Status == 204:
		return r.bodyless()
	case r.method == HEAD || r.Status == 304:
	case h.chunked:
		r.Framing = Chunked
	case h.length > 0:
		r.Framing = Length
	case h.length < 0:
		r.Framing, r.KeepAlive = UntilClose, false
	}
	return nil
}

// bodyless handles 1xx and 204, which must have neither Transfer-Encoding (RFC 9112 §6.1) nor Content-Length (RFC 9110 §8.6).
// A sender that announces a body there may well send one, which would then be read as the next response: that is refused,
// or at least the connection not used again. A length of zero is only dropped.
func (r *Response) bodyless() *Error {
	if r.head.chunked || r.head.length > 0 && r.Status < 200 {
		return ErrBodyForbidden
	}
	if r.head.length > 0 {
		r.KeepAlive = false
	}
	r.dropContentLength()
	return nil
}

func (r *Response) dropContentLength() {
	if r.head.length >= 0 {
		r.DelID(header.ContentLength)
		r.ContentLength = -1
	}
}

// Rebase tells that the bytes which were parsed now start at b[0], and makes all slices of the response alias those.
func (r *Response) Rebase(b []byte) {
	r.Fields.Rebase(b)
	r.Reason = cut(b, r.reason)
}

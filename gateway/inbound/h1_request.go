package inbound

import (
	"errors"
	"os"

	"github.com/ringway/ringway/errs"
	"github.com/ringway/ringway/gateway/exchange"
	"github.com/ringway/ringway/gateway/http1io"
	"github.com/ringway/ringway/loop"
	"github.com/ringway/ringway/proto/http1"
)

// h1Request is a request of HTTP/1.1 or 1.0; a handler keeps a few for reuse.
type h1Request struct {
	request
	s    *session
	in   http1.Request
	head http1io.Head
	body http1io.Body
	out  http1io.Out
}

func (h *Handler) take(s *session) *h1Request {
	if n := len(h.free) - 1; n >= 0 {
		r := h.free[n]
		h.free = h.free[:n]
		r.s = s
		return r
	}
	return &h1Request{s: s}
}

func (h *Handler) put(r *h1Request) {
	if r.Response.Owner != nil || r.Response.Body != nil { // a filter panicked
		r.DropResponse()
	}
	r.out.Drop()
	r.head.Free()
	r.body.Close()
	r.clear()
	r.s, r.out = nil, http1io.Out{}
	if len(h.free) < maxFree {
		h.free = append(h.free, r)
	}
}

// serve reads one request and answers it; false says that the connection is to be closed.
func (s *session) serve(t *loop.Task) (keep bool) {
	r := s.h.take(s)
	returned := false
	defer func() {
		if !returned && r.panicked(r.out.Begun()) { // the loop says so
			r.sent = r.out.Sent
			s.h.Counters.BytesOut += uint64(r.sent)
			r.recordAll()
		}
		s.h.put(r)
	}()
	keep = r.serve(t)
	returned = true
	return keep
}

func (r *h1Request) serve(t *loop.Task) bool {
	s := r.s
	r.begun(s.h, t)
	r.in.Reset()
	s.c.SetReadTimeout(r.terms.times.head)
	got, err := r.read()
	if s.h2 != nil {
		return true
	}
	s.c.SetReadTimeout(0)
	if err != nil {
		return r.refuse(got, err)
	}
	s.requests++
	if settings, ok := r.offersH2(); ok {
		return r.upgrade(t, settings)
	}
	r.begin()
	err = r.handle()
	if err != nil && !gone(err) {
		t.ClearCause() // what ended the exchange is answered
	}
	if err == nil && r.Response.Status == exchange.StatusTunnel {
		r.tunnel()
		return false
	}
	keep := r.respond(err)
	r.DropResponse()
	keep = keep && r.finishBody()
	r.recordAll()
	return keep
}

// read reads the request's head.
func (r *h1Request) read() (got bool, err error) {
	if r.s.unclear {
		return r.readUnclear()
	}
	return r.head.Read(r.s.c, &r.in, &r.terms.http1)
}

// begin makes the exchange of what was read.
func (r *h1Request) begin() {
	in := &r.in
	r.Request = exchange.Request{
		Method: in.Method, MethodToken: in.MethodToken, Authority: in.Authority,
		Path: in.Path, Query: in.Query, HasQuery: in.HasQuery, Fields: &in.Fields, Protocol: "HTTP/1.1",
	}
	if in.Minor == 0 {
		r.Request.Protocol = "HTTP/1.0"
	}
	r.body.Start(r.s.c, in.Framing, in.ContentLength, http1io.Limits{HTTP1: &r.terms.http1, Size: r.terms.bodyMax, Timeout: r.terms.times.read})
	switch in.Framing {
	case http1.Length:
		r.Request.Body, r.Request.ContentLength = &r.body, in.ContentLength
	case http1.Chunked:
		r.Request.Body, r.Request.ContentLength = &r.body, -1
	case http1.NoBody: // with a body, the upgrade would begin behind it: the server may ignore it
		if in.Upgrade {
			r.Request.Tunnel = &r.body
		}
	}
	r.enter(r, r.s)
}

// RequestRead watches the client from here on.
func (r *h1Request) RequestRead() {
	s := r.s
	s.watching = true
	s.c.Watch(s)
	if s.c.Err() != nil {
		s.Readable(s.under)
		return
	}
	if !r.in.KeepAlive {
		s.c.SetReadTimeout(watchLate)
		return
	}
	s.c.SetReadTimeout(0)
	s.c.Multishot(true)
	s.c.Arm()
}

// drainBytes is how much of an unread request body is read and thrown away to keep the connection.
const drainBytes = 64 << 10

// finishBody makes sure that the request was read whole, so that the next one can be.
func (r *h1Request) finishBody() bool {
	if r.body.Complete() {
		return true
	}
	r.body.Close()
	if r.body.Complete() {
		return true
	}
	r.s.linger = true
	return !r.in.ExpectContinue && r.body.Err() == nil && r.body.Drain(drainBytes) && r.body.Complete()
}

// refuse answers a request whose head could not be read.
func (r *h1Request) refuse(got bool, err error) bool {
	var bad *http1.Error
	switch {
	case r.Task.Cause() != nil || !got:
		return false
	case errors.As(err, &bad):
		err = errs.From(codeOf(bad), err, "read request").Public(bad.Msg)
	case errors.Is(err, os.ErrDeadlineExceeded):
		err = errs.From(errs.RequestTimeout, err, "read request")
	case errors.Is(err, http1io.ErrNoBlocks):
		err = errs.From(errs.Overloaded, err, "read request")
	case err == errPlainHTTP:
	default:
		return false // the client went away in the middle of it
	}
	r.ID = r.s.h.IDs.Take()
	r.Peer = r.s.remote()
	r.Request.Protocol = "HTTP/1.1"
	r.in.Fields.Reset(nil) // they may lie in the connection's buffer, which can go before they are logged
	r.body.Start(r.s.c, http1.NoBody, 0, http1io.Limits{})
	r.s.linger = true
	r.in.KeepAlive = false
	r.respond(err)
	r.DropResponse()
	r.recordAll()
	return false
}

// codeOf gives the public code of a parser's error.
func codeOf(e *http1.Error) errs.Code {
	switch e.Status {
	case 413:
		return errs.PayloadTooLarge
	case 414:
		return errs.URITooLong
	case 417:
		return errs.ExpectationFailed
	case 431:
		return errs.FieldsTooLarge
	case 501:
		return errs.NotImplemented
	case 505:
		return errs.VersionNotSupported
	}
	return errs.BadRequest
}

// recordAll counts the exchange and logs it.
func (r *h1Request) recordAll() {
	in := r.received()
	r.h.Counters.BytesIn += uint64(in.head + in.body)
	r.record(in)
}

package inbound

import (
	"errors"
	"os"
	"time"

	"github.com/ringway/ringway/errs"
	"github.com/ringway/ringway/gateway/exchange"
	"github.com/ringway/ringway/gateway/http1io"
	"github.com/ringway/ringway/gateway/route"
	"github.com/ringway/ringway/loop"
	"github.com/ringway/ringway/observe/accesslog"
	"github.com/ringway/ringway/proto/header"
	"github.com/ringway/ringway/proto/http1"
)

// request is the state of one request; a handler keeps a few for reuse.
type request struct {
	exchange.Exchange
	s      *session
	terms  *Terms // those that were in force when it began
	in     http1.Request
	head   http1io.Head
	body   http1io.Body
	out    http1io.Out
	sent   int64 // bytes of the response's body
	status int   // of the response that was handed over
	err    error // what the response was about, for the log
	note   []byte
	allow  []byte // methods that the route's resource has, for 405
}

func (h *Handler) take(s *session) *request {
	if n := len(h.free) - 1; n >= 0 {
		r := h.free[n]
		h.free = h.free[:n]
		r.s = s
		return r
	}
	return &request{s: s}
}

// maxFree is how many requests are kept for reuse; each is about 2 KiB.
const maxFree = 1024

func (h *Handler) put(r *request) {
	if r.Response.Owner != nil || r.Response.Body != nil { // a filter panicked
		r.DropResponse()
	}
	r.out.Drop()
	r.head.Free()
	r.body.Close()
	r.Exchange.Reset()
	r.s, r.terms, r.err, r.out = nil, nil, nil, http1io.Out{}
	if len(h.free) < maxFree {
		h.free = append(h.free, r)
	}
}

// serve reads one request and answers it; false says that the connection is to be closed.
func (s *session) serve(t *loop.Task) bool {
	h := s.h
	r := h.take(s)
	defer h.put(r)
	r.begun(t)
	r.in.Reset()
	s.c.SetReadTimeout(r.terms.times.head)
	got, err := r.head.Read(s.c, &r.in, &r.terms.http1)
	s.c.SetReadTimeout(0)
	if err != nil {
		return r.refuse(got, err)
	}
	s.requests++
	r.begin()
	err = r.handle()
	if err == nil && (r.Response.Status < 200 || r.Response.Status > 999) {
		err = errs.New(errs.Internal, "the route's filters left no final response")
	}
	if err != nil && !gone(err) {
		t.ClearCause() // what ended the exchange is answered
	}
	keep := r.respond(err)
	r.DropResponse()
	keep = keep && r.finishBody()
	r.record()
	return keep
}

// begun notes that a request begins, and by which terms it goes.
func (r *request) begun(t *loop.Task) {
	h := r.s.h
	r.sent, r.status = 0, 0
	r.terms = h.terms
	r.Task, r.Net, r.Start, r.Listener = t, h.n, h.n.Loop.Now(), h.Name
}

// begin makes the exchange of what was read.
func (r *request) begin() {
	in, h := &r.in, r.s.h
	r.ID = h.IDs.Take()
	r.Client = r
	if r.s.peer == nil {
		r.s.peer = peerText(r.s.peerBuf[:0], r.s.remote())
	}
	r.Peer = r.s.remote()
	r.Request = exchange.Request{
		Method: in.Method, MethodToken: in.MethodToken, Scheme: "http", Authority: in.Authority,
		Path: in.Path, Query: in.Query, HasQuery: in.HasQuery, Fields: &in.Fields, Protocol: "HTTP/1.1",
	}
	if r.s.info != nil {
		r.Request.Scheme, r.TLS = "https", r.s.info
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
	}
	r.terms.forward.apply(&r.Exchange, r.s.peer)
}

// handle routes the exchange and passes it through the route's filters to the upstream.
func (r *request) handle() error {
	h := r.s.h
	if r.in.Method == http1.CONNECT {
		return errs.New(errs.NotImplemented, "CONNECT").Public("this gateway opens no tunnels for CONNECT")
	}
	if r.terms.bodyMax > 0 && r.in.ContentLength > r.terms.bodyMax {
		return errs.New(errs.PayloadTooLarge, "request body announced as larger than the limit")
	}
	rule, how := h.matcher.Match(r.terms.Table, r.in.Authority, r.in.Path, r.in.MethodToken)
	switch how {
	case route.NotFound:
		return errs.New(errs.NoRoute, "no route for this host and path")
	case route.WrongMethod:
		r.allow = append(r.allow[:0], h.matcher.Allowed()...)
		return errs.New(errs.MethodNotAllowed, "no route for this method")
	case route.BadPath:
		return errs.New(errs.BadRequest, "route request").Public("the path leads above the root")
	}
	target := &r.terms.Targets[rule.Index]
	r.Route = target.Name
	return target.Chain.Handle(&r.Exchange)
}

// RequestRead watches the client from here on.
func (r *request) RequestRead() {
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
func (r *request) finishBody() bool {
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
func (r *request) refuse(got bool, err error) bool {
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
	r.record()
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

// record counts the exchange and logs it.
func (r *request) record() {
	h := r.s.h
	now := h.n.Loop.Now()
	h.Counters.BytesIn += uint64(r.in.HeadLen) + uint64(r.body.Read())
	h.Counters.Duration.Observe(now - r.Start)
	if h.access.Enabled() {
		r.log(now)
	}
}

func (r *request) log(now int64) {
	h := r.s.h
	rec := accesslog.Record{
		Time: time.Now().UnixNano() - (now - r.Start), Duration: now - r.Start, Client: r.Peer,
		Method: r.in.MethodToken, Host: r.in.Authority, Path: r.in.Target, Protocol: r.Request.Protocol,
		Listener: h.Name, Route: r.Route, Cluster: r.Cluster, Upstream: r.Endpoint,
		Status: uint16(r.status), Retries: uint16(r.Retries), BytesIn: uint64(r.body.Read()), BytesOut: uint64(r.sent),
	}
	if r.HeadAt > 0 {
		rec.UpstreamDuration = r.HeadAt - r.SentAt
	}
	if r.err != nil {
		rec.Code = errs.CodeOf(r.err)
	}
	rec.Referer, _ = r.in.Get(header.Referer)
	rec.UserAgent, _ = r.in.Get(header.UserAgent)
	r.note = r.AppendID(r.note[:0])
	rec.RequestID = r.note
	h.access.Push(&rec)
}

package inbound

import (
	"context"
	"log/slog"
	"time"

	"github.com/ringway/ringway/errs"
	"github.com/ringway/ringway/gateway/exchange"
	"github.com/ringway/ringway/gateway/grpc"
	"github.com/ringway/ringway/gateway/route"
	"github.com/ringway/ringway/loop"
	"github.com/ringway/ringway/observe/accesslog"
	"github.com/ringway/ringway/proto/header"
	"github.com/ringway/ringway/proto/http1"
)

// request is one request on its way through the gateway, whatever version of HTTP its client speaks: routing, filters, what is
// told of it. A version's own request embeds it and adds how it is read and how the response is written.
type request struct {
	exchange.Exchange
	h      *Handler
	terms  *Terms // those that were in force when it began
	sent   int64  // bytes of the response's body
	status int    // of the response that was handed over
	err    error  // what the response was about, for the log
	note   []byte
	allow  []byte // methods that the route's resource has, for 405
	opens  bool   // it is an extended CONNECT: to its client any 2xx says that the tunnel is open

	recorded bool // it is counted and logged
}

// maxFree is how many requests of each version are kept for reuse; each is about 2 KiB.
const maxFree = 1024

// begun notes that a request begins, and by which terms it goes.
func (r *request) begun(h *Handler, t *loop.Task) {
	r.sent, r.status, r.recorded = 0, 0, false
	r.h, r.terms = h, h.terms
	r.Task, r.Net, r.Start, r.Listener = t, h.n, h.n.Loop.Now(), h.Name
}

// enter notes whose the request is, once it has been read: r.Request is set. Upstreams are told of the client from here on.
func (r *request) enter(c exchange.Client, s *session) {
	r.ID = r.h.IDs.Take()
	r.Client = c
	if s.peer == nil {
		s.peer = peerText(s.peerBuf[:0], s.remote())
	}
	r.Peer = s.remote()
	r.Request.Scheme = "http"
	if s.info != nil {
		r.Request.Scheme, r.TLS = "https", s.info
	}
	r.terms.forward.apply(&r.Exchange, s.peer)
}

// clear lets go of everything, so that the request can be used for another one.
func (r *request) clear() {
	if r.Response.Owner != nil || r.Response.Body != nil { // a filter panicked
		r.DropResponse()
	}
	r.Exchange.Reset()
	r.h, r.terms, r.err, r.opens = nil, nil, nil, false
}

// handle routes the exchange and passes it through the route's filters to the upstream.
func (r *request) handle() error {
	h, q := r.h, &r.Request
	if q.Method == http1.CONNECT {
		return errs.New(errs.NotImplemented, "CONNECT").Public("this gateway opens no tunnels for CONNECT")
	}
	if r.terms.bodyMax > 0 && q.ContentLength > r.terms.bodyMax {
		return errs.New(errs.PayloadTooLarge, "request body announced as larger than the limit")
	}
	if r.asksForProof() && r.prove() {
		return nil
	}
	rule, how := h.matcher.Match(r.terms.Table, q.Authority, q.Path, q.MethodToken)
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
	if err := r.offer(target); err != nil {
		return err
	}
	if err := target.Chain.Handle(&r.Exchange); err != nil {
		return err
	}
	if (r.Response.Status < 200 || r.Response.Status > 999 || r.Response.Fields == nil) && !r.tunnelled() {
		return errs.New(errs.Internal, "the route's filters left no final response")
	}
	return nil
}

// fail makes the response a problem document (RFC 9457), or a status where the request is of gRPC, and tells the log of what concerns the operator. A client that is gone
// gets none.
func (r *request) fail(err error) errs.Code {
	r.err = err
	h := r.h
	code := errs.CodeOf(err)
	if gone(err) {
		r.status = code.Status()
		h.Counters.CountStatus(code.Status())
		return code
	}
	r.note = r.AppendID(r.note[:0])
	id := string(r.note)
	theirs := code.Source() == errs.SourceClient || code == errs.NoRoute || code == errs.MethodNotAllowed // anyone can cause these
	if !theirs && h.Log.Enabled(context.Background(), slog.LevelWarn) {
		h.Log.Warn("request failed", "request_id", id, "listener", h.Name, "route", r.Route, "cluster", r.Cluster, "err", err)
	}
	if r.Request.Fields != nil && !r.opens && grpc.Speaks(r.Request.Fields) {
		grpc.Fail(&r.Exchange, err)
		return code
	}
	f := r.Respond(code.Status(), errs.AppendProblem(nil, err, id))
	f.AddID(header.ContentType, []byte(errs.ProblemType))
	if code == errs.MethodNotAllowed && len(r.allow) > 0 {
		f.AddID(header.Allow, r.allow) // RFC 9110 §15.5.6
	}
	return code
}

// broken notes a response that could not be sent whole, which the client has to see. source is what broke its body off, nil if
// the client takes no more.
func (r *request) broken(err, source error) {
	h := r.h
	switch cause := r.Task.Cause(); {
	case cause != nil:
		r.err = errs.From(errs.CodeOf(cause), err, "send response")
	case errs.SourceOf(source) == errs.SourceClient: // its request could not be read
		r.err = errs.From(errs.CodeOf(source), source, "send response")
	case source != nil:
		r.err = errs.From(errs.UpstreamBodyIncomplete, source, "send response")
		h.Log.Warn("response cut short", "listener", h.Name, "route", r.Route, "cluster", r.Cluster, "err", r.err)
	default:
		r.err = errs.From(errs.ClientClosed, err, "send response")
	}
}

// bodyless reports whether a response has no body whatever its fields say (RFC 9112 §6.3).
func bodyless(m http1.Method, status int) bool {
	return m == http1.HEAD || status == 204 || status == 304
}

// received is what came of a request, for the counters and the log.
type received struct {
	method, host, target []byte
	fields               *header.Fields
	head, body           int64 // bytes
}

// record counts the exchange and logs it.
func (r *request) record(in received) {
	h := r.h
	r.recorded = true
	now := h.n.Loop.Now()
	h.Counters.Duration.Observe(now - r.Start)
	if h.access.Enabled() {
		r.log(now, in)
	}
}

// panicked reports whether an exchange whose handling panicked has yet to be recorded, and as what: its client sees it break off. begun: a
// response was on its way.
func (r *request) panicked(begun bool) bool {
	if r.Client == nil || r.recorded {
		return false
	}
	r.err = errs.New(errs.Internal, "the request's handling panicked")
	if !begun && r.status != exchange.StatusTunnel {
		r.status = errs.Internal.Status()
		r.h.Counters.CountStatus(r.status)
	}
	return true
}

func (r *request) log(now int64, in received) {
	rec := r.entry(now, in)
	r.h.access.Push(&rec)
}

// entry is what the log says. Its texts are the request's.
func (r *request) entry(now int64, in received) accesslog.Record {
	rec := accesslog.Record{
		Time: time.Now().UnixNano() - (now - r.Start), Duration: now - r.Start, Client: r.Peer,
		Method: in.method, Host: in.host, Path: in.target, Protocol: r.Request.Protocol,
		Listener: r.Listener, Route: r.Route, Cluster: r.Cluster, Upstream: r.Endpoint,
		Status: uint16(r.status), Retries: uint16(r.Retries), BytesIn: uint64(in.body), BytesOut: uint64(r.sent),
	}
	if r.TLS != nil {
		rec.TLS = r.TLS.VersionName()
		if r.TLS.Client != nil {
			rec.Subject = r.TLS.Client.Subject
		}
	}
	if r.HeadAt > 0 {
		rec.UpstreamDuration = r.HeadAt - r.SentAt
	}
	if r.err != nil {
		rec.Code = errs.CodeOf(r.err)
	}
	rec.Referer, _ = in.fields.Get(header.Referer)
	rec.UserAgent, _ = in.fields.Get(header.UserAgent)
	r.note = r.AppendID(r.note[:0])
	rec.RequestID = r.note
	return rec
}

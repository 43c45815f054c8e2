package inbound

import (
	"errors"
	"strconv"
	"time"

	"github.com/ringway/ringway/errs"
	"github.com/ringway/ringway/gateway/exchange"
	"github.com/ringway/ringway/gateway/grpc"
	"github.com/ringway/ringway/gateway/http1io"
	"github.com/ringway/ringway/loop"
	"github.com/ringway/ringway/proto/header"
	"github.com/ringway/ringway/proto/http1"
	"github.com/ringway/ringway/proto/http2"
)

// h2Request is a request of HTTP/2 and its stream; it is a task. A handler keeps a few for reuse.
type h2Request struct {
	request
	c      *h2Conn
	stream *http2.Stream
	run    loop.Handle
	index  int // in c.requests
	body   h2Body
	in     received
	method http1.Method // as it came
	target []byte       // :path as it came, for the log
	tooBig bool         // the fields were more than the limits allow

	out       []byte // of the response's body, waiting for its turn
	last      bool   // nothing follows it
	pieces    h2Pieces
	responded bool // the response's head has been sent
}

func (h *Handler) takeH2(c *h2Conn, s *http2.Stream) *h2Request {
	var r *h2Request
	if n := len(h.freeH2) - 1; n >= 0 {
		r = h.freeH2[n]
		h.freeH2 = h.freeH2[:n]
	} else {
		r = new(h2Request)
	}
	r.c, r.stream, r.index = c, s, len(c.requests)
	s.Owner = r
	c.requests = append(c.requests, r)
	h.Counters.HTTP2.Streams++
	h.Counters.HTTP2.StreamsEver++
	return r
}

// begin starts the task of a request whose head has come.
func (c *h2Conn) begin(ev *http2.Event) {
	h, m := c.s.h, ev.Message
	r := h.takeH2(c, ev.Stream)
	r.tooBig = m.TooLarge
	r.Request = exchange.Request{Method: m.Method, MethodToken: m.MethodToken, Authority: m.Authority,
		Path: m.Path, Query: m.Query, HasQuery: m.HasQuery, Fields: &m.Fields, Protocol: protocolHTTP2}
	r.in.method = m.MethodToken
	r.body.start(r, ev.EndStream, h.terms)
	switch {
	case m.Method == http1.CONNECT && m.Protocol != nil: // RFC 8441
		q := &r.Request
		q.Method, q.MethodToken, q.Upgrade, q.Tunnel = http1.GET, methodGET, m.Protocol, &r.body
		r.body.unbounded()
		r.opens = true
	case !ev.EndStream:
		r.Request.Body, r.Request.ContentLength = &r.body, m.ContentLength
	case m.ContentLength < 0 && wantsLength(m.Method):
		m.AddID(header.ContentLength, zeroLength) // RFC 9110 §8.6: servers of HTTP/1.1 may ask for it
	}
	r.run = h.n.Loop.Spawn("http2", r)
	c.s.requests++
	if most := h.terms.maxReqs; most > 0 && c.s.requests == most || c.life.awaits {
		c.drain()
	}
}

const protocolHTTP2 = "HTTP/2.0"

var methodGET = []byte("GET")

var zeroLength = []byte("0")

// wantsLength reports whether a method means something by a body, so that its absence is said.
func wantsLength(m http1.Method) bool { return m == http1.POST || m == http1.PUT || m == http1.PATCH }

// Run is the life of a request, as a task.
func (r *h2Request) Run(t *loop.Task) {
	defer r.end()
	c := r.c
	r.begun(c.s.h, t)
	r.method = r.Request.Method
	r.in.host, r.in.fields = r.Request.Authority, r.Request.Fields
	if r.h.access.Enabled() {
		r.target = appendTarget(r.target[:0], &r.Request)
		r.in.target = r.target
	}
	r.enter(r, c.s)
	var err error
	switch {
	case t.Cause() != nil: // it was given up before it began
		err = t.Cause()
	case r.tooBig:
		err = errs.New(errs.FieldsTooLarge, "read request")
	default:
		err = r.handle()
	}
	if err != nil && !gone(err) {
		if lost := c.lost(); lost != nil {
			err = lost // the task may not have been told: a second cancel has no effect
		} else {
			t.ClearCause() // what ended the exchange is answered
		}
	}
	if err == nil && r.Response.Status == exchange.StatusTunnel {
		r.tunnel()
		return
	}
	r.respond(err)
	r.DropResponse()
	r.in.body = r.body.read
	r.record(r.in)
}

// appendTarget appends the request's target as its client wrote it.
func appendTarget(dst []byte, q *exchange.Request) []byte {
	dst = append(dst, q.Path...)
	if q.HasQuery {
		dst = append(append(dst, '?'), q.Query...)
	}
	return dst
}

// end gives the request back, also when its handling panicked: then the client sees the stream break off.
func (r *h2Request) end() {
	c := r.c
	h := c.s.h
	v := recover()
	if v != nil {
		if r.panicked(r.responded) {
			r.in.body = r.body.read
			r.record(r.in)
		}
		c.countReset(r.stream)
		c.hc.Reset(r.stream, http2.InternalError)
	}
	r.clear()
	r.pieces.drop()
	r.body.Close()
	c.countReset(r.stream)
	c.hc.Release(r.stream)
	h.Counters.HTTP2.Streams--
	c.remove(r)
	r.c, r.stream, r.out, r.responded, r.tooBig, r.in, r.body.r = nil, nil, nil, false, false, received{}, nil
	if len(h.freeH2) < maxFree {
		h.freeH2 = append(h.freeH2, r)
	}
	if c.life.restSince = h.n.Loop.Now(); c.gone {
		c.finish()
	} else {
		c.proceed()
	}
	if v != nil {
		panic(v)
	}
}

// remove takes r out of the list of those that go on.
func (c *h2Conn) remove(r *h2Request) {
	last := len(c.requests) - 1
	c.requests[r.index] = c.requests[last]
	c.requests[r.index].index = r.index
	c.requests[last] = nil
	c.requests = c.requests[:last]
}

// cancel ends the request early, from outside its task.
func (r *h2Request) cancel(cause error) {
	r.body.fail(cause)
	r.c.s.h.n.Loop.Cancel(r.run, cause)
}

// RequestRead has nothing to do: the client is heard in any case.
func (r *h2Request) RequestRead() {}

// Informational sends an interim response, if there is room: it may be left out.
func (r *h2Request) Informational(status int, fields *header.Fields) error {
	c := r.c
	if r.responded || status == 101 || c.hc.Backlog() >= h2Full {
		return nil
	}
	err := c.hc.AppendResponse(r.stream, status, fields, false)
	if err == nil {
		c.proceed()
	} else if err == http2.ErrHeaderListTooLarge {
		err = nil
	}
	return err
}

// respond sends the response, or the problem that err is.
func (r *h2Request) respond(err error) {
	if err == nil && r.opens && r.Response.Status/100 == 2 {
		err = r.unopened()
	}
	if err != nil {
		if r.fail(err); gone(err) {
			r.reset(http2.Cancel)
			return
		}
	}
	sendErr := r.send()
	if sendErr == http2.ErrHeaderListTooLarge {
		r.fail(errs.From(errs.UpstreamResponseTooLarge, sendErr, "send response"))
		sendErr = r.send()
	}
	r.h.Counters.BytesOut += uint64(r.sent)
	if sendErr == nil {
		return
	}
	var source *http1io.SourceError
	if errors.As(sendErr, &source) {
		r.broken(sendErr, source.Err)
		code := http2.InternalError
		var cut *grpc.CutError
		if errors.As(source.Err, &cut) {
			code = cut.Code
		}
		r.reset(code)
		return
	}
	r.broken(sendErr, nil)
	r.reset(unsent(sendErr))
}

// unsent is what the client is told that gets no response, since sending it has failed with err.
func unsent(err error) http2.ErrCode {
	if err == http2.ErrHeaderListTooLarge { // it takes so little that not even the problem fits
		return http2.InternalError
	}
	return http2.Cancel // it has gone, or given the stream up
}

// reset gives the stream up, if it goes on. The client must not take what it got for the whole.
func (r *h2Request) reset(code http2.ErrCode) {
	r.c.countReset(r.stream)
	r.c.hc.Reset(r.stream, code)
}

// countReset counts a stream that is given up now, if somebody hears of that.
func (c *h2Conn) countReset(s *http2.Stream) {
	if s.State() != http2.Closed && c.hc.Err() == nil && !c.s.c.Closed() {
		c.s.h.Counters.HTTP2.ResetsGateway++
	}
}

// send sends the response's head, and then its body.
func (r *h2Request) send() error {
	resp, c := &r.Response, r.c
	r.status = resp.Status
	body := resp.Body
	if bodyless(r.method, resp.Status) {
		body = nil
	}
	r.complete(body)
	if err := r.room(); err != nil {
		return err
	}
	if v, ok := resp.Fields.Get(header.Priority); ok { // RFC 9218 §8
		if p, ok := http2.ParsePriority9218(v); ok {
			c.hc.SetPriority(r.stream, p)
		}
	}
	if err := c.hc.AppendResponse(r.stream, resp.Status, resp.Fields, body == nil); err != nil {
		return err
	}
	r.responded = true
	r.h.Counters.CountStatus(resp.Status)
	c.proceed()
	if body == nil {
		return nil
	}
	if r.Deadline == 0 {
		return r.sendBody(body)
	}
	left := time.Duration(r.Deadline-r.h.n.Loop.Now()) + tellLate
	return loop.Timeout(r.Task, left, func() error { return r.sendBody(body) })
}

// tellLate is how long behind the exchange's deadline its response may still be sent: the body itself says that it has passed, which a client
// that reads is to be told.
const tellLate = 100 * time.Millisecond

// complete adds to the response's fields what is the gateway's to say.
func (r *h2Request) complete(body exchange.Body) {
	resp, f := &r.Response, r.Response.Fields
	switch n := f.Count(header.ContentLength); {
	case n > 0 && body != nil && resp.ContentLength < 0:
		f.DelID(header.ContentLength) // a filter changed the body
	case n > 0 || resp.ContentLength < 0 || resp.Status == 204 || resp.Status == 304:
	case body == nil && r.method == http1.HEAD && resp.ContentLength == 0: // the length that GET would have is not known here
	default:
		r.note = strconv.AppendInt(r.note[:0], resp.ContentLength, 10)
		f.AddID(header.ContentLength, r.note)
	}
	if r.terms.hsts != nil && r.c.s.info != nil && f.Count(header.StrictTransportSecurity) == 0 {
		f.AddID(header.StrictTransportSecurity, r.terms.hsts)
	}
	if f.Count(header.Date) == 0 {
		f.AddID(header.Date, r.h.date.value(r.h.n.Loop.Now()))
	}
}

// room waits until the buffer has some. A client that does not read what it is answered cannot have more answered than this and
// one head for each of its requests.
func (r *h2Request) room() error {
	c := r.c
	for c.hc.Backlog() >= h2Full {
		c.crowd = append(c.crowd, r)
		c.proceed()
		err := r.Task.Park(r)
		c.leaveCrowd(r)
		if err != nil {
			return err
		}
	}
	return nil
}

// leaveCrowd takes a request that waits no more out of those that do.
func (c *h2Conn) leaveCrowd(r *h2Request) {
	rest := c.crowd[:0]
	for _, o := range c.crowd {
		if o != r {
			rest = append(rest, o)
		}
	}
	clear(c.crowd[len(rest):])
	c.crowd = rest
}

// CancelWait ends a wait for the buffer or a window.
func (r *h2Request) CancelWait(t *loop.Task) { t.Loop().Ready(t) }

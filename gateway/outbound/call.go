package outbound

import (
	"errors"
	"io"
	"os"

	"github.com/ringway/ringway/errs"
	"github.com/ringway/ringway/gateway/exchange"
	"github.com/ringway/ringway/gateway/grpc"
	"github.com/ringway/ringway/gateway/http1io"
	"github.com/ringway/ringway/gateway/upstream"
	"github.com/ringway/ringway/gateway/upstream/h2"
	"github.com/ringway/ringway/proto/header"
	"github.com/ringway/ringway/proto/http1"
	"github.com/ringway/ringway/proto/http2"
	"github.com/ringway/ringway/sys"
)

// call is one request and its response on a stream of an HTTP/2 connection. A handler keeps some for reuse.
type call struct {
	h        *Handler
	x        *exchange.Exchange
	m        *upstream.Multi
	s        *h2.Stream
	set      *upstream.Settings // those that it began with
	head     http2.RequestHead
	upload   upload
	graceful graceful
	open     bool
	wait     bool // for the response's head
	keeps    bool // the body is to be sent once more
	tunnel   bool // the server has accepted one
}

// maxCalls is how many are kept for reuse.
const maxCalls = 256

func (h *Handler) takeCall() *call {
	if n := len(h.calls) - 1; n >= 0 {
		c := h.calls[n]
		h.calls = h.calls[:n]
		return c
	}
	c := &call{h: h}
	c.upload.call = c
	return c
}

// call sends the request over a stream of m, which has room for it, and reads the response's head. On failure the stream is gone.
func (h *Handler) call(x *exchange.Exchange, m *upstream.Multi, again bool) error {
	c := h.takeCall()
	c.x, c.m, c.set, c.open = x, m, m.Endpoint.Cluster().Settings, true
	returned := false
	defer func() {
		if !returned { // a filter's body panicked
			c.close()
		}
	}()
	counters := &m.Endpoint.Counters
	counters.Requests++
	if again {
		counters.Retries++
	}
	err := c.roundTrip()
	returned = true
	if err == nil {
		return nil
	}
	if x.Task.Cause() != nil {
		c.close()
		return x.Task.Cause()
	}
	return c.failed(err)
}

// failed ends a call without a response, and says whether it may be tried again.
func (c *call) failed(err error) error {
	x, m, counters := c.x, c.m, &c.m.Endpoint.Counters
	if errors.Is(err, os.ErrDeadlineExceeded) && c.s != nil {
		c.s.Doubt()
	}
	whole := c.upload.rewind()
	reused := m.Reused()
	refused := errors.Is(err, h2.ErrRefused)
	c.keeps = refused && whole
	c.close()
	err = classifyCall(err, m.Endpoint.Name)
	counters.CountError(err)
	if refused {
		counters.Refused++
		if whole {
			return refusedError{staleError{err}}
		}
		return err
	}
	if reused && m.Err() != nil && x.Request.Method.Idempotent() && x.Request.Body == nil && closedByPeer(err) {
		return staleError{err}
	}
	return err
}

// roundTrip leaves the response in the exchange.
func (c *call) roundTrip() error {
	if err := c.send(); err != nil {
		return err
	}
	x := c.x
	l := x.Net.Loop
	x.SentAt = l.Now()
	c.wait = true
	if !c.upload.running { // otherwise the time starts with the body's end
		c.s.Due(c.set.ResponseHead)
	}
	for c.s.Message() == nil {
		if err := c.s.Await(); err != nil {
			return c.why(err)
		}
		if err := c.interims(); err != nil {
			return err
		}
	}
	c.wait = false
	m := c.s.Message()
	if m.TooLarge {
		return http1.ErrHeadTooLarge
	}
	x.HeadAt = l.Now()
	c.m.Endpoint.Counters.ResponseHead.Observe(x.HeadAt - x.SentAt)
	if x.Request.Upgrade != nil && m.Status < 300 {
		c.accepted(m)
		return nil
	}
	c.upload.forget()
	c.s.SetPatience(c.set.Read)
	c.s.SetDeadline(x.Deadline)
	x.Response = exchange.Response{Status: m.Status, Fields: &m.Fields, Owner: c}
	if !c.bodyless(m) {
		x.Response.Body, x.Response.ContentLength = c.s, m.ContentLength
		isGRPC := grpc.Is(&m.Fields)
		if isGRPC {
			c.graceful.start(c)
			x.Response.Body = &c.graceful
		}
		if isGRPC || m.Count(header.Trailer) > 0 { // HTTP/1.1 has trailers behind bodies only whose length it does not tell
			x.Response.ContentLength = -1
		}
	}
	return nil
}

// bodyless reports whether the response has no body.
func (c *call) bodyless(m *http2.Message) bool {
	return c.x.Request.Method == http1.HEAD || m.Status == 204 || m.Status == 304 || c.s.Empty()
}

// why is what ended the wait for the response: what the sending of the body has found, if that was it.
func (c *call) why(err error) error {
	var source *http1io.SourceError
	if c.x.Task.Cause() == nil && errors.As(c.upload.err, &source) {
		return c.upload.err
	}
	return err
}

// interims pass interim responses on.
func (c *call) interims() error {
	for {
		i, ok := c.s.TakeInterim()
		if !ok {
			return nil
		}
		if err := c.x.Client.Informational(i.Status, i.Fields); err != nil {
			return errs.From(errs.ClientClosed, err, "send interim response")
		}
	}
}

// send sends the head, and of the body what is there; the rest follows in a task of its own.
func (c *call) send() error {
	x := c.x
	r := &x.Request
	f := r.Fields
	if r.Body != nil && r.ContentLength < 0 && f.Count(header.ContentLength) > 0 {
		f.DelID(header.ContentLength) // a filter changed the body
	}
	c.head = http2.RequestHead{Method: r.MethodToken, Scheme: "http", Path: r.Path, Query: r.Query, HasQuery: r.HasQuery}
	if c.m.Endpoint.Secure() {
		c.head.Scheme = "https"
	}
	var named bool
	if c.head.Authority, named = f.Get(header.Host); !named {
		c.head.Authority = []byte(c.m.Endpoint.Host())
	}
	f.AddID(header.Via, viaValue(r.Protocol))
	via := f.Len() - 1
	var s *h2.Stream
	var err error
	if r.Upgrade != nil {
		s, err = c.openTunnel(f)
	} else {
		s, err = c.m.Open(&c.head, f, r.Body == nil)
	}
	f.Field(via).Flags |= header.Removed // a further try adds it anew
	if err != nil {
		return err
	}
	c.s = s
	s.Serves(x.Task.Handle())
	if r.Body == nil {
		return nil // of a tunnel it is nil, too, until the server has accepted it
	}
	return c.upload.start()
}

// due starts the time for the response's head.
func (c *call) due() {
	if c.wait {
		c.s.Due(c.set.ResponseHead)
	}
}

// Close ends the exchange on its stream.
func (c *call) Close() {
	if c.open {
		c.close()
	}
}

func (c *call) close() {
	c.open, c.wait = false, false
	c.upload.stop(c.x)
	if c.tunnel {
		c.endTunnel()
	}
	if c.s != nil {
		c.m.Close(c.s)
	}
	h := c.h
	if !c.keeps {
		h.endReplay(c.x)
	}
	c.keeps = false
	c.x, c.m, c.s, c.set, c.head = nil, nil, nil, nil, http2.RequestHead{}
	if len(h.calls) < maxCalls {
		h.calls = append(h.calls, c)
	}
}

// classifyCall gives an error of a call its code.
func classifyCall(err error, endpoint string) error {
	var reset *h2.ResetError
	var broken http2.ConnectionError
	var away *h2.GoAwayError
	var source *http1io.SourceError
	what := "request to " + endpoint
	switch {
	case errors.Is(err, errs.ClientClosed):
		return err
	case errors.As(err, &source):
		return RequestBodyError(source.Err)
	case errors.Is(err, http1.ErrHeadTooLarge):
		return errs.From(errs.UpstreamResponseTooLarge, err, "response of "+endpoint)
	case errors.Is(err, http2.ErrHeaderListTooLarge):
		return errs.From(errs.FieldsTooLarge, err, what)
	case errors.Is(err, h2.ErrNoBlock), errors.Is(err, http1io.ErrNoBlocks):
		return errs.From(errs.Overloaded, err, what)
	case errors.Is(err, h2.ErrPanicked):
		return errs.From(errs.Internal, err, what)
	case errors.As(err, &reset) && reset.Local, errors.As(err, &broken), errors.Is(err, h2.ErrNotHTTP2), errors.Is(err, h2.ErrInterims):
		return errs.From(errs.UpstreamBadResponse, err, "response of "+endpoint)
	case errors.As(err, &reset), errors.As(err, &away), errors.Is(err, h2.ErrRefused):
		return errs.From(errs.UpstreamReset, err, what)
	case errors.Is(err, os.ErrDeadlineExceeded), errors.Is(err, h2.ErrSilent), errors.Is(err, h2.ErrDeadline):
		return errs.From(errs.UpstreamTimeout, err, "wait for the response of "+endpoint)
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return errs.From(errs.UpstreamClosed, err, "wait for the response of "+endpoint)
	case sys.IsReset(err):
		return errs.From(errs.UpstreamReset, err, "wait for the response of "+endpoint)
	}
	return errs.From(errs.UpstreamReset, err, what)
}

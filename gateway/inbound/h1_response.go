package inbound

import (
	"errors"
	"strconv"

	"github.com/ringway/ringway/errs"
	"github.com/ringway/ringway/gateway/exchange"
	"github.com/ringway/ringway/gateway/http1io"
	"github.com/ringway/ringway/proto/header"
	"github.com/ringway/ringway/proto/http1"
)

// respond sends the response, or the problem that err is; false says that the connection cannot go on.
func (r *h1Request) respond(err error) bool {
	if err != nil {
		r.refit(err)
		if gone(err) {
			return false
		}
	}
	keep, sendErr := r.send()
	if source, ok := sendErr.(*http1io.SourceError); ok && !r.out.Begun() && err == nil && r.Task.Cause() == nil {
		// The body broke off before anything was sent: there is still time to say so.
		code := errs.UpstreamBadResponse
		if errors.Is(source.Err, errs.Overloaded) { // the gateway has given it up
			code = errs.Overloaded
		}
		r.refit(errs.From(code, source.Err, "read response body"))
		keep, sendErr = r.send()
	}
	r.s.h.Counters.BytesOut += uint64(r.sent)
	if sendErr != nil {
		if !r.out.Begun() {
			r.s.h.Counters.CountStatus(r.status)
		}
		r.breakOff(sendErr)
		return false
	}
	return keep
}

// refit makes the response a problem document, and sees to what that means for the connection.
func (r *h1Request) refit(err error) {
	code := r.fail(err)
	if gone(err) {
		return
	}
	if code == errs.RequestTimeout || code == errs.PayloadTooLarge || code == errs.NotImplemented || code.Source() == errs.SourceClient && r.in.HeadLen == 0 {
		r.in.KeepAlive = false
	}
	if !r.body.Complete() {
		r.in.KeepAlive = false
		r.s.linger = true
	}
}

// breakOff ends the connection with a response that could not be sent whole. The client must see that: a connection that ends in
// the middle of a message does.
func (r *h1Request) breakOff(err error) {
	var source error
	if e, ok := err.(*http1io.SourceError); ok {
		source = e.Err
	}
	r.broken(err, source)
	r.s.linger = false
	r.s.c.Abort()
}

// send hands the response over; keep says that the connection can carry another request.
func (r *h1Request) send() (keep bool, err error) {
	h, resp := r.s.h, &r.Response
	r.status = resp.Status
	body := resp.Body
	if bodyless(r.in.Method, resp.Status) {
		body = nil
	}
	old := r.Request.Protocol == "HTTP/1.0"
	chunked := body != nil && resp.ContentLength < 0 && !old
	untilClose := body != nil && resp.ContentLength < 0 && old
	if (chunked || untilClose) && resp.Fields.Count(header.ContentLength) > 0 {
		resp.Fields.DelID(header.ContentLength) // a filter changed the body; two framings are how responses are smuggled
	}
	refused := r.abandoned()
	r.s.linger = r.s.linger || refused
	keep = r.in.KeepAlive && !untilClose && !refused && !h.draining && (r.terms.maxReqs == 0 || r.s.requests < r.terms.maxReqs)

	b := h.n.Small()
	if b == nil {
		return false, http1io.ErrNoBlocks
	}
	out := http1.AppendStatusLine(b.Bytes[:0], resp.Status, resp.Reason)
	out = http1.AppendFields(out, resp.Fields)
	out = r.appendFraming(out, body, chunked)
	if r.terms.hsts != nil && r.s.info != nil && resp.Fields.Count(header.StrictTransportSecurity) == 0 {
		out = append(append(append(out, "Strict-Transport-Security: "...), r.terms.hsts...), "\r\n"...)
	}
	if resp.Fields.Count(header.Date) == 0 {
		out = h.date.append(out, h.n.Loop.Now())
	}
	if !keep {
		out = append(out, "Connection: close\r\n"...)
	} else if old {
		out = append(out, "Connection: keep-alive\r\n"...)
	}
	out = append(out, "\r\n"...)
	if b, err = http1io.Fit(h.n, b, out); err != nil {
		return false, err
	}
	r.out = http1io.Out{Conn: r.s.c, Block: b, Body: body, Chunked: chunked, Timeout: r.terms.times.write, Task: r.Task, Count: h.Counters.OfStatus(resp.Status)}
	err = r.out.Send()
	r.sent = r.out.Sent
	return keep, err
}

// abandoned reports whether an early answer leaves a request body that will not be read to its end, so that the client
// must be told that the connection ends: it may or may not send the body now that it got no 100; or the origin's answer is
// all there, with which the sending of the body ends; or more is to come behind an error than is worth reading.
func (r *h1Request) abandoned() bool {
	if r.in.ExpectContinue || r.body.Complete() {
		return !r.body.Complete()
	}
	if r.Response.Owner != nil {
		b, ok := r.Response.Body.(exchange.Prompt)
		if r.Response.Body == nil || ok && b.Prompt() {
			return true
		}
	}
	long := r.in.Framing == http1.Chunked || r.in.ContentLength-r.body.Read() > drainBytes
	return long && r.Response.Status >= 300
}

// appendFraming appends what says where the body ends, unless the fields say it already.
func (r *h1Request) appendFraming(out []byte, body exchange.Body, chunked bool) []byte {
	resp := &r.Response
	switch {
	case chunked:
		return append(out, "Transfer-Encoding: chunked\r\n"...)
	case resp.ContentLength < 0, resp.Status == 204, resp.Status == 304:
		return out
	case body == nil && r.in.Method == http1.HEAD && resp.ContentLength == 0:
		return out // the length that GET would have is not known here
	case resp.Fields.Count(header.ContentLength) == 0:
		out = append(out, "Content-Length: "...)
		out = strconv.AppendInt(out, resp.ContentLength, 10)
		return append(out, "\r\n"...)
	}
	return out
}

// Informational sends an interim response; HTTP/1.0 knows none (RFC 9110 §15.2).
func (r *h1Request) Informational(status int, fields *header.Fields) error {
	if r.Request.Protocol == "HTTP/1.0" {
		return nil
	}
	b := r.Net.Small()
	if b == nil {
		return nil // it may be left out
	}
	out := http1.AppendStatusLine(b.Bytes[:0], status, nil)
	out = append(http1.AppendFields(out, fields), "\r\n"...)
	b, err := http1io.Fit(r.Net, b, out)
	if err != nil {
		return nil
	}
	r.s.c.SetWriteTimeout(r.terms.times.write)
	return r.s.c.Send(b)
}

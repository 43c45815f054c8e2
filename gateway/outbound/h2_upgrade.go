package outbound

import (
	"bytes"
	"errors"

	"github.com/ringway/ringway/errs"
	"github.com/ringway/ringway/gateway/exchange"
	"github.com/ringway/ringway/gateway/http1io"
	"github.com/ringway/ringway/gateway/upstream/h2"
	"github.com/ringway/ringway/loop"
	"github.com/ringway/ringway/proto/header"
	"github.com/ringway/ringway/proto/http2"
	"github.com/ringway/ringway/proto/ws"
)

// openTunnel opens a stream with an extended CONNECT for the request's protocol (RFC 8441 §4), whose name is in lower case there. A
// WebSocket key stays behind: it is for HTTP/1.1, and its answer is made up here.
func (c *call) openTunnel(f *header.Fields) (*h2.Stream, error) {
	c.head.Method, c.head.Protocol = methodCONNECT, bytes.ToLower(c.x.Request.Upgrade)
	var hidden []int
	for i := range f.Len() {
		if name, _, ok := f.At(i); ok && header.EqualFold(name, ws.KeyField) {
			f.Field(i).Flags |= header.Removed
			hidden = append(hidden, i)
		}
	}
	s, err := c.m.Open(&c.head, f, false)
	for _, i := range hidden {
		f.Field(i).Flags &^= header.Removed
	}
	return s, err
}

var methodCONNECT = []byte("CONNECT")

// accepted makes a response of success the tunnel that was asked for.
func (c *call) accepted(m *http2.Message) {
	x := c.x
	c.tunnel = true
	c.s.SetPatience(0)
	m.DelID(header.ContentLength) // which has no meaning here (RFC 9110 §9.3.6), and must not stand in a 101
	m.Del(ws.AcceptField)
	if key, ok := x.Request.Fields.GetName(ws.KeyField); ok && ws.Is(x.Request.Upgrade) { // the client speaks HTTP/1.1 (RFC 8441 §5)
		m.Add(ws.AcceptField, ws.AppendAccept(nil, key))
	}
	x.Request.Body, x.Request.ContentLength = x.Request.Tunnel, -1
	x.Response = exchange.Response{Status: exchange.StatusTunnel, Fields: &m.Fields, Owner: c, Body: c.s, ContentLength: -1}
}

// Begin has a task carry what the client sends through the tunnel.
func (c *call) Begin() {
	u := &c.upload
	u.body = c.h.replayOf(c.x)
	u.forget() // nothing of it is sent again
	u.left, u.rest, u.refusal, u.err = -1, nil, nil, nil
	u.running, u.main = true, c.x.Task
	u.handle = c.x.Net.Loop.Spawn("request body", u)
}

// Sent grows with what the server's windows take.
func (c *call) Sent() uint64 { return c.s.Sent() }

// Wait waits until the task has passed the client's end on.
func (c *call) Wait() error {
	t := c.x.Task
	for c.upload.running {
		if err := t.Park(&c.upload); err != nil {
			return err
		}
	}
	return t.Cause()
}

// tunnelEnded is the end of the task that carries what the client sends. If either side has broken off, so has the tunnel.
func (u *upload) tunnelEnded(t *loop.Task) {
	var source *http1io.SourceError
	cause := u.err
	switch {
	case u.err == nil, t.Cause() != nil, u.call.s.Satisfied():
		cause = nil
	case u.err == errPanicked:
	case errors.As(u.err, &source):
		cause = RequestBodyError(source.Err)
	default:
		cause = errs.From(errs.UpstreamReset, u.err, "send through the tunnel to "+u.call.m.Endpoint.Name)
	}
	if cause != nil {
		t.Loop().Cancel(u.main.Handle(), cause)
	}
	t.Loop().Ready(u.main)
}

// endTunnel counts a tunnel that the server has broken off.
func (c *call) endTunnel() {
	c.tunnel = false
	if cause := c.x.Task.Cause(); cause == nil && c.s.Broken() != nil || cause != nil && errs.CodeOf(cause) == errs.UpstreamReset {
		c.m.Endpoint.Counters.CountError(errReset)
	}
}

var _ exchange.Tunnel = (*call)(nil)

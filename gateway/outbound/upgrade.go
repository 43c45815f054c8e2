package outbound

import (
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"time"

	"github.com/ringway/ringway/errs"
	"github.com/ringway/ringway/gateway/exchange"
	"github.com/ringway/ringway/gateway/http1io"
	"github.com/ringway/ringway/gateway/upstream"
	"github.com/ringway/ringway/proto/header"
	"github.com/ringway/ringway/proto/http1"
	"github.com/ringway/ringway/proto/ws"
)

// Faults of a server that goes over to another protocol. What it sends then is no HTTP, and nobody could tell the client what it
// is: the response is an error.
var (
	errSwitched = errors.New("upstream switched protocols")
	errUnasked  = fmt.Errorf("%w without being asked", errSwitched)
	errUnsaid   = fmt.Errorf("%w without saying to which", errSwitched)
	errOther    = fmt.Errorf("%w, but to another one", errSwitched)
	errAnswer   = fmt.Errorf("%w, but its answer does not belong to the key", errSwitched)
)

// appendUpgrade asks the server for the request's protocol (RFC 9110 §7.8): Connection and Upgrade are made anew for this hop. A
// client that speaks HTTP/2 has no WebSocket key, so that one is made up (RFC 8441 §5).
func (tx *transaction) appendUpgrade(out []byte) []byte {
	r := &tx.x.Request
	out = append(append(append(out, "Connection: Upgrade\r\nUpgrade: "...), r.Upgrade...), "\r\n"...)
	if r.Protocol == "HTTP/1.1" || !ws.Is(r.Upgrade) {
		return out
	}
	r.Fields.Del(ws.KeyField)
	key := ws.AppendKey(nil, rand.Uint64(), rand.Uint64())
	tx.answer = ws.AppendAccept(nil, key)
	out = append(append(out, ws.KeyField+": "...), key...)
	return append(out, "\r\n"...)
}

// accepted makes a response of status 101 the tunnel that was asked for, or says why it is none.
func (tx *transaction) accepted() error {
	x, resp := tx.x, &tx.resp
	if x.Request.Upgrade == nil {
		return errUnasked
	}
	if !resp.Upgrade {
		return errUnsaid
	}
	if p, ok := resp.Get(header.Upgrade); !ok || resp.Count(header.Upgrade) != 1 || !header.EqualFold(p, x.Request.Upgrade) {
		return errOther
	}
	if tx.answer != nil {
		if a, _ := resp.GetName(ws.AcceptField); string(a) != string(tx.answer) {
			return errAnswer
		}
		resp.Del(ws.AcceptField)
	}
	tx.wait, tx.tunnel = false, true
	tx.k.SetReadTimeout(0)
	x.HeadAt = x.Net.Loop.Now()
	tx.k.Endpoint.Counters.ResponseHead.Observe(x.HeadAt - x.SentAt)
	tx.body.Start(tx.k.Stream, http1.UntilClose, -1, http1io.Limits{})
	x.Request.Body, x.Request.ContentLength = x.Request.Tunnel, -1
	tx.back = &tunnelBody{Body: &tx.body}
	x.Response = exchange.Response{Status: exchange.StatusTunnel, Reason: resp.Reason, Fields: &resp.Fields, Owner: tx, Body: tx.back, ContentLength: -1}
	return nil
}

// tunnelBody is what the server sends through a tunnel, to the end of its direction. Over TLS that may lack a close_notify: what
// protocol this is the gateway does not know, nor whether it was at its end.
type tunnelBody struct {
	*http1io.Body
	cut bool
}

// Next lends the next bytes.
func (b *tunnelBody) Next() ([]byte, error) {
	p, err := b.Body.Next()
	if err == io.ErrUnexpectedEOF {
		b.cut, err = true, io.EOF
	}
	return p, err
}

// Complete reports whether the server has ended its direction.
func (b *tunnelBody) Complete() bool { return b.cut || b.Body.Complete() }

// Begin has the pump carry what the client sends through the tunnel.
func (tx *transaction) Begin() {
	tx.head.Free()
	tx.pump.out = http1io.Out{Conn: tx.k.Stream, Body: tx.x.Request.Body}
	tx.k.SetWriteTimeout(0)
	tx.pump.start()
}

// Sent grows with what the server's connection takes.
func (tx *transaction) Sent() uint64 { return tx.k.Sent() }

// Wait waits until the pump has passed the client's end on.
func (tx *transaction) Wait() error {
	t := tx.x.Task
	for tx.pump.running {
		if err := t.Park(&tx.pump); err != nil {
			return err
		}
	}
	return t.Cause()
}

// Take gives the connection away, on which nothing but the head of the response has been read.
func (tx *transaction) Take() *upstream.Conn {
	k, x := tx.k, tx.x
	if x.Response.Body != exchange.Body(tx.back) {
		return nil
	}
	tx.head.Free()
	tx.open, tx.tunnel, tx.x, tx.set, k.Carried = false, false, nil, nil, nil
	x.Response = exchange.Response{}
	return k
}

// closeTime bounds the sending of a last message that the server does not take.
const closeTime = time.Second

// endTunnel breaks the connection off, unless both directions have ended or were silent; sent says that the client's has.
func (tx *transaction) endTunnel(sent bool) {
	defer func() { tx.tunnel, tx.back = false, nil }()
	switch cause := tx.x.Task.Cause(); {
	case sent && tx.back.Complete(), cause == exchange.ErrSilent:
		tx.k.SetWriteTimeout(closeTime)
		return
	case cause == nil && tx.body.Err() != nil, errs.CodeOf(cause) == errs.UpstreamReset:
		tx.k.Endpoint.Counters.CountError(errReset)
	}
	tx.k.Abort()
}

var errReset = errs.New(errs.UpstreamReset, "the upstream broke the tunnel off")

var _ exchange.Tunnel = (*transaction)(nil)

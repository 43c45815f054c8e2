package inbound

import (
	"fmt"

	"github.com/ringway/ringway/errs"
	"github.com/ringway/ringway/gateway/exchange"
	"github.com/ringway/ringway/proto/http2"
)

// What a client of HTTP/2 does against the rules ends a stream or its connection. Both are counted, and the log tells of each kind at
// once, and then once a minute.

// faulty notes that the client has made a mistake on a stream, which was reset for it.
func (c *h2Conn) faulty(id http2.StreamID, ev *http2.Event) {
	h := c.s.h
	h.Counters.HTTP2.ResetsGateway++
	h.Counters.HTTP2.StreamErrors++
	h.complaints.Stream(h.n.Loop.Now(), ev.Reason, "peer", c.s.remote(), "stream", uint32(id), "code", ev.Code.String())
}

// refused notes that the client has asked for what it cannot have. A request that was malformed is counted and logged like one of
// HTTP/1.1, though it is not answered; others may be asked for again.
func (c *h2Conn) refused(ev *http2.Event) {
	c.faulty(ev.ID, ev)
	m := ev.Message
	if m == nil {
		return
	}
	h := c.s.h
	r := &request{h: h, status: errs.BadRequest.Status(), err: errs.New(errs.BadRequest, "read request")}
	r.Start, r.Listener, r.ID, r.Peer, r.TLS = h.n.Loop.Now(), h.Name, h.IDs.Take(), c.s.remote(), c.s.info
	r.Request = exchange.Request{Path: m.Path, Query: m.Query, HasQuery: m.HasQuery, Protocol: protocolHTTP2}
	h.Counters.CountStatus(r.status)
	r.record(received{method: m.MethodToken, host: m.Authority, target: appendTarget(nil, &r.Request), fields: &m.Fields})
}

// fail ends the connection because its client broke the rules: GOAWAY is on its way out already.
func (c *h2Conn) fail(err error) {
	if c.failed {
		return
	}
	c.failed = true
	h := c.s.h
	counters := &h.Counters.HTTP2
	counters.GoAwaysGateway++
	counters.ConnectionErrors++
	if e, ok := err.(http2.ConnectionError); ok {
		end := fmt.Stringer(e.Code)
		if kind := e.Flood(); kind != http2.NoFlood {
			counters.Floods[kind]++
			end = kind
		}
		h.complaints.Warn(h.n.Loop.Now(), end, "peer", c.s.remote(), "err", err)
	}
	c.cancelAll(errFailed)
}

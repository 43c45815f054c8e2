package outbound

import (
	"errors"
	"math"
	"time"

	"github.com/ringway/ringway/errs"
	"github.com/ringway/ringway/gateway/exchange"
	"github.com/ringway/ringway/gateway/grpc"
	"github.com/ringway/ringway/gateway/upstream"
	"github.com/ringway/ringway/gateway/upstream/h2"
	"github.com/ringway/ringway/loop"
	"github.com/ringway/ringway/proto/http1"
)

// Handler carries exchanges to one cluster, on one loop. It stands at the end of a filter chain.
type Handler struct {
	picker
	calls   []*call   // idle
	replays []*replay // idle
}

// NewHandler makes the handler of a cluster.
func NewHandler(c *upstream.Cluster) *Handler { return &Handler{picker: picker{Cluster: c}} }

// Handle fills in the response, or says why there is none.
func (h *Handler) Handle(x *exchange.Exchange) error {
	if x.Response.Owner != nil { // a filter sends the request once more
		x.DropResponse()
	}
	x.Cluster = h.Cluster.Name
	if grpc.Is(x.Request.Fields) {
		if d, ok := grpc.Timeout(x.Request.Fields); ok {
			return h.within(x, d)
		}
	}
	return h.handle(x)
}

// within is handle for a client that waits for so long, counted from its request's first byte.
func (h *Handler) within(x *exchange.Exchange, d time.Duration) error {
	now := x.Net.Loop.Now()
	x.Deadline = math.MaxInt64
	if d < time.Duration(math.MaxInt64-x.Start) {
		x.Deadline = max(x.Start+int64(d), 1)
	}
	err := loop.Timeout(x.Task, time.Duration(x.Deadline-now), func() error { return h.handle(x) })
	if err != nil && x.Task.Cause() == nil && (errors.Is(err, loop.ErrTimeout) || errors.Is(err, h2.ErrDeadline) || late(x, err)) {
		return errs.From(errs.UpstreamTimeout, grpc.ErrDeadline, "carry request to "+x.Endpoint)
	}
	return err
}

// handle tries endpoints until one answers, or no further try is of use.
func (h *Handler) handle(x *exchange.Exchange) error {
	if x.Request.Body == nil { // so that a client's leaving also ends the wait for a connection
		x.Client.RequestRead()
	}
	first := h.Cluster.Pick()
	if first == nil {
		return noEndpoint(h.Cluster)
	}
	e, fresh := first, false
	for others := 0; ; x.Retries++ {
		x.Endpoint = e.Name
		err := h.try(x, e, fresh)
		if err == nil {
			return nil
		}
		switch {
		case x.Task.Cause() != nil:
			h.endReplay(x)
			return err
		case isStale(err) && !fresh:
			fresh = true // the same endpoint, over a connection that cannot have gone stale
		case unreached(err) && others < h.spare():
			e, fresh = h.next(first, others), false
			others++
		default:
			h.endReplay(x)
			return err
		}
	}
}

// try sends the request to one endpoint.
func (h *Handler) try(x *exchange.Exchange, e *upstream.Endpoint, fresh bool) error {
	var c upstream.Carrier
	var err error
	if x.Request.Upgrade == nil {
		c, err = e.Take(x.Task, fresh, x.Request.Body != nil)
	} else { // an extended CONNECT has no room for a method
		c, err = e.TakeTunnel(x.Task, fresh, x.Request.Method == http1.GET)
	}
	switch {
	case err != nil:
		return err
	case c.Multi != nil:
		return h.call(x, c.Multi, x.Retries > 0)
	}
	if _, again := x.Request.Body.(*replay); again { // a server that spoke HTTP/2 just before
		c.Conn.Release(true)
		return errs.New(errs.UpstreamReset, e.Name+" has given the request back and goes over to HTTP/1.1")
	}
	return carry(x, c.Conn, x.Retries > 0)
}

// noEndpoint says that all endpoints were taken out of the choice, by operators or by health checks.
func noEndpoint(c *upstream.Cluster) error {
	return errs.New(errs.NoEndpoint, "every endpoint of cluster "+c.Name+" is drained or unhealthy")
}

// unreached reports whether no server can have begun to act on the request, so that another may be tried whatever the method.
func unreached(err error) bool {
	switch errs.CodeOf(err) {
	case errs.UpstreamConnectRefused, errs.UpstreamConnectTimeout, errs.UpstreamConnectFailed:
		return true
	}
	return isRefused(err)
}

// staleError marks a failure on a pooled connection that the server had closed, in circumstances in which the request
// may be sent again: RFC 9110 §9.2.2.
type staleError struct{ error }

func (e staleError) Unwrap() error { return e.error }

func isStale(err error) bool {
	var s staleError
	return errors.As(err, &s)
}

// refusedError marks a request that the server has given back without having looked at it (RFC 9113 §8.7), all of whose body
// that was read is still there.
type refusedError struct{ error }

func (e refusedError) Unwrap() error { return e.error }

func isRefused(err error) bool {
	var r refusedError
	return errors.As(err, &r)
}

package outbound

import (
	"errors"
	"slices"

	"github.com/ringway/ringway/errs"
	"github.com/ringway/ringway/gateway/exchange"
	"github.com/ringway/ringway/gateway/upstream"
)

// Handler carries exchanges to one cluster, on one loop. It stands at the end of a filter chain.
type Handler struct {
	Cluster *upstream.Cluster
	skew    int // where the other endpoints begin for the next request that needs one
}

// Handle fills in the response, or says why there is none.
func (h *Handler) Handle(x *exchange.Exchange) error {
	if x.Response.Owner != nil { // a filter sends the request once more
		x.DropResponse()
	}
	x.Cluster = h.Cluster.Name
	if x.Request.Body == nil { // so that a client's leaving also ends the wait for a connection
		x.Client.RequestRead()
	}
	first := h.Cluster.Pick()
	e, fresh := first, false
	for others := 0; ; x.Retries++ {
		x.Endpoint = e.Name
		k, err := e.Get(x.Task, fresh)
		if err == nil {
			if err = carry(x, k, x.Retries > 0); err == nil {
				return nil
			}
		}
		switch {
		case x.Task.Cause() != nil:
			return err
		case isStale(err) && !fresh:
			fresh = true // the same endpoint, over a connection that cannot have gone stale
		case unreached(err) && others < min(h.Cluster.Settings.Retries, len(h.Cluster.Endpoints)-1):
			if others == 0 {
				h.skew++
			}
			e, fresh = h.other(first, h.skew+others), false
			others++
		default:
			return err
		}
	}
}

// other is the i-th of the endpoints but first, counted around. It takes no turn of the balance: if it did, two endpoints
// of which one is down would always be tried in that order.
func (h *Handler) other(first *upstream.Endpoint, i int) *upstream.Endpoint {
	all := h.Cluster.Endpoints
	return all[(slices.Index(all, first)+1+i%(len(all)-1))%len(all)]
}

// unreached reports whether no byte of the request can have reached a server, so that another may be tried whatever
// the method.
func unreached(err error) bool {
	switch errs.CodeOf(err) {
	case errs.UpstreamConnectRefused, errs.UpstreamConnectTimeout, errs.UpstreamConnectFailed:
		return true
	}
	return false
}

// staleError marks a failure on a pooled connection that the server had closed, in circumstances in which the request
// may be sent again: RFC 9110 §9.2.2.
type staleError struct{ error }

func (e staleError) Unwrap() error { return e.error }

func isStale(err error) bool {
	var s staleError
	return errors.As(err, &s)
}

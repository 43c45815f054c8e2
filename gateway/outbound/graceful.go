package outbound

import (
	"errors"
	"io"
	"time"

	"github.com/ringway/ringway/errs"
	"github.com/ringway/ringway/gateway/exchange"
	"github.com/ringway/ringway/gateway/grpc"
	"github.com/ringway/ringway/gateway/upstream/h2"
	"github.com/ringway/ringway/loop"
	"github.com/ringway/ringway/proto/header"
	"github.com/ringway/ringway/proto/http2"
)

// graceful is the body of a response of gRPC, which always ends with a status: where the server's does not come, the gateway says what
// has happened in its place. A stream that is only reset would tell the client that the gateway is broken. Amid a message there is no place
// for a status: there the body ends with a grpc.CutError.
type graceful struct {
	call     *call
	messages grpc.Messages
	own      header.Fields
	said     bool // own is the end
}

func (g *graceful) start(c *call) {
	g.call, g.said, g.messages = c, false, grpc.Messages{}
	g.own.Reset(nil)
}

// Next lends the next bytes.
func (g *graceful) Next() ([]byte, error) {
	if g.said {
		return nil, io.EOF
	}
	p, err := g.call.s.Next()
	if err == nil {
		g.messages.Pass(p)
		return p, nil
	}
	if err == io.EOF {
		return nil, err
	}
	return nil, g.end(err)
}

// end is what the body ends with where the server's has not come to its end.
func (g *graceful) end(err error) error {
	c := g.call
	task := c.x.Task
	var status grpc.Status
	var why string
	var reset *h2.ResetError
	cause := task.Cause()
	switch {
	case errors.Is(err, h2.ErrDeadline), errors.Is(err, loop.ErrTimeout), late(c.x, err):
		status, why = grpc.DeadlineExceeded, grpc.ErrDeadline.Error()
	case cause != nil && (errors.Is(cause, errs.ClientClosed) || errors.Is(cause, errs.Overloaded) || errors.Is(cause, loop.ErrStopped)):
		return err // its stream is gone
	case cause != nil: // the request could not be read to its end: the client is there still
		task.ClearCause()
		status, why = grpc.OfError(cause), errs.CodeOf(cause).Title()
	case errors.As(err, &reset):
		status, why = grpc.OfReset(reset.Code), "the upstream has reset the stream"
	default:
		status, why = grpc.Unavailable, "the upstream's response ended early"
	}
	if err != cause {
		c.m.Endpoint.Counters.CountError(classifyCall(err, c.m.Endpoint.Name))
	}
	c.x.Net.Loop.Log().Debug("gRPC response ended by the gateway", "endpoint", c.m.Endpoint.Name, "status", int(status), "err", err)
	if !g.messages.Whole() {
		return &grpc.CutError{Code: grpc.ToReset(status), Err: err}
	}
	g.said = true
	grpc.AddStatus(&g.own, status, why)
	return io.EOF
}

// lateBy is how much sooner than ours a server's clock may say that the client's time is over: what it is told is rounded.
const lateBy = 10 * time.Millisecond

// late reports whether err is a server's way to say that the time which the client gave is over: it has the same deadline, and may
// notice first.
func late(x *exchange.Exchange, err error) bool {
	var reset *h2.ResetError
	return x.Deadline > 0 && x.Net.Loop.Now() >= x.Deadline-int64(lateBy) && errors.As(err, &reset) && !reset.Local && reset.Code == http2.Cancel
}

// Ready reports whether Next would not wait.
func (g *graceful) Ready() bool { return g.said || g.call.s.Ready() }

// Prompt reports whether the rest of the body is there.
func (g *graceful) Prompt() bool { return g.said || g.call.s.Prompt() }

// Trailers are the server's, or the status that stands in for them.
func (g *graceful) Trailers() *header.Fields {
	if g.said {
		return &g.own
	}
	return g.call.s.Trailers()
}

// Close gives the lent chunk back.
func (g *graceful) Close() {
	if g.call != nil && g.call.s != nil {
		g.call.s.Close()
	}
}

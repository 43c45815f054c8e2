package outbound

import (
	"errors"
	"io"
	"time"

	"github.com/ringway/ringway/gateway/exchange"
	"github.com/ringway/ringway/gateway/grpc"
	"github.com/ringway/ringway/gateway/upstream/h2"
	"github.com/ringway/ringway/proto/header"
	"github.com/ringway/ringway/proto/http2"
)

// graceful is the body of a response of gRPC, which always ends with a status: where the server's does not come, the gateway says what
// has happened in its place. A stream that is only reset would tell the client that the gateway is broken.
type graceful struct {
	call *call
	own  header.Fields
	said bool // own is the end
}

func (g *graceful) start(c *call) {
	g.call, g.said = c, false
	g.own.Reset(nil)
}

// Next lends the next bytes.
func (g *graceful) Next() ([]byte, error) {
	if g.said {
		return nil, io.EOF
	}
	c := g.call
	p, err := c.s.Next()
	if err == nil || err == io.EOF || c.x.Task.Cause() != nil {
		return p, err
	}
	class := classifyCall(err, c.m.Endpoint.Name)
	c.m.Endpoint.Counters.CountError(class)
	c.x.Net.Loop.Log().Debug("gRPC response ended by the gateway", "endpoint", c.m.Endpoint.Name, "err", class)
	g.said = true
	var reset *h2.ResetError
	switch {
	case errors.Is(err, h2.ErrDeadline), late(c.x, err):
		grpc.AddStatus(&g.own, grpc.DeadlineExceeded, grpc.ErrDeadline.Error())
	case errors.As(err, &reset):
		grpc.AddStatus(&g.own, grpc.OfReset(reset.Code), "the upstream has reset the stream")
	default:
		grpc.AddStatus(&g.own, grpc.Unavailable, "the upstream's response ended early")
	}
	return nil, io.EOF
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

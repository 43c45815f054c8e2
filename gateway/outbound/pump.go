package outbound

import (
	"errors"

	"github.com/ringway/ringway/errs"
	"github.com/ringway/ringway/gateway/exchange"
	"github.com/ringway/ringway/gateway/http1io"
	"github.com/ringway/ringway/loop"
)

// pump sends a request whose body is still coming, in a task beside the one that reads the response: a server may
// answer before, or while, it reads.
type pump struct {
	tx      *transaction
	out     http1io.Out
	handle  loop.Handle
	main    *loop.Task
	running bool
	failed  bool
	err     error
}

var (
	errAnswered       = errors.New("the exchange ended before the request's body")
	errPanicked error = errs.New(errs.Internal, "the request's body panicked")
)

// start sends p.out in a task of its own.
func (p *pump) start() {
	p.running, p.failed, p.main = true, false, p.tx.x.Task
	p.handle = p.tx.x.Net.Loop.Spawn("request body", p)
}

// Run sends, as a task. If the body cannot be read to its end, the exchange cannot be completed either.
func (p *pump) Run(t *loop.Task) {
	p.out.Task, p.err = t, errPanicked
	defer p.ended(t) // also when a filter's body panics: the exchange's task waits for it
	if p.err = p.out.Send(); p.err == nil && p.tx.tunnel {
		p.err = p.tx.k.CloseWrite()
	}
}

func (p *pump) ended(t *loop.Task) {
	p.running, p.failed = false, p.err != nil
	if p.err == nil && p.tx.tunnel { // the upstream has been told, and answers when it likes
	} else if p.err == nil {
		p.tx.sent()
	} else if cause := p.fatal(t); cause != nil {
		t.Loop().Cancel(p.main.Handle(), cause)
	} else {
		p.tx.due() // the server takes no more: it has answered, or will at once, or never
	}
	t.Loop().Ready(p.main)
}

// fatal is what ends the exchange: the body could not be read. That it could not be sent does not.
func (p *pump) fatal(t *loop.Task) error {
	if err := unread(t, p.err); err != nil {
		return err
	}
	if t.Cause() == nil && p.tx.tunnel {
		return errs.From(errs.UpstreamReset, p.err, "send through the tunnel to "+p.tx.k.Endpoint.Name)
	}
	return nil
}

// unread is what err, with which the sending of a request's body ended in the task t, says of reading that body; nil for nothing.
func unread(t *loop.Task, err error) error {
	if err == errPanicked {
		return errPanicked
	}
	var source *http1io.SourceError
	if t.Cause() == nil && errors.As(err, &source) {
		return RequestBodyError(source.Err)
	}
	return nil
}

// stop waits for the pump's end and reports whether the request was sent whole. A body that is still being read from
// the client is given up.
func (p *pump) stop(x *exchange.Exchange) bool {
	if p.running {
		c, ok := x.Request.Body.(interface{ Complete() bool })
		if !ok || !c.Complete() || x.Task.Cause() != nil {
			x.Net.Loop.Cancel(p.handle, errAnswered)
		}
		for p.running {
			_ = x.Task.ParkUncancelled(p)
		}
	}
	failed := p.failed
	p.failed, p.main, p.err = false, nil, nil
	p.out.Drop()
	p.out = http1io.Out{}
	return !failed
}

// CancelWait gives the body up, so that the wait for the pump ends.
func (p *pump) CancelWait(t *loop.Task) { t.Loop().Cancel(p.handle, errAnswered) }

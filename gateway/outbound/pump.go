package outbound

import (
	"errors"

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
}

var errAnswered = errors.New("the exchange ended before the request's body")

// start sends p.out in a task of its own.
func (p *pump) start() {
	p.running, p.failed, p.main = true, false, p.tx.x.Task
	p.handle = p.tx.x.Net.Loop.Spawn("request body", p)
}

// Run sends, as a task. If the body cannot be read to its end, the exchange cannot be completed either.
func (p *pump) Run(t *loop.Task) {
	p.out.Task = t
	err := p.out.Send()
	p.failed = err != nil
	p.running = false
	l := t.Loop()
	var source *http1io.SourceError
	if errors.As(err, &source) && t.Cause() == nil {
		l.Cancel(p.main.Handle(), RequestBodyError(source.Err))
	}
	if err == nil {
		p.tx.sent()
	}
	l.Ready(p.main)
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
	p.failed, p.main = false, nil
	p.out = http1io.Out{}
	return !failed
}

// CancelWait gives the body up, so that the wait for the pump ends.
func (p *pump) CancelWait(t *loop.Task) { t.Loop().Cancel(p.handle, errAnswered) }

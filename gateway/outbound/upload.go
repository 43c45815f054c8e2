package outbound

import (
	"io"
	"time"

	"github.com/ringway/ringway/gateway/exchange"
	"github.com/ringway/ringway/gateway/http1io"
	"github.com/ringway/ringway/loop"
	"github.com/ringway/ringway/proto/http2"
)

// upload sends the body of a request over a stream: what is there at once, and what is still to come in a task beside the one that
// waits for the response.
type upload struct {
	call    *call
	body    *replay
	left    int64 // of a body of known length; negative: unknown
	rest    []byte
	handle  loop.Handle
	main    *loop.Task
	running bool
	refusal error // why the server takes no more
	err     error // what has ended the task
}

// start sends what is there, and begins a task for the rest.
func (u *upload) start() error {
	x := u.call.x
	u.body = u.call.h.replayOf(x)
	u.left, u.rest, u.refusal, u.err = x.Request.ContentLength, nil, nil, nil
	done, err := u.sendReady()
	if err != nil || done {
		return err
	}
	u.running, u.main = true, x.Task
	u.handle = x.Net.Loop.Spawn("request body", u)
	return nil
}

// sendReady sends as much as can be sent without waiting. That no more is taken is no error here: the response tells.
func (u *upload) sendReady() (done bool, err error) {
	for u.body.Ready() {
		end, err := u.next()
		if err != nil {
			return false, err
		}
		if end || u.refusal != nil {
			u.sent()
			return true, nil
		}
		if len(u.rest) > 0 {
			return false, nil
		}
	}
	return false, nil
}

// next sends the next piece of the body, or its end; what does not fit now is rest. An error is one of reading the body, or
// ErrHeaderListTooLarge of its trailers: the server waits for an end that cannot be sent, and must not take the request for whole.
func (u *upload) next() (end bool, err error) {
	p, err := u.body.Next()
	if err == io.EOF {
		if u.refusal = u.call.s.End(u.body.Trailers()); u.refusal == http2.ErrHeaderListTooLarge {
			return false, u.refusal
		}
		return true, nil
	}
	if err != nil {
		return false, &http1io.SourceError{Err: err}
	}
	if u.left >= 0 {
		u.left -= int64(len(p))
	}
	u.rest = p
	return u.offer(), nil
}

// offer sends what it can of the rest, and reports whether that has ended the request.
func (u *upload) offer() (end bool) {
	last := u.left == 0 && u.body.plain()
	n, err := u.call.s.Offer(u.rest, last)
	u.refusal = err
	u.rest = u.rest[n:]
	if !last || err != nil || len(u.rest) > 0 {
		return false
	}
	_, _ = u.body.Next() // its end, which gives the last bytes back
	return true
}

// Run sends the rest, as a task. If the request cannot come to its end, the exchange cannot be completed either.
func (u *upload) Run(t *loop.Task) {
	u.err = errPanicked
	defer u.ended(t) // also when a filter's body panics: the exchange's task waits for it
	u.err = u.send(t)
}

// send sends what is left. Room that came before the task ran has woken nobody, so it looks for some before it waits.
func (u *upload) send(t *loop.Task) error {
	if len(u.rest) > 0 {
		if u.offer() {
			return nil
		}
		if u.refusal != nil {
			return u.refusal
		}
	}
	for {
		for len(u.rest) > 0 {
			if err := u.call.s.AwaitRoom(t, u.patience()); err != nil {
				return err
			}
			if u.offer() {
				return nil
			}
			if u.refusal != nil {
				return u.refusal
			}
		}
		end, err := u.next()
		if err != nil {
			return err
		}
		if end || u.refusal != nil {
			return u.refusal
		}
	}
}

// patience bounds every wait to send. A tunnel's silence is for the inbound side to judge.
func (u *upload) patience() time.Duration {
	if u.call.tunnel {
		return 0
	}
	return u.call.set.Write
}

func (u *upload) ended(t *loop.Task) {
	u.running = false
	if u.call.tunnel {
		u.tunnelEnded(t)
	} else if u.err == nil {
		u.sent()
	} else if cause := u.fatal(t); cause != nil {
		t.Loop().Cancel(u.main.Handle(), cause)
	} else {
		u.call.due() // the server takes no more: it has answered, or will at once, or never
	}
	t.Loop().Ready(u.main)
}

// fatal is what ends the exchange: the body could not be read, or has trailers that the server does not take while it has not ended its
// response. That it takes no more of the request does not end it.
func (u *upload) fatal(t *loop.Task) error {
	if u.err == http2.ErrHeaderListTooLarge && t.Cause() == nil && !u.call.s.Ended() {
		return classifyCall(u.err, u.call.m.Endpoint.Name)
	}
	return unread(t, u.err)
}

// sent notes that the body has been sent whole, or that no more of it is wanted: now the response's head is due.
func (u *upload) sent() {
	if u.refusal == nil {
		u.call.x.Client.RequestRead()
	}
	u.call.due()
}

// forget keeps no more of what is sent: there is a response.
func (u *upload) forget() {
	if u.body != nil {
		u.body.stop()
	}
}

// rewind ends the sending of a request that the server has given back, and reports whether it can be sent again.
func (u *upload) rewind() bool {
	if u.body == nil {
		return true
	}
	u.halt(u.call.x, true)
	return u.body.rewind()
}

// halt waits for the task's end. A body that is still being read from the client is given up, unless it is complete.
func (u *upload) halt(x *exchange.Exchange, now bool) {
	if !u.running {
		return
	}
	if now || !u.body.Complete() || x.Task.Cause() != nil {
		x.Net.Loop.Cancel(u.handle, errAnswered)
	}
	for u.running {
		_ = x.Task.ParkUncancelled(u)
	}
}

// stop ends the sending.
func (u *upload) stop(x *exchange.Exchange) {
	u.halt(x, false)
	u.body, u.rest, u.main, u.refusal, u.err = nil, nil, nil, nil, nil
}

// CancelWait gives the body up, so that the wait for the task ends.
func (u *upload) CancelWait(t *loop.Task) { t.Loop().Cancel(u.handle, errAnswered) }

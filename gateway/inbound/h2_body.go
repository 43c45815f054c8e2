package inbound

import (
	"errors"
	"io"
	"os"
	"time"

	"github.com/ringway/ringway/buf"
	"github.com/ringway/ringway/gateway/http1io"
	"github.com/ringway/ringway/loop"
	"github.com/ringway/ringway/proto/header"
	"github.com/ringway/ringway/proto/http2"
)

const (
	// h2Block is the size of the blocks that bodies wait in.
	h2Block = 8 << 10
	// MaxH2Blocks bounds them, on each loop. They are no others', so that bodies which nobody takes leave everybody else alone; the
	// stream whose body nobody has taken of for the longest time is reset before none is left (h2_hoard.go).
	MaxH2Blocks = 16384
)

var h2Blocks = loop.NewLocal(func(l *loop.Loop) *h2Store {
	p := buf.NewPool(h2Block, MaxH2Blocks)
	l.OnTrim(p.Trim)
	l.AtClose(func() {
		if p.InUse() == 0 {
			_ = p.Close() // unmapping whole mappings of ours does not fail
		}
	})
	return &h2Store{Pool: p}
})

// H2BlocksInUse is the number of blocks that bodies wait in on a loop.
func H2BlocksInUse(l *loop.Loop) int { return (*h2Blocks.Get(l)).InUse() }

// h2Body is the body of a request of HTTP/2: what has arrived is kept in blocks until it is taken, and only then does the client
// get a window for more. So the stream's window bounds what is kept here, and the consumer alone decides the pace.
type h2Body struct {
	r        *h2Request
	blocks   []*buf.Block // what has arrived; the first may be lent
	lent     bool
	ended    bool          // the client has ended it
	closed   bool          // nothing more is wanted
	err      error         // what ended it early
	max      int64         // most bytes allowed; 0: any number
	timeout  time.Duration // for every wait; 0: none
	answered int64         // bytes of the response that had been sent when the wait began, or was last prolonged
	read     int64         // bytes that were lent
	dropped  int           // bytes that came when nothing was wanted any more
	trailers *header.Fields
	task     *loop.Task // that waits
	timer    loop.Timer // bounds the wait

	place   buf.Holder[h2Body] // among the store's holders
	hoarded bool               // it was given up
}

var errBodyClosed = errors.New("the request's body was closed")

func (b *h2Body) start(r *h2Request, ended bool, terms *Terms) {
	b.max, b.timeout = terms.bodyMax, terms.times.read
	b.r, b.lent, b.ended, b.closed, b.err = r, false, ended, false, nil
	b.read, b.dropped, b.trailers, b.task, b.hoarded = 0, 0, nil, nil, false
	b.timer.Expirer = b
}

// unbounded makes it one direction of a tunnel, whose silence and size are not the body's to bound.
func (b *h2Body) unbounded() { b.max, b.timeout = 0, 0 }

// receive takes a part of the body, outside any task.
func (b *h2Body) receive(p []byte, end bool) {
	if b.closed {
		if b.dropped += len(p); b.dropped <= drainBytes { // after that the client waits for a window, and then sees the stream end
			b.r.c.hc.Consumed(b.r.stream, len(p))
		}
	} else if !b.keep(p) {
		b.r.c.countReset(b.r.stream)
		b.r.c.hc.Reset(b.r.stream, http2.EnhanceYourCalm)
		b.r.cancel(errHoarded)
		return
	}
	b.ended = b.ended || end
	b.wake()
}

// keep copies p behind what waits; false says that there is no block.
func (b *h2Body) keep(p []byte) bool {
	for len(p) > 0 {
		var last *buf.Block
		if n := len(b.blocks); n > 1 || n == 1 && !b.lent {
			last = b.blocks[n-1]
		}
		if last == nil || last.Len == len(last.Bytes) {
			store := b.store()
			if last = store.block(); last == nil {
				return false
			}
			if b.hoarded { // it was the longest itself
				last.Put()
				return false
			}
			if b.blocks = append(b.blocks, last); !b.place.Holds() {
				store.taken(b)
			}
		}
		n := copy(last.Bytes[last.Len:], p)
		last.Len += n
		p = p[n:]
	}
	return true
}

func (b *h2Body) receiveTrailers(f *header.Fields) {
	b.trailers, b.ended = f, true
	b.wake()
}

// fail ends the body early, if it has not ended.
func (b *h2Body) fail(err error) {
	if !b.ended && b.err == nil {
		b.err = err
	}
	b.wake()
}

func (b *h2Body) wake() {
	if b.task != nil {
		b.r.c.s.h.n.Loop.Ready(b.task)
	}
}

// release gives the lent block back, and its bytes to the windows.
func (b *h2Body) release() {
	if b.lent {
		b.lent = false
		b.drop()
		b.r.c.proceed()
	}
}

// drop gives the first block back.
func (b *h2Body) drop() {
	first := b.blocks[0]
	n := copy(b.blocks, b.blocks[1:])
	b.blocks[n] = nil
	b.blocks = b.blocks[:n]
	b.r.c.hc.Consumed(b.r.stream, first.Len)
	first.Put()
	b.store().taken(b)
}

// Next lends the next bytes.
func (b *h2Body) Next() ([]byte, error) {
	b.release()
	for {
		switch {
		case b.closed && b.err == nil:
			return nil, errBodyClosed
		case len(b.blocks) > 0:
			p := b.blocks[0].Data()
			if b.read += int64(len(p)); b.max > 0 && b.read > b.max {
				b.err = http1io.ErrTooLarge
				b.Close()
				return nil, b.err
			}
			b.lent = true
			return p, nil
		case b.err != nil:
			return nil, b.err
		case b.ended:
			return nil, io.EOF
		}
		if err := b.wait(); err != nil {
			return nil, err
		}
	}
}

// wait parks until something has come, the body has ended or it takes too long.
func (b *h2Body) wait() error {
	l := b.r.c.s.h.n.Loop
	if b.timeout > 0 {
		b.answered = b.r.sent
		l.StartTimer(&b.timer, b.timeout)
	}
	b.task = l.Current()
	err := b.task.Park(b)
	b.task = nil
	l.StopTimer(&b.timer)
	return err
}

// Resumable says that nothing is lost when the task is cancelled that waits.
func (b *h2Body) Resumable() {}

// CancelWait ends the wait.
func (b *h2Body) CancelWait(t *loop.Task) { t.Loop().Ready(t) }

// Expire ends a wait that takes too long. While the response goes on, a client may be silent for as long as it likes: it may have nothing to
// say to what it hears.
func (b *h2Body) Expire(*loop.Timer) {
	if b.r.sent != b.answered {
		b.answered = b.r.sent
		b.r.c.s.h.n.Loop.StartTimer(&b.timer, b.timeout)
		return
	}
	b.fail(os.ErrDeadlineExceeded)
}

// Ready reports whether Next would not wait.
func (b *h2Body) Ready() bool {
	have := len(b.blocks)
	if b.lent {
		have--
	}
	return have > 0 || b.closed || b.err != nil || b.ended
}

// Prompt reports whether the rest of the body is here.
func (b *h2Body) Prompt() bool { return b.ended }

// Complete reports whether the body was read to its end.
func (b *h2Body) Complete() bool { return b.ended && len(b.blocks) == 0 }

// Trailers are the fields behind the body.
func (b *h2Body) Trailers() *header.Fields { return b.trailers }

// Close drops what was not taken. What still comes is thrown away, and a client that sends much more has to wait.
func (b *h2Body) Close() {
	if b.closed || b.r == nil {
		return
	}
	b.closed, b.lent = true, false
	for len(b.blocks) > 0 {
		b.drop()
	}
	b.wake()
}

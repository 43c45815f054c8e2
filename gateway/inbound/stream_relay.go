package inbound

import (
	"errors"
	"io"
	"time"

	"github.com/ringway/ringway/buf"
	"github.com/ringway/ringway/conn"
	"github.com/ringway/ringway/loop"
)

// streamRelay is conn.Relay for two streams of which one at least is encrypted: it copies, and a message takes a task from its first
// byte to its last. At rest it is this record and two pending receives. It ends in the same ways. An end of a server's direction
// without a close_notify counts as one with: what protocol this is the gateway does not know, nor whether it was at its end.
type streamRelay struct {
	onEnd  func()
	totals [2]*uint64

	lanes [2]lane // from the first stream to the second, and back
	l     *loop.Loop
	limit time.Duration
	last  int64  // of the loop's clock: when something was moved
	sent  uint64 // by both, when that was last looked at
	timer loop.Timer
	why   conn.RelayEnd
	done  bool
}

// errRelayEnded is the cause that the tasks of a relay get when it ends.
var errRelayEnded = errors.New("the tunnel has ended")

// closeTime bounds the sending of what is on its way when a relay ends in good order.
const closeTime = time.Second

// start relays between a and b, beginning with what they have received already.
func (r *streamRelay) start(a, b conn.Stream, idle time.Duration) {
	r.l, r.limit, r.timer.Expirer = a.Net().Loop, idle, r
	r.lanes = [2]lane{{r: r, src: a, dst: b, total: r.totals[0], broken: conn.RelayFirstReset},
		{r: r, src: b, dst: a, total: r.totals[1], broken: conn.RelaySecondReset}}
	r.last = r.l.Now()
	if idle > 0 {
		r.l.StartTimer(&r.timer, idle)
	}
	for i := range r.lanes {
		k := &r.lanes[i]
		k.src.SetReadTimeout(0)
		k.src.SetWriteTimeout(0)
		k.src.Watch(k)
		k.src.Multishot(true)
		k.Readable(nil)
	}
}

// Stop ends the relay: both peers see a reset, since neither got all that there was.
func (r *streamRelay) Stop() { r.end(conn.RelayStopped) }

// Why is why the relay ended, nought while it goes on.
func (r *streamRelay) Why() conn.RelayEnd { return r.why }

// Moved is how many bytes were taken from the first stream for the second, and from the second for the first.
func (r *streamRelay) Moved() (there, back uint64) { return r.lanes[0].moved, r.lanes[1].moved }

// Expire ends a relay at rest for too long. The timer is not moved for each byte. A side that takes what it gets very slowly is not
// at rest.
func (r *streamRelay) Expire(*loop.Timer) {
	if left := r.limit - time.Duration(r.l.Now()-r.last); left > 0 {
		r.l.StartTimer(&r.timer, left)
		return
	}
	if seen := r.sent; r.busy() && r.look() != seen {
		r.last = r.l.Now()
		r.l.StartTimer(&r.timer, r.limit)
		return
	}
	r.end(conn.RelayIdle)
}

// look notes how much both have sent.
func (r *streamRelay) look() uint64 {
	r.sent = r.lanes[0].dst.Sent() + r.lanes[1].dst.Sent()
	return r.sent
}

func (r *streamRelay) busy() bool { return r.lanes[0].active || r.lanes[1].active }

// end begins the relay's end: tasks are cancelled, and when they have let go of their buffers, the streams close.
func (r *streamRelay) end(why conn.RelayEnd) {
	if r.why != 0 {
		return
	}
	r.why = why
	if why == conn.RelayIdle && r.busy() { // what a side would not take is lost
		r.why = conn.RelayStopped
	}
	r.l.StopTimer(&r.timer)
	for i := range r.lanes {
		if k := &r.lanes[i]; k.active {
			r.l.Cancel(k.task, errRelayEnded)
		}
	}
	r.settle()
}

// settle closes the streams once no task uses them.
func (r *streamRelay) settle() {
	if r.why == 0 || r.done || r.busy() {
		return
	}
	r.done = true
	for i := range r.lanes {
		switch s := r.lanes[i].src; {
		case s.Closed():
		case r.why == conn.RelayFinished || r.why == conn.RelayIdle:
			s.SetWriteTimeout(closeTime) // for a last message that its peer does not take
			_ = s.Close()
		default:
			s.Abort()
		}
	}
	r.onEnd()
}

// lane is one direction of a streamRelay: its source's watcher, and a task while there is something to pass on.
type lane struct {
	r        *streamRelay
	src, dst conn.Stream
	task     loop.Handle
	moved    uint64
	total    *uint64 // what several relays have moved together
	broken   conn.RelayEnd
	active   bool // a task serves it
	ended    bool // src has ended, and dst has been told
}

// Readable starts a task.
func (k *lane) Readable(*conn.Conn) {
	if !k.active && !k.ended && k.r.why == 0 {
		k.active = true
		k.task = k.r.l.Spawn("tunnel", k)
	}
}

// Expired has nothing to say: a relay's streams have no deadlines.
func (k *lane) Expired(*conn.Conn) {}

// Run passes on, as a task, what is there.
func (k *lane) Run(t *loop.Task) {
	returned := false
	defer func() {
		if !returned { // it panicked; the loop says so
			k.r.end(conn.RelayStopped)
		}
		k.active = false
		k.r.settle()
	}()
	for k.step(t) {
	}
	returned = true
}

// step passes one buffer on; false says that there is nothing more to do.
func (k *lane) step(t *loop.Task) bool {
	if t.Cause() != nil {
		k.r.end(conn.RelayStopped)
	}
	if k.r.why != 0 {
		return false
	}
	p := k.src.Buffered()
	if len(p) == 0 {
		if k.src.Err() == nil {
			k.src.Arm()
			return false
		}
		k.sourceEnded(t)
		return false
	}
	k.r.look()
	if err := k.send(p); err != nil {
		k.failed(t)
		return false
	}
	k.src.Consume(len(p))
	k.moved += uint64(len(p))
	*k.total += uint64(len(p))
	k.r.last = k.r.l.Now()
	return true
}

// send hands p over: a small message as a copy, so that nobody waits for it.
func (k *lane) send(p []byte) error {
	var b *buf.Block
	if len(p) <= conn.SmallBlock {
		b = k.src.Net().Small()
	}
	if b == nil {
		return k.dst.WriteBufs(p, nil, false)
	}
	b.Len = copy(b.Bytes, p)
	return k.dst.Send(b)
}

// sourceEnded passes the end of src on: it may wait until dst has sent what it was given.
func (k *lane) sourceEnded(t *loop.Task) {
	if err := k.src.Err(); err != io.EOF && err != io.ErrUnexpectedEOF {
		k.r.end(k.broken)
		return
	}
	if k.dst.CloseWrite() != nil {
		k.failed(t)
		return
	}
	k.ended, k.r.last = true, k.r.l.Now()
	if k.opposite().ended {
		k.r.end(conn.RelayFinished)
	}
}

func (k *lane) opposite() *lane {
	if k == &k.r.lanes[0] {
		return &k.r.lanes[1]
	}
	return &k.r.lanes[0]
}

// failed ends the relay because dst takes no more.
func (k *lane) failed(t *loop.Task) {
	if t.Cause() != nil || k.src.Closed() || k.dst.Closed() {
		k.r.end(conn.RelayStopped)
		return
	}
	k.r.end(k.opposite().broken)
}

package conn

import (
	"errors"
	"io"
	"math"
	"time"

	"github.com/ringway/ringway/buf"
	"github.com/ringway/ringway/loop"
	"github.com/ringway/ringway/sys"
)

// Relay joins two connections: what one receives the other sends, until both directions have ended. A direction that ends
// is ended at the other side (CloseWrite), and the opposite one goes on; a reset is passed on as a reset.
//
// Small messages are copied, outside any task, by a receive that goes on by itself and a send that needs no answer: that is
// one turn of the loop for each. A flow that keeps filling whole buffers is spliced instead until it pauses. So a relay at
// rest is this record and two pending receives: no task, no block and no pipe. In steady state nothing is allocated.
//
// A Relay belongs to the loop of its connections, which are the relay's from Start to OnEnd. The zero value is ready.
type Relay struct {
	// OnEnd is called once, when nothing of the relay runs any more and both connections have been closed.
	OnEnd func(*Relay)
	// Totals, where they are set, are raised by what is taken from the first connection and from the second.
	Totals [2]*uint64

	flows [2]flow // from the first connection to the second, and back
	l     *loop.Loop
	limit time.Duration
	idle  deadline
	half  loop.Timer // while one direction has ended
	sent  uint64     // by both, when that was last looked at
	why   RelayEnd
	done  bool
	move  *relayMove // nil: it goes on here
}

// RelayEnd is why a relay ended.
type RelayEnd uint8

// The ends of a relay; nought is that of one which goes on.
const (
	RelayFinished    RelayEnd = iota + 1 // both directions ended, and both ends were passed on
	RelayFirstReset                      // the first connection broke off
	RelaySecondReset                     // the second connection broke off
	RelayIdle                            // no byte came in either direction for too long
	RelayStopped                         // Stop was called, or a task of the relay was cancelled
)

// errRelayEnded is the cause that the tasks of a relay get when it ends.
var errRelayEnded = errors.New("relay ended")

const (
	// bulkBlocks is how many full receive buffers in a row make a flow a bulk one, which is worth a pipe.
	bulkBlocks = 2
	// bulkMemory is how many bytes a splice must have moved for the next full buffer to be enough.
	bulkMemory = 256 << 10
	// halfCheck is how often a side that has ended its direction is asked whether it is there still: it will send nothing
	// more, so that no receive would tell.
	halfCheck = time.Second
)

// Start relays between a and b, beginning with what they have received already. idle bounds the time without a byte in
// either direction; 0 is none. It may be called in a task or outside of one, and does not wait.
func (r *Relay) Start(a, b *Conn, idle time.Duration) {
	r.prepare(a, b, idle)
	r.goOn()
}

func (r *Relay) prepare(a, b *Conn, idle time.Duration) {
	r.l, r.limit = a.n.Loop, idle
	r.idle.timer.Expirer = (*relayIdle)(r)
	r.half.Expirer = (*relayHalf)(r)
	r.flows = [2]flow{{r: r, src: a, dst: b, total: r.Totals[0], broken: RelayFirstReset},
		{r: r, src: b, dst: a, total: r.Totals[1], broken: RelaySecondReset}}
	for _, c := range [...]*Conn{a, b} {
		c.SetReadTimeout(0)
		c.SetWriteTimeout(0)
	}
	r.touch()
}

// Stop ends the relay: both peers see a reset, since neither got all that there was.
func (r *Relay) Stop() { r.end(RelayStopped) }

// Why is why the relay ended, nought while it goes on.
func (r *Relay) Why() RelayEnd { return r.why }

// Moved is how many bytes were taken from the first connection for the second, and from the second for the first.
func (r *Relay) Moved() (there, back uint64) { return r.flows[0].moved, r.flows[1].moved }

// touch says that something has moved.
func (r *Relay) touch() { r.idle.set(r.l, r.limit) }

// end begins the relay's end: tasks are cancelled, and when they have let go of their buffers, the connections close.
func (r *Relay) end(why RelayEnd) {
	if r.why != 0 {
		return
	}
	r.why = why
	r.abandonMove()
	if why == RelayIdle && r.busy() { // what a side would not take is lost
		why = RelayStopped
	}
	r.l.StopTimer(&r.idle.timer)
	r.l.StopTimer(&r.half)
	graceful := why == RelayFinished || why == RelayIdle
	for i := range r.flows {
		f := &r.flows[i]
		f.graceful = graceful
		if f.active {
			r.l.Cancel(f.task, errRelayEnded)
		}
	}
	r.settle()
}

func (r *Relay) busy() bool { return r.flows[0].active || r.flows[1].active }

// settle closes the connections once no task uses them: what a closed connection holds goes back at once, and the kernel
// might be sending from it.
func (r *Relay) settle() {
	if r.why == 0 || r.done || r.busy() {
		return
	}
	r.done = true
	for i := range r.flows {
		f := &r.flows[i]
		switch {
		case f.src.closed:
		case f.graceful:
			f.src.SetWriteTimeout(halfCheck) // for a last message that its peer does not take
			_ = f.src.Close()
		default:
			f.src.Abort()
		}
	}
	if r.OnEnd != nil {
		r.OnEnd(r)
	}
}

// relayIdle is the relay as the expirer of its idle time.
type relayIdle Relay

// Expire ends a relay at rest for too long. A side that takes what it gets very slowly is not at rest.
func (i *relayIdle) Expire(*loop.Timer) {
	r := (*Relay)(i)
	if !r.idle.expire(r.l) {
		return
	}
	if sent := r.flows[0].dst.Sent() + r.flows[1].dst.Sent(); r.busy() && sent != r.sent {
		r.sent = sent
		r.touch()
		return
	}
	r.end(RelayIdle)
}

// relayHalf is the relay as the expirer of its looks at a side that has ended its direction.
type relayHalf Relay

// Expire asks whether that side is there still. A send that nobody waited for may have been told.
func (h *relayHalf) Expire(*loop.Timer) {
	r := (*Relay)(h)
	for i := range r.flows {
		switch f := &r.flows[i]; {
		case !f.ended:
		case f.src.WriteErr() != nil:
			r.end(f.broken)
			return
		default:
			f.ask()
		}
	}
	r.l.StartTimer(&r.half, halfCheck)
}

// flow is one direction of a relay: its source's watcher, and a task while there is something to wait for.
type flow struct {
	r        *Relay
	src, dst *Conn
	task     loop.Handle
	moved    uint64
	total    *uint64     // what several relays have moved together
	onMoved  func(int64) // advance, made when it is first needed
	pace     pace
	active   bool // a task serves it
	ended    bool // src has ended, and dst has been told
	copies   bool // there was no pipe to splice through
	graceful bool // src is closed, not aborted, at the end
	full     int  // receive buffers in a row that came full
	broken   RelayEnd
}

// Readable passes on what has come, or starts a task that does.
func (f *flow) Readable(*Conn) {
	if !f.active && !f.ended && f.r.move == nil && !f.forward() {
		f.active = true
		f.task = f.r.l.Spawn("relay", f)
	}
}

// Expired has nothing to say: a relay's connections have no deadlines.
func (f *flow) Expired(*Conn) {}

// forward passes on what it can without waiting; false says that the rest needs a task.
func (f *flow) forward() bool {
	for f.r.why == 0 && !f.ended {
		p := f.src.rd.held()
		switch {
		case len(p) == 0 && f.src.rd.err == nil:
			f.src.Arm()
			return true
		case f.dst.wr.op.InFlight() || len(p) > SmallBlock:
			return false
		case len(p) == 0:
			f.sourceEnded()
		default:
			b := f.src.n.Small()
			if b == nil {
				return false
			}
			if f.full > 0 {
				f.full = 0
				f.src.Multishot(true)
			}
			b.Len = copy(b.Bytes, p)
			f.src.Consume(len(p))
			f.advance(int64(len(p)))
			if f.dst.Send(b) != nil {
				f.r.end(f.opposite().broken)
			}
		}
	}
	return true
}

func (f *flow) opposite() *flow {
	if f == &f.r.flows[0] {
		return &f.r.flows[1]
	}
	return &f.r.flows[0]
}

func (f *flow) advance(n int64) {
	f.moved += uint64(n)
	if f.total != nil {
		*f.total += uint64(n)
	}
	f.r.touch()
}

// sourceEnded passes the end of src on: it may wait, in a task, until dst has sent what it was given.
func (f *flow) sourceEnded() {
	r := f.r
	if f.src.rd.err != io.EOF {
		r.end(f.broken)
		return
	}
	if err := f.dst.CloseWrite(); err != nil {
		f.failed(err)
		return
	}
	f.ended = true
	r.touch()
	if f.opposite().ended {
		r.end(RelayFinished)
		return
	}
	r.l.StartTimer(&r.half, halfCheck)
}

// failed ends the relay for an error that came while something was passed on.
func (f *flow) failed(err error) {
	why := f.opposite().broken
	switch t := f.r.l.Current(); {
	case t != nil && t.Cause() != nil, f.src.closed, f.dst.closed:
		why = RelayStopped
	case f.src.rd.err != nil && f.src.rd.err == err:
		why = f.broken
	}
	f.r.end(why)
}

// Run passes on, as a task, what has to be waited for, until nothing is there.
func (f *flow) Run(t *loop.Task) {
	returned := false
	defer func() {
		if !returned { // it panicked; the loop says so
			f.r.end(RelayStopped)
		}
		f.active = false
		f.r.settle()
		f.r.leave()
	}()
	for f.step(t) {
	}
	returned = true
}

// step passes one buffer on, or a whole bulk; false says that there is nothing more to do.
func (f *flow) step(t *loop.Task) bool {
	if t.Cause() != nil {
		f.r.end(RelayStopped)
	}
	if f.r.why != 0 || f.r.move != nil {
		return false
	}
	rd := &f.src.rd
	p := rd.held()
	switch {
	case len(p) == 0 && rd.err == nil: // back to rest
		f.src.Multishot(f.full == 0) // where a bulk is expected, one buffer tells of it
		f.src.Arm()
		f.copies = false // there may be pipes again
		return false
	case len(p) == 0:
		f.sourceEnded()
		return false
	case f.bulk():
		return f.splice(t)
	}
	n, err := len(p), error(nil)
	if b := f.small(n); b != nil {
		b.Len = copy(b.Bytes, p)
		err = f.dst.Send(b)
	} else {
		f.r.sent = f.r.flows[0].dst.Sent() + f.r.flows[1].dst.Sent()
		err = f.dst.WriteBufs(p, nil, false)
	}
	if err != nil {
		f.failed(err)
		return false
	}
	f.src.Consume(n)
	f.advance(int64(n))
	return true
}

// small gives a block for a message of n bytes, nil where the message is better sent from where it lies.
func (f *flow) small(n int) *buf.Block {
	if n > SmallBlock {
		return nil
	}
	return f.src.n.Small()
}

// bulk counts a receive buffer that came full, and says whether it is time to splice.
func (f *flow) bulk() bool {
	if b := f.src.rd.block; b.Len < len(b.Bytes) {
		f.full = 0
		return false
	}
	f.full++
	return f.full >= bulkBlocks && !f.copies
}

// splice passes on without copying until src pauses; false says that the flow is over.
func (f *flow) splice(t *loop.Task) bool {
	if f.onMoved == nil {
		f.onMoved = f.advance
	}
	f.pace.start(f.r.l, &f.opposite().moved)
	f.pace.relay = f.r
	n, err := spliceBy(t, f.dst, f.src, math.MaxInt64, f.onMoved, &f.pace)
	if f.full = 0; n >= bulkMemory {
		f.full = bulkBlocks - 1
	}
	if _, ok := err.(*NoPipeError); ok {
		f.copies = true
		return true
	}
	if err == errPause || err == io.ErrUnexpectedEOF && f.src.rd.err == io.EOF {
		return true
	}
	f.failed(err)
	return false
}

// ask polls a source that has ended: that it has ended is ready at once, and whether it has broken off comes with it.
func (f *flow) ask() {
	if rd := &f.src.rd; !f.src.closed && !rd.op.InFlight() {
		rd.op.Done = f
		rd.poll()
	}
}

// Complete takes the answer.
func (f *flow) Complete(op *loop.Op, res loop.Result) {
	op.Done = &f.src.rd
	op.Done.Complete(op, res)
	if res.N > 0 && res.N&sys.POLLERR != 0 {
		f.r.end(f.broken)
	}
}

// errPause is how a splice ends whose source has paused, so that it need not hold a pipe.
var errPause = errors.New("the source pauses")

const (
	// pauseTime is how long a splice waits, as long as it takes what comes as it comes.
	pauseTime = lowWaterTime
	// bulkRun is how many bytes must come in a run before a splice waits for more than the first.
	bulkRun = 4 << 20
	// bulkWait is how long, at the flow's own rate, it is worth to wait for.
	bulkWait = 2 * time.Millisecond
	// runMemory is how many bytes of a run say what its rate is.
	runMemory = 64 << 20
)

// pace bounds the waits of a relay's splice, which does not know how much is to come: at first it takes what there is, so
// that no message waits for another one; in the middle of a long run it waits for as much as comes in a moment, since each
// step costs both peers' wake-ups; and when nothing comes for a few milliseconds, it ends the splice. A run ends with a pause,
// and with any byte in the other direction: what comes next may be an answer, of any length, or wait for what is held here.
type pace struct {
	timer   loop.Timer
	rd      *reader
	from    int64 // how much had been moved when the present run began
	began   int64 // when that was
	left    int64 // how much was to come when time had run out
	other   *uint64
	seen    uint64 // of the other direction's bytes
	expired bool
	relay   *Relay
}

// over says whether the splice is to end before it takes more: its relay is to move, and the pipe is empty now.
func (p *pace) over() bool { return p != nil && p.relay.move != nil }

func (p *pace) start(l *loop.Loop, other *uint64) {
	*p = pace{began: l.Now(), other: other, seen: *other}
	p.timer.Expirer = p
}

// await waits for more; errPause says that nothing came.
func (p *pace) await(s *splicer) error {
	if p.over() || p.expired && s.left == p.left {
		return errPause
	}
	l := s.src.n.Loop
	if *p.other != p.seen {
		p.seen, p.from, p.began = *p.other, s.moved, l.Now()
	}
	mark, patience := p.worth(s.moved-p.from, l.Now()-p.began)
	if p.from+runMemory < s.moved {
		p.from, p.began = (p.from+s.moved)/2, (p.began+l.Now())/2
	}
	if mark > 1 && !s.src.unix {
		s.p.raise(s.src, mark)
		l.StopTimer(&s.p.patience) // that of a splice which waits on
	} else {
		s.p.lower()
	}
	p.rd, p.expired = &s.src.rd, false
	l.StartTimer(&p.timer, patience)
	err := p.wait(l)
	l.StopTimer(&p.timer)
	if p.expired {
		s.p.lower()
		p.left, p.from, p.began = s.left, s.moved, l.Now()
	}
	return err
}

// worth is how many bytes to wait for, and for how long, in a run of so many bytes in so many nanoseconds.
func (p *pace) worth(run, elapsed int64) (mark int, patience time.Duration) {
	if run < bulkRun {
		return 1, pauseTime
	}
	elapsed = max(elapsed, 1)
	mark = lowWater
	for comes := run * int64(bulkWait) / elapsed; int64(mark) > comes; mark /= 2 {
		if mark < lowWater/8 {
			return 1, pauseTime // too slow for it to gain anything
		}
	}
	patience = time.Duration(3 * int64(mark) * elapsed / run)
	return mark, min(max(patience, time.Millisecond), lowWaterTime)
}

// wait is reader.waitReadable that the timer ends too.
func (p *pace) wait(l *loop.Loop) error {
	r := p.rd
	r.poll()
	for r.op.InFlight() {
		err := r.park()
		if err == nil && r.op.InFlight() {
			err = r.check()
		}
		if err != nil {
			l.CancelOp(&r.op) // its completion finds nobody waiting
			return err
		}
		if p.expired && r.op.InFlight() {
			l.CancelOp(&r.op)
		}
	}
	return r.check()
}

// Expire ends the wait.
func (p *pace) Expire(*loop.Timer) {
	p.expired = true
	p.rd.wake()
}

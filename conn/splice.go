package conn

import (
	"io"
	"net"
	"time"

	"github.com/ringway/ringway/loop"
	"github.com/ringway/ringway/sys"
)

// turn is how many bytes a splice moves before it lets others have theirs.
const turn = 4 << 20

// Splice moves n bytes from src to dst without copying them through user space and returns how many it moved; fewer
// come with the error that stopped it, io.ErrUnexpectedEOF if src ended. What src has buffered goes first, by a copy,
// and what dst was given to send goes before that. Both deadlines hold; onMoved, if not nil, is called after every step
// with the bytes of that step, to push them back. If it was dst that failed, or bytes were taken from src that dst did not
// get, dst's writes fail from then on (WriteErr). Splice must run in a task of the connections' loop; the other direction
// may be spliced by another task at the same time.
func Splice(t *loop.Task, dst, src *Conn, n int64, onMoved func(int64)) (int64, error) {
	return spliceBy(t, dst, src, n, onMoved, nil)
}

// spliceBy is Splice whose waits for src are bounded by a pace, if that is not nil.
func spliceBy(t *loop.Task, dst, src *Conn, n int64, onMoved func(int64), by *pace) (int64, error) {
	if src.rd.splicing != nil {
		panic("conn: two splices from one connection")
	}
	if err := t.Cause(); err != nil {
		return 0, err
	}
	if err := dst.wr.begin(); err != nil {
		return 0, err
	}
	if src.closed {
		return 0, net.ErrClosed
	}
	err := src.pin()
	if err != nil {
		return 0, err
	}
	s := src.n.idleSplicers.take()
	*s = splicer{t: t, dst: dst, src: src, left: n, onMoved: onMoved, by: by}
	defer s.release()
	src.rd.splicing = s
	if err = src.rd.quiesce(); err == nil {
		err = s.buffered()
	}
	if err == nil && s.left > 0 {
		err = s.throughPipe()
	}
	return s.moved, err
}

// NoPipeError is how a splice ends for which no pipe could be opened, for want of descriptors or memory. What it had moved
// until then is counted, both connections are as before, and the rest can be copied.
type NoPipeError struct{ Err error }

// Error says why.
func (e *NoPipeError) Error() string { return "no pipe to splice through: " + e.Err.Error() }

// Unwrap is why.
func (e *NoPipeError) Unwrap() error { return e.Err }

// splicer is a splice under way, a record that is used again and again.
type splicer struct {
	t        *loop.Task
	p        *pipe
	dst, src *Conn
	left     int64 // bytes not taken from src yet
	moved    int64 // bytes given to dst
	onMoved  func(int64)
	by       *pace // bounds the waits for src; nil: they last until something comes
}

// release lets src be read again.
func (s *splicer) release() {
	r := &s.src.rd
	defer r.c.unpin()
	r.splicing, r.drained = nil, false
	if r.c.closed {
		r.dropAll()
	}
	r.receive()
	*s = splicer{}
	r.c.n.idleSplicers.put(s)
}

// buffered sends what was received before.
func (s *splicer) buffered() error {
	for s.left > 0 && s.src.rd.block != nil {
		if err := s.held(); err != nil {
			return err
		}
	}
	return nil
}

func (s *splicer) held() error {
	p := s.src.rd.held()
	p = p[:min(int64(len(p)), s.left)]
	n, err := s.dst.wr.write(p, nil, false)
	s.src.Consume(n)
	s.left -= int64(n)
	s.advance(int64(n))
	if err != nil && s.dst.wr.err == nil {
		s.dst.wr.err = err
	}
	return err
}

func (s *splicer) advance(n int64) {
	s.moved += n
	if s.onMoved != nil && n > 0 {
		s.onMoved(n)
	}
}

func (s *splicer) throughPipe() error {
	if err := s.dst.pin(); err != nil {
		return err
	}
	s.dst.wr.splicing = s
	defer func() {
		s.dst.wr.splicing = nil
		s.dst.unpin()
	}()
	var err error
	if s.p, err = s.src.n.pipes.get(); err != nil {
		return &NoPipeError{err}
	}
	s.p.misses = 0
	defer func() {
		s.p.lower()
		s.src.n.pipes.put(s.p)
	}()
	if err = s.run(); err == nil {
		return nil
	}
	if s.p.held > 0 && s.dst.wr.err == nil {
		s.dst.wr.err = err // a gap in what dst sends
	}
	return err
}

func (s *splicer) run() error {
	budget := int64(turn)
	for s.left > 0 {
		if s.by.over() {
			return errPause
		}
		before := s.left
		if err := s.fill(); err != nil {
			return err
		}
		if err := s.drain(); err != nil {
			return err
		}
		if budget -= before - s.left; budget <= 0 {
			budget = turn
			if err := s.t.Yield(); err != nil {
				return err
			}
		}
	}
	return nil
}

// fill moves bytes from src into the empty pipe, waiting for the first.
func (s *splicer) fill() error {
	r := &s.src.rd
	for {
		if err := r.check(); err != nil {
			return ended(err)
		}
		n := s.src.n.sock.Splice(int(s.src.fd), s.p.w, int(min(s.left, int64(s.p.room))), false)
		switch {
		case n > 0:
			s.left -= int64(n)
			s.p.held += int(n)
			if int(n) >= s.p.mark {
				s.p.misses = 0
			}
			return nil
		case n == 0:
			r.err = r.ending()
			return ended(r.err)
		case n != -sys.EAGAIN:
			r.err = s.src.opError("splice", sys.Error("splice", n))
			return r.err
		}
		if err := s.waitForMore(); err != nil {
			return ended(err)
		}
	}
}

const (
	// lowWater is how many bytes a splice would rather wait for than be woken for every segment: each step costs both
	// peers' wake-ups, which are most of what a relay costs.
	lowWater = 192 << 10
	// lowWaterTime is how long it waits for that many before it takes what there is. A source that was too slow for that
	// maxMisses times in a row is read as it comes from then on.
	lowWaterTime = 5 * time.Millisecond
	maxMisses    = 3
)

// waitForMore waits until src has something worth a step.
func (s *splicer) waitForMore() error {
	if s.by != nil {
		return s.by.await(s)
	}
	if s.src.unix || s.p.misses >= maxMisses {
		s.p.lower()
		return s.src.rd.waitReadable()
	}
	s.p.raise(s.src, int(min(s.left, lowWater)))
	err := s.src.rd.waitReadable()
	s.src.n.Loop.StopTimer(&s.p.patience)
	return err
}

// ended turns the end of a stream into what it is here: too early.
func ended(err error) error {
	if err == io.EOF {
		return io.ErrUnexpectedEOF
	}
	return err
}

// drain moves what the pipe holds to dst, waiting for room.
func (s *splicer) drain() error {
	w := &s.dst.wr
	for s.p.held > 0 {
		if err := w.check(); err != nil {
			return err
		}
		// Never SPLICE_F_MORE: it gains nothing measurable, and when the source pauses the last segment would wait 200 ms.
		n := s.dst.n.sock.Splice(s.p.r, int(s.dst.fd), s.p.held, false)
		switch {
		case n > 0:
			s.p.held -= int(n)
			w.sent += uint64(n)
			s.advance(int64(n))
			continue
		case n != -sys.EAGAIN:
			w.err = s.dst.opError("splice", sys.Error("splice", n))
			return w.err
		}
		if err := w.waitWritable(); err != nil {
			return err
		}
	}
	return nil
}

package conn

import (
	"io"

	"github.com/ringway/ringway/loop"
	"github.com/ringway/ringway/sys"
)

// turn is how many bytes a splice moves before it lets others have theirs.
const turn = 4 << 20

// Splice moves n bytes from src to dst without copying them through user space and returns how many it moved; fewer
// come with the error that stopped it, io.ErrUnexpectedEOF if src ended. src must have nothing buffered; what dst was
// given to send is sent first. onMoved, if not nil, is called after every step, to push deadlines back. It must run
// in a task of the connections' loop.
func Splice(t *loop.Task, dst, src *Conn, n int64, onMoved func(int64)) (int64, error) {
	if err := dst.wr.begin(); err != nil {
		return 0, err
	}
	if err := src.quiesce(); err != nil {
		return 0, err
	}
	p, err := src.n.pipes.get()
	if err != nil {
		return 0, err
	}
	defer src.n.pipes.put(p)
	if !src.n.Loop.NonBlocking() {
		if err := nonblock(src, dst, true); err != nil {
			return 0, err
		}
		defer nonblock(src, dst, false)
	}
	s := splicer{t: t, p: p, dst: dst, src: src, left: n, onMoved: onMoved}
	err = s.run()
	dst.wr.sent += uint64(s.moved)
	return s.moved, err
}

func nonblock(a, b *Conn, on bool) error {
	if err := sys.SetNonblock(int(a.fd), on); err != nil {
		return err
	}
	return sys.SetNonblock(int(b.fd), on)
}

// quiesce makes sure that no receive would take bytes past the splice.
func (c *Conn) quiesce() error {
	r := &c.rd
	if r.block != nil {
		panic("conn: splice with bytes still buffered")
	}
	if r.op.InFlight() {
		panic("conn: splice with a receive in flight")
	}
	return r.err
}

type splicer struct {
	t        *loop.Task
	p        *pipe
	dst, src *Conn
	left     int64 // bytes not taken from src yet
	moved    int64 // bytes given to dst
	onMoved  func(int64)
}

func (s *splicer) run() error {
	budget := int64(turn)
	for s.left > 0 || s.p.held > 0 {
		var in int
		if s.left > 0 && s.p.held == 0 {
			var err error
			if in, err = s.fill(); err != nil {
				return err
			}
		}
		out, err := s.drain()
		if err != nil {
			return err
		}
		if s.onMoved != nil && out > 0 {
			s.onMoved(int64(out))
		}
		if budget -= int64(in + out); budget < 0 {
			budget = turn
			if err := s.t.Yield(); err != nil {
				return err
			}
		}
	}
	return nil
}

// fill moves bytes from src into the pipe, waiting for the first.
func (s *splicer) fill() (int, error) {
	for {
		n := sys.Splice(int(s.src.fd), s.p.w, int(min(s.left, int64(s.p.room))), false)
		switch {
		case n > 0:
			s.left -= int64(n)
			s.p.held += int(n)
			return int(n), nil
		case n == 0:
			s.src.rd.err = io.EOF
			return 0, io.ErrUnexpectedEOF
		case n != -sys.EAGAIN:
			return 0, s.src.opError("splice", sys.Error("splice", n))
		}
		if err := s.src.rd.waitReadable(); err != nil {
			return 0, err
		}
	}
}

// drain moves what the pipe holds to dst, waiting for room.
func (s *splicer) drain() (int, error) {
	total := 0
	for s.p.held > 0 {
		n := sys.Splice(s.p.r, int(s.dst.fd), s.p.held, s.left > 0)
		switch {
		case n > 0:
			s.p.held -= int(n)
			s.moved += int64(n)
			total += int(n)
			continue
		case n != -sys.EAGAIN:
			return total, s.dst.opError("splice", sys.Error("splice", n))
		}
		if err := s.dst.wr.waitWritable(); err != nil {
			return total, err
		}
	}
	return total, nil
}

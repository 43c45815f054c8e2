package h2

import (
	"io"

	"github.com/ringway/ringway/buf"
	"github.com/ringway/ringway/proto/header"
	"github.com/ringway/ringway/proto/http2"
)

// The methods of exchange.Body, and of Prompt: the response's body as it has come, at most as much as the stream's window.

// data takes a part of the body.
func (s *Stream) data(ev *http2.Event) {
	if !s.store(ev.Data) {
		s.giveUp()
		return
	}
	s.ended = s.ended || ev.EndStream
	s.wake()
}

// store keeps bytes for the consumer; the buffer that they came in serves other streams too.
func (s *Stream) store(p []byte) bool {
	for len(p) > 0 {
		var b *buf.Block
		if n := len(s.queue); n > 0 && s.queue[n-1].Len < len(s.queue[n-1].Bytes) {
			b = s.queue[n-1]
		} else if b = s.c.shared.block(); b == nil {
			return false
		} else if s.abandoned { // it was the one to go
			b.Put()
			return false
		} else {
			s.queue = append(s.queue, b)
		}
		if !s.place.Holds() {
			s.c.shared.holders.Add(&s.place, s)
		}
		n := copy(b.Bytes[b.Len:], p)
		b.Len += n
		s.held += n
		p = p[n:]
	}
	return true
}

// giveBack ends the loan of a chunk, which makes room in the window.
func (s *Stream) giveBack() {
	n := s.lent
	if n == 0 {
		return
	}
	s.lent, s.off, s.held = 0, s.off+n, s.held-n
	if b := s.queue[0]; s.off == b.Len {
		b.Put()
		s.queue = append(s.queue[:0], s.queue[1:]...)
		s.off = 0
	}
	if s.c.shared.holders.Remove(&s.place); s.held > 0 {
		s.c.shared.holders.Add(&s.place, s)
	}
	s.c.m.Consumed(s.s, n)
	s.c.kick()
}

// Next lends the next bytes of the response's body.
func (s *Stream) Next() ([]byte, error) {
	s.giveBack()
	if s.held == 0 && !s.Ended() {
		if err := s.awaitData(); err != nil {
			return nil, err
		}
	}
	switch {
	case s.held > 0:
		p := s.queue[0].Data()[s.off:]
		s.lent = len(p)
		return p, nil
	case s.ended:
		return nil, io.EOF
	}
	return nil, s.err
}

// awaitData waits until there is something to be had from Next.
func (s *Stream) awaitData() error {
	s.heard = s.taken
	s.startTimer(&s.timer, s.patience)
	defer s.c.loop.StopTimer(&s.timer)
	for s.held == 0 && !s.Ended() {
		if err := s.wait(); err != nil {
			return err
		}
	}
	return nil
}

// Ready reports whether Next would not wait.
func (s *Stream) Ready() bool { return s.held > s.lent || s.Ended() }

// Prompt reports whether the rest of the body is there.
func (s *Stream) Prompt() bool { return s.ended }

// Last reports whether what Next has lent is the end of the response: nothing is behind it, no trailers either.
func (s *Stream) Last() bool { return s.lent > 0 && s.held == s.lent && s.ended && s.trailers == nil }

// Trailers are the fields behind the body, nil where there are none.
func (s *Stream) Trailers() *header.Fields {
	if s.trailers == nil {
		return nil
	}
	return &s.trailers.Fields
}

// Close gives the lent chunk back.
func (s *Stream) Close() {
	if s.c != nil {
		s.giveBack()
	}
}

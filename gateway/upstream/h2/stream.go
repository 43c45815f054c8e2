package h2

import (
	"os"
	"time"

	"github.com/ringway/ringway/buf"
	"github.com/ringway/ringway/loop"
	"github.com/ringway/ringway/proto/header"
	"github.com/ringway/ringway/proto/http2"
)

// maxInterims bounds the interim responses to one request.
const maxInterims = 64

// Stream is one request and its response. One task reads the response, one may send the request's body.
type Stream struct {
	c        *Conn
	s        *http2.Stream
	index    int // in c.streams
	openedAt int64
	deadline int64 // of the loop's clock: for every wait; 0: none

	reader   *loop.Task // waits for the response
	message  *http2.Message
	interims []Interim
	told     int // interim responses so far
	ended    bool
	trailers *http2.Message
	err      error // what has ended the response early
	patience time.Duration
	heard    uint64 // of the bytes taken of the request, those when the wait for more of the body began, or was last prolonged
	timer    loop.Timer
	late     bool

	queue []*buf.Block // what has come of the body
	off   int          // bytes of the first block that are done with
	held  int          // bytes in the queue that are not done with
	lent  int          // of them, those that the consumer has

	serves    loop.Handle        // the task that the response is for
	abandoned bool               // others needed its blocks
	place     buf.Holder[Stream] // among the holders

	sender    *loop.Task // waits to send
	queued    bool       // in c.senders
	taken     uint64     // bytes of the request's body that the windows took
	sent      bool       // the request is sent whole
	refusal   error      // why no more of it is taken
	sendTimer loop.Timer
	sendLate  bool
}

// Interim is an interim response (1xx).
type Interim struct {
	Status int
	Fields *header.Fields
}

// SetDeadline ends every wait at a time of the loop's clock with ErrDeadline; 0: none.
func (s *Stream) SetDeadline(at int64) { s.deadline = at }

// SetPatience bounds every wait for more of the body; 0: none.
func (s *Stream) SetPatience(d time.Duration) { s.patience = d }

// Due bounds the wait for the response's head from now on; 0: not at all.
func (s *Stream) Due(d time.Duration) {
	if s.err == nil && s.message == nil {
		s.startTimer(&s.timer, d)
	}
}

// startTimer starts a timer that ends at d from now or at the deadline.
func (s *Stream) startTimer(tm *loop.Timer, d time.Duration) {
	l := s.c.loop
	if tm == &s.timer {
		s.late = false
	}
	at := int64(0)
	if d > 0 {
		at = l.Now() + int64(d)
	}
	if s.deadline != 0 && (at == 0 || s.deadline < at) {
		at = s.deadline
	}
	if at == 0 {
		l.StopTimer(tm)
	} else {
		l.StartTimerAt(tm, at)
	}
}

// Await waits for a head: an interim response, which TakeInterim gives, or the final one, which Message gives.
func (s *Stream) Await() error {
	if !s.timer.Active() && s.deadline != 0 {
		s.startTimer(&s.timer, 0)
	}
	for len(s.interims) == 0 && s.message == nil {
		if s.err != nil {
			return s.err
		}
		if err := s.wait(); err != nil {
			return err
		}
	}
	if s.message != nil {
		s.c.loop.StopTimer(&s.timer)
		s.late = false
	}
	return nil
}

// TakeInterim gives the next interim response that has come.
func (s *Stream) TakeInterim() (i Interim, ok bool) {
	if len(s.interims) == 0 {
		return Interim{}, false
	}
	i = s.interims[0]
	s.interims = append(s.interims[:0], s.interims[1:]...)
	return i, true
}

// Message is the final response's head, nil before it is there. It is valid until Release.
func (s *Stream) Message() *http2.Message { return s.message }

// Ended reports whether the response is there to its end, or will never be.
func (s *Stream) Ended() bool { return s.ended || s.err != nil }

// Empty reports whether the response ends with its head.
func (s *Stream) Empty() bool { return s.ended && s.held == 0 && s.trailers == nil }

// wait parks the task that reads until something happens to the response.
func (s *Stream) wait() error {
	if s.late {
		s.late = false
		return s.lateness()
	}
	s.reader = s.c.loop.Current()
	err := s.reader.Park(s)
	s.reader = nil
	return err
}

// lateness is what a wait that took too long ends with.
func (s *Stream) lateness() error {
	if s.deadline != 0 && s.c.loop.Now() >= s.deadline {
		return ErrDeadline
	}
	return os.ErrDeadlineExceeded
}

// CancelWait ends a wait of either task.
func (s *Stream) CancelWait(t *loop.Task) { t.Loop().Ready(t) }

func (s *Stream) wake() {
	if s.reader != nil {
		s.c.loop.Ready(s.reader)
	}
}

// readTimer is a stream as what its timer for reading tells.
type readTimer Stream

// Expire ends a wait for the response. While its body may follow and the request goes on, a server may be silent for as long as it likes.
func (r *readTimer) Expire(*loop.Timer) {
	s := (*Stream)(r)
	if late := s.deadline != 0 && s.c.loop.Now() >= s.deadline; s.message != nil && s.heard != s.taken && !late {
		s.heard = s.taken
		s.startTimer(&s.timer, s.patience)
		return
	}
	s.late = true
	s.wake()
}

// headers takes a head.
func (s *Stream) headers(ev *http2.Event) {
	m := ev.Message
	if m.Status < 200 && !m.TooLarge {
		if s.told++; s.told > maxInterims {
			s.c.m.Reset(s.s, http2.EnhanceYourCalm)
			s.fail(ErrInterims)
			return
		}
		i := Interim{m.Status, new(header.Fields)} // m is gone with the next event
		for name, value := range m.All() {
			i.Fields.Add(string(name), value)
		}
		s.interims = append(s.interims, i)
	} else {
		s.message, s.ended = m, ev.EndStream
	}
	s.wake()
}

// reset takes the end of a stream that is not its own. After a whole response it only says that no more of the request is
// wanted (RFC 9113 §8.1).
func (s *Stream) reset(ev *http2.Event) {
	var why error = &ResetError{Code: ev.Code, Local: ev.Local, Reason: ev.Reason}
	if ev.Code == http2.RefusedStream && !ev.Local && s.message == nil && s.told == 0 {
		why = ErrRefused
	}
	s.fail(why)
}

// fail ends what has not come to its end.
func (s *Stream) fail(why error) {
	if !s.ended && s.err == nil {
		s.err = why
	}
	if !s.sent && s.refusal == nil {
		s.refusal = why
	}
	s.wake()
	s.wakeSender()
}

// Release gives the stream back. If either message is not complete, the server is told that no more is wanted.
func (s *Stream) Release() {
	c := s.c
	c.loop.StopTimer(&s.timer)
	c.loop.StopTimer(&s.sendTimer)
	for _, b := range s.queue {
		b.Put()
	}
	c.shared.holders.Remove(&s.place)
	s.s.Owner = nil
	c.m.Release(s.s)
	c.remove(s)
	c.shared.put(s)
	if c.err != nil {
		return
	}
	c.owner.Freed(c)
	c.settle()
}

package inbound

import (
	"bytes"
	"time"

	"github.com/ringway/ringway/errs"
	"github.com/ringway/ringway/gateway/secure"
	"github.com/ringway/ringway/loop"
	"github.com/ringway/ringway/observe/metrics"
	"github.com/ringway/ringway/proto/http1"
)

var errPlainHTTP error = errs.New(errs.BadRequest, "plain HTTP on a port for TLS").Public("this port speaks TLS: use https")

// isSecure makes the connection TLS, whose first bytes are there; false says that there is nothing to serve yet, or any more.
func (s *session) isSecure(t *loop.Task) bool {
	s.begun = true
	if secure.PlainHTTP(s.under.Buffered()) {
		s.shake.Refused(metrics.TLSPlainHTTP)
		s.answerPlain(t)
		return false
	}
	c, info := s.shake.Handshake(t, s.under, s.shakeLeft())
	s.shake = nil
	if c == nil {
		return false
	}
	s.c, s.info = c, info
	if info.Protocol == alpnHTTP2 {
		s.newH2().start()
		return false
	}
	if s.h.closes && s.h.patience == 0 {
		_ = s.c.Close()
		return false
	}
	if len(s.c.Buffered()) == 0 && s.c.Err() == nil {
		s.rest()
		return false
	}
	return true
}

// answerPlain tells a client that speaks HTTP without TLS what is wrong: nobody would find it out from an alert.
func (s *session) answerPlain(t *loop.Task) {
	r := s.h.take(s)
	defer s.h.put(r)
	r.begun(s.h, t)
	r.in.Reset()
	if bytes.HasPrefix(s.under.Buffered(), []byte("HEAD ")) {
		r.in.Method = http1.HEAD // no body may follow
	}
	r.refuse(true, errPlainHTTP)
	s.end(t)
}

// shakeLeft is what is left of the client's time for the handshake.
func (s *session) shakeLeft() time.Duration {
	return s.shake.Timeout() - time.Duration(s.h.n.Loop.Now()-s.since)
}

// leftEarly notes a client that left before its handshake.
func (s *session) leftEarly() {
	if s.shake != nil {
		s.shake.Refused(metrics.TLSClientClosed)
	}
}

// lateHandshake notes a client that never began one.
func (s *session) lateHandshake() {
	if s.shake != nil {
		s.shake.Refused(metrics.TLSTimeout)
	}
}

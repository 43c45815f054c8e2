package inbound

import (
	"errors"

	"github.com/ringway/ringway/gateway/exchange"
	"github.com/ringway/ringway/gateway/route"
	"github.com/ringway/ringway/loop"
	"github.com/ringway/ringway/proto/header"
	"github.com/ringway/ringway/proto/http1"
	"github.com/ringway/ringway/proto/http2"
)

// How a connection comes to speak HTTP/2: by ALPN (secure.go), with prior knowledge (RFC 9113 §3.3), or by an upgrade (RFC 7540
// §3.2, which RFC 9113 has let go, but which clients still ask for).

// beginning is what the first bytes of a connection say of its version.
type beginning uint8

const (
	beginsHTTP1 beginning = iota
	beginsHTTP2
	beginsUnclear
)

// prefaceCertain is how many bytes of the client's preface no request of HTTP/1.1 begins with: the method PRI is reserved.
const prefaceCertain = len("PRI ")

func beginningOf(b []byte) beginning {
	switch match, more := http2.MatchPreface(b); {
	case !match && !more:
		return beginsHTTP1
	case len(b) >= prefaceCertain:
		return beginsHTTP2 // what follows is for that to judge
	}
	return beginsUnclear
}

// beginsH2 looks whether a connection whose first bytes are there speaks HTTP/2, and has it served if it does.
func (s *session) beginsH2() bool {
	terms := s.h.terms
	switch {
	case terms.http2 == nil:
		return false
	case !terms.http1spoken: // what is no preface gets a GOAWAY
		s.newH2().start()
		return true
	case s.info != nil: // ALPN has settled it
		return false
	}
	begins := beginningOf(s.c.Buffered())
	s.unclear = begins == beginsUnclear // the reading of the head finds out
	if begins == beginsHTTP2 {
		s.newH2().start()
	}
	return begins == beginsHTTP2
}

// errPreface says that what was taken for a request is the preface of HTTP/2.
var errPreface = errors.New("the client's preface of HTTP/2")

// unclearHead is a request's head that may turn out to be the preface of HTTP/2: its first bytes came one by one.
type unclearHead struct {
	*http1.Request
	seen int // bytes of the preface
}

// Parse parses the head, as soon as it cannot be a preface.
func (u *unclearHead) Parse(b []byte, lim *http1.Limits) (int, error) {
	switch beginningOf(b) {
	case beginsUnclear:
		return 0, nil
	case beginsHTTP2:
		u.seen = len(b)
		return 0, errPreface
	}
	return u.Request.Parse(b, lim)
}

// readUnclear reads a head that may be a preface. Then the session becomes one of HTTP/2, and there is nothing to serve.
func (r *h1Request) readUnclear() (got bool, err error) {
	s := r.s
	s.unclear = false
	u := unclearHead{Request: &r.in}
	got, err = r.head.Read(s.c, &u, &r.terms.http1)
	if err != errPreface {
		return got, err
	}
	c := s.newH2()
	if taken := u.seen - len(s.c.Buffered()); taken > 0 { // the rest is still the connection's
		c.feed([]byte(http2.ClientPreface[:taken]))
	}
	r.head.Free()
	c.start()
	return got, err
}

// offersH2 reports whether the request asks to go over to h2c, and can: it has been read whole, and comes plain.
func (r *h1Request) offersH2() ([]http2.Setting, bool) {
	if !r.in.Upgrade || !r.in.HTTP2Settings || r.terms.http2 == nil || r.s.info != nil || r.in.Framing != http1.NoBody || r.in.Method == http1.CONNECT ||
		r.in.Count(header.HTTP2Settings) != 1 || h2c.Choose(&r.in.Fields) == nil || r.s.h.draining {
		return nil, false
	}
	value, _ := r.in.Get(header.HTTP2Settings)
	settings, err := http2.ParseHTTP2Settings(value)
	return settings, err == nil
}

// h2c is the protocol that a client asks to go over to (RFC 7540 §3.1).
var h2c = route.Upgrades{"h2c"}

// switching is the response to an upgrade to h2c.
const switching = "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n"

// upgrade makes the session one of HTTP/2, whose first stream is the request, and serves that. False says that the client is gone.
func (r *h1Request) upgrade(t *loop.Task, settings []http2.Setting) bool {
	s := r.s
	h := s.h
	s.c.SetWriteTimeout(r.terms.times.write)
	if _, err := s.c.Write([]byte(switching)); err != nil {
		return false
	}
	c := s.newH2()
	stream, err := c.hc.Upgrade(settings)
	if err != nil {
		c.fail(err)
		c.start()
		return true
	}
	q, in := h.takeH2(c, stream), &r.in
	q.run, q.in.method = t.Handle(), in.MethodToken
	q.body.start(q, true, h.terms)
	q.Request = exchange.Request{Method: in.Method, MethodToken: in.MethodToken, Authority: in.Authority,
		Path: in.Path, Query: in.Query, HasQuery: in.HasQuery, Fields: &in.Fields, Protocol: protocolHTTP2}
	c.start()
	q.Run(t)
	return true
}

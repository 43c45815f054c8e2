package inbound

import (
	"errors"
	"time"

	"github.com/ringway/ringway/errs"
	"github.com/ringway/ringway/gateway/exchange"
	"github.com/ringway/ringway/gateway/http1io"
	"github.com/ringway/ringway/loop"
	"github.com/ringway/ringway/observe/accesslog"
	"github.com/ringway/ringway/observe/metrics"
)

// offer settles what the request may go over to, once its route is known. Request.Tunnel is set where the client's version has
// found the request to be one that could; Request.Upgrade is the protocol that an extended CONNECT names, and over HTTP/1.1, where
// the client may name several, it is chosen here. A request whose protocols are not allowed is an ordinary one (RFC 9110 §7.8: a
// server may ignore Upgrade), but an extended CONNECT has no such meaning.
func (r *request) offer(t *Target) error {
	q := &r.Request
	if q.Tunnel == nil {
		return nil
	}
	if q.Upgrade != nil {
		if t.upgrades.Allows(q.Upgrade) {
			return nil
		}
		return errs.New(errs.NotImplemented, "CONNECT for "+string(q.Upgrade)).Public("this protocol is not passed through here") // RFC 9220 §3 asks for 501
	}
	if q.Upgrade = t.upgrades.Choose(q.Fields); q.Upgrade == nil {
		q.Tunnel = nil
	}
	return nil
}

// tunnelled reports whether the response is a tunnel, which the client has asked for.
func (r *request) tunnelled() bool {
	_, ok := r.Response.Owner.(exchange.Tunnel)
	return ok && r.Response.Status == exchange.StatusTunnel && r.Request.Upgrade != nil && r.Request.Body != nil && r.Response.Body != nil
}

// trace is a tunnel in the counters and the log. It outlives the request.
type trace struct {
	h     *Handler
	rec   accesslog.Record // its texts are text's
	text  []byte
	start int64
}

// beginTunnel counts a request that has become a tunnel, and keeps what will be logged of it: the request's head goes.
func (r *request) beginTunnel(t *trace, in received) {
	h, now := r.h, r.h.n.Loop.Now()
	h.Counters.BytesIn += uint64(in.head)
	h.Counters.Duration.Observe(now - r.Start)
	h.Counters.Tunnels.Open++
	t.h, t.rec, t.start = h, r.entry(now, in), r.Start
	t.keep(&t.rec.Method, &t.rec.Host, &t.rec.Path, &t.rec.Referer, &t.rec.UserAgent, &t.rec.RequestID)
}

// keep copies texts to where they stay.
func (t *trace) keep(texts ...*[]byte) {
	n := 0
	for _, p := range texts {
		n += len(*p)
	}
	t.text = make([]byte, 0, n)
	for _, p := range texts {
		at := len(t.text)
		t.text = append(t.text, *p...)
		*p = t.text[at:len(t.text):len(t.text)]
	}
}

// end counts and logs a tunnel that has ended.
func (t *trace) end(end metrics.SessionEnd, in, out uint64) {
	h, now := t.h, t.h.n.Loop.Now()
	h.Counters.Tunnels.Open--
	h.Counters.Tunnels.Ends[end]++
	h.Counters.Tunnels.Duration.Observe(now - t.start)
	if !h.access.Enabled() {
		return
	}
	t.rec.Time, t.rec.Duration = time.Now().UnixNano()-(now-t.start), now-t.start
	t.rec.BytesIn, t.rec.BytesOut, t.rec.End = in, out, end.String()
	h.access.Push(&t.rec)
}

// passage is a tunnel whose bytes pass through tasks: one side is encrypted, or a stream of HTTP/2, or a filter reads along. The
// request's task sends what the upstream says, and the outbound side's what the client says.
type passage struct {
	trace
	in, out heard
	quiet   silence
}

// pass passes both directions of a tunnel on until they have ended. totals are where bytes from the client and to it are counted. send
// sends the client its head, and the body that it is given, and passes the body's end on; its errors are http1io.SourceErrors where
// the body failed. sent grows with what the client takes.
func (r *request) pass(in received, totals [2]*uint64, sent func() uint64, send func(exchange.Body) error) metrics.SessionEnd {
	t := r.Response.Owner.(exchange.Tunnel)
	p := &passage{}
	r.beginTunnel(&p.trace, in)
	p.quiet.start(r.Task, r.terms.times.tunnel)
	defer p.quiet.stop()
	p.in = heard{Body: r.Request.Body, quiet: &p.quiet, total: totals[0], sent: t.Sent}
	p.out = heard{Body: r.Response.Body, quiet: &p.quiet, total: totals[1], sent: sent}
	p.quiet.ways = [2]*heard{&p.in, &p.out}
	r.Request.Body, r.Response.Body = &p.in, &p.out
	end := metrics.SessionFailed // it panics
	defer func() { p.end(end, p.in.n, p.out.n) }()
	t.Begin()
	err := send(&p.out)
	if err == nil {
		err = t.Wait()
	}
	end = r.passed(err)
	return end
}

// passed says what the end of a passage was.
func (r *request) passed(err error) metrics.SessionEnd {
	var source *http1io.SourceError
	cause := r.Task.Cause()
	switch {
	case cause == exchange.ErrSilent:
		return metrics.IdleTimeout
	case errors.Is(cause, loop.ErrStopped):
		return metrics.Drained
	case cause != nil && errs.CodeOf(cause).Source() == errs.SourceClient:
		return metrics.ClientReset
	case cause != nil && errs.CodeOf(cause).Source() == errs.SourceUpstream, errors.As(err, &source):
		return metrics.UpstreamReset
	case cause != nil:
		return metrics.SessionFailed
	case err != nil:
		return metrics.ClientReset
	}
	return metrics.Finished
}

// heard is one direction of a passage. What passes is counted, and ends its silence.
type heard struct {
	exchange.Body
	quiet *silence
	total *uint64
	n     uint64
	sent  func() uint64 // grows with what the other end takes
	seen  uint64        // of that, when it was last looked at
	lent  bool          // the other end has not taken all of the last piece
}

// Next notes what it lends.
func (b *heard) Next() ([]byte, error) {
	b.lent = false
	p, err := b.Body.Next()
	b.n += uint64(len(p))
	*b.total += uint64(len(p))
	b.quiet.last = b.quiet.l.Now()
	b.seen, b.lent = b.sent(), true
	return p, err
}

// moves reports whether the other end has taken some of the last piece since this was asked, and not all.
func (b *heard) moves() bool {
	seen := b.seen
	b.seen = b.sent()
	return b.lent && b.seen != seen
}

// silence ends a passage in which nothing has passed for too long.
type silence struct {
	l     *loop.Loop
	task  loop.Handle
	limit time.Duration // 0: none
	last  int64         // of the loop's clock
	timer loop.Timer
	ways  [2]*heard // in and out
}

func (s *silence) start(t *loop.Task, limit time.Duration) {
	s.l, s.task, s.limit = t.Loop(), t.Handle(), limit
	s.last, s.timer.Expirer = s.l.Now(), s
	if limit > 0 {
		s.l.StartTimer(&s.timer, limit)
	}
}

func (s *silence) stop() { s.l.StopTimer(&s.timer) }

// Expire looks whether the time has passed since the last byte: the timer is not moved for each. An end that takes what it gets very
// slowly is not silent.
func (s *silence) Expire(*loop.Timer) {
	if left := s.limit - time.Duration(s.l.Now()-s.last); left > 0 {
		s.l.StartTimer(&s.timer, left)
		return
	}
	if in, out := s.ways[0].moves(), s.ways[1].moves(); in || out {
		s.last = s.l.Now()
		s.l.StartTimer(&s.timer, s.limit)
		return
	}
	s.l.Cancel(s.task, exchange.ErrSilent)
}

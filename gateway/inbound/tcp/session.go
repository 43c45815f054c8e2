package tcp

import (
	"errors"
	"io"
	"net/netip"
	"time"

	"github.com/ringway/ringway/conn"
	"github.com/ringway/ringway/errs"
	"github.com/ringway/ringway/gateway/exchange"
	"github.com/ringway/ringway/gateway/inbound"
	"github.com/ringway/ringway/gateway/preface"
	"github.com/ringway/ringway/gateway/session"
	"github.com/ringway/ringway/gateway/upstream"
	"github.com/ringway/ringway/loop"
	"github.com/ringway/ringway/observe/accesslog"
	"github.com/ringway/ringway/observe/metrics"
)

// state is what a session is doing.
type state uint8

const (
	waiting state = iota // for the client's first bytes, without a task
	working              // a task finds it an upstream
	joined               // the relay has it
	ended                // its connection is being closed
)

// tunnel is one session. It has a task only from the client's first byte, or its coming, to the upstream's connection.
type tunnel struct {
	session.Session
	h      *Handler
	terms  *Terms // those that were in force when it began
	door   *inbound.Door
	relay  conn.Relay
	up     *upstream.Conn
	task   loop.Handle
	peer   netip.AddrPort // who opened the connection
	state  state
	header bool // a PROXY header comes first
	dials  bool // an upstream is being opened, and the client watched meanwhile

	leaving bool // it is on its way out of the loop, to another process
	stays   bool // it cannot be handed over
}

var (
	errClientReset = errors.New("the client broke the connection off")
	errUntrusted   = errors.New("its address is not among those of the proxies that may connect")

	errUpstreamReset = errs.New(errs.UpstreamReset, "the upstream broke the session off")
)

// begin waits for what the session is to be routed by, or starts it at once where its server may be the first to speak.
func (s *tunnel) begin() {
	switch s.terms.proxies.Judge(s.peer.Addr()) {
	case preface.Untrusted:
		s.refuse(metrics.UntrustedProxy, errUntrusted)
		return
	case preface.Gone:
		s.finish(metrics.ClientReset)
		return
	case preface.Header:
		s.header = true
		s.wait(s.terms.times.proxy)
		return
	}
	if s.terms.Names.Any() {
		s.work()
		return
	}
	s.wait(s.terms.times.hello)
}

// wait waits for bytes without a task.
func (s *tunnel) wait(d time.Duration) {
	s.state = waiting
	s.Client.Watch(s)
	s.Client.SetReadTimeout(d)
	if s.leave(); !s.leaving {
		s.Client.Arm()
	}
}

func (s *tunnel) work() {
	s.state = working
	s.task = s.h.n.Loop.Spawn("tcp", s)
}

// Readable starts the task, or ends the search for an upstream whose client has broken off. A client that has only ended its
// side may wait for what the upstream says.
func (s *tunnel) Readable(c *conn.Conn) {
	switch err := c.Err(); {
	case s.state == waiting:
		s.work()
	case s.dials && err != nil && err != io.EOF:
		s.h.n.Loop.Cancel(s.task, errClientReset)
	}
}

// Expired lets the task find that its time is up.
func (s *tunnel) Expired(*conn.Conn) {
	if s.state == waiting {
		s.work()
	}
}

// Run finds the session an upstream, as a task, and joins the two.
func (s *tunnel) Run(t *loop.Task) {
	returned := false
	defer func() {
		s.Task = nil
		if !returned { // it panicked; the loop says so
			s.finish(metrics.SessionFailed)
		}
	}()
	s.Task = t
	s.find()
	returned = true
}

// find leaves the session joined, waiting again, or ended.
func (s *tunnel) find() {
	if s.header {
		if !s.readProxy() {
			return
		}
		if !s.terms.Names.Any() {
			if len(s.Client.Buffered()) == 0 && s.Client.Err() == nil {
				s.wait(s.terms.times.hello)
				return
			}
			s.Client.SetReadTimeout(s.terms.times.hello)
		}
	}
	to, end, err := s.target()
	if to == nil {
		s.refuse(end, err)
		return
	}
	s.Route = to.Name
	s.Client.SetReadTimeout(0)
	s.Client.Watch(s)
	s.Client.Arm()
	s.dials = true
	k, err := to.To.Open(&s.Session)
	s.dials = false
	if err != nil {
		if end = s.causeOf(); end == metrics.Finished {
			end = metrics.SessionEndOf(err)
		}
		s.refuse(end, err)
		return
	}
	s.join(k)
}

// causeOf is the end that the task's cancellation stands for; Finished if it was not cancelled.
func (s *tunnel) causeOf() metrics.SessionEnd {
	switch s.Task.Cause() {
	case nil:
		return metrics.Finished
	case errClientReset:
		return metrics.ClientReset
	}
	return metrics.Drained
}

// readProxy takes the PROXY header from the connection; false says that the session has ended.
func (s *tunnel) readProxy() bool {
	e, err := preface.ReadProxy(s.Client)
	if err == nil {
		s.header, s.Endpoints = false, e
		return true
	}
	end := s.causeOf()
	if end == metrics.Finished {
		end = preface.ProxyEnd(err)
	}
	s.refuse(end, err)
	return false
}

// join hands both connections to the relay.
func (s *tunnel) join(k *upstream.Conn) {
	s.up, s.state = k, joined
	s.h.Counters.BytesIn += uint64(s.Forwarded)
	s.relay.Totals = [2]*uint64{&s.h.Counters.BytesIn, &s.h.Counters.BytesOut}
	s.relay.OnEnd = s.parted
	s.relay.Start(s.Client, k.Under, s.terms.times.tunnel)
	s.leave()
}

// parted is called when the relay has ended and both connections are closed.
func (s *tunnel) parted(r *conn.Relay) {
	s.up.Discard()
	stopped := metrics.SessionFailed
	if s.h.draining {
		stopped = metrics.Drained
	}
	end := session.EndOf(r.Why(), stopped)
	if end == metrics.UpstreamReset {
		s.up.Endpoint.Counters.CountError(errUpstreamReset)
	}
	s.finish(end)
}

// refuse ends a session that got no upstream, and tells the log if that concerns the operator.
func (s *tunnel) refuse(end metrics.SessionEnd, err error) {
	switch end {
	case metrics.ClientClosed, metrics.ClientReset, metrics.Drained:
	case metrics.NoRoute, metrics.BadClientHello, metrics.ClientHelloTimeout: // anyone can cause these
		s.h.Log.Debug("session refused", "listener", s.h.Name, "end", end.String(), "client", s.client(), "err", err)
	default:
		s.h.complaints.Warn(s.h.n.Loop.Now(), end, "peer", s.peer, "route", s.Route, "cluster", s.Cluster, "err", err)
	}
	s.finish(end)
}

// finish ends the session: it is counted and logged, and the client sees that it was broken off, unless both sides had ended.
func (s *tunnel) finish(end metrics.SessionEnd) {
	if s.state == ended {
		return
	}
	s.state = ended
	s.DropEarly()
	if !s.Client.Closed() {
		if end == metrics.ClientClosed {
			_ = s.Client.Close()
		} else {
			s.Client.Abort()
		}
	}
	now := s.h.n.Loop.Now()
	s.h.Counters.Sessions.Ends[end]++
	s.h.Counters.Sessions.Duration.Observe(now - s.Start)
	if s.h.access.Enabled() {
		s.log(now, end)
	}
}

// client is whom the session is for.
func (s *tunnel) client() netip.AddrPort {
	if s.Source.IsValid() {
		return s.Source
	}
	return s.peer
}

func (s *tunnel) log(now int64, end metrics.SessionEnd) {
	there, back := s.relay.Moved()
	rec := accesslog.Record{
		Time: time.Now().UnixNano() - (now - s.Start), Duration: now - s.Start, Client: s.client(),
		Host: s.ServerName, Protocol: "tcp", Listener: s.h.Name, Route: s.Route, Cluster: s.Cluster, Upstream: s.Endpoint,
		Retries: uint16(s.Retries), BytesIn: uint64(s.Forwarded) + there, BytesOut: back, End: end.String(),
	}
	if s.OpenAt > 0 {
		rec.UpstreamDuration = s.OpenAt - s.DialAt
	}
	s.h.note = exchange.AppendID(s.h.note[:0], s.ID)
	rec.RequestID = s.h.note
	s.h.access.Push(&rec)
}

// closed is called when the descriptor is gone.
func (s *tunnel) closed(*conn.Conn) {
	delete(s.h.sessions, s)
	s.h.Counters.Active--
	s.h.Counters.Closed++
	s.door.Release()
}

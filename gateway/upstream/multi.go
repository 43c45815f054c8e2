package upstream

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/ringway/ringway/errs"
	"github.com/ringway/ringway/gateway/secure"
	"github.com/ringway/ringway/gateway/upstream/h2"
	"github.com/ringway/ringway/loop"
	"github.com/ringway/ringway/proto/header"
	"github.com/ringway/ringway/proto/http2"
)

// Multi is an HTTP/2 connection to an endpoint, which carries many requests at a time. It is the endpoint's until it ends; a request
// has a stream of it.
type Multi struct {
	*h2.Conn
	Endpoint *Endpoint

	via      *secure.Connector // what made it TLS
	requests int
	reserved int  // streams that were promised and are not open yet
	busy     bool // it has streams
	barren   bool // it turned out to have no room, though it had carried nothing yet
}

// Carrier is what a request goes over: one of the two.
type Carrier struct {
	Conn  *Conn
	Multi *Multi
}

// errMultiplexed says that a connection turned out to be HTTP/2.
var errMultiplexed = errors.New("the server has chosen HTTP/2")

// dialPoll is how often who waits for a connection that is being made looks whether it still is.
const dialPoll = 50 * time.Millisecond

// Take gives the task what its next request goes over: an HTTP/1.1 connection as Get does, or an HTTP/2 connection with room for a
// stream, on which Open must be called before the task waits. upload says that the request has a body. Its errors carry a code.
func (e *Endpoint) Take(t *loop.Task, fresh, upload bool) (Carrier, error) {
	return e.takeAny(t, fresh, upload, false)
}

// takeAny is Take; spent says that the request waits for others' connections, since one of HTTP/2 that was made for it has no room.
func (e *Endpoint) takeAny(t *loop.Task, fresh, upload, spent bool) (Carrier, error) {
	for {
		if !e.multiplexes {
			c, err := e.Get(t, fresh)
			if err == errMultiplexed {
				continue
			}
			return Carrier{Conn: c}, err
		}
		c, err := e.room(t, upload, spent)
		if err != nil || c != (Carrier{}) {
			return c, err
		}
	}
}

// room waits for an HTTP/2 connection with room for a stream, which is made if there is none. If ALPN settles otherwise it gives a
// connection of HTTP/1.1, or nothing, and the endpoint is to be asked anew.
func (e *Endpoint) room(t *loop.Task, upload, spent bool) (Carrier, error) {
	set := e.cluster.Settings
	dials := e.mayDial() && !spent && e.spent <= set.Pool.Waiting
	mayWait := dials || len(e.wanting) < set.Pool.Waiting+e.dialing*set.HTTP2.Streams
	picky := upload && !spent && mayWait
	if len(e.wanting) == e.picky {
		if m := e.roomy(upload, picky); m != nil {
			m.reserved++
			return Carrier{Multi: m}, nil
		}
	}
	if !mayWait {
		return Carrier{}, e.overloaded("too many requests wait for a connection to " + e.Name)
	}
	w := &waiter{task: t, of: e, until: e.n.Loop.Now() + 2*int64(set.Connect), upload: upload, picky: picky}
	w.time.Expirer = w
	if set.Connect > 0 {
		e.n.Loop.StartTimer(&w.time, set.Connect)
	}
	defer e.n.Loop.StopTimer(&w.time)
	e.wanting = append(e.wanting, w)
	if picky {
		e.picky++
	}
	if spent {
		e.spend(w)
	}
	e.dialMore()
	for w.multi == nil && w.conn == nil && w.err == nil && !w.again {
		cause := t.Park(w)
		if cause == nil && w.late && w.multi == nil && w.conn == nil && w.err == nil {
			cause = e.overloaded("no connection to " + e.Name + " had room for a request in time")
		}
		if cause != nil {
			e.forgetWanting(w)
			if w.late {
				e.dropBarred()
			}
			return Carrier{}, cause
		}
	}
	return Carrier{Conn: w.conn, Multi: w.multi}, w.err
}

// overloaded counts a request for which there is no room.
func (e *Endpoint) overloaded(why string) error {
	e.cluster.Counters.Overloaded++
	return errs.New(errs.Overloaded, why)
}

// spend has no further connection made for one that waits: a server that lets no stream be opened would be connected to without end.
func (e *Endpoint) spend(w *waiter) {
	e.settleFor(w)
	if !w.spent {
		w.spent = true
		e.spent++
	}
}

// dropBarred ends the connections on which the server lets no stream be opened, after a request has waited for that in vain: the next
// may find the server of another mind.
func (e *Endpoint) dropBarred() {
	for _, m := range slices.Clone(e.multi) {
		if m.reserved == 0 && m.Barred() {
			m.Drain()
		}
	}
}

// settleFor has one that waits take a clogged connection, too.
func (e *Endpoint) settleFor(w *waiter) {
	if w.picky {
		w.picky = false
		e.picky--
	}
}

// maxClogged is how many connections whose servers take no more of bodies are enough to tell that another would be like them.
const maxClogged = 4

// roomy is the first connection that has room for a stream: later ones come to rest when the first suffices. For an upload it is the
// first of those that have a window for bodies, else one that is not clogged. If there are only clogged ones, and few, a picky upload
// rather waits for one that can be made.
func (e *Endpoint) roomy(upload, picky bool) *Multi {
	var best *Multi
	clogged := 0
	for _, m := range e.multi {
		if upload && m.Clogged() {
			clogged++
		}
		switch {
		case !m.stays() || m.Room() <= m.reserved:
		case !upload || m.HasWindow():
			return m
		case best == nil || best.Clogged() && !m.Clogged():
			best = m
		}
	}
	if picky && clogged < maxClogged && best != nil && best.Clogged() && (e.dialing > 0 || e.mayDial()) {
		return nil
	}
	return best
}

// stays reports whether the connection may carry further requests.
func (m *Multi) stays() bool {
	e := m.Endpoint
	bound := e.cluster.Settings.Pool.Requests
	return !m.Ending() && m.via == e.makes && e.version.multiplexes() && (bound == 0 || m.requests+m.reserved < bound)
}

// mayDial reports whether there is room for another connection.
func (e *Endpoint) mayDial() bool { return e.open < e.cluster.Settings.Pool.Connections }

// dialMore makes connections for those that wait, if those that are being made will not do.
func (e *Endpoint) dialMore() {
	for e.dialing*e.cluster.Settings.HTTP2.Streams < len(e.wanting)-e.spent {
		if !e.mayDial() {
			if len(e.idle) == 0 {
				return
			}
			e.idle[0].Discard() // one of the time when the server spoke HTTP/1.1: who waits may have its room already
			continue
		}
		e.open++
		e.dialing++
		e.Counters.Connects++
		e.n.Loop.Spawn("http2 connect", (*dialer)(e))
	}
}

// forgetWanting takes a waiter that gave up out of the queue; what it was handed meanwhile goes to the next.
func (e *Endpoint) forgetWanting(w *waiter) {
	if i := slices.Index(e.wanting, w); i >= 0 {
		e.unqueue(i)
		return
	}
	if w.conn != nil {
		w.conn.Release(true)
	} else if w.multi != nil {
		w.multi.reserved--
		w.multi.Freed(w.multi.Conn)
	}
}

// nextWanting takes the one that has waited longest out of the queue and lets it go on.
func (e *Endpoint) nextWanting() *waiter { return e.letGo(0) }

// letGo takes the i-th out of the queue and lets it go on.
func (e *Endpoint) letGo(i int) *waiter {
	w := e.unqueue(i)
	e.n.Loop.Ready(w.task)
	return w
}

// unqueue takes the i-th out of the queue.
func (e *Endpoint) unqueue(i int) *waiter {
	w := e.wanting[i]
	e.wanting = slices.Delete(e.wanting, i, i+1)
	e.settleFor(w)
	if w.spent {
		e.spent--
	}
	return w
}

// offerRoom gives those that wait what room there is, and makes connections for the rest.
func (e *Endpoint) offerRoom() {
	if e.shareRoom(); len(e.wanting) > 0 {
		e.dialMore()
	}
}

// shareRoom gives those that wait what room there is, the longest waiting first. Uploads for which there is only such as they do not want
// hold up nobody.
func (e *Endpoint) shareRoom() {
	onlyClogged := false
	for i := 0; i < len(e.wanting); {
		w := e.wanting[i]
		if w.picky && onlyClogged {
			i++
			continue
		}
		m := e.roomy(w.upload, w.picky)
		switch {
		case m != nil:
			m.reserved++
			e.letGo(i).multi = m
		case w.picky:
			onlyClogged = true
		default:
			return
		}
	}
}

// dialer is an endpoint as a task that makes one connection.
type dialer Endpoint

// Run makes a connection for those that wait, as a task: who needs it first may have left by the time that it is there.
func (d *dialer) Run(*loop.Task) {
	e := (*Endpoint)(d)
	w, err := e.connect()
	e.dialing--
	if err == nil && w.via != e.makes { // what connections are to be like has changed meanwhile
		_ = w.Close()
		e.open--
		e.offerRoom()
		return
	}
	if err == nil && w.via != nil && e.version == HTTP2 && w.protocol != alpnHTTP2 {
		_ = w.Close()
		err = fmt.Errorf("the server does not choose HTTP/2 by ALPN, but %q", w.protocol)
	}
	switch {
	case err != nil:
		e.open--
		e.dialFailed(dialError(err, e.Name))
	case !e.version.multiplexes() || w.via != nil && w.protocol != alpnHTTP2:
		e.settleHTTP1(w)
	default:
		e.adopt(w)
	}
	if len(e.wanting) == 0 {
		e.offerSlot()
	}
}

// dialFailed tells those that wait, unless there is a connection that they can wait for.
func (e *Endpoint) dialFailed(err error) {
	e.Counters.CountError(err)
	if slices.ContainsFunc(e.multi, (*Multi).stays) {
		for _, w := range e.wanting {
			e.settleFor(w)
		}
		e.shareRoom()
		return
	}
	for len(e.wanting) > 0 {
		e.nextWanting().err = err
	}
}

// settleHTTP1 goes over to HTTP/1.1, which the server has chosen.
func (e *Endpoint) settleHTTP1(w wire) {
	e.multiplexes = false
	c := e.take(w)
	if len(e.wanting) > 0 {
		e.nextWanting().conn = c
	} else {
		c.Release(true)
	}
	e.askAnew()
}

// askAnew sends those that wait back to Take.
func (e *Endpoint) askAnew() {
	for len(e.wanting) > 0 {
		e.nextWanting().again = true
	}
}

// adopt makes an HTTP/2 connection of w, and gives it to those that wait.
func (e *Endpoint) adopt(w wire) {
	m := &Multi{Endpoint: e, via: w.via}
	m.Conn = h2.New(w.Stream, e.cluster.http2, m)
	e.multi = append(e.multi, m)
	e.Counters.Idle++
	m.Start()
	if err := m.Err(); err != nil {
		e.dialFailed(errs.From(errs.UpstreamConnectFailed, err, "connect to "+e.Name))
		return
	}
	m.Freed(m.Conn)
}

// Open opens the stream that was promised. ErrRefused of package h2 says that the connection has ended its life meanwhile.
func (m *Multi) Open(r *http2.RequestHead, f *header.Fields, end bool) (*h2.Stream, error) {
	m.reserved--
	s, err := m.Conn.Open(r, f, end)
	if err != nil {
		m.Freed(m.Conn)
		return nil, err
	}
	m.requests++
	e := m.Endpoint
	e.Counters.Streams++
	if m.Reused() {
		e.Counters.Reused++
	}
	if !m.busy {
		m.busy = true
		e.Counters.Idle--
		e.Counters.Active++
	}
	return s, nil
}

// Close gives a stream back.
func (m *Multi) Close(s *h2.Stream) {
	m.Endpoint.Counters.Streams--
	s.Release()
}

// Freed is called when the connection may have room again, or has come to rest.
func (m *Multi) Freed(*h2.Conn) {
	e := m.Endpoint
	if m.Err() != nil {
		e.offerRoom()
		return
	}
	if !m.barren && m.requests == 0 && m.Barred() { // it was made for those that wait; later ones try anew
		m.barren = true
		for _, w := range e.wanting {
			e.spend(w)
		}
	}
	rests := m.Streams() == 0 && m.reserved == 0
	if m.busy && m.Streams() == 0 {
		m.busy = false
		e.Counters.Active--
		e.Counters.Idle++
	}
	e.offerRoom()
	if m.reserved > 0 || m.Ending() {
		return
	}
	if gone := e.cluster.closing || e.retired; rests && (gone || !m.stays() || e.crowded()) || !rests && !m.stays() {
		m.Drain()
	}
}

// crowded reports whether more connections are at rest than are to be kept.
func (e *Endpoint) crowded() bool { return int(e.Counters.Idle) > e.cluster.Settings.Pool.Idle }

// GoingAway is called when the server lets the connection end.
func (m *Multi) GoingAway(*h2.Conn, http2.ErrCode) { m.Endpoint.Counters.GoAways++ }

// Panicked is called when the gateway has failed over the connection.
func (m *Multi) Panicked(*h2.Conn) { m.Endpoint.Counters.Panics++ }

// Closed is called when the connection has ended.
func (m *Multi) Closed(*h2.Conn) {
	e := m.Endpoint
	if m.busy {
		e.Counters.Active--
	} else {
		e.Counters.Idle--
	}
	e.open--
	if i := slices.Index(e.multi, m); i >= 0 {
		e.multi = slices.Delete(e.multi, i, i+1)
	}
	e.offerSlot()
	e.offerRoom()
}

// Reused reports whether the connection has carried another request before the present one.
func (m *Multi) Reused() bool { return m.requests > 1 }

// reconfigure has the HTTP/2 connections go by settings that may have changed.
func (e *Endpoint) reconfigure() {
	for _, m := range slices.Clone(e.multi) {
		m.Configure(e.cluster.http2)
		m.Freed(m.Conn)
	}
}

// drainMulti lets every HTTP/2 connection end with its last stream.
func (e *Endpoint) drainMulti() {
	for _, m := range slices.Clone(e.multi) {
		if m.reserved == 0 {
			m.Drain()
		}
	}
}

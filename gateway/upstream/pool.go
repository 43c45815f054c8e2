package upstream

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/ringway/ringway/conn"
	"github.com/ringway/ringway/errs"
	"github.com/ringway/ringway/gateway/secure"
	"github.com/ringway/ringway/loop"
	"github.com/ringway/ringway/observe/metrics"
	"github.com/ringway/ringway/sys"
)

// Endpoint is one server with one loop's connections to it.
type Endpoint struct {
	Name     string
	Counters metrics.EndpointCounters

	n       *conn.Net
	cluster *Cluster
	addr    conn.Address
	idle    []*Conn // last in, first out: the warmest is used next
	open    int     // connections, those being made included
	waiting []*waiter
	tls     *secure.Client // nil: plain
	tlsHost string         // the name that tls verifies, unless its own specification names one
	makes   *secure.Connector
	makes1  *secure.Connector // for HTTP/1.1 where makes leaves the choice to ALPN; nil: not needed yet
	retired bool              // no request is to choose it any more, so that nothing is kept for the next

	version     Version
	multiplexes bool // requests go over HTTP/2 connections, as far as is known yet
	multi       []*Multi
	dialing     int       // connections that are being made for those who want one of multi
	wanting     []*waiter // they
	spent       int       // how many of them no further connection is made for
	picky       int       // how many of them do not want a clogged one
}

func newEndpoint(n *conn.Net, c *Cluster, a conn.Address) *Endpoint {
	return &Endpoint{Name: a.String(), n: n, cluster: c, addr: a}
}

// speak makes new connections as the arguments say: TLS, nil for plain ones, and the version of HTTP. Those that were made otherwise
// are not used again.
func (e *Endpoint) speak(cl *secure.Client, host string, v Version) {
	if e.version == v && e.tls.Same(cl) && e.tlsHost == host {
		return
	}
	e.closeIdle()
	e.tls, e.tlsHost, e.makes, e.makes1 = cl, host, nil, nil
	e.version, e.multiplexes = v, v.multiplexes()
	if !e.multiplexes {
		e.askAnew()
	}
	if cl != nil {
		e.makes = cl.Connector(e.n.Loop, host, v.protocols())
	}
}

// Host is what a request to the endpoint names as its host when the client named none.
func (e *Endpoint) Host() string {
	if e.unix() {
		return "localhost"
	}
	return e.Name
}

// Secure reports whether connections to the endpoint are TLS.
func (e *Endpoint) Secure() bool { return e.makes != nil }

func (e *Endpoint) unix() bool { return strings.HasPrefix(e.Name, "unix:") }

// Cluster is the cluster that the endpoint belongs to.
func (e *Endpoint) Cluster() *Cluster { return e.cluster }

// Conn is a connection to an endpoint. While it is pooled a receive is pending on it, so that its end is noticed at
// once.
type Conn struct {
	conn.Stream
	Endpoint *Endpoint
	// Under is what carries the Stream: the same, unless that is encrypted.
	Under  *conn.Conn
	Reused bool // it has carried a request before
	// Carried is what the outbound handler keeps from request to request.
	Carried any

	via      *secure.Connector // what made it TLS
	requests int
	bulk     int // small responses until the connection is taken for one that carries small ones again
	pooled   int // place among the idle ones, -1 while in use
}

// waiter is a task that waits for one of an endpoint's connections.
type waiter struct {
	task *loop.Task
	conn *Conn // handed over
	slot bool  // may open one, which Endpoint.open counts already
	late bool
	time loop.Timer

	// Of who wants an HTTP/2 connection:
	of     *Endpoint
	until  int64  // when it waits no longer for what is being made
	multi  *Multi // has room for it
	err    error  // there is none to be had
	again  bool   // the endpoint is to be asked anew
	spent  bool   // a connection was made for it already, and has no room for anybody
	upload bool   // it has a body to send
	picky  bool   // it rather waits for a connection that is being made than use a clogged one
}

// CancelWait ends the wait.
func (w *waiter) CancelWait(t *loop.Task) { t.Loop().Ready(t) }

// Expire ends a wait that takes too long. Who waits for a connection that is just being made hears from that, which has a time
// of its own.
func (w *waiter) Expire(*loop.Timer) {
	if w.of != nil && w.of.dialing > 0 && w.of.n.Loop.Now() < w.until {
		w.of.n.Loop.StartTimer(&w.time, dialPoll)
		return
	}
	w.late = true
	w.task.Loop().Ready(w.task)
}

// verdict is why the wait failed: the task was cancelled, or nothing came in time.
func (w *waiter) verdict(cause error, endpoint string) error {
	if cause == nil && w.late && w.conn == nil && !w.slot {
		return errs.New(errs.Overloaded, "no connection to "+endpoint+" became free in time")
	}
	return cause
}

// Get gives the task a connection: a pooled one, unless fresh is set, or a new one. Its errors carry a code.
func (e *Endpoint) Get(t *loop.Task, fresh bool) (*Conn, error) {
	if n := len(e.idle) - 1; n >= 0 && !fresh {
		c := e.idle[n]
		e.idle[n] = nil
		e.idle = e.idle[:n]
		c.take()
		return c, nil
	}
	if e.open >= e.cluster.Settings.Pool.Connections {
		if n := len(e.idle) - 1; n >= 0 { // fresh: an old one makes room
			e.idle[n].Discard()
		} else if c, err := e.wait(t); c != nil || err != nil {
			if errs.CodeOf(err) == errs.Overloaded {
				e.cluster.Counters.Overloaded++
			}
			return c, err
		} else {
			return e.dial(t)
		}
	}
	e.open++
	return e.dial(t)
}

// Open gives the task a connection that nobody has used before, within the same bounds as Get. Its errors carry a code.
func (e *Endpoint) Open(t *loop.Task) (*Conn, error) {
	c, err := e.Get(t, true)
	if err != nil || !c.Reused {
		return c, err
	}
	_ = c.Close() // it was handed over by its last user; only its place is wanted
	e.Counters.Reused--
	e.Counters.Active--
	return e.dial(t)
}

func (c *Conn) take() {
	c.pooled = -1
	c.Watch(nil)
	c.Reused = true
	c.Endpoint.Counters.Reused++
	c.Endpoint.Counters.Active++
	c.Endpoint.Counters.Idle--
}

// wait waits for a connection that is given back, or for leave to open one (nil, nil). It takes no longer than connecting
// may, since that is what it stands in for.
func (e *Endpoint) wait(t *loop.Task) (*Conn, error) {
	if len(e.waiting) >= e.cluster.Settings.Pool.Waiting {
		return nil, errs.New(errs.Overloaded, "too many requests wait for a connection to "+e.Name)
	}
	w := &waiter{task: t}
	w.time.Expirer = w
	if d := e.cluster.Settings.Connect; d > 0 {
		e.n.Loop.StartTimer(&w.time, d)
	}
	defer e.n.Loop.StopTimer(&w.time)
	e.waiting = append(e.waiting, w)
	for w.conn == nil && !w.slot {
		if err := w.verdict(t.Park(w), e.Name); err != nil {
			e.forget(w)
			return nil, err
		}
	}
	return w.conn, nil
}

// forget takes a waiter that gave up out of the queue; what it was handed meanwhile goes to the next.
func (e *Endpoint) forget(w *waiter) {
	for i, o := range e.waiting {
		if o == w {
			e.waiting = append(e.waiting[:i], e.waiting[i+1:]...)
			return
		}
	}
	if w.conn != nil {
		w.conn.Release(true)
	} else if w.slot {
		e.open--
		e.offerSlot()
	}
}

func (e *Endpoint) nextWaiter() *waiter {
	w := e.waiting[0]
	e.waiting = append(e.waiting[:0], e.waiting[1:]...)
	e.n.Loop.Ready(w.task)
	return w
}

// offerSlot tells a waiter that there is room for one more connection.
func (e *Endpoint) offerSlot() {
	if len(e.waiting) > 0 && e.open < e.cluster.Settings.Pool.Connections {
		e.open++ // at once, lest somebody else takes the room before the waiter runs
		e.nextWaiter().slot = true
	}
}

func (e *Endpoint) dial(t *loop.Task) (*Conn, error) {
	e.Counters.Connects++
	w, err := e.connect()
	if err != nil {
		e.open--
		e.offerSlot()
		if t.Cause() != nil {
			return nil, t.Cause()
		}
		err = dialError(err, e.Name)
		e.Counters.CountError(err)
		return nil, err
	}
	if w.protocol == alpnHTTP2 {
		e.multiplexes = true
		e.adopt(w)
		return nil, errMultiplexed
	}
	return e.take(w), nil
}

// take makes a connection of w that carries one request at a time.
func (e *Endpoint) take(w wire) *Conn {
	e.Counters.Active++
	return &Conn{Stream: w.Stream, Under: w.under, Endpoint: e, via: w.via, pooled: -1}
}

// wire is a connection of which nothing is known but how it was made.
type wire struct {
	conn.Stream
	under    *conn.Conn
	via      *secure.Connector
	protocol string // that ALPN has settled
}

// connect opens a connection, and makes it TLS where the cluster is; both within the time for connecting.
func (e *Endpoint) connect() (wire, error) { return e.connectBy(e.makes) }

func (e *Endpoint) connectBy(via *secure.Connector) (wire, error) {
	limit, l := e.cluster.Settings.Connect, e.n.Loop
	start := l.Now()
	k, err := conn.Dial(e.n, &e.addr, limit)
	if err != nil {
		return wire{}, err
	}
	w := wire{Stream: k, under: k, via: via}
	if w.via == nil {
		return w, nil
	}
	if limit > 0 {
		limit = max(limit-time.Duration(l.Now()-start), 1)
	}
	if w.Stream, w.protocol, err = w.via.Connect(l.Current(), k, limit); err != nil {
		return wire{}, fmt.Errorf("TLS handshake: %w", err)
	}
	return w, nil
}

func dialError(err error, name string) error {
	code := errs.UpstreamConnectFailed
	switch {
	case sys.IsExhausted(err): // ours is the fault, and another endpoint would not help
		return errs.From(errs.Overloaded, err, "connect to "+name)
	case errors.Is(err, os.ErrDeadlineExceeded) || sys.IsTimeout(err):
		code = errs.UpstreamConnectTimeout
	case sys.IsRefused(err):
		code = errs.UpstreamConnectRefused
	}
	return errs.From(code, err, "connect to "+name)
}

// Release gives the connection back after a request; reusable says that request and response were complete and that it
// may carry another.
func (c *Conn) Release(reusable bool) {
	e := c.Endpoint
	lim := &e.cluster.Settings.Pool
	c.requests++
	if !reusable || e.cluster.closing || e.retired || c.via != e.makes || e.version == HTTP2 || c.Err() != nil || len(c.Buffered()) > 0 || lim.Requests > 0 && c.requests >= lim.Requests {
		c.drop()
		return
	}
	if len(e.waiting) > 0 {
		c.Reused = true
		e.Counters.Reused++
		e.nextWaiter().conn = c
		return
	}
	if len(e.idle) >= lim.Idle {
		c.drop()
		return
	}
	if e.cluster.to != nil && c.plain() {
		c.leave()
		return
	}
	e.Counters.Active--
	e.Counters.Idle++
	c.pooled = len(e.idle)
	e.idle = append(e.idle, c)
	c.Watch(c)
	c.SetReadTimeout(e.cluster.Settings.Idle)
	c.Arm()
}

// bulkMemory is how many small responses it takes to forget a large one.
const bulkMemory = 8

// Expect notes whether a response was large. Connections that carry small ones receive in multishot, which is cheaper;
// on those that carry large ones it would bring the body into buffers before it can be spliced past them.
func (c *Conn) Expect(large bool) {
	if large {
		c.bulk = bulkMemory
	} else if c.bulk > 0 {
		c.bulk--
	}
	c.Multishot(c.bulk == 0)
}

// Discard closes a connection, pooled or in use.
func (c *Conn) Discard() {
	if c.pooled < 0 {
		c.drop()
		return
	}
	c.unpool()
	c.drop()
}

func (c *Conn) drop() {
	e := c.Endpoint
	e.Counters.Active--
	e.open--
	_ = c.Close()
	e.offerSlot()
	e.offerRoom()
}

// Readable is called for a pooled connection: the server closed it, or sent something that nobody asked for. Either way
// it is of no more use.
func (c *Conn) Readable(*conn.Conn) { c.Discard() }

// Expired is called when a pooled connection was not used for too long.
func (c *Conn) Expired(*conn.Conn) { c.Discard() }

// resize holds the endpoint to bounds that may have changed.
func (e *Endpoint) resize() {
	e.reconfigure()
	for len(e.idle) > e.cluster.Settings.Pool.Idle {
		e.idle[0].Discard() // the coldest
	}
	for had := -1; len(e.waiting) > 0 && had != len(e.waiting); {
		had = len(e.waiting)
		e.offerSlot()
	}
}

func (e *Endpoint) closeIdle() {
	for n := len(e.idle); n > 0; n = len(e.idle) {
		e.idle[n-1].Discard()
	}
	e.drainMulti()
}

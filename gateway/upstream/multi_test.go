package upstream

import (
	"net"
	"testing"
	"time"

	"github.com/ringway/ringway/conn"
	"github.com/ringway/ringway/errs"
	"github.com/ringway/ringway/gateway/upstream/h2"
	"github.com/ringway/ringway/loop"
	"github.com/ringway/ringway/proto/http2"
)

// shared makes the pool's cluster speak HTTP/2, with so many streams on each connection. Its server takes every request and never
// answers.
func (p *pool) shared(streams int) {
	p.l.On(func() { p.update(HTTP2, streams) })
}

func (p *pool) update(v Version, streams int) {
	set := *p.c.Settings
	set.Version, set.HTTP2 = v, HTTP2Spec{Streams: streams, Window: 64 << 10}
	p.c.Update(&Resolved{Name: "c", Settings: set, Addresses: []conn.Address{p.e.addr}, Weights: []int{1}, order: newOrder([]int{1})})
}

var request = http2.RequestHead{Method: []byte("GET"), Scheme: "http", Authority: []byte("x"), Path: []byte("/")}

// ride is a stream that a test holds.
type ride struct {
	m *Multi
	s *h2.Stream
}

func (r ride) end() { r.m.Close(r.s) }

// ride takes a stream.
func (p *pool) ride(t *loop.Task) (ride, error) {
	c, err := p.e.Take(t, false, false)
	if err != nil {
		return ride{}, err
	}
	s, err := c.Multi.Open(&request, nil, true)
	return ride{c.Multi, s}, err
}

func (p *pool) mustRide(t *loop.Task) ride {
	p.Helper()
	r, err := p.ride(t)
	if err != nil {
		p.Errorf("Take: %v", err)
		panic(err)
	}
	return r
}

// TestStreamsShareAndSpill: requests that come together wait for one connection, those beyond its bound for further ones, and the first
// with room is used.
func TestStreamsShareAndSpill(t *testing.T) {
	eachDriver(t, PoolSpec{Idle: 1, Connections: 10, Waiting: 100}, func(p *pool) {
		p.shared(4)
		p.do(func(t *loop.Task) {
			var rides []ride
			var all []loop.Handle
			for range 10 {
				all = append(all, p.l.Go("request", func(t *loop.Task) { rides = append(rides, p.mustRide(t)) }))
			}
			for _, h := range all {
				_ = t.Join(h)
			}
			if p.e.Counters.Connects != 3 || p.e.Counters.Streams != 10 || p.e.Counters.Active != 3 || p.e.open != 3 || p.e.Counters.Reused != 7 {
				p.Errorf("%d open, %+v", p.e.open, p.e.Counters)
			}
			first := p.e.multi[0]
			for _, r := range rides {
				if r.m == first {
					r.end()
					break
				}
			}
			if r := p.mustRide(t); r.m != first {
				p.Error("not the first connection with room")
			} else {
				r.end()
			}
			for _, r := range rides {
				if r.s.Ended() {
					p.Error("a stream has ended by itself")
				}
			}
		})
		p.do(func(t *loop.Task) {
			for _, m := range append([]*Multi(nil), p.e.multi...) {
				m.Drain() // with streams that nobody gives back, which the end below does
			}
		})
		p.release()
	})
}

// release ends what a test has left open by the server's leaving.
func (p *pool) release() {
	p.count()
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, c := range p.accepted {
		_ = c.Close()
	}
}

// TestStreamsWait: who waits for room gets it in order, or gives up, or is refused; what was promised is not lost.
func TestStreamsWait(t *testing.T) {
	eachDriver(t, PoolSpec{Idle: 8, Connections: 1, Waiting: 2}, func(p *pool) {
		p.shared(1)
		var order []string
		p.do(func(t *loop.Task) {
			a := p.mustRide(t)
			wait := func(name string) loop.Handle {
				return p.l.Go(name, func(t *loop.Task) {
					r, err := p.ride(t)
					if err != nil {
						order = append(order, name+" "+string(errs.CodeOf(err)))
						return
					}
					order = append(order, name)
					_ = t.Sleep(time.Millisecond)
					r.end()
				})
			}
			first, second, third := wait("first"), wait("second"), wait("third")
			_ = t.Join(third)
			a.end()
			_, _ = t.Join(first), t.Join(second)

			b := p.mustRide(t)
			var got error
			early := p.l.Go("early", func(t *loop.Task) { _, got = p.ride(t) })
			_ = t.Yield()
			p.l.Cancel(early, errLeft)
			if _ = t.Join(early); got != errLeft || len(p.e.wanting) != 0 {
				p.Errorf("%v, %d waiting", got, len(p.e.wanting))
			}
			late, next := p.l.Go("late", func(t *loop.Task) { _, got = p.ride(t) }), wait("next")
			_ = t.Yield()
			got = nil
			b.end() // to the late one …
			p.l.Cancel(late, errLeft)
			_, _ = t.Join(late), t.Join(next)
			if got != errLeft || p.e.open != 1 || p.e.multi[0].reserved != 0 {
				p.Errorf("%v, %d open", got, p.e.open)
			}

			c := p.mustRide(t)
			p.c.Settings.Connect = 20 * time.Millisecond
			if _, err := p.ride(t); errs.CodeOf(err) != errs.Overloaded {
				p.Errorf("%v", err)
			}
			c.end()
		})
		if len(order) != 4 || order[0] != "third overloaded" || order[1] != "first" || order[2] != "second" || order[3] != "next" {
			p.Errorf("%q", order)
		}
	})
}

// TestStreamsOfChangedEndpoints: connections of an endpoint that speaks otherwise now, or is gone, end with their last stream, and who
// waits goes on by what holds now.
func TestStreamsOfChangedEndpoints(t *testing.T) {
	eachDriver(t, PoolSpec{Idle: 8, Connections: 2, Waiting: 5, Requests: 3}, func(p *pool) {
		p.shared(1)
		p.do(func(t *loop.Task) {
			a, b := p.mustRide(t), p.mustRide(t)
			var late Carrier
			var err error
			waiter := p.l.Go("waiter", func(t *loop.Task) { late, err = p.e.Take(t, false, false) })
			_ = t.Yield()
			p.update(HTTP1, 1)
			if !a.m.Ending() || a.m.Err() != nil || a.s.Ended() {
				p.Errorf("ending %v, err %v", a.m.Ending(), a.m.Err())
			}
			a.end()
			b.end()
			if _ = t.Join(waiter); err != nil || late.Conn == nil {
				p.Errorf("the waiter got %+v, %v", late, err)
			}
			late.Conn.Release(true)
			p.update(HTTP2, 1)
			for range 4 { // the bound of requests is three
				p.mustRide(t).end()
			}
			if p.e.Counters.Connects != 5 || len(p.e.multi) != 1 {
				p.Errorf("%d connections, %+v", len(p.e.multi), p.e.Counters)
			}
			c := p.mustRide(t)
			p.c.Close()
			c.end()
		})
	})
}

// TestStreamsWithoutServer: all that wait for a connection hear that it did not come about.
func TestStreamsWithoutServer(t *testing.T) {
	eachDriver(t, PoolSpec{Idle: 8, Connections: 2, Waiting: 50}, func(p *pool) {
		p.shared(100)
		ln, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		addr, _ := conn.NewAddress(ln.Addr().String())
		_ = ln.Close()
		p.do(func(t *loop.Task) {
			before := p.e.addr
			p.e.addr = addr
			var all []loop.Handle
			failed := 0
			for range 20 {
				all = append(all, p.l.Go("request", func(t *loop.Task) {
					if _, err := p.e.Take(t, false, false); errs.CodeOf(err) == errs.UpstreamConnectRefused {
						failed++
					}
				}))
			}
			for _, h := range all {
				_ = t.Join(h)
			}
			if failed != 20 || p.e.open != 0 || p.e.Counters.Connects != 1 {
				p.Errorf("%d failed, %d open, %+v", failed, p.e.open, p.e.Counters)
			}
			p.e.addr = before
		})
	})
}

// TestStreamsReplaceIdle: connections of the time when the server spoke HTTP/1.1 make room, each for one, and the bound of connections
// holds.
func TestStreamsReplaceIdle(t *testing.T) {
	eachDriver(t, PoolSpec{Idle: 8, Connections: 2, Waiting: 5}, func(p *pool) {
		p.l.On(func() { p.update(AutoHTTP, 1) })
		p.do(func(t *loop.Task) {
			a, err := p.e.Get(t, false)
			b, err2 := p.e.Get(t, false)
			if err != nil || err2 != nil {
				p.Errorf("Get: %v, %v", err, err2)
				return
			}
			a.Release(true)
			b.Release(true)
			if len(p.e.idle) != 2 || p.e.open != 2 {
				p.Errorf("%d idle of %d", len(p.e.idle), p.e.open)
			}
			p.e.multiplexes = true // as when ALPN settles otherwise for a further connection
			var rides []ride
			var all []loop.Handle
			for range 2 {
				all = append(all, p.l.Go("request", func(t *loop.Task) { rides = append(rides, p.mustRide(t)) }))
			}
			for _, h := range all {
				_ = t.Join(h)
			}
			if p.e.open != 2 || p.e.Counters.Connects != 4 {
				p.Errorf("%d open, %+v", p.e.open, p.e.Counters)
			}
			for _, r := range rides {
				r.end()
			}
		})
	})
}

// TestPanicOutsideTasks: a fault of the gateway's own while it takes what has come ends the connection, and nothing else.
func TestPanicOutsideTasks(t *testing.T) {
	eachDriver(t, PoolSpec{Idle: 8, Connections: 2, Waiting: 5}, func(p *pool) {
		p.shared(2)
		p.do(func(t *loop.Task) {
			a, b := p.mustRide(t), p.mustRide(t)
			whole := p.e.cluster
			p.e.cluster = nil // what the settings' arrival looks at
			go func() {
				p.eventually("the server accepts", func() bool {
					p.mu.Lock()
					defer p.mu.Unlock()
					if len(p.accepted) == 0 {
						return false
					}
					_, _ = p.accepted[0].Write([]byte{0, 0, 0, 4, 0, 0, 0, 0, 0}) // SETTINGS
					return true
				})
			}()
			if err := a.s.Await(); err != h2.ErrPanicked || b.s.Broken() != h2.ErrPanicked {
				p.Errorf("%v, %v", err, b.s.Broken())
			}
			p.e.cluster = whole
			a.end()
			b.end()
			if c := &p.e.Counters; c.Panics != 1 || p.e.open != 0 || c.Active != 0 || c.Idle != 0 || c.Streams != 0 {
				p.Errorf("%d open, %+v", p.e.open, c)
			}
			p.mustRide(t).end()
		})
	})
}

package upstream

import (
	"net"
	"testing"
	"time"

	"github.com/ringway/ringway/conn"
	"github.com/ringway/ringway/loop"
)

// stuck is a stream whose request does not get through, and the task that sends it.
type stuck struct {
	ride
	h loop.Handle
}

func (s stuck) end(t *loop.Task) {
	t.Loop().Cancel(s.h, net.ErrClosed)
	_ = t.Join(s.h)
	s.ride.end()
}

// clog sends more of a request's body than the server takes, and waits until that has held the connection up for a while.
func (p *pool) clog(t *loop.Task) stuck {
	c := p.take(t, true)
	s, err := c.Open(&request, nil, false)
	if err != nil {
		p.Errorf("Open: %v", err)
		panic(err)
	}
	h := p.l.Go("upload", func(t *loop.Task) {
		for rest := make([]byte, 100<<10); len(rest) > 0; {
			n, err := s.Offer(rest, false)
			if rest = rest[n:]; err != nil || n == 0 && s.AwaitRoom(t, 0) != nil {
				return
			}
		}
	})
	for !c.Clogged() {
		_ = t.Sleep(5 * time.Millisecond)
	}
	return stuck{ride{c, s}, h}
}

// take takes a connection of HTTP/2.
func (p *pool) take(t *loop.Task, upload bool) *Multi {
	p.Helper()
	c, err := p.e.Take(t, false, upload)
	if err != nil {
		p.Errorf("Take: %v", err)
		panic(err)
	}
	return c.Multi
}

// TestUploadsSpill: an upload does not go over a connection whose server takes no more of bodies, as long as another can be had; what
// has no body does, and does not wait behind those that wait for another.
func TestUploadsSpill(t *testing.T) {
	eachDriver(t, PoolSpec{Idle: 8, Connections: 2, Waiting: 50}, func(p *pool) {
		p.shared(100)
		p.do(func(t *loop.Task) {
			first := p.clog(t)
			give := func(m *Multi) { m.reserved-- }

			before := p.e.addr
			p.e.addr = unserved(p.T)
			if m := p.take(t, true); m != first.m || p.e.Counters.Connects != 2 || p.e.picky != 0 || p.e.spent != 0 {
				p.Errorf("where no other connection is to be had, an upload goes over %p, not %p; %d picky, %+v", m, first.m, p.e.picky, p.e.Counters)
			}
			give(first.m)
			p.e.addr = before

			var other *Multi
			var all []loop.Handle
			for range 3 {
				all = append(all, p.l.Go("upload", func(t *loop.Task) { other = p.take(t, true) }))
			}
			all = append(all, p.l.Go("no upload", func(t *loop.Task) { // before the connection can be there
				if p.e.picky != 3 || len(p.e.wanting) != 3 {
					p.Errorf("%d of %d wait for another connection", p.e.picky, len(p.e.wanting))
				}
				if m := p.take(t, false); m != first.m || p.e.picky != 3 {
					p.Error("a request without a body has not gone over the first connection at once")
				}
				give(first.m)
			}))
			for _, h := range all {
				_ = t.Join(h)
			}
			if other == first.m || other.reserved != 3 || p.e.open != 2 || p.e.picky != 0 {
				p.Errorf("%d uploads are promised the other connection, %d open, %d picky", other.reserved, p.e.open, p.e.picky)
			}
			other.reserved = 0

			second := p.clog(t)
			if second.m != other {
				p.Error("an upload does not use the connection that is at rest")
			}
			if m := p.take(t, true); m != first.m || p.e.open != 2 {
				p.Errorf("beyond the bound, an upload goes over %p, not %p; %d open", m, first.m, p.e.open)
			}
			give(first.m)

			first.end(t)
			second.end(t)
			if p.e.Counters.Streams != 0 || p.e.Counters.Active != 0 {
				p.Errorf("%+v", p.e.Counters)
			}
		})
	})
}

// TestPickyGivesUp: an upload that is cancelled while it waits for another connection leaves nothing behind.
func TestPickyGivesUp(t *testing.T) {
	eachDriver(t, PoolSpec{Idle: 8, Connections: 2, Waiting: 50}, func(p *pool) {
		p.shared(100)
		p.do(func(t *loop.Task) {
			first := p.clog(t)
			h := p.l.Go("upload", func(t *loop.Task) {
				if _, err := p.e.Take(t, false, true); err == nil {
					p.Error("it got a connection")
				}
			})
			p.l.Go("end", func(t *loop.Task) { t.Loop().Cancel(h, net.ErrClosed) })
			if _ = t.Join(h); p.e.picky != 0 || len(p.e.wanting) != 0 {
				p.Errorf("%d of %d wait for another connection", p.e.picky, len(p.e.wanting))
			}
			for p.e.dialing > 0 {
				_ = t.Sleep(time.Millisecond)
			}
			first.end(t)
		})
	})
}

// unserved is an address at which nobody listens.
func unserved(t *testing.T) conn.Address {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	a, _ := conn.NewAddress(ln.Addr().String())
	_ = ln.Close()
	return a
}

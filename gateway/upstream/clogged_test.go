package upstream

import (
	"errors"
	"fmt"
	"net"
	"syscall"
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

// window lets the server of the first connection take so many bytes more of all bodies together.
func (p *pool) window(n byte) {
	p.mu.Lock()
	defer p.mu.Unlock()
	const settings, update = "\x00\x00\x00\x04\x00\x00\x00\x00\x00", "\x00\x00\x04\x08\x00\x00\x00\x00\x00\x00\x00"
	_, _ = p.accepted[0].Write([]byte(settings + update + string([]byte{n, 0})))
}

// TestUploadsGoBack: an upload that waits for another connection takes the clogged one as soon as its server takes bodies again.
func TestUploadsGoBack(t *testing.T) {
	eachDriver(t, PoolSpec{Idle: 8, Connections: 2, Waiting: 50}, func(p *pool) {
		p.shared(100)
		hung := backlogged(p.T)
		p.do(func(t *loop.Task) {
			p.c.Settings.Connect = 3 * time.Second // the test lasts as long
			first := p.clog(t)
			before := p.e.addr
			p.e.addr = hung
			var got *Multi
			h := p.l.Go("upload", func(t *loop.Task) { got = p.take(t, true) })
			for len(p.e.wanting) == 0 || p.e.dialing == 0 {
				_ = t.Sleep(time.Millisecond)
			}
			p.window(64)
			_ = t.Join(h)
			if got != first.m || p.e.dialing == 0 {
				p.Errorf("it took %p, not %p, and %d connections are being made", got, first.m, p.e.dialing)
			}
			got.reserved--
			p.e.addr = before
			first.end(t)
		})
	})
}

// TestCloggedByItsOwnWindow: a connection is clogged when it has had no window for a while, however long a body has waited for its own.
func TestCloggedByItsOwnWindow(t *testing.T) {
	eachDriver(t, PoolSpec{Idle: 8, Connections: 20, Waiting: 50}, func(p *pool) {
		p.shared(100)
		p.do(func(t *loop.Task) {
			first := p.clog(t) // its stream's window is used up, too
			p.window(16)
			for !first.m.HasWindow() {
				_ = t.Sleep(time.Millisecond)
			}
			_ = t.Sleep(200 * time.Millisecond)
			m := p.take(t, true)
			s, err := m.Open(&request, nil, false)
			if err != nil {
				p.Error(err)
				return
			}
			if n, _ := s.Offer(make([]byte, 16<<8), false); n != 16<<8 || m.HasWindow() || m.Clogged() {
				p.Errorf("%d bytes sent, a window %v, clogged %v", n, m.HasWindow(), m.Clogged())
			}
			m.Close(s)
			first.end(t)
		})
	})
}

// TestUploadsSpillSoFar: a server that takes nothing on several connections does not get more and more of them.
func TestUploadsSpillSoFar(t *testing.T) {
	eachDriver(t, PoolSpec{Idle: 512, Connections: 100, Waiting: 50}, func(p *pool) {
		p.shared(100)
		p.do(func(t *loop.Task) {
			var all []stuck
			for range 2 * maxClogged {
				all = append(all, p.clog(t))
			}
			if p.e.open != maxClogged {
				p.Errorf("%d connections", p.e.open)
			}
			for _, s := range all {
				s.end(t)
			}
		})
	})
}

// backlogged is an address whose accept queue is full: connecting to it neither succeeds nor fails.
func backlogged(t *testing.T) conn.Address {
	t.Helper()
	fd, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = syscall.Close(fd) })
	if err := errors.Join(syscall.Bind(fd, &syscall.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}), syscall.Listen(fd, 0)); err != nil {
		t.Fatal(err)
	}
	at, err := syscall.Getsockname(fd)
	if err != nil {
		t.Fatal(err)
	}
	text := fmt.Sprintf("127.0.0.1:%d", at.(*syscall.SockaddrInet4).Port)
	for { // until one gets no answer
		c, err := net.DialTimeout("tcp", text, 100*time.Millisecond)
		if err != nil {
			break
		}
		t.Cleanup(func() { _ = c.Close() })
	}
	a, err := conn.NewAddress(text)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

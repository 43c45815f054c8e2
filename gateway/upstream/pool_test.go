package upstream

import (
	"errors"
	"net"
	"os"
	"sync"
	"testing"
	"time"

	"github.com/ringway/ringway/buf"
	"github.com/ringway/ringway/conn"
	"github.com/ringway/ringway/errs"
	"github.com/ringway/ringway/loop"
	"github.com/ringway/ringway/loop/epoll"
	"github.com/ringway/ringway/loop/uring"
)

const patience = 30 * time.Second

func TestMain(m *testing.M) {
	buf.Poison = true
	os.Exit(m.Run())
}

// pool is an endpoint on a loop, with a server behind it that keeps what it accepts.
type pool struct {
	*testing.T
	l *loop.Loop
	c *Cluster
	e *Endpoint

	mu       sync.Mutex
	accepted []net.Conn
}

// eachDriver runs f with an empty pool on every driver. Afterwards nothing may be in use.
func eachDriver(t *testing.T, lim PoolSpec, f func(p *pool)) {
	for name, open := range map[string]loop.NewDriver{"uring": uring.New, "epoll": epoll.New} {
		t.Run(name, func(t *testing.T) {
			if err := uring.Probe(); name == "uring" && err != nil {
				t.Skip("needs io_uring as of Linux 6.1: ", err)
			}
			ln, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			defer ln.Close()
			p := &pool{T: t}
			go p.accept(ln)
			if p.l, err = loop.Start(loop.DefaultConfig(0, open)); err != nil {
				t.Fatal(err)
			}
			addr, err := conn.NewAddress(ln.Addr().String())
			if err != nil {
				t.Fatal(err)
			}
			p.l.On(func() {
				p.c = NewCluster(conn.NewNet(p.l, conn.DefaultLimits()), &Resolved{Name: "c", Addresses: []conn.Address{addr}, Weights: []int{1}, order: newOrder([]int{1}),
					Settings: Settings{Connect: patience, Idle: patience, Pool: lim}})
				p.e = p.c.Pick()
			})
			f(p)
			p.l.On(p.c.Close)
			p.eventually("everything is given back", func() bool {
				return p.e.open == 0 && len(p.e.idle) == 0 && len(p.e.waiting) == 0 && p.e.Counters.Active == 0 && p.e.Counters.Idle == 0 &&
					p.e.n.Usage() == conn.Usage{} && p.l.Stats().Live == 0
			})
			p.l.Stop(time.Second)
			if err := p.l.Wait(); err != nil {
				t.Error(err)
			}
		})
	}
}

func (p *pool) accept(ln net.Listener) {
	for {
		c, err := ln.Accept()
		p.mu.Lock()
		if err != nil {
			for _, c := range p.accepted {
				_ = c.Close()
			}
			p.mu.Unlock()
			return
		}
		p.accepted = append(p.accepted, c)
		p.mu.Unlock()
	}
}

// eventually waits until f, on the loop, says yes.
func (p *pool) eventually(what string, f func() bool) {
	p.Helper()
	for end := time.Now().Add(patience); ; time.Sleep(time.Millisecond) {
		ok := false
		p.l.On(func() { ok = f() })
		if ok {
			return
		}
		if time.Now().After(end) {
			p.Fatalf("not after %v: %s", patience, what)
		}
	}
}

// do runs f as a task and waits for its end.
func (p *pool) do(f func(t *loop.Task)) {
	p.Helper()
	done := make(chan struct{})
	p.l.Post(func() { p.l.Go("test", func(t *loop.Task) { defer close(done); f(t) }) })
	select {
	case <-done:
	case <-time.After(patience):
		p.Fatal("the task did not end")
	}
}

func (p *pool) get(t *loop.Task, fresh bool) *Conn {
	p.Helper()
	c, err := p.e.Get(t, fresh)
	if err != nil {
		p.Errorf("Get: %v", err)
		panic(err)
	}
	return c
}

func TestLastInFirstOut(t *testing.T) {
	eachDriver(t, PoolSpec{Idle: 2, Connections: 10}, func(p *pool) {
		p.do(func(t *loop.Task) {
			a, b, c := p.get(t, false), p.get(t, false), p.get(t, false)
			if a.Reused || p.e.Counters.Active != 3 || p.e.Counters.Connects != 3 {
				p.Errorf("%+v", p.e.Counters)
			}
			a.Release(true)
			b.Release(true)
			c.Release(true) // beyond the bound of idle ones
			if !c.Closed() || p.e.Counters.Idle != 2 || p.e.Counters.Active != 0 || p.e.open != 2 {
				p.Errorf("closed %v, %+v", c.Closed(), p.e.Counters)
			}
			if got := p.get(t, false); got != b || !got.Reused || p.e.Counters.Reused != 1 {
				p.Errorf("the next one is not the one given back last; %+v", p.e.Counters)
			}
			if got := p.get(t, false); got != a {
				p.Error("the one after that is not the first")
			}
			b.Release(false)
			if !b.Closed() {
				p.Error("a connection that cannot be used again was kept")
			}
			f := p.get(t, true)
			if f == a || f.Reused {
				p.Error("a fresh one was asked for")
			}
			f.Discard()
			a.Release(true)
		})
	})
}

func TestRequestsBound(t *testing.T) {
	eachDriver(t, PoolSpec{Idle: 2, Connections: 10, Requests: 2}, func(p *pool) {
		p.do(func(t *loop.Task) {
			a := p.get(t, false)
			a.Release(true)
			if p.get(t, false) != a {
				p.Error("not reused")
			}
			if a.Release(true); !a.Closed() {
				p.Error("used more often than allowed")
			}
		})
	})
}

func TestIdleTimeoutAndStaleness(t *testing.T) {
	eachDriver(t, PoolSpec{Idle: 8, Connections: 10}, func(p *pool) {
		p.l.On(func() { p.c.Settings.Idle = 20 * time.Millisecond })
		p.do(func(t *loop.Task) { p.get(t, false).Release(true) })
		p.eventually("it expires", func() bool { return p.e.Counters.Idle == 0 && p.e.open == 0 })
		p.l.On(func() { p.c.Settings.Idle = patience })

		for _, end := range []func(c net.Conn){
			func(c net.Conn) { _ = c.Close() },
			func(c net.Conn) { _ = c.(*net.TCPConn).SetLinger(0); _ = c.Close() },
			func(c net.Conn) { _, _ = c.Write([]byte("HTTP/1.1 408 Request Timeout\r\n\r\n")) },
		} {
			p.do(func(t *loop.Task) {
				a, b := p.get(t, false), p.get(t, false)
				a.Release(true)
				b.Release(true)
			})
			n := p.count()
			p.mu.Lock()
			end(p.accepted[n-1])
			p.mu.Unlock()
			p.eventually("the server's end is noticed", func() bool { return p.e.Counters.Idle == 1 && p.e.open == 1 && p.e.idle[0].pooled == 0 })
			p.do(func(t *loop.Task) { p.get(t, false).Discard() })
		}
	})
}

// count waits until the server has accepted what is open.
func (p *pool) count() (n int) {
	p.eventually("the server accepts", func() bool {
		p.mu.Lock()
		defer p.mu.Unlock()
		n = len(p.accepted)
		return uint64(n) == p.e.Counters.Connects
	})
	return n
}

func TestConnectionsBound(t *testing.T) {
	eachDriver(t, PoolSpec{Idle: 8, Connections: 2, Waiting: 2}, func(p *pool) {
		var order []string
		p.do(func(t *loop.Task) {
			a, b := p.get(t, false), p.get(t, false)
			wait := func(name string) loop.Handle {
				return p.l.Go(name, func(t *loop.Task) {
					c, err := p.e.Get(t, false)
					if err != nil {
						order = append(order, name+" "+string(errs.CodeOf(err)))
						return
					}
					order = append(order, name)
					_ = t.Sleep(time.Millisecond)
					c.Release(true)
				})
			}
			first, second, third := wait("first"), wait("second"), wait("third")
			_ = t.Join(third) // refused at once, since two wait
			a.Release(true)   // goes to the first
			b.Release(false)  // makes room for the second
			_, _ = t.Join(first), t.Join(second)
			if p.e.open > 2 || p.e.Counters.Connects != 3 {
				p.Errorf("%d open, %+v", p.e.open, p.e.Counters)
			}
		})
		if len(order) != 3 || order[0] != "third overloaded" || order[1] != "first" || order[2] != "second" {
			p.Errorf("%q", order)
		}
	})
}

// TestBoundHoldsForLatecomers: room that was promised to a waiter is not taken by who comes before it runs.
func TestBoundHoldsForLatecomers(t *testing.T) {
	eachDriver(t, PoolSpec{Idle: 8, Connections: 1, Waiting: 5}, func(p *pool) {
		most := 0
		p.do(func(t *loop.Task) {
			a := p.get(t, false)
			use := func(t *loop.Task) {
				c := p.get(t, false)
				most = max(most, p.e.open)
				c.Release(false)
			}
			waiter := p.l.Go("waiter", use)
			_ = t.Yield()
			late := p.l.Go("late", use) // runs before the waiter, which the release below makes ready
			a.Release(false)
			_, _ = t.Join(waiter), t.Join(late)
		})
		if most != 1 {
			p.Errorf("%d connections where one is allowed", most)
		}
	})
}

var errLeft = errors.New("the client left")

// TestWaiterGivesUp: a waiter may be cancelled before, or just after, it was handed something; that must not be lost.
func TestWaiterGivesUp(t *testing.T) {
	for _, reusable := range []bool{true, false} {
		eachDriver(t, PoolSpec{Idle: 8, Connections: 1, Waiting: 5}, func(p *pool) {
			p.do(func(t *loop.Task) {
				a := p.get(t, false)
				var got error
				quitter := func(t *loop.Task) { _, got = p.e.Get(t, false) }
				early := p.l.Go("early", quitter)
				_ = t.Yield()
				p.l.Cancel(early, errLeft)
				if _ = t.Join(early); got != errLeft || len(p.e.waiting) != 0 {
					p.Errorf("%v, %d waiting", got, len(p.e.waiting))
				}

				late, served := p.l.Go("late", quitter), false
				next := p.l.Go("next", func(t *loop.Task) { p.get(t, false).Release(true); served = true })
				_ = t.Yield()
				a.Release(reusable) // to the late one …
				p.l.Cancel(late, errLeft)
				_, _ = t.Join(late), t.Join(next)
				if got != errLeft || !served || p.e.open != 1 {
					p.Errorf("%v, served %v, %d open", got, served, p.e.open)
				}
			})
		})
	}
}

func TestWaitIsBounded(t *testing.T) {
	eachDriver(t, PoolSpec{Idle: 8, Connections: 1, Waiting: 5}, func(p *pool) {
		p.do(func(t *loop.Task) {
			a := p.get(t, false)
			p.c.Settings.Connect = 20 * time.Millisecond
			if _, err := p.e.Get(t, false); errs.CodeOf(err) != errs.Overloaded {
				p.Errorf("%v", err)
			}
			p.c.Settings.Connect = patience
			a.Release(true)
		})
	})
}

func TestFreshMakesRoom(t *testing.T) {
	eachDriver(t, PoolSpec{Idle: 8, Connections: 1, Waiting: 5}, func(p *pool) {
		p.do(func(t *loop.Task) {
			a := p.get(t, false)
			a.Release(true)
			b := p.get(t, true)
			if b == a || !a.Closed() || p.e.open != 1 {
				p.Errorf("%d open", p.e.open)
			}
			b.Release(true)
		})
	})
}

func TestClosedClusterKeepsNothing(t *testing.T) {
	eachDriver(t, PoolSpec{Idle: 8, Connections: 4}, func(p *pool) {
		p.do(func(t *loop.Task) {
			a, b := p.get(t, false), p.get(t, false)
			a.Release(true)
			p.c.Close()
			b.Release(true)
			if !a.Closed() || !b.Closed() || p.e.open != 0 {
				p.Errorf("%d open", p.e.open)
			}
		})
	})
}

func TestDialErrors(t *testing.T) {
	eachDriver(t, PoolSpec{Idle: 8, Connections: 1, Waiting: 1}, func(p *pool) {
		ln, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		refused, _ := conn.NewAddress(ln.Addr().String())
		_ = ln.Close()
		p.do(func(t *loop.Task) {
			good := p.e.addr
			p.e.addr = refused
			if _, err := p.e.Get(t, false); errs.CodeOf(err) != errs.UpstreamConnectRefused {
				p.Errorf("%v", err)
			}
			if p.e.open != 0 || p.e.Counters.Errors[0] != 1 {
				p.Errorf("%d open, %+v", p.e.open, p.e.Counters)
			}
			p.e.addr = good
			p.get(t, false).Release(true)
		})
	})
}

func TestReuseAllocatesNothing(t *testing.T) {
	eachDriver(t, PoolSpec{Idle: 8, Connections: 4}, func(p *pool) {
		p.do(func(t *loop.Task) {
			p.get(t, false).Release(true)
			if n := testing.AllocsPerRun(100, func() { p.get(t, false).Release(true) }); n != 0 {
				p.Errorf("%v allocations", n)
			}
		})
	})
}

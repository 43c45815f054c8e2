package conn

import (
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"sync/atomic"
	"testing"
	"time"

	"github.com/ringway/ringway/loop"
	"github.com/ringway/ringway/loop/uring"
)

// roamer is one end of a connection that changes loops again and again, and echoes what it receives.
type roamer struct {
	homes  []*env
	at     atomic.Int32 // which home it is in, -1 on its way; what follows belongs to that one
	c      *Conn
	active bool // a task echoes
	moves  int
	unread int // moves that took bytes along
	fault  chan string
}

func (r *roamer) home() *env { return r.homes[r.at.Load()] }

// Readable echoes in a task.
func (r *roamer) Readable(c *Conn) {
	switch {
	case r.active:
		return
	case c.Err() != nil && len(c.Buffered()) == 0:
		_ = c.Close()
		return
	}
	r.active = true
	r.home().l.Go("echo", func(*loop.Task) {
		defer func() { r.active = false }()
		for len(c.Buffered()) > 0 {
			p := c.Buffered()
			if _, err := c.Write(p); err != nil {
				r.fault <- fmt.Sprint("write: ", err)
				return
			}
			c.Consume(len(p))
		}
		if c.Err() != nil {
			_ = c.Close()
		}
		c.Arm()
	})
}

func (r *roamer) Expired(*Conn) {}

// move takes the connection to the other loop at whatever moment this is, unless a task uses it. It runs on the loop.
func (r *roamer) move() {
	if r.active || r.c.closed || r.c.detach != nil {
		return
	}
	c := r.c
	if err := c.Detach(r.gone); err != nil {
		if err != net.ErrClosed {
			r.fault <- err.Error()
		}
		return
	}
	if r.moves%5 == 4 { // it stays after all, whatever has come
		r.moves++
		c.Reattach()
		if len(c.Buffered()) > 0 || c.Err() != nil {
			r.Readable(c)
		} else {
			c.Arm()
		}
	}
}

func (r *roamer) gone(c *Conn) {
	here, next := r.home(), r.homes[1-r.at.Load()]
	at := 1 - r.at.Load()
	fd := got(here.l.Sockets().Dup(c.FD()))
	unread := c.AppendUnread(nil)
	if r.moves++; len(unread) > 0 {
		r.unread++
	}
	must(c.Close())
	r.at.Store(-1)
	next.l.Post(func() {
		r.at.Store(at)
		r.c = got(Attach(next.n, int32(fd), false, unread))
		r.arrive(unread)
	})
}

func (r *roamer) arrive(unread []byte) {
	r.c.Multishot(r.homes[0].multi)
	r.c.Watch(r)
	if len(unread) > 0 {
		r.Readable(r.c)
	} else {
		r.c.Arm()
	}
}

// TestDetachLosesNothing moves a connection between loops, of the same driver and of others, while a random stream goes through it.
func TestDetachLosesNothing(t *testing.T) {
	unread := 0
	defer func() {
		if unread == 0 && uring.Probe() == nil { // only a ring brings bytes after a cancel
			t.Error("no move took bytes along: the case tests nothing")
		}
	}()
	for i, from := range drivers {
		for _, to := range drivers[i:] {
			for _, multi := range []bool{false, true} {
				t.Run(fmt.Sprintf("%s to %s multishot=%v", from.name, to.name, multi), func(t *testing.T) {
					for _, d := range [...]func() error{from.probe, to.probe} {
						if err := d(); err != nil {
							t.Skip("needs io_uring as of Linux 6.1: ", err)
						}
					}
					unread += roam(t, from.open, to.open, multi)
				})
			}
		}
	}
}

func roam(t *testing.T, from, to loop.NewDriver, multi bool) (unread int) {
	before := openFiles(t)
	r := &roamer{homes: []*env{start(t, from), start(t, to)}, fault: make(chan string, 16)}
	r.homes[0].multi, r.homes[1].t = multi, t
	ln := got(net.Listen("tcp", "127.0.0.1:0"))
	peer := got(net.Dial("tcp", ln.Addr().String()))
	accepted := got(ln.Accept()).(*net.TCPConn)
	fd := -1
	must(got(accepted.SyscallConn()).Control(func(n uintptr) { fd = got(r.homes[0].l.Sockets().Dup(int(n))) }))
	accepted.Close()
	ln.Close()
	r.homes[0].l.On(func() {
		r.c = got(Attach(r.homes[0].n, int32(fd), false, nil))
		r.arrive(nil)
	})
	const total = 4 << 20
	go func() {
		rnd := rand.New(rand.NewPCG(7, 7))
		for off := 0; off < total; {
			n, err := peer.Write(bytesAt(int64(off), min(1+rnd.IntN(3000), total-off)))
			if off += n; err != nil {
				r.fault <- err.Error()
				return
			}
			if rnd.IntN(3) == 0 {
				time.Sleep(time.Duration(rnd.IntN(300)) * time.Microsecond)
			}
		}
	}()
	back := make(chan error, 1)
	go func() {
		all := make([]byte, total)
		_, err := io.ReadFull(peer, all)
		if err == nil && string(all) != string(bytesAt(0, total)) {
			err = fmt.Errorf("the bytes differ")
		}
		back <- err
	}()
	if err := r.wander(back); err != nil {
		t.Fatal(err)
	}
	peer.Close()
	eventually(t, "the connection has arrived and is closed", func() (closed bool) { // it may be on its way to a loop, which must not end first
		for i, e := range r.homes {
			e.l.On(func() { closed = closed || r.at.Load() == int32(i) && r.c.closed })
		}
		return closed
	})
	for _, e := range r.homes {
		e.finish()
	}
	eventually(t, "descriptors are closed", func() bool { return openFiles(t) <= before })
	if r.moves < 5 {
		t.Errorf("%d moves: the case tests nothing", r.moves)
	}
	return r.unread
}

// wander moves the connection until the stream has come back whole.
func (r *roamer) wander(back chan error) (err error) {
	limit := time.After(patience)
	for done := false; !done; {
		select {
		case err = <-back:
			done = true
		case msg := <-r.fault:
			return fmt.Errorf("%s", msg)
		case <-limit:
			return fmt.Errorf("the stream stands still after %d moves", r.moves)
		default:
			for i, e := range r.homes {
				e.l.On(func() {
					if r.at.Load() == int32(i) {
						r.move()
					}
				})
			}
		}
	}
	return err
}

// TestReattachBeforeDone takes a connection, and a relay, back before its driver has let go of it.
func TestReattachBeforeDone(t *testing.T) {
	eachDriver(t, func(e *env) {
		e.run(func(t *loop.Task) {
			a, b := e.pair(t)
			got(a.Write([]byte("x")))
			got(b.ReadBuf())
			b.Consume(1)
			must(b.Detach(func(*Conn) {}))
			b.Reattach()
			b.Arm()
			must(t.Yield())
			must(t.Yield())
			got(a.Write([]byte("y")))
			got(b.ReadBuf())
			b.Consume(1)
			e.closeAll(t, a, b)

			u := e.tunnel(t, e.pair, time.Minute)
			got(u.in.Write([]byte("x")))
			readText(u.out, "x", false)
			must(t.Sleep(time.Millisecond))
			u.Detach(func(*Relay) {})
			must(t.Yield())
			u.Resume()
			must(t.Yield())
			got(u.in.Write([]byte("y")))
			readText(u.out, "y", false)
			u.Stop()
			u.in.Abort()
			u.out.Abort()
			e.until(t, "everything's end", func() bool { return u.in.gone && u.out.gone && u.src.gone && u.dst.gone })
		})
	})
}

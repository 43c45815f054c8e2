package conn

import (
	"io"
	"net"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/ringway/ringway/loop"
	"github.com/ringway/ringway/sys"
)

// echoes is an acceptor that serves every connection with a task which returns what it gets.
type echoes struct {
	e    *env
	ln   *Listener
	most int // connections at a time
}

func (a *echoes) Accept(c *Conn) {
	a.most = max(a.most, a.ln.Conns())
	c.OnClosed = func(*Conn) { a.ln.Release() }
	a.e.spawn("echo", func(*loop.Task) {
		_, err := io.Copy(c, struct{ io.Reader }{c})
		must(err)
		must(c.Close())
	})
}

// listen starts an echo server on the loop.
func (e *env) listen(t testing.TB, cfg ListenConfig) (*echoes, string) {
	t.Helper()
	fd, ap, err := OpenListener(e.l.Sockets(), cfg, e.l.NonBlocking())
	if err != nil {
		t.Fatal(err)
	}
	a := &echoes{e: e}
	e.l.On(func() { a.ln = Listen(e.n, fd, cfg, a) })
	return a, ap.String()
}

func (e *env) close(a *echoes) { e.l.On(a.ln.Close) }

// ask sends a line and expects it back.
func ask(network, address string) error {
	c, err := net.Dial(network, address)
	if err != nil {
		return err
	}
	defer c.Close()
	p := make([]byte, 4)
	if _, err = c.Write([]byte("ping")); err == nil {
		_, err = io.ReadFull(c, p)
	}
	return err
}

func TestManyConnectionsOverSeveralLoops(t *testing.T) {
	const loops, clients, rounds = 3, 8, 25
	for _, d := range drivers {
		t.Run(d.name, func(t *testing.T) {
			if err := d.probe(); err != nil {
				t.Skip("needs io_uring as of Linux 6.1: ", err)
			}
			before := openFiles(t)
			var envs []*env
			var servers []*echoes
			address := "127.0.0.1:0"
			for range loops { // a socket each, one address
				e := start(t, d.open)
				a, at := e.listen(t, ListenConfig{Address: address})
				envs, servers, address = append(envs, e), append(servers, a), at
			}
			var wg sync.WaitGroup
			for range clients {
				wg.Go(func() {
					for range rounds {
						if err := ask("tcp", address); err != nil {
							t.Error(err)
						}
					}
				})
			}
			wg.Wait()
			total := uint64(0)
			for i, e := range envs {
				e.close(servers[i])
				e.finish()
				total += servers[i].ln.Accepted
				if servers[i].ln.Accepted == 0 {
					t.Errorf("loop %d accepted nothing", i)
				}
				if servers[i].ln.Conns() != 0 {
					t.Errorf("loop %d counts %d connections", i, servers[i].ln.Conns())
				}
			}
			if total != clients*rounds {
				t.Errorf("accepted %d of %d", total, clients*rounds)
			}
			eventually(t, "descriptors are closed", func() bool { return openFiles(t) <= before })
		})
	}
}

func TestCapStopsAndResumes(t *testing.T) {
	const most, clients = 3, 40
	eachDriver(t, func(e *env) {
		a, address := e.listen(e.t, ListenConfig{Address: "127.0.0.1:0", MaxConns: most})
		var held []net.Conn // a burst: all of them connect before any is served
		for range clients {
			c, err := net.Dial("tcp", address)
			if err != nil {
				e.t.Fatal(err)
			}
			held = append(held, c)
		}
		var served atomic.Int32
		var wg sync.WaitGroup
		for _, c := range held {
			wg.Go(func() {
				defer c.Close()
				p := make([]byte, 4)
				_, _ = c.Write([]byte("ping"))
				if _, err := io.ReadFull(c, p); err == nil {
					served.Add(1)
				}
			})
		}
		wg.Wait()
		if n := served.Load(); n != clients {
			e.t.Errorf("served %d of %d", n, clients)
		}
		e.close(a)
		e.l.On(func() {
			if a.most != most || a.ln.Capped == 0 || a.ln.Accepted != clients {
				e.t.Errorf("%d at a time, capped %d times, accepted %d", a.most, a.ln.Capped, a.ln.Accepted)
			}
		})
	})
}

func TestListenersOfEveryFamily(t *testing.T) {
	eachDriver(t, func(e *env) {
		path := filepath.Join(e.t.TempDir(), "listener")
		for _, tc := range []struct{ listen, network string }{
			{"127.0.0.1:0", "tcp4"}, {"[::1]:0", "tcp6"}, {":0", "tcp"}, {"0.0.0.0:0", "tcp4"}, {"unix:" + path, "unix"},
		} {
			a, address := e.listen(e.t, ListenConfig{Address: tc.listen})
			if tc.network == "unix" {
				address = path
			}
			if err := ask(tc.network, address); err != nil {
				e.t.Errorf("%s: %v", tc.listen, err)
			}
			if a.ln.Addr().IsValid() != (tc.network != "unix") {
				e.t.Errorf("%s: address %v", tc.listen, a.ln.Addr())
			}
			e.close(a)
		}
	})
}

func TestAddressesOfAcceptedConnections(t *testing.T) {
	eachDriver(t, func(e *env) {
		for _, listen := range []string{"127.0.0.1:0", "0.0.0.0:0", "[::]:0"} {
			to := &accepts{}
			cfg := ListenConfig{Address: listen}
			fd, ap, err := OpenListener(e.l.Sockets(), cfg, e.l.NonBlocking())
			if err != nil {
				e.t.Fatal(err)
			}
			var ln *Listener
			e.l.On(func() { ln = Listen(e.n, fd, cfg, to) })
			client, err := net.Dial("tcp4", (&net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: int(ap.Port())}).String())
			if err != nil {
				e.t.Fatal(err)
			}
			e.run(func(t *loop.Task) {
				e.until(t, "accept", func() bool { return len(to.conns) == 1 })
				c := to.conns[0]
				if c.LocalAddr().String() != client.RemoteAddr().String() || c.RemoteAddr().String() != client.LocalAddr().String() {
					failf("%s: %v and %v, the client has %v and %v", listen, c.LocalAddr(), c.RemoteAddr(), client.RemoteAddr(), client.LocalAddr())
				}
				ln.Close()
				ln.Close() // twice does no harm
				e.closeAll(t, c)
			})
			_ = client.Close()
		}
	})
}

func TestListenerClosesUnderOpenConnections(t *testing.T) {
	eachDriver(t, func(e *env) {
		a, address := e.listen(e.t, ListenConfig{Address: "127.0.0.1:0"})
		c, err := net.Dial("tcp", address)
		if err != nil {
			e.t.Fatal(err)
		}
		defer c.Close()
		echo := func() {
			p := make([]byte, 4)
			if _, err := c.Write([]byte("ping")); err != nil {
				e.t.Error(err)
			}
			if _, err := io.ReadFull(c, p); err != nil {
				e.t.Error(err)
			}
		}
		echo()
		e.close(a)
		eventually(e.t, "the port is closed", func() bool { return sys.IsRefused(ask("tcp", address)) })
		echo() // what was accepted goes on
		_ = c.Close()
		eventually(e.t, "release", func() (none bool) {
			e.l.On(func() { none = a.ln.Conns() == 0 })
			return none
		})
	})
}

// lastAccept closes its listener from inside Accept.
type lastAccept struct {
	ln    *Listener
	conns []*Conn
}

func (a *lastAccept) Accept(c *Conn) {
	a.conns = append(a.conns, c)
	a.ln.Close()
}

func TestAcceptorMayCloseTheListener(t *testing.T) {
	eachDriver(t, func(e *env) {
		to := &lastAccept{}
		cfg := ListenConfig{Address: "127.0.0.1:0"}
		fd, ap, err := OpenListener(e.l.Sockets(), cfg, e.l.NonBlocking())
		if err != nil {
			e.t.Fatal(err)
		}
		e.l.On(func() { to.ln = Listen(e.n, fd, cfg, to) })
		c, err := net.Dial("tcp", ap.String())
		if err != nil {
			e.t.Fatal(err)
		}
		defer c.Close()
		e.run(func(t *loop.Task) {
			e.until(t, "accept", func() bool { return len(to.conns) == 1 })
			e.closeAll(t, to.conns...)
		})

		// The same while the completion is the last one of its operation.
		fd, _, err = OpenListener(e.l.Sockets(), cfg, e.l.NonBlocking())
		if err != nil {
			e.t.Fatal(err)
		}
		e.run(func(t *loop.Task) {
			to.conns, to.ln = nil, Listen(e.n, fd, cfg, to)
			to.ln.maxConns, to.ln.conns = 1, 1 // so that it does not begin again
			e.l.CancelOp(&to.ln.op)
			e.until(t, "accepting ends", func() bool { return !to.ln.op.InFlight() })
			to.ln.conns = 0
			_, b := socketPair()
			to.ln.Complete(&to.ln.op, loop.Result{N: b})
			e.until(t, "the listener is closed", func() bool { return to.ln.closed && !to.ln.closeOp.InFlight() })
			e.closeAll(t, to.conns...)
		})
	})
}

// socketPair gives two connected sockets, of which the first is closed at once.
func socketPair() (a, b int32) {
	fds, err := syscall.Socketpair(syscall.AF_UNIX, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC, 0)
	must(err)
	must(os.NewSyscallError("close", syscall.Close(fds[0])))
	return int32(fds[0]), int32(fds[1])
}

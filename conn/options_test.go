package conn

import (
	"errors"
	"net"
	"net/netip"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/ringway/ringway/loop"
	"github.com/ringway/ringway/sys"
)

// someOptions are values that are not the kernel's own.
var someOptions = SocketOptions{
	ReceiveBuffer: 70_000, SendBuffer: 90_000, UserTimeout: 1500 * time.Millisecond,
	KeepAlive: KeepAlive{Idle: 41 * time.Second, Interval: 6500 * time.Millisecond, Count: 3},
}

// checkOptions compares what the kernel says of a socket with someOptions.
func (e *env) checkOptions(fd int) {
	for o, want := range map[sys.Option]int{sys.SO_RCVBUF: 140_000, sys.SO_SNDBUF: 180_000, sys.TCP_USER_TIMEOUT: 1500, sys.SO_KEEPALIVE: 1,
		sys.TCP_KEEPIDLE: 41, sys.TCP_KEEPINTVL: 7, sys.TCP_KEEPCNT: 3} {
		if v := got(e.l.Sockets().Option(fd, o)); v != want {
			failf("%v is %d, want %d", o, v, want)
		}
	}
}

// TestListenOptions sets all options of a listener; accepted connections have them.
func TestListenOptions(t *testing.T) {
	eachDriver(t, func(e *env) {
		e.run(func(t *loop.Task) {
			cfg := ListenConfig{Address: "127.0.0.1:0", Backlog: 7, FastOpen: 5, DeferAccept: 3 * time.Second, SocketOptions: someOptions}
			fd, ap, err := OpenListener(e.l.Sockets(), cfg, e.l.NonBlocking())
			must(err)
			e.checkOptions(fd)
			for o, want := range map[sys.Option]int{sys.TCP_FASTOPEN: 5, sys.SO_REUSEADDR: 1, sys.SO_REUSEPORT: 1, sys.TCP_NODELAY: 1} {
				if v := got(e.l.Sockets().Option(fd, o)); v != want {
					failf("%v is %d, want %d", o, v, want)
				}
			}
			if v := got(e.l.Sockets().Option(fd, sys.TCP_DEFER_ACCEPT)); v < 3 { // the kernel rounds up to a retransmission
				failf("TCP_DEFER_ACCEPT is %d", v)
			}
			to := &accepts{}
			ln := Listen(e.n, fd, cfg, to)
			addr := got(AddressOf(ap))
			c := got(Dial(e.n, &addr, patience))
			must(t.Sleep(5 * time.Millisecond))
			if len(to.conns) != 0 {
				failf("accepted before anything was sent")
			}
			got(c.Write([]byte("now")))
			e.until(t, "accept", func() bool { return len(to.conns) == 1 })
			e.checkOptions(to.conns[0].FD())
			readText(to.conns[0], "now", false)
			ln.Close()
			e.closeAll(t, c, to.conns[0])
		})
	})
}

// TestListenersAlone refuse a second one, and with NoReuseAddr also what is left of earlier connections.
func TestListenersAlone(t *testing.T) {
	eachDriver(t, func(e *env) {
		e.run(func(t *loop.Task) {
			open := func(cfg ListenConfig) (int, netip.AddrPort, error) {
				return OpenListener(e.l.Sockets(), cfg, e.l.NonBlocking())
			}
			cfg := ListenConfig{Address: "127.0.0.1:0", NoReusePort: true, SocketOptions: SocketOptions{Delay: true}}
			fd, ap, err := open(cfg)
			must(err)
			if v := got(e.l.Sockets().Option(fd, sys.TCP_NODELAY)); v != 0 {
				failf("TCP_NODELAY is %d", v)
			}
			cfg.Address = ap.String()
			if _, _, err := open(cfg); !errors.Is(err, syscall.EADDRINUSE) {
				failf("a second listener: %v", err)
			}
			to := &accepts{}
			ln := Listen(e.n, fd, cfg, to)
			addr := got(AddressOf(ap))
			c := got(Dial(e.n, &addr, patience))
			e.until(t, "accept", func() bool { return len(to.conns) == 1 })
			ln.Close()
			e.closeAll(t, to.conns[0]) // this side first: its end lingers (TIME_WAIT)
			if _, err := c.ReadBuf(); err == nil {
				failf("no end came")
			}
			e.closeAll(t, c)
			e.until(t, "the listener is gone", func() bool {
				if fd, _, err = open(cfg); err == nil {
					must(e.l.Sockets().Close(fd))
				}
				return err == nil
			})
			cfg.NoReuseAddr = true
			if _, _, err := open(cfg); !errors.Is(err, syscall.EADDRINUSE) {
				failf("beside connections that linger: %v", err)
			}
		})
	})
}

// TestDialOptions sets all options of a connection, and its own address.
func TestDialOptions(t *testing.T) {
	eachDriver(t, func(e *env) {
		e.run(func(t *loop.Task) {
			cfg := ListenConfig{Address: "127.0.0.1:0", FastOpen: 16}
			fd, ap, err := OpenListener(e.l.Sockets(), cfg, e.l.NonBlocking())
			must(err)
			to := &accepts{}
			ln := Listen(e.n, fd, cfg, to)
			addr := got(AddressOf(ap))
			for i, dial := range []DialConfig{
				{SocketOptions: someOptions, Timeout: patience},
				{SocketOptions: someOptions, Local: netip.MustParseAddrPort("127.0.0.9:0")},
				{SocketOptions: someOptions, FastOpen: true},
				{SocketOptions: someOptions, FastOpen: true}, // now with a cookie, where the system allows that
			} {
				c := got(DialWith(e.n, &addr, dial))
				e.checkOptions(c.FD())
				if v := got(e.l.Sockets().Option(c.FD(), sys.TCP_NODELAY)); v != 1 {
					failf("TCP_NODELAY is %d", v)
				}
				got(c.Write([]byte("hello")))
				e.until(t, "accept", func() bool { return len(to.conns) == i+1 })
				s := to.conns[i]
				if dial.Local.IsValid() && s.Remote().Addr() != dial.Local.Addr() {
					failf("it came from %v", s.Remote())
				}
				readText(s, "hello", false)
				got(s.Write([]byte("there")))
				readText(c, "there", false)
				e.closeAll(t, c, s)
			}
			ln.Close()
		})
	})
}

// TestOptionErrorsAreNamed: an error says which option could not be set, and nothing stays open.
func TestOptionErrorsAreNamed(t *testing.T) {
	eachDriver(t, func(e *env) {
		e.run(func(t *loop.Task) {
			addr := got(AddressOf(netip.MustParseAddrPort("127.0.0.1:9")))
			path := got(NewAddress("unix:@ringway-nobody"))
			for _, c := range []struct {
				addr *Address
				cfg  DialConfig
				want string
			}{
				{&addr, DialConfig{SocketOptions: SocketOptions{KeepAlive: KeepAlive{Idle: 100 * time.Hour}}}, "TCP_KEEPIDLE"},
				{&addr, DialConfig{SocketOptions: SocketOptions{KeepAlive: KeepAlive{Interval: -time.Hour}}}, "TCP_KEEPINTVL"},
				{&addr, DialConfig{SocketOptions: SocketOptions{KeepAlive: KeepAlive{Count: 1000}}}, "TCP_KEEPCNT"},
				{&addr, DialConfig{SocketOptions: SocketOptions{UserTimeout: -time.Hour}}, "TCP_USER_TIMEOUT"},
				{&path, DialConfig{SocketOptions: SocketOptions{UserTimeout: time.Hour}}, "TCP_USER_TIMEOUT"},
				{&path, DialConfig{FastOpen: true}, "TCP_FASTOPEN_CONNECT"},
			} {
				_, err := DialWith(e.n, c.addr, c.cfg)
				var op *net.OpError
				if err == nil || !errors.As(err, &op) || !strings.Contains(err.Error(), c.want) {
					failf("%v, want one about %s", err, c.want)
				}
				cfg := ListenConfig{Address: c.addr.String(), SocketOptions: c.cfg.SocketOptions}
				if cfg.SocketOptions == (SocketOptions{}) {
					continue
				}
				cfg.Address = strings.Replace(cfg.Address, ":9", ":0", 1)
				if _, _, err := OpenListener(e.l.Sockets(), cfg, e.l.NonBlocking()); err == nil || !strings.Contains(err.Error(), c.want) {
					failf("%v, want one about %s", err, c.want)
				}
			}
			bad := DialConfig{Local: netip.MustParseAddrPort("192.0.2.1:0")}
			if _, err := DialWith(e.n, &addr, bad); !errors.Is(err, syscall.EADDRNOTAVAIL) {
				failf("an address that is not ours: %v", err)
			}
		})
	})
}

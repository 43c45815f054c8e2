package conn

import (
	"errors"
	"io/fs"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/ringway/ringway/loop"
	"github.com/ringway/ringway/sys"
)

func TestDialRefused(t *testing.T) {
	eachDriver(t, func(e *env) {
		e.run(func(t *loop.Task) {
			fd, ap, err := OpenListener(e.l.Sockets(), ListenConfig{Address: "127.0.0.1:0"}, e.l.NonBlocking())
			must(err)
			must(sys.Close(fd)) // nobody listens there now
			addr := got(AddressOf(ap))
			_, err = Dial(e.n, &addr, patience)
			var op *net.OpError
			if !sys.IsRefused(err) || !errors.As(err, &op) || op.Op != "dial" || op.Addr.String() != ap.String() || op.Addr.Network() != "tcp" {
				failf("dial: %v", err)
			}

			addr = got(NewAddress("unix:" + filepath.Join(e.t.TempDir(), "nobody")))
			if _, err = Dial(e.n, &addr, patience); !errors.Is(err, fs.ErrNotExist) || !errors.As(err, &op) || op.Net != "unix" {
				failf("dial: %v", err)
			}
		})
	})
}

// crowded opens a listener that takes no further connections and returns an address that does not answer.
func (e *env) crowded(address string) (addr Address, free func(t *loop.Task)) {
	fd, ap, err := OpenListener(e.l.Sockets(), ListenConfig{Address: address, Backlog: 1}, e.l.NonBlocking())
	must(err)
	if addr = got(NewAddress(address)); ap.IsValid() {
		addr = got(AddressOf(ap))
	}
	var waiting []*Conn
	for {
		c, err := Dial(e.n, &addr, 20*time.Millisecond)
		if err != nil {
			if !errors.Is(err, os.ErrDeadlineExceeded) {
				failf("dial: %v", err)
			}
			break
		}
		if waiting = append(waiting, c); len(waiting) > 10 {
			failf("a backlog of one took ten connections")
		}
	}
	return addr, func(t *loop.Task) {
		must(sys.Close(fd))
		e.closeAll(t, waiting...)
	}
}

func TestDialTimesOutAndIsCancelled(t *testing.T) {
	eachDriver(t, func(e *env) {
		for _, address := range []string{"127.0.0.1:0", "unix:" + filepath.Join(t.TempDir(), e.l.DriverName())} {
			e.run(func(t *loop.Task) {
				addr, free := e.crowded(address)
				var ne net.Error
				if _, err := Dial(e.n, &addr, 5*time.Millisecond); !errors.As(err, &ne) || !ne.Timeout() {
					failf("dial: %v", err)
				}
				dialer := e.spawn("dialer", func(*loop.Task) {
					for range 2 { // the second does not even begin
						if _, err := Dial(e.n, &addr, 0); !errors.Is(err, errTest) {
							failf("cancelled dial: %v", err)
						}
					}
				})
				e.parked(t, "dialer")
				e.l.Cancel(dialer, errTest)
				join(t, dialer)
				free(t)
			})
		}
	})
}

func TestBadAddresses(t *testing.T) {
	for _, s := range []string{"", "localhost:80", "127.0.0.1", "127.0.0.1:70000", "[::1]", "1.2.3:80", "unix:", "unix:" + strings.Repeat("x", 200)} {
		if a, err := NewAddress(s); err == nil {
			t.Errorf("%q became %v", s, a)
		}
		if fd, _, err := OpenListener(sys.KernelSockets{}, ListenConfig{Address: s}, true); err == nil {
			t.Errorf("listening on %q gave %d", s, fd)
		}
	}
	if _, err := AddressOf(netip.AddrPort{}); err == nil {
		t.Error("no address became one")
	}
	a, err := NewAddress("[::1]:443")
	if err != nil || a.String() != "[::1]:443" {
		t.Errorf("%v, %v", a, err)
	}
	eachDriver(t, func(e *env) {
		e.run(func(t *loop.Task) {
			if _, err := Dial(e.n, &Address{}, patience); err == nil {
				failf("dialed nowhere")
			}
			addr := got(NewAddress("255.255.255.255:9")) // the kernel lets nobody connect there
			if _, err := Dial(e.n, &addr, patience); !errors.Is(err, syscall.ENETUNREACH) && !errors.Is(err, syscall.EACCES) {
				failf("dial: %v", err)
			}
		})
	})
}

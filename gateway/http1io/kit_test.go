package http1io

import (
	"io"
	"net"
	"os"
	"testing"
	"time"

	"github.com/ringway/ringway/buf"
	"github.com/ringway/ringway/conn"
	"github.com/ringway/ringway/loop"
	"github.com/ringway/ringway/loop/epoll"
	"github.com/ringway/ringway/loop/uring"
	"github.com/ringway/ringway/proto/http1"
)

const patience = 30 * time.Second

// pause lets what was written arrive by itself; where it does not, a test only sees fewer cuts of its input.
const pause = 200 * time.Microsecond

var limits = http1.DefaultLimits()

func TestMain(m *testing.M) {
	buf.Poison = true
	os.Exit(m.Run())
}

// rig is a loop with a listening socket of its own.
type rig struct {
	*testing.T
	l        *loop.Loop
	n        *conn.Net
	accepted chan *conn.Conn
	addr     string
}

// Accept takes a connection on the loop.
func (r *rig) Accept(c *conn.Conn) { r.accepted <- c }

// eachDriver runs f on every driver. Afterwards nothing may be held.
func eachDriver(t *testing.T, lim conn.Limits, f func(r *rig)) {
	for name, open := range map[string]loop.NewDriver{"uring": uring.New, "epoll": epoll.New} {
		t.Run(name, func(t *testing.T) {
			if err := uring.Probe(); name == "uring" && err != nil {
				t.Skip("needs io_uring as of Linux 6.1: ", err)
			}
			l, err := loop.Start(loop.DefaultConfig(0, open))
			if err != nil {
				t.Fatal(err)
			}
			r := &rig{T: t, l: l, accepted: make(chan *conn.Conn, 4)}
			fd, addr, err := conn.OpenListener(l.Sockets(), conn.ListenConfig{Address: "127.0.0.1:0"}, l.NonBlocking())
			if err != nil {
				t.Fatal(err)
			}
			r.addr = addr.String()
			var ln *conn.Listener
			l.On(func() {
				r.n = conn.NewNet(l, lim)
				ln = conn.Listen(r.n, fd, conn.ListenConfig{}, r)
			})
			f(r)
			l.On(ln.Close)
			var u conn.Usage
			for end := time.Now().Add(patience); ; time.Sleep(time.Millisecond) {
				l.On(func() { u = r.n.Usage() })
				if u == (conn.Usage{}) || time.Now().After(end) {
					break
				}
			}
			if u != (conn.Usage{}) {
				t.Errorf("left over: %+v", u)
			}
			l.Stop(time.Second)
			if err := l.Wait(); err != nil {
				t.Error(err)
			}
		})
	}
}

// pair is a connection: c is the loop's end, peer the other.
func (r *rig) pair() (c *conn.Conn, peer net.Conn) {
	r.Helper()
	peer, err := net.Dial("tcp", r.addr)
	if err != nil {
		r.Fatal(err)
	}
	_ = peer.SetDeadline(time.Now().Add(patience))
	return <-r.accepted, peer
}

// do runs f as a task and waits for its end.
func (r *rig) do(f func(t *loop.Task)) {
	r.Helper()
	select {
	case <-r.start(f):
	case <-time.After(patience):
		r.Fatal("the task did not end")
	}
}

func (r *rig) start(f func(t *loop.Task)) chan struct{} {
	done := make(chan struct{})
	r.l.Post(func() { r.l.Go("test", func(t *loop.Task) { defer close(done); f(t) }) })
	return done
}

// feed writes data in the given pieces.
func feed(peer net.Conn, data string, cuts ...int) {
	go func() {
		from := 0
		for _, to := range append(cuts, len(data)) {
			if _, err := io.WriteString(peer, data[from:to]); err != nil {
				return
			}
			from = to
			time.Sleep(pause)
		}
	}()
}

// readAll reads n bytes through the lending calls.
func readAll(c *conn.Conn, n int) (string, error) {
	var out []byte
	for len(out) < n {
		p, err := c.ReadBuf()
		if err != nil {
			return string(out), err
		}
		p = p[:min(len(p), n-len(out))]
		out = append(out, p...)
		c.Consume(len(p))
	}
	return string(out), nil
}

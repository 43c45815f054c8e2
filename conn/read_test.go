package conn

import (
	"errors"
	"io"
	"math"
	"net"
	"os"
	"syscall"
	"testing"
	"time"

	"github.com/ringway/ringway/loop"
)

var errTest = errors.New("cancelled by the test")

func TestTransferBothWaysAtOnce(t *testing.T) {
	eachReceive(t, func(e *env) {
		for _, size := range []int{1, 2, 8191, 64 << 10, 1 << 20, 64 << 20} {
			data := bytesAt(0, size)
			e.run(func(t *loop.Task) {
				a, b := e.pair(t)
				send := func(c *Conn) loop.Handle {
					return e.spawn("writer", func(*loop.Task) {
						if n := got(c.Write(data)); n != size {
							failf("wrote %d of %d", n, size)
						}
						must(c.CloseWrite())
					})
				}
				receive := func(c *Conn) loop.Handle {
					return e.spawn("reader", func(*loop.Task) {
						p := make([]byte, 50_001)
						off := 0
						for {
							n, err := c.Read(p)
							checkAt(int64(off), p[:n])
							if off += n; err == io.EOF {
								break
							}
							must(err)
						}
						if off != size {
							failf("read %d of %d", off, size)
						}
					})
				}
				join(t, send(a), send(b), receive(a), receive(b))
				if a.Sent() != uint64(size) {
					failf("Sent is %d after %d", a.Sent(), size)
				}
				e.closeAll(t, a, b)
			})
		}
	})
}

func TestReadBufLendsUntilConsumed(t *testing.T) {
	eachReceive(t, func(e *env) {
		e.run(func(t *loop.Task) {
			a, b := e.pair(t)
			if a.Buffered() != nil || a.Err() != nil {
				failf("a fresh connection holds something")
			}
			got(b.Write([]byte("hello world")))
			p := got(a.ReadBuf())
			if string(p) != "hello world" {
				failf("lent %q", p)
			}
			a.Consume(6)
			if string(a.Buffered()) != "world" || string(got(a.ReadBuf())) != "world" {
				failf("after consuming six bytes %q is held", a.Buffered())
			}
			q := make([]byte, 3)
			if n := got(a.Read(q)); n != 3 || string(q) != "wor" {
				failf("Read gave %q", q[:n])
			}
			if n := got(a.Read(nil)); n != 0 {
				failf("an empty Read gave %d", n)
			}
			a.Consume(0)
			a.Consume(2)
			if a.Buffered() != nil || e.l.Stats().Driver.Lent != 0 {
				failf("the block did not go back")
			}
			must(b.Close())
			for range 2 {
				if _, err := a.ReadBuf(); err != io.EOF {
					failf("at the end: %v", err)
				}
			}
			if a.Err() != io.EOF {
				failf("Err is %v at the end", a.Err())
			}
			e.closeAll(t, a)
		})
	})
}

func TestConsumingTooMuchPanics(t *testing.T) {
	eachDriver(t, func(e *env) {
		e.run(func(t *loop.Task) {
			a, b := e.pair(t)
			got(b.Write([]byte("abc")))
			got(a.ReadBuf())
			for _, n := range []int{4, 1} { // too much of what is held, and something of nothing
				func() {
					defer func() {
						if recover() == nil {
							failf("Consume(%d) went unnoticed", n)
						}
					}()
					a.Consume(n)
				}()
				a.Consume(len(a.Buffered()))
			}
			e.closeAll(t, a, b)
		})
	})
}

// seen counts what a Watcher is told.
type seen struct{ readable, expired int }

func (s *seen) Readable(*Conn) { s.readable++ }
func (s *seen) Expired(*Conn)  { s.expired++ }

func TestWatcherHearsOfWhatArrives(t *testing.T) {
	cases := []struct {
		name string
		do   func(peer *Conn)
		want func(held []byte, err error) bool
	}{
		{"data", func(p *Conn) { got(p.Write([]byte("x"))) }, func(h []byte, err error) bool { return string(h) == "x" && err == nil }},
		{"end", func(p *Conn) { must(p.Close()) }, func(h []byte, err error) bool { return h == nil && err == io.EOF }},
		{"reset", func(p *Conn) { p.Abort() }, func(h []byte, err error) bool { return h == nil && errors.Is(err, syscall.ECONNRESET) }},
	}
	eachReceive(t, func(e *env) {
		for _, tc := range cases {
			e.run(func(t *loop.Task) {
				a, b := e.pair(t)
				w := &seen{}
				a.Watch(w)
				a.Arm()
				a.Arm() // twice does no harm
				must(t.Sleep(2 * time.Millisecond))
				if w.readable != 0 {
					failf("%s: told before anything came", tc.name)
				}
				tc.do(b)
				e.until(t, "Readable", func() bool { return w.readable > 0 })
				if !tc.want(a.Buffered(), a.Err()) {
					failf("%s: %q and %v are held", tc.name, a.Buffered(), a.Err())
				}
				a.Arm() // nothing to do: something is held
				must(t.Sleep(2 * time.Millisecond))
				if w.readable != 1 || w.expired != 0 {
					failf("%s: told %+v", tc.name, *w)
				}
				e.closeAll(t, a, b)
				if w.readable != 1 {
					failf("%s: told of its own end", tc.name)
				}
			})
		}
	})
}

func TestWatcherIsNotToldWhileATaskReads(t *testing.T) {
	eachReceive(t, func(e *env) {
		e.run(func(t *loop.Task) {
			a, b := e.pair(t)
			w := &seen{}
			a.Watch(w)
			a.SetReadTimeout(5 * time.Millisecond)
			reader := e.spawn("reader", func(*loop.Task) {
				if _, err := a.ReadBuf(); !errors.Is(err, os.ErrDeadlineExceeded) {
					failf("read: %v", err)
				}
				a.SetReadTimeout(0)
				got(a.ReadBuf())
			})
			e.until(t, "the read goes on after its deadline", func() bool { return a.rd.deadline.at == 0 })
			got(b.Write([]byte("x")))
			join(t, reader)
			if *w != (seen{}) {
				failf("told %+v", *w)
			}
			e.closeAll(t, a, b)
		})
	})
}

func TestWatcherHearsOfTheDeadline(t *testing.T) {
	eachReceive(t, func(e *env) {
		e.run(func(t *loop.Task) {
			a, b := e.pair(t)
			w := &seen{}
			a.Watch(w)
			a.Arm()
			a.SetReadTimeout(time.Hour)
			a.SetReadTimeout(3 * time.Millisecond)
			e.until(t, "Expired", func() bool { return w.expired == 1 })
			a.SetReadTimeout(0)
			got(b.Write([]byte("x"))) // the receive is still there
			e.until(t, "Readable", func() bool { return w.readable == 1 })
			e.closeAll(t, a, b)
		})
	})
}

func TestReadDeadlines(t *testing.T) {
	eachReceive(t, func(e *env) {
		e.run(func(t *loop.Task) {
			a, b := e.pair(t)
			expectTimeout := func(what string) {
				n, err := a.Read(make([]byte, 8))
				var ne net.Error
				if n != 0 || !errors.Is(err, os.ErrDeadlineExceeded) || !errors.As(err, &ne) || !ne.Timeout() {
					failf("%s: %d, %v", what, n, err)
				}
			}
			must(a.SetReadDeadline(time.Now().Add(-time.Hour)))
			expectTimeout("in the past")
			must(a.SetReadDeadline(time.Now()))
			expectTimeout("now")
			a.SetReadTimeout(-1)
			expectTimeout("a timeout below nought")
			must(a.SetReadDeadline(time.Now().Add(3 * time.Millisecond)))
			expectTimeout("in the future")
			a.SetReadTimeout(time.Hour)
			a.SetReadTimeout(3 * time.Millisecond)
			expectTimeout("moved closer")
			a.SetReadTimeout(3 * time.Millisecond)
			a.SetReadTimeout(10 * time.Millisecond)
			from := time.Now()
			expectTimeout("moved away")
			if d := time.Since(from); d < 8*time.Millisecond {
				failf("a deadline that was moved away ended the read after %v", d)
			}

			got(b.Write([]byte("kept")))
			must(t.Sleep(2 * time.Millisecond))
			expectTimeout("passed, with bytes there")
			for _, at := range []time.Time{{}, time.Now().Add(time.Hour), time.Unix(1<<40, 0), time.Now().Add(math.MaxInt64)} {
				must(a.SetReadDeadline(at))
				if string(got(a.ReadBuf())) != "kept" {
					failf("a timed-out read lost bytes")
				}
			}
			a.Consume(4)
			e.closeAll(t, a, b)
		})
	})
}

func TestDeadlineMovesUnderAWaitingRead(t *testing.T) {
	eachDriver(t, func(e *env) {
		e.run(func(t *loop.Task) {
			a, b := e.pair(t)
			a.SetReadTimeout(time.Hour)
			reader := e.spawn("reader", func(*loop.Task) {
				if _, err := a.ReadBuf(); !errors.Is(err, os.ErrDeadlineExceeded) {
					failf("read: %v", err)
				}
			})
			e.parked(t, "reader")
			must(a.SetDeadline(time.Now().Add(-time.Second)))
			join(t, reader)

			must(a.SetDeadline(time.Time{}))
			reader = e.spawn("reader", func(*loop.Task) { got(a.ReadBuf()) })
			e.parked(t, "reader")
			a.SetReadTimeout(2 * time.Millisecond)
			a.SetReadTimeout(0)
			must(t.Sleep(5 * time.Millisecond))
			if reader.Done() {
				failf("a cleared deadline ended the read")
			}
			got(b.Write([]byte("x")))
			join(t, reader)
			e.closeAll(t, a, b)
		})
	})
}

func TestCancelledReadLosesNothing(t *testing.T) {
	eachReceive(t, func(e *env) {
		e.run(func(t *loop.Task) {
			a, b := e.pair(t)
			for round := range 50 {
				reader := e.spawn("reader", func(t *loop.Task) {
					_, err := a.Read(make([]byte, 8))
					if err != errTest && err != nil {
						failf("cancelled read: %v", err)
					}
					if err == nil {
						failf("read what was not sent yet")
					}
					if round%2 == 0 {
						return // the bytes may be there by now, and would be read
					}
					if _, err := a.Read(make([]byte, 8)); err != errTest {
						failf("read of a cancelled task: %v", err)
					}
				})
				e.parked(t, "reader")
				e.l.Cancel(reader, errTest)
				if round%2 == 0 { // bytes race with the cancel, or come after it
					must(b.Send(e.block([]byte{byte(round)})))
				}
				join(t, reader)
				if round%2 == 1 {
					must(b.Send(e.block([]byte{byte(round)})))
				}
				p := make([]byte, 8)
				if n := got(a.Read(p)); n != 1 || p[0] != byte(round) {
					failf("round %d read %v", round, p[:n])
				}
			}
			e.closeAll(t, a, b)
		})
	})
}

func TestReset(t *testing.T) {
	eachReceive(t, func(e *env) {
		e.run(func(t *loop.Task) {
			a, b := e.pair(t)
			reader := e.spawn("reader", func(*loop.Task) {
				_, err := a.ReadBuf()
				var op *net.OpError
				if !errors.Is(err, syscall.ECONNRESET) || !errors.As(err, &op) || op.Op != "read" || op.Net != "tcp" {
					failf("after a reset: %v", err)
				}
			})
			e.parked(t, "reader")
			b.Abort()
			b.Abort() // twice does no harm
			join(t, reader)
			if _, err := a.Write([]byte("x")); !errors.Is(err, syscall.EPIPE) && !errors.Is(err, syscall.ECONNRESET) {
				failf("write after a reset: %v", err)
			}
			if a.WriteErr() == nil {
				failf("WriteErr does not say so")
			}
			e.closeAll(t, a, b)
		})
	})
}

func TestAddresses(t *testing.T) {
	eachDriver(t, func(e *env) {
		e.run(func(t *loop.Task) {
			a, b := e.pair(t)
			if a.Local() != b.Remote() || a.Remote() != b.Local() || !a.Local().Addr().IsLoopback() || a.Local().Port() == 0 {
				failf("addresses %v→%v and %v→%v", a.Local(), a.Remote(), b.Local(), b.Remote())
			}
			if a.LocalAddr().String() != b.RemoteAddr().String() || a.LocalAddr().Network() != "tcp" {
				failf("addresses %v and %v", a.LocalAddr(), b.RemoteAddr())
			}
			if a.Net() != e.n || a.FD() <= 0 {
				failf("Net %p, FD %d", a.Net(), a.FD())
			}
			for _, on := range []bool{false, true} {
				must(a.SetNoDelay(on))
				v := got(syscall.GetsockoptInt(a.FD(), syscall.IPPROTO_TCP, syscall.TCP_NODELAY))
				if (v != 0) != on {
					failf("TCP_NODELAY is %d", v)
				}
			}
			u, v := e.unixPair(t)
			if u.LocalAddr().Network() != "unix" || u.Remote().IsValid() {
				failf("a Unix socket's addresses are %v and %v", u.LocalAddr(), u.Remote())
			}
			must(u.SetNoDelay(true))
			e.closeAll(t, a, b, u, v)
		})
	})
}

// A multishot receive goes on behind the reader's back, but not without bound, and it goes on again when it was ended.
func TestMultishotHoldsABoundedNumberOfBlocks(t *testing.T) {
	eachDriver(t, func(e *env) {
		e.run(func(t *loop.Task) {
			const total = 8 << 20
			a, b := e.pair(t)
			w := &seen{}
			a.Watch(w)
			a.Multishot(true)
			a.Arm()
			writer := e.spawn("writer", func(*loop.Task) { got(b.Write(bytesAt(0, total))) })
			e.until(t, "the receive is ended", func() bool { return len(a.rd.queue) >= maxQueued && !a.rd.op.InFlight() })
			// What had been received before the kernel heard of the end still comes; it is far from everything.
			if n := e.l.Stats().Driver.Lent; n <= maxQueued || n > 100 {
				failf("%d blocks are lent", n)
			}
			if w.readable == 0 {
				failf("the watcher was not told")
			}
			readPattern(a, 0, total)
			join(t, writer)

			a.Multishot(true)
			for i := range int64(100) { // one at a time it goes on
				must(b.Send(e.block(bytesAt(i, 1))))
				readPattern(a, i, 1)
			}
			if !a.rd.op.InFlight() || !a.rd.op.Multi {
				failf("the receive did not go on")
			}
			must(b.Send(e.block([]byte("last"))))
			must(b.Flush())
			must(b.Close())
			e.until(t, "the end", func() bool { return a.Err() != nil })
			readText(a, "last") // before the end
			e.closeAll(t, a, b)
		})
	})
}

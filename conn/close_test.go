package conn

import (
	"errors"
	"io"
	"net"
	"syscall"
	"testing"

	"github.com/ringway/ringway/loop"
)

func TestHalfCloseBothWays(t *testing.T) {
	eachReceive(t, func(e *env) {
		for _, pair := range []func(*loop.Task) (a, b *Conn){e.pair, e.unixPair} {
			e.run(func(t *loop.Task) {
				a, b := pair(t)
				must(a.Send(e.block([]byte("question"))))
				must(a.CloseWrite()) // after what was sent
				readText(b, "question")
				got(b.Write([]byte("answer")))
				readText(a, "answer", false)
				if _, err := a.Write([]byte("x")); !errors.Is(err, syscall.EPIPE) {
					failf("write after CloseWrite: %v", err)
				}
				must(b.CloseWrite())
				readText(a, "")
				e.closeAll(t, a, b)
				if err := a.CloseWrite(); !errors.Is(err, net.ErrClosed) {
					failf("CloseWrite after Close: %v", err)
				}
			})
		}
	})
}

// readText reads want, and the end of the stream unless told otherwise.
func readText(c *Conn, want string, end ...bool) {
	p := make([]byte, len(want))
	if n := got(io.ReadFull(c, p)); string(p[:n]) != want {
		failf("read %q, want %q", p[:n], want)
	}
	if len(end) == 0 {
		if _, err := c.ReadBuf(); err != io.EOF {
			failf("at the end: %v", err)
		}
	}
}

func TestCloseSendsWhatIsInFlight(t *testing.T) {
	eachDriver(t, func(e *env) {
		e.run(func(t *loop.Task) {
			a, b := e.pair(t)
			sent := e.fillSocket(a)
			must(a.Send(e.block(bytesAt(int64(sent), SmallBlock))))
			if !a.wr.op.InFlight() {
				failf("the send was to wait")
			}
			must(a.Close())
			if !a.Closed() || a.gone {
				failf("closed %v, gone %v", a.Closed(), a.gone)
			}
			readPattern(b, 0, int64(sent+SmallBlock))
			if _, err := b.ReadBuf(); err != io.EOF {
				failf("after the last byte: %v", err)
			}
			e.closeAll(t, a, b)
		})
	})
}

func TestAbortAfterCloseGivesUp(t *testing.T) {
	eachDriver(t, func(e *env) {
		e.run(func(t *loop.Task) {
			a, b := e.pair(t)
			sent := e.fillSocket(a)
			must(a.Send(e.block(bytesAt(int64(sent), SmallBlock))))
			must(a.Close())
			a.Abort()
			e.until(t, "the descriptor is closed, though nobody reads", func() bool { return a.gone })
			for {
				p, err := b.ReadBuf()
				if errors.Is(err, syscall.ECONNRESET) {
					break
				}
				must(err)
				b.Consume(len(p))
			}
			e.closeAll(t, b)
		})
	})
}

func TestEveryCallAfterCloseFails(t *testing.T) {
	eachReceive(t, func(e *env) {
		e.run(func(t *loop.Task) {
			a, b := e.pair(t)
			got(b.Write([]byte("held")))
			got(a.ReadBuf())
			must(a.Close())
			a.Consume(4) // Close took the bytes back; that is no mistake of who was reading
			calls := map[string]error{"Close": a.Close(), "CloseWrite": a.CloseWrite(), "Flush": a.Flush(), "SetNoDelay": a.SetNoDelay(true),
				"WriteBufs": a.WriteBufs(nil, []byte("x"), false), "Send": a.Send(e.block([]byte("x"))), "Err": a.Err()}
			_, calls["Read"] = a.Read(make([]byte, 1))
			_, calls["ReadBuf"] = a.ReadBuf()
			_, calls["Write"] = a.Write([]byte("x"))
			_, calls["Splice from"] = Splice(t, b, a, 1, nil)
			_, calls["Splice to"] = Splice(t, a, b, 1, nil)
			for name, err := range calls {
				if !errors.Is(err, net.ErrClosed) {
					failf("%s after Close: %v", name, err)
				}
			}
			a.Arm()
			a.Abort()
			a.SetReadTimeout(1)
			e.closeAll(t, a, b)
		})
	})
}

func TestCloseEndsWaits(t *testing.T) {
	eachReceive(t, func(e *env) {
		ends := map[string]func(*Conn){"close": func(c *Conn) { must(c.Close()) }, "abort": func(c *Conn) { c.Abort() }}
		for name, end := range ends {
			e.run(func(t *loop.Task) {
				a, b := e.pair(t)
				e.fillSocket(a)
				reader := e.spawn("reader", func(*loop.Task) {
					if _, err := a.ReadBuf(); !errors.Is(err, net.ErrClosed) {
						failf("%s: waiting read: %v", name, err)
					}
				})
				writer := e.spawn("writer", func(*loop.Task) {
					if n, err := a.Write(make([]byte, 1<<20)); n == 1<<20 || !errors.Is(err, net.ErrClosed) {
						failf("%s: waiting write: %d, %v", name, n, err)
					}
				})
				e.parked(t, "reader")
				e.parked(t, "writer")
				end(a)
				join(t, reader, writer) // though the peer reads nothing
				e.closeAll(t, a, b)
			})
		}
	})
}

func TestCloseEndsAWaitForABlock(t *testing.T) {
	eachDriver(t, func(e *env) {
		e.run(func(t *loop.Task) {
			a, b := e.pair(t)
			sent := e.fillSocket(a)
			must(a.Send(e.block(bytesAt(int64(sent), 10))))
			waiting := e.spawn("flush", func(*loop.Task) {
				if err := a.Flush(); !errors.Is(err, net.ErrClosed) {
					failf("flush: %v", err)
				}
			})
			e.parked(t, "flush")
			must(a.Close())
			join(t, waiting)
			readPattern(b, 0, int64(sent+10)) // the block itself still goes out
			e.closeAll(t, a, b)
		})
	})
}

func TestAbortResets(t *testing.T) {
	eachDriver(t, func(e *env) {
		e.run(func(t *loop.Task) {
			a, b := e.pair(t)
			got(a.Write([]byte("part")))
			readText(b, "part", false)
			a.Abort()
			if _, err := b.ReadBuf(); !errors.Is(err, syscall.ECONNRESET) {
				failf("after an abort: %v", err)
			}
			e.closeAll(t, a, b)

			u, v := e.unixPair(t)
			u.Abort()
			if _, err := v.ReadBuf(); err == nil {
				failf("a Unix socket's abort went unnoticed")
			}
			e.closeAll(t, u, v)
		})
	})
}

func TestOnClosedComesOnce(t *testing.T) {
	eachReceive(t, func(e *env) {
		e.run(func(t *loop.Task) {
			a, b := e.pair(t)
			if u := e.n.Usage(); u.Open != 2 {
				failf("%d connections are open", u.Open)
			}
			calls := map[*Conn]int{}
			for _, c := range []*Conn{a, b} {
				c.OnClosed = func(c *Conn) {
					if calls[c]++; e.l.Current() != nil {
						e.t.Error("OnClosed inside a task")
					}
				}
			}
			a.Arm()
			must(a.Close())
			a.Abort()
			b.Abort()
			_ = b.Close() // second: says net.ErrClosed
			e.until(t, "OnClosed of both", func() bool { return len(calls) == 2 })
			must(t.Yield())
			if calls[a] != 1 || calls[b] != 1 {
				failf("%v", calls)
			}
			if u := e.n.Usage(); u != (Usage{}) {
				failf("still held: %+v", u)
			}
		})
	})
}

package conn

import (
	"errors"
	"io"
	"net"
	"os"
	"syscall"
	"testing"
	"time"

	"github.com/ringway/ringway/loop"
	"github.com/ringway/ringway/sys"
)

// relay is two connections with a splice between them: what is written to in arrives at out.
type relay struct{ in, src, dst, out *Conn }

func (e *env) relay(t *loop.Task, pair func(*loop.Task) (a, b *Conn)) *relay {
	r := &relay{}
	r.in, r.src = pair(t)
	r.dst, r.out = pair(t)
	return r
}

func (e *env) closeRelay(t *loop.Task, r *relay) { e.closeAll(t, r.in, r.src, r.dst, r.out) }

// usable checks that all four connections work as if there had been no splice.
func (e *env) usable(t *loop.Task, r *relay) {
	for _, c := range []*Conn{r.src, r.dst} {
		flags, _, errno := syscall.Syscall(syscall.SYS_FCNTL, uintptr(c.FD()), syscall.F_GETFL, 0)
		if errno != 0 || (flags&syscall.O_NONBLOCK != 0) != e.l.NonBlocking() {
			failf("flags %#x, %v", flags, errno)
		}
	}
	for _, p := range [][2]*Conn{{r.in, r.src}, {r.src, r.in}, {r.dst, r.out}, {r.out, r.dst}} {
		reader := e.spawn("check", func(*loop.Task) { readText(p[1], "hello", false) })
		e.parked(t, "check") // a receive that has to wait, and one that has not
		got(p[0].Write([]byte("hello")))
		join(t, reader)
		must(p[0].Send(e.block([]byte("again"))))
		readText(p[1], "again", false)
	}
}

func TestSpliceMovesExactlyWhatItIsAskedTo(t *testing.T) {
	eachDriver(t, func(e *env) {
		pairs := map[string]func(*loop.Task) (a, b *Conn){"tcp": e.pair, "unix": e.unixPair}
		for _, tc := range []struct {
			network string
			n       int64
		}{{"tcp", 0}, {"tcp", 1}, {"tcp", 70_000}, {"tcp", 100 << 20}, {"unix", 1}, {"unix", 3 << 20}} {
			e.run(func(t *loop.Task) {
				r := e.relay(t, pairs[tc.network])
				writer := e.spawn("writer", func(*loop.Task) {
					for off := int64(0); off < tc.n; off += 1 << 20 {
						got(r.in.Write(bytesAt(off, int(min(1<<20, tc.n-off)))))
					}
					got(r.in.Write([]byte("after")))
				})
				reader := e.spawn("reader", func(*loop.Task) { readPattern(r.out, 0, tc.n) })
				told := int64(0)
				n := got(Splice(t, r.dst, r.src, tc.n, func(n int64) { told += n }))
				if n != tc.n || told != tc.n || r.dst.Sent() != uint64(tc.n) {
					failf("moved %d of %d, told of %d, Sent %d", n, tc.n, told, r.dst.Sent())
				}
				join(t, writer, reader)
				readText(r.src, "after", false)
				e.usable(t, r)
				if e.n.Usage().Pipes != 0 {
					failf("a pipe was kept")
				}
				e.closeRelay(t, r)
			})
		}
	})
}

func TestSpliceBeginsWithWhatIsBuffered(t *testing.T) {
	eachReceive(t, func(e *env) {
		for _, n := range []int64{2, 5, 300_000} {
			e.run(func(t *loop.Task) {
				r := e.relay(t, e.pair)
				got(r.in.Write(bytesAt(0, 5)))
				got(r.src.ReadBuf())
				writer := e.spawn("writer", func(*loop.Task) { got(r.in.Write(bytesAt(5, 300_000-5))) })
				must(r.dst.Send(e.block([]byte("head")))) // goes first, with no wait between
				if moved := got(Splice(t, r.dst, r.src, n, nil)); moved != n {
					failf("moved %d of %d", moved, n)
				}
				readText(r.out, "head", false)
				readPattern(r.out, 0, n)
				readPattern(r.src, n, 300_000-n)
				join(t, writer)
				e.closeRelay(t, r)
			})
		}
	})
}

// A read that timed out leaves its receive in flight; a splice must not lose what that still takes.
func TestSpliceAfterATimedOutRead(t *testing.T) {
	eachReceive(t, func(e *env) {
		e.run(func(t *loop.Task) {
			r := e.relay(t, e.pair)
			off := int64(0)
			for round := range 50 {
				r.src.SetReadTimeout(-1)
				if _, err := r.src.ReadBuf(); !errors.Is(err, os.ErrDeadlineExceeded) {
					failf("read: %v", err)
				}
				r.src.SetReadTimeout(0)
				r.src.Arm()
				if round%2 == 0 {
					must(t.Yield()) // the receive is the kernel's
				}
				must(r.in.Send(e.block(bytesAt(off, 1000))))
				if n := got(Splice(t, r.dst, r.src, 1000, nil)); n != 1000 {
					failf("moved %d", n)
				}
				readPattern(r.out, off, 1000)
				off += 1000
			}
			e.usable(t, r)
			e.closeRelay(t, r)
		})
	})
}

func TestSpliceSaysWhatStoppedIt(t *testing.T) {
	cases := []struct {
		name    string
		stop    func(e *env, r *relay)
		want    error
		dstDead bool // dst cannot be written to any more
	}{
		{"source ends", func(e *env, r *relay) { must(r.in.CloseWrite()) }, io.ErrUnexpectedEOF, false},
		{"source resets", func(e *env, r *relay) { r.in.Abort() }, syscall.ECONNRESET, false},
		{"source closed", func(e *env, r *relay) { must(r.src.Close()) }, net.ErrClosed, false},
		{"source deadline", func(e *env, r *relay) { r.src.SetReadTimeout(2 * time.Millisecond) }, os.ErrDeadlineExceeded, false},
		{"destination closed", func(e *env, r *relay) { must(r.dst.Close()) }, net.ErrClosed, false},
		{"destination aborted", func(e *env, r *relay) { r.dst.Abort() }, net.ErrClosed, false},
		{"destination resets", func(e *env, r *relay) {
			r.out.Abort()
			w := &seen{}
			r.dst.Watch(w)
			r.dst.Arm()
			e.until(e.l.Current(), "the reset arrives", func() bool { return w.readable == 1 })
			got(r.in.Write([]byte("more")))
		}, syscall.EPIPE, true},
		{"destination deadline", func(e *env, r *relay) {
			r.dst.SetWriteTimeout(-1)
			got(r.in.Write([]byte("more")))
		}, os.ErrDeadlineExceeded, true},
	}
	eachReceive(t, func(e *env) {
		for _, tc := range cases {
			e.run(func(t *loop.Task) {
				r := e.relay(t, e.pair)
				got(r.in.Write(bytesAt(0, 1000)))
				var moved int64
				var err error
				splice := e.spawn("splice", func(t *loop.Task) { moved, err = Splice(t, r.dst, r.src, 1<<30, nil) })
				readPattern(r.out, 0, 1000)
				e.parked(t, "splice")
				tc.stop(e, r)
				join(t, splice)
				if !errors.Is(err, tc.want) || moved != 1000 {
					failf("%s: moved %d: %v", tc.name, moved, err)
				}
				if dead := r.dst.WriteErr() != nil; dead != tc.dstDead {
					failf("%s: the destination's WriteErr is %v", tc.name, r.dst.WriteErr())
				}
				if tc.want == os.ErrDeadlineExceeded && !tc.dstDead {
					r.src.SetReadTimeout(0)
					e.usable(t, r)
				}
				e.closeRelay(t, r)
			})
		}
	})
}

// stalled is a splice whose destination takes no more.
func (e *env) stalled(t *loop.Task, r *relay) (splice, writer loop.Handle, moved *int64, err *error) {
	moved, err = new(int64), new(error)
	total := int64(0)
	writer = e.spawn("writer", func(*loop.Task) {
		_, _ = r.in.Write(bytesAt(0, 64<<20)) // how this ends is up to the test; what arrives is checked
	})
	splice = e.spawn("splice", func(t *loop.Task) {
		*moved, *err = Splice(t, r.dst, r.src, 64<<20, func(n int64) { total += n })
	})
	for same := 0; same < 20; { // nothing moves any more
		before := total
		must(t.Sleep(time.Millisecond))
		if same++; total != before || total == 0 {
			same = 0
		}
	}
	return splice, writer, moved, err
}

func TestSlowDestinationHoldsTheSourceBack(t *testing.T) {
	eachDriver(t, func(e *env) {
		e.run(func(t *loop.Task) {
			r := e.relay(t, e.pair)
			splice, writer, moved, err := e.stalled(t, r)
			if splice.Done() || writer.Done() {
				failf("64 MiB went into the sockets' buffers")
			}
			if lent, blocks := e.l.Stats().Driver.Lent, e.n.Usage().Blocks; lent != 0 || blocks != 0 {
				failf("%d receive buffers and %d blocks are held", lent, blocks)
			}
			polls := e.l.Stats().Driver.Completed
			for range 20 {
				must(t.Sleep(time.Millisecond)) // the loop goes on
			}
			if n := e.l.Stats().Driver.Completed - polls; n > 100 {
				failf("%d completions while nothing can move", n)
			}
			readPattern(r.out, 0, 64<<20)
			join(t, splice, writer)
			must(*err)
			if *moved != 64<<20 {
				failf("moved %d", *moved)
			}
			e.usable(t, r)
			e.closeRelay(t, r)
		})
	})
}

func TestStalledSpliceEnds(t *testing.T) {
	cases := []struct {
		name string
		stop func(e *env, r *relay, splice loop.Handle)
		want error
	}{
		{"cancel", func(e *env, r *relay, s loop.Handle) { e.l.Cancel(s, errTest) }, errTest},
		{"destination deadline", func(e *env, r *relay, _ loop.Handle) { r.dst.SetWriteTimeout(2 * time.Millisecond) }, os.ErrDeadlineExceeded},
		{"destination closed", func(e *env, r *relay, _ loop.Handle) { must(r.dst.Close()) }, net.ErrClosed},
		{"destination aborted", func(e *env, r *relay, _ loop.Handle) { r.dst.Abort() }, net.ErrClosed},
		{"destination resets", func(e *env, r *relay, _ loop.Handle) { r.out.Abort() }, syscall.ECONNRESET},
		{"source closed", func(e *env, r *relay, _ loop.Handle) {
			must(r.src.Close())
			if r.src.gone { // its number could be another's by the time the splice goes on
				failf("a descriptor was closed under a splice")
			}
		}, net.ErrClosed},
	}
	eachDriver(t, func(e *env) {
		for _, tc := range cases {
			e.run(func(t *loop.Task) {
				r := e.relay(t, e.pair)
				splice, writer, moved, err := e.stalled(t, r)
				tc.stop(e, r, splice)
				join(t, splice)
				if !errors.Is(*err, tc.want) && !(tc.want == syscall.ECONNRESET && errors.Is(*err, syscall.EPIPE)) {
					failf("%s: %v", tc.name, *err)
				}
				if *moved <= 0 || uint64(*moved) != r.dst.Sent() {
					failf("%s: moved %d, Sent %d", tc.name, *moved, r.dst.Sent())
				}
				if r.dst.WriteErr() == nil && !r.dst.Closed() {
					failf("%s: a stream with a gap can be written on", tc.name)
				}
				if len(e.n.pipes.idle) != 0 {
					failf("%s: a pipe with bytes inside was kept", tc.name)
				}
				e.l.Cancel(writer, errTest)
				join(t, writer)
				e.closeRelay(t, r)
			})
		}
	})
}

func TestCancelledSpliceLeavesTheSourceReadable(t *testing.T) {
	eachReceive(t, func(e *env) {
		e.run(func(t *loop.Task) {
			r := e.relay(t, e.pair)
			splice := e.spawn("splice", func(t *loop.Task) {
				for range 2 { // the second does not begin
					if n, err := Splice(t, r.dst, r.src, 100, nil); n != 0 || err != errTest {
						failf("%d, %v", n, err)
					}
				}
			})
			e.parked(t, "splice")
			e.l.Cancel(splice, errTest)
			join(t, splice)
			w := &seen{}
			r.src.Watch(w)
			r.src.Arm() // though the splice's wait has not ended yet
			must(t.Sleep(2 * time.Millisecond))
			if w.readable != 0 {
				failf("told of bytes that are not there")
			}
			got(r.in.Write([]byte("x")))
			e.until(t, "Readable", func() bool { return w.readable == 1 })
			r.src.Consume(1)
			r.src.Watch(nil)
			e.usable(t, r)
			e.closeRelay(t, r)
		})
	})
}

// Both directions of a tunnel are spliced at once; small messages must not wait for more to fill a segment.
func TestTunnel(t *testing.T) {
	const rounds = 40
	eachReceive(t, func(e *env) {
		e.run(func(t *loop.Task) {
			r := e.relay(t, e.pair)
			tunnel := func(dst, src *Conn) loop.Handle {
				return e.spawn("tunnel", func(t *loop.Task) {
					if _, err := Splice(t, dst, src, 1<<40, nil); err != io.ErrUnexpectedEOF {
						failf("tunnel: %v", err)
					}
					must(dst.CloseWrite())
				})
			}
			there, back := tunnel(r.dst, r.src), tunnel(r.src, r.dst)
			from := time.Now()
			for i := range int64(rounds) {
				got(r.in.Write(bytesAt(i*100, 100)))
				readPattern(r.out, i*100, 100)
				got(r.out.Write(bytesAt(i*50, 50)))
				readPattern(r.in, i*50, 50)
			}
			// A corked segment waits for 200 ms: with one a round this would take 8 s at the least.
			if d := time.Since(from); d > rounds*100*time.Millisecond {
				failf("%d round trips took %v", rounds, d)
			}
			must(r.in.CloseWrite())
			join(t, there) // one direction ends, and leaves the other its sockets
			off := int64(rounds * 50)
			writer := e.spawn("writer", func(*loop.Task) { got(r.out.Write(bytesAt(off, 8<<20))) })
			readPattern(r.in, off, 8<<20)
			join(t, writer)
			must(r.out.CloseWrite())
			join(t, back)
			e.closeRelay(t, r)
		})
	})
}

// While a socket is spliced it does not block; ordinary reads and writes of its other direction must neither fail nor spin.
func TestOtherDirectionOfASplicedSocket(t *testing.T) {
	eachReceive(t, func(e *env) {
		e.run(func(t *loop.Task) {
			r := e.relay(t, e.pair)
			splice := e.spawn("splice", func(t *loop.Task) { got(Splice(t, r.dst, r.src, 10, nil)) })
			e.parked(t, "splice")
			got(r.in.Write([]byte("12345"))) // now both ends of the splice are in use
			readText(r.out, "12345", false)

			reader := e.spawn("reader", func(*loop.Task) { readText(r.dst, "answer", false) })
			sent := e.fillSocket(r.src)
			writer := e.spawn("writer", func(*loop.Task) {
				must(r.src.WriteBufs(bytesAt(int64(sent), 100), bytesAt(int64(sent+100), 100), false))
			})
			e.parked(t, "reader")
			e.parked(t, "writer")
			before := e.l.Stats().Driver.Completed
			must(t.Sleep(20 * time.Millisecond))
			if n := e.l.Stats().Driver.Completed - before; n > 20 {
				failf("%d completions while everything waits", n)
			}
			got(r.out.Write([]byte("answer")))
			readPattern(r.in, 0, int64(sent+200))
			join(t, reader, writer)
			if splice.Done() {
				failf("the splice has ended")
			}
			got(r.in.Write([]byte("67890")))
			readText(r.out, "67890", false)
			join(t, splice)
			e.usable(t, r)
			e.closeRelay(t, r)
		})
	})
}

func TestPipesAreKeptAndTrimmed(t *testing.T) {
	eachDriver(t, func(e *env) {
		e.run(func(t *loop.Task) {
			p := &pipes{limit: 2, sock: sys.KernelSockets{}, open: sys.Pipe}
			var out []*pipe
			for range 3 {
				out = append(out, got(p.get()))
			}
			if p.inUse != 3 || out[0].room < 4096 {
				failf("%d in use, room %d", p.inUse, out[0].room)
			}
			for _, q := range out {
				p.put(q)
			}
			if p.inUse != 0 || len(p.idle) != 2 {
				failf("%d in use, %d idle", p.inUse, len(p.idle))
			}
			p.trim() // marks
			p.put(got(p.get()))
			p.trim()
			if len(p.idle) != 1 {
				failf("%d pipes are kept though one is needed", len(p.idle))
			}
			q := got(p.get())
			q.held = 1
			p.put(q)
			if len(p.idle) != 0 {
				failf("a pipe that holds bytes was kept")
			}
			if sys.Close(q.r) == nil {
				failf("it was not closed")
			}
			e.n.Trim()
		})
	})
}

// TestSlowSourceIsReadAsItComes: a splice would rather take much at a time, but what a slow source sends must not wait for
// more to come.
func TestSlowSourceIsReadAsItComes(t *testing.T) {
	eachDriver(t, func(e *env) {
		e.run(func(t *loop.Task) {
			const step, steps = 100, 20
			r := e.relay(t, e.pair)
			splice := e.spawn("splice", func(t *loop.Task) {
				if n, err := Splice(t, r.dst, r.src, 10<<20, nil); n != step*steps || err != io.ErrUnexpectedEOF {
					failf("moved %d, %v", n, err)
				}
			})
			for i := range int64(steps) {
				got(r.in.Write(bytesAt(i*step, step)))
				r.out.SetReadTimeout(5 * time.Second)
				readPattern(r.out, i*step, step) // fails if the bytes are held back
			}
			must(r.in.CloseWrite())
			join(t, splice)
			e.closeRelay(t, r)
		})
	})
}

// TestSpliceWithoutAPipe: what was buffered has gone, the rest is left to be copied, and nothing is broken.
func TestSpliceWithoutAPipe(t *testing.T) {
	eachDriver(t, func(e *env) {
		e.run(func(t *loop.Task) {
			r := e.relay(t, e.pair)
			got(r.in.Write(bytesAt(0, 100)))
			got(r.src.ReadBuf())
			e.n.pipes.open = func(int) (int, int, int, error) { return -1, -1, 0, syscall.EMFILE }
			n, err := Splice(t, r.dst, r.src, 1<<20, nil)
			var noPipe *NoPipeError
			if n != 100 || !errors.As(err, &noPipe) || !errors.Is(err, syscall.EMFILE) || r.dst.WriteErr() != nil {
				failf("moved %d, %v, %v", n, err, r.dst.WriteErr())
			}
			readPattern(r.out, 0, 100)
			e.usable(t, r)
			e.closeRelay(t, r)
		})
	})
}

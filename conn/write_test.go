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

func TestSendOwnsTheBlock(t *testing.T) {
	eachDriver(t, func(e *env) {
		e.run(func(t *loop.Task) {
			a, b := e.pair(t)
			off := int64(0)
			for _, n := range []int{1, 100, SmallBlock, 0, 17} { // each Send follows the one before at once
				must(a.Send(e.block(bytesAt(off, n))))
				off += int64(n)
			}
			large := e.n.Large()
			large.Len = copy(large.Bytes, bytesAt(off, LargeBlock))
			must(a.Send(large))
			readPattern(b, 0, off+LargeBlock)
			must(a.Flush())
			if u := e.n.Usage(); u.Blocks != 0 {
				failf("%d blocks are still out", u.Blocks)
			}
			e.closeAll(t, a, b)
		})
	})
}

func TestSendGivesTheBlockBackWhenItFails(t *testing.T) {
	cases := []struct {
		name    string
		prepare func(e *env, t *loop.Task, a, b *Conn)
		want    func(error) bool
	}{
		{"closed", func(e *env, t *loop.Task, a, b *Conn) { must(a.Close()) }, func(err error) bool { return errors.Is(err, net.ErrClosed) }},
		{"half closed", func(e *env, t *loop.Task, a, b *Conn) { must(a.CloseWrite()) }, func(err error) bool { return errors.Is(err, syscall.EPIPE) }},
		{"late", func(e *env, t *loop.Task, a, b *Conn) { a.SetWriteTimeout(-1) },
			func(err error) bool { return errors.Is(err, os.ErrDeadlineExceeded) }},
		{"reset", func(e *env, t *loop.Task, a, b *Conn) {
			b.Abort()
			_, err := a.ReadBuf() // the reset has arrived
			if err == nil {
				failf("read from a reset connection")
			}
		}, func(err error) bool { return errors.Is(err, syscall.EPIPE) || errors.Is(err, syscall.ECONNRESET) }},
	}
	eachDriver(t, func(e *env) {
		for _, tc := range cases {
			e.run(func(t *loop.Task) {
				a, b := e.pair(t)
				tc.prepare(e, t, a, b)
				err := a.Send(e.block([]byte("lost")))
				if err == nil {
					err = a.Flush() // a failure in the kernel shows at the next call
				}
				if !tc.want(err) {
					failf("%s: %v", tc.name, err)
				}
				if err2 := a.Send(e.block([]byte("lost"))); !tc.want(err2) {
					failf("%s: the second Send: %v", tc.name, err2)
				}
				if u := e.n.Usage(); u.Blocks != 0 {
					failf("%s: %d blocks are still out", tc.name, u.Blocks)
				}
				e.closeAll(t, a, b)
			})
		}
	})
}

func TestWriteBufs(t *testing.T) {
	eachDriver(t, func(e *env) {
		e.run(func(t *loop.Task) {
			a, b := e.pair(t)
			sizes := [][2]int{{0, 0}, {1, 0}, {0, 1}, {100, 200}, {5, 3 << 20}, {3 << 20, 5}, {2 << 20, 2 << 20}}
			total := int64(0)
			for _, s := range sizes {
				total += int64(s[0] + s[1])
			}
			reader := e.spawn("reader", func(t *loop.Task) {
				for off := int64(0); off < total; { // slowly, so that sends come back short
					n := min(total-off, 300_000)
					readPattern(b, off, n)
					off += n
					must(t.Yield())
				}
				if _, err := b.ReadBuf(); err != io.EOF {
					failf("after the last byte: %v", err)
				}
			})
			off := int64(0)
			for i, s := range sizes {
				head := bytesAt(off, s[0])
				body := bytesAt(off+int64(s[0]), s[1])
				off += int64(s[0] + s[1])
				must(a.WriteBufs(head, body, i%2 == 0))
			}
			must(a.CloseWrite())
			join(t, reader)
			if a.Sent() != uint64(total) {
				failf("Sent %d of %d", a.Sent(), total)
			}
			e.closeAll(t, a, b)
		})
	})
}

func TestWriteDeadlineEndsOneWrite(t *testing.T) {
	eachDriver(t, func(e *env) {
		e.run(func(t *loop.Task) {
			a, b := e.pair(t)
			sent := e.fillSocket(a) // ends by deadlines
			must(a.SetWriteDeadline(time.Now().Add(-time.Hour)))
			if n, err := a.Write([]byte("late")); n != 0 || !errors.Is(err, os.ErrDeadlineExceeded) {
				failf("past deadline: %d, %v", n, err)
			}
			must(a.SetWriteDeadline(time.Time{}))
			a.SetWriteTimeout(time.Hour)
			a.SetWriteTimeout(2 * time.Millisecond)
			if n, err := a.Write([]byte("late")); n != 0 || !errors.Is(err, os.ErrDeadlineExceeded) {
				failf("moved deadline: %d, %v", n, err)
			}
			if a.WriteErr() != nil {
				failf("writing has ended: %v", a.WriteErr())
			}
			a.SetWriteTimeout(0)
			writer := e.spawn("writer", func(*loop.Task) { got(a.Write(bytesAt(int64(sent), 1000))) })
			e.parked(t, "writer")
			readPattern(b, 0, int64(sent+1000))
			join(t, writer)
			e.closeAll(t, a, b)
		})
	})
}

func TestCancelledWriteWaitsForTheKernel(t *testing.T) {
	eachDriver(t, func(e *env) {
		e.run(func(t *loop.Task) {
			a, b := e.pair(t)
			sent := e.fillSocket(a)
			p := bytesAt(int64(sent), 4<<20)
			n := -1
			writer := e.spawn("writer", func(t *loop.Task) {
				var err error
				n, err = a.Write(p)
				if err != errTest {
					failf("cancelled write: %v", err)
				}
				if a.wr.op.InFlight() {
					failf("the kernel still has the buffer")
				}
				clear(p) // it is the writer's again; what was sent must not change
				if _, err := a.Write([]byte("x")); err != errTest {
					failf("write of a cancelled task: %v", err)
				}
			})
			e.parked(t, "writer")
			e.l.Cancel(writer, errTest)
			join(t, writer)
			if n < 0 || n >= 4<<20 || a.Sent() != uint64(sent+n) {
				failf("count %d, Sent %d after %d", n, a.Sent(), sent)
			}
			rest := e.spawn("rest", func(*loop.Task) { got(a.Write(bytesAt(int64(sent+n), 1000))) })
			readPattern(b, 0, int64(sent+n+1000))
			join(t, rest)
			e.closeAll(t, a, b)
		})
	})
}

// A task that is cancelled while it waits for a block leaves the block to the kernel: nothing of it is lost.
func TestCancelledFlushLeavesTheBlockInFlight(t *testing.T) {
	eachDriver(t, func(e *env) {
		e.run(func(t *loop.Task) {
			a, b := e.pair(t)
			sent := e.fillSocket(a)
			waiting := e.spawn("flush", func(t *loop.Task) {
				must(a.Send(e.block(bytesAt(int64(sent), 5000))))
				if err := a.Flush(); err != errTest {
					failf("cancelled flush: %v", err)
				}
				if !a.wr.op.InFlight() {
					failf("the block was given up")
				}
				if err := a.Send(e.block([]byte("x"))); err != errTest {
					failf("a Send that has to wait: %v", err)
				}
			})
			e.parked(t, "flush")
			e.l.Cancel(waiting, errTest)
			join(t, waiting)
			readPattern(b, 0, int64(sent+5000))
			must(a.Flush())
			e.closeAll(t, a, b)
		})
	})
}

func TestDeadlineOfASendEndsWriting(t *testing.T) {
	eachDriver(t, func(e *env) {
		e.run(func(t *loop.Task) {
			a, b := e.pair(t)
			e.fillSocket(a)
			a.SetWriteTimeout(3 * time.Millisecond)
			must(a.Send(e.block([]byte("never"))))
			if err := a.Flush(); !errors.Is(err, os.ErrDeadlineExceeded) {
				failf("flush: %v", err)
			}
			a.SetWriteTimeout(0)
			if err := a.Send(e.block([]byte("x"))); !errors.Is(err, os.ErrDeadlineExceeded) || a.WriteErr() == nil {
				failf("a stream with a gap goes on: %v", err)
			}
			must(a.Close())
			for { // the peer learns that it did not get the whole
				p, err := b.ReadBuf()
				if errors.Is(err, syscall.ECONNRESET) {
					break
				}
				must(err)
				b.Consume(len(p))
			}
			e.closeAll(t, a, b)
		})
	})
}

func TestWriteBufsCutShortEndsWriting(t *testing.T) {
	eachDriver(t, func(e *env) {
		e.run(func(t *loop.Task) {
			a, b := e.pair(t)
			a.SetWriteTimeout(10 * time.Millisecond)
			if err := a.WriteBufs([]byte("head"), make([]byte, 64<<20), false); !errors.Is(err, os.ErrDeadlineExceeded) {
				failf("write: %v", err)
			}
			a.SetWriteTimeout(0)
			if _, err := a.Write([]byte("x")); !errors.Is(err, os.ErrDeadlineExceeded) {
				failf("a stream with a gap goes on: %v", err)
			}
			e.closeAll(t, a, b)
		})
	})
}

// What the kernel may answer instead of working: the operation is tried again, after a wait where that is due.
func TestTransientAnswersAreTriedAgain(t *testing.T) {
	eachDriver(t, func(e *env) {
		for _, errno := range []int32{sys.EAGAIN, sys.EINTR, sys.ENOBUFS} {
			e.run(func(t *loop.Task) {
				a, b := e.pair(t)
				a.wr.head = bytesAt(0, 1000)
				a.wr.op.Code = loop.OpSend
				a.wr.Complete(&a.wr.op, loop.Result{N: -errno})
				if want := errno == sys.EAGAIN; (a.wr.op.Code == loop.OpPoll) != want {
					failf("errno %d: went on with operation %d", errno, a.wr.op.Code)
				}
				readPattern(b, 0, 1000)
				must(a.Flush())

				if errno == sys.ENOBUFS {
					e.closeAll(t, a, b) // a receive gets that from the driver only, which waits for a buffer itself
					return
				}
				b.rd.armed, b.rd.op.Code = true, loop.OpRecv
				b.rd.Complete(&b.rd.op, loop.Result{N: -errno})
				if want := errno == sys.EAGAIN; (b.rd.op.Code == loop.OpPoll) != want || !b.rd.op.InFlight() {
					failf("errno %d: went on with operation %d", errno, b.rd.op.Code)
				}
				w := &seen{}
				b.Watch(w)
				got(a.Write([]byte("x")))
				e.until(t, "Readable", func() bool { return w.readable == 1 })
				readText(b, "x", false)
				e.closeAll(t, a, b)
			})
		}
	})
}

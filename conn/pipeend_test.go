package conn

import (
	"errors"
	"io"
	"net"
	"os"
	"os/exec"
	"syscall"
	"testing"
	"time"

	"github.com/ringway/ringway/loop"
)

// TestPipe moves more than a pipe holds, and sees the end on both sides.
func TestPipe(t *testing.T) {
	eachNetwork(t, func(e *env) {
		e.run(func(t *loop.Task) {
			r, w, err := Pipe(e.n, 8<<10)
			must(err)
			const size = 1 << 20
			h := e.spawn("writer", func(*loop.Task) {
				if n := got(w.Write(bytesAt(0, size))); n != size {
					failf("%d bytes written", n)
				}
				must(w.Close())
			})
			b, read := make([]byte, 5000), int64(0)
			for {
				n, err := r.Read(b)
				if err == io.EOF {
					break
				}
				must(err)
				checkAt(read, b[:n])
				read += int64(n)
			}
			join(t, h)
			if read != size {
				failf("%d bytes came", read)
			}
			must(r.Close())

			r, w, err = Pipe(e.n, 0)
			must(err)
			if _, err := r.Write([]byte("x")); err == nil {
				failf("the end for reading was written to")
			}
			must(r.Close())
			e.until(t, "nobody reads", func() bool { return r.gone && e.n.open == 1 })
			if _, err := w.Write([]byte("x")); !errors.Is(err, syscall.EPIPE) {
				failf("write without a reader: %v", err)
			}
			must(w.Close())
		})
	})
}

// TestPipeWaitsEnd: by deadline, cancel and Close, on both ends.
func TestPipeWaitsEnd(t *testing.T) {
	eachNetwork(t, func(e *env) {
		e.run(func(t *loop.Task) {
			r, w, err := Pipe(e.n, 4096)
			must(err)
			must(r.SetReadDeadline(time.Now().Add(3 * time.Millisecond)))
			if _, err := r.Read(make([]byte, 1)); !errors.Is(err, os.ErrDeadlineExceeded) {
				failf("%v", err)
			}
			must(r.SetDeadline(time.Time{}))
			must(w.SetWriteDeadline(time.Now().Add(3 * time.Millisecond)))
			n, err := w.Write(make([]byte, 1<<20))
			if !errors.Is(err, os.ErrDeadlineExceeded) || n < 4096 || n >= 1<<20 {
				failf("%d bytes, %v", n, err)
			}
			must(w.SetDeadline(time.Time{}))
			why := errors.New("enough")
			h := e.spawn("writer", func(*loop.Task) {
				if n, err := w.Write(make([]byte, 1<<20)); n != 0 || err != why {
					failf("%d bytes, %v", n, err)
				}
			})
			e.parked(t, "writer")
			e.l.Cancel(h, why)
			join(t, h)
			got(io.ReadFull(r, make([]byte, n)))
			h = e.spawn("reader", func(*loop.Task) {
				if _, err := r.Read(make([]byte, 1)); !errors.Is(err, net.ErrClosed) {
					failf("%v", err)
				}
			})
			e.parked(t, "reader")
			must(r.Close())
			join(t, h)
			must(w.Close())
			if err := w.Close(); !errors.Is(err, net.ErrClosed) {
				failf("closed twice: %v", err)
			}
			if err := w.SetWriteDeadline(time.Now()); !errors.Is(err, net.ErrClosed) {
				failf("%v", err)
			}
		})
	})
}

// TestPipeOfAChild speaks with a process over pipes, as tasks.
func TestPipeOfAChild(t *testing.T) {
	eachDriver(t, func(e *env) {
		var in, out *PipeEnd
		child := exec.Command("/bin/cat")
		e.run(func(*loop.Task) {
			cr, w, err := Pipe(e.n, 0)
			must(err)
			r, cw, err := Pipe(e.n, 0)
			must(err)
			must(e.l.Sockets().SetNonblock(cr.FD(), false)) // a child expects to wait
			must(e.l.Sockets().SetNonblock(cw.FD(), false))
			child.Stdin, child.Stdout = os.NewFile(uintptr(got(syscall.Dup(cr.FD()))), "in"), os.NewFile(uintptr(got(syscall.Dup(cw.FD()))), "out")
			must(cr.Close())
			must(cw.Close())
			in, out = w, r
		})
		if err := child.Start(); err != nil {
			e.t.Fatal(err)
		}
		child.Stdin.(*os.File).Close()
		child.Stdout.(*os.File).Close()
		e.run(func(t *loop.Task) {
			h := e.spawn("writer", func(*loop.Task) {
				got(in.Write(bytesAt(0, 300<<10)))
				must(in.Close())
			})
			b, read := make([]byte, 8<<10), int64(0)
			for {
				n, err := out.Read(b)
				if err == io.EOF {
					break
				}
				must(err)
				checkAt(read, b[:n])
				read += int64(n)
			}
			if join(t, h); read != 300<<10 {
				failf("%d bytes came back", read)
			}
			must(out.Close())
		})
		if err := child.Wait(); err != nil {
			e.t.Error(err)
		}
	})
}

// TestReadiness waits for a descriptor that somebody else reads, writes, and closes afterwards.
func TestReadiness(t *testing.T) {
	eachNetwork(t, func(e *env) {
		e.run(func(t *loop.Task) {
			sock := e.l.Sockets()
			for range 3 { // the number comes again
				r, w, room, err := sock.Pipe(4096)
				must(err)
				if err := WaitReadable(e.n, r, 2*time.Millisecond); !errors.Is(err, os.ErrDeadlineExceeded) {
					failf("%v", err)
				}
				must(WaitWritable(e.n, w, 0))
				ready := NewReadiness(e.n, r)
				h := e.spawn("waits", func(*loop.Task) {
					must(ready.Readable(0))
					must(ready.Readable(0)) // it takes nothing
				})
				e.parked(t, "waits")
				for filled := 0; filled < room; {
					n := sock.Write(int32(w), make([]byte, room-filled))
					if n <= 0 {
						failf("write gave %d", n)
					}
					filled += int(n)
				}
				join(t, h)
				full := NewReadiness(e.n, w)
				if err := full.Writable(2 * time.Millisecond); !errors.Is(err, os.ErrDeadlineExceeded) {
					failf("%v", err)
				}
				why := errors.New("enough")
				h = e.spawn("is cancelled", func(t *loop.Task) {
					if err := full.Writable(0); err != why {
						failf("%v", err)
					}
				})
				e.parked(t, "is cancelled")
				e.l.Cancel(h, why)
				join(t, h)
				for b := make([]byte, room); sock.Read(int32(r), b) > 0; {
				}
				must(full.Writable(patience)) // although the last wait may still be on its way out
				must(full.Close())
				must(sock.Close(w))
				must(ready.Readable(patience)) // an end counts
				must(ready.Close())
				must(ready.Close())
				if err := ready.Readable(0); !errors.Is(err, net.ErrClosed) {
					failf("%v", err)
				}
				must(sock.Close(r))
			}
		})
	})
}

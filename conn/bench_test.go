package conn

import (
	"fmt"
	"net"
	"syscall"
	"testing"
	"time"

	"github.com/ringway/ringway/buf"
	"github.com/ringway/ringway/loop"
)

// echoBlocks serves a connection with the lending calls until it ends.
func (e *env) echoBlocks(c *Conn) {
	for {
		p, err := c.ReadBuf()
		if err != nil {
			return
		}
		b := e.blockFor(len(p))
		b.Len = copy(b.Bytes, p)
		c.Consume(len(p))
		if c.Send(b) != nil {
			return
		}
	}
}

func (e *env) blockFor(n int) *buf.Block {
	if n <= SmallBlock {
		return e.n.Small()
	}
	return e.n.Large()
}

// roundTrip sends the first n bytes of out and reads them back.
func (e *env) roundTrip(c *Conn, out []byte, write bool) {
	if write {
		got(c.Write(out))
	} else {
		b := e.blockFor(len(out))
		b.Len = copy(b.Bytes, out)
		must(c.Send(b))
	}
	for left := len(out); left > 0; {
		p := got(c.ReadBuf())
		left -= len(p)
		c.Consume(len(p))
	}
}

func TestRoundTripsAllocateNothing(t *testing.T) {
	eachReceive(t, func(e *env) {
		e.run(func(t *loop.Task) {
			a, b := e.pair(t)
			echo := e.spawn("echo", func(*loop.Task) { e.echoBlocks(b) })
			out := bytesAt(0, 1000)
			for _, write := range []bool{false, true} {
				timed := func() {
					a.SetReadTimeout(time.Minute)
					a.SetWriteTimeout(time.Minute)
					e.roundTrip(a, out, write)
				}
				for range 100 { // pools and tables grow once
					timed()
				}
				if n := testing.AllocsPerRun(500, timed); n != 0 {
					failf("write %v: %v allocations a round trip", write, n)
				}
			}
			e.closeAll(t, a)
			join(t, echo)
			e.closeAll(t, b)
		})
	})
}

func TestSpliceAllocatesNothing(t *testing.T) {
	eachDriver(t, func(e *env) {
		e.run(func(t *loop.Task) {
			r := e.relay(t, e.pair)
			out := bytesAt(0, 1000)
			moved := int64(0)
			onMoved := func(n int64) { moved += n }
			step := func() {
				got(r.in.Write(out))
				got(Splice(t, r.dst, r.src, 1000, onMoved))
				readPattern(r.out, 0, 1000)
			}
			for range 100 {
				step()
			}
			if n := testing.AllocsPerRun(500, step); n != 0 || moved != 601*1000 {
				failf("%v allocations a splice, %d bytes moved", n, moved)
			}
			e.closeRelay(t, r)
		})
	})
}

// benchDrivers runs f as a task on every driver.
func benchDrivers(b *testing.B, f func(b *testing.B, e *env, t *loop.Task)) {
	for _, d := range drivers {
		b.Run(d.name, func(b *testing.B) {
			if err := d.probe(); err != nil {
				b.Skip("needs io_uring as of Linux 6.1: ", err)
			}
			buf.Poison = false
			defer func() { buf.Poison = true }()
			e := start(b, d.open)
			b.ReportAllocs()
			msg := e.try(func(t *loop.Task) { f(b, e, t) })
			if err := stop(e.l); msg != "" || err != nil {
				b.Fatal(msg, err)
			}
		})
	}
}

func BenchmarkEcho(b *testing.B) {
	for _, size := range []int{100, 64 << 10} {
		b.Run(fmt.Sprint(size), func(b *testing.B) {
			benchDrivers(b, func(b *testing.B, e *env, t *loop.Task) {
				x, y := e.pair(t)
				e.l.Go("echo", func(*loop.Task) { e.echoBlocks(y) })
				out := bytesAt(0, size)
				b.SetBytes(int64(size))
				for b.Loop() {
					e.roundTrip(x, out, false)
				}
				e.closeAll(t, x, y)
			})
		})
	}
}

// BenchmarkRelay moves a body of 1 MiB from one connection to another, by splice and by copy. The far ends are ordinary
// goroutines; cpu-µs/op is what the loop's own thread spends, which is what a gateway pays.
func BenchmarkRelay(b *testing.B) {
	const size = 1 << 20
	ways := map[string]func(t *loop.Task, dst, src *Conn){
		"splice": func(t *loop.Task, dst, src *Conn) { got(Splice(t, dst, src, size, nil)) },
		"copy": func(_ *loop.Task, dst, src *Conn) {
			for left := size; left > 0; {
				p := got(src.ReadBuf())
				p = p[:min(len(p), left)]
				left -= len(p)
				must(dst.WriteBufs(p, nil, left > 0))
				src.Consume(len(p))
			}
		},
	}
	for _, way := range []string{"splice", "copy"} {
		b.Run(way, func(b *testing.B) {
			benchDrivers(b, func(b *testing.B, e *env, t *loop.Task) {
				src, in := e.outside()
				dst, out := e.outside()
				go func() {
					for body := bytesAt(0, size); ; {
						if _, err := in.Write(body); err != nil {
							return
						}
					}
				}()
				go func() {
					for p := make([]byte, size); ; {
						if _, err := out.Read(p); err != nil {
							return
						}
					}
				}()
				b.SetBytes(size)
				before := threadTime()
				for b.Loop() {
					ways[way](t, dst, src)
				}
				b.ReportMetric(float64((threadTime()-before).Microseconds())/float64(b.N), "cpu-µs/op")
				_, _ = in.Close(), out.Close()
				e.closeAll(t, src, dst)
			})
		})
	}
}

// outside gives a connection of the loop and its far end, which goroutines use.
func (e *env) outside() (*Conn, net.Conn) {
	ln := got(net.Listen("tcp", "127.0.0.1:0"))
	defer ln.Close()
	addr := got(NewAddress(ln.Addr().String()))
	c := got(Dial(e.n, &addr, patience))
	return c, got(ln.Accept()) // which is in the queue already
}

// threadTime is the processor time of the calling thread.
func threadTime() time.Duration {
	const thread = 1 // RUSAGE_THREAD
	var r syscall.Rusage
	must(syscall.Getrusage(thread, &r))
	return time.Duration(r.Utime.Nano() + r.Stime.Nano())
}

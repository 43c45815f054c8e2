package conn

import (
	"fmt"
	"io"
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
		b := e.n.Large()
		b.Len = copy(b.Bytes, p)
		c.Consume(len(p))
		if c.Send(b) != nil {
			return
		}
	}
}

// roundTrip sends the first n bytes of out and reads them back.
func (e *env) roundTrip(c *Conn, out []byte, write bool) {
	if write {
		got(c.Write(out))
	} else {
		b := e.n.Large()
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
	eachDriver(t, func(e *env) {
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

// BenchmarkRelay moves a body of 1 MiB through a relay, by splice and by copy.
func BenchmarkRelay(b *testing.B) {
	const size = 1 << 20
	ways := map[string]func(t *loop.Task, r *relay){
		"splice": func(t *loop.Task, r *relay) { got(Splice(t, r.dst, r.src, size, nil)) },
		"copy": func(_ *loop.Task, r *relay) {
			for left := size; left > 0; {
				p := got(r.src.ReadBuf())
				must(r.dst.WriteBufs(p, nil, len(p) < left))
				left -= len(p)
				r.src.Consume(len(p))
			}
		},
	}
	for _, way := range []string{"splice", "copy"} {
		b.Run(way, func(b *testing.B) {
			benchDrivers(b, func(b *testing.B, e *env, t *loop.Task) {
				r := e.relay(t, e.pair)
				body := bytesAt(0, size)
				e.l.Go("writer", func(*loop.Task) {
					for {
						if _, err := r.in.Write(body); err != nil {
							return
						}
					}
				})
				e.l.Go("reader", func(*loop.Task) {
					p := make([]byte, size)
					for {
						if _, err := io.ReadFull(r.out, p); err != nil {
							return
						}
					}
				})
				b.SetBytes(size)
				for b.Loop() {
					ways[way](t, r)
				}
				e.closeRelay(t, r)
			})
		})
	}
}

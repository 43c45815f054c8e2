package conn

import (
	"io"
	"math/rand/v2"
	"net"
	"os"
	"syscall"
	"testing"
	"time"

	"github.com/ringway/ringway/buf"
	"github.com/ringway/ringway/loop"
	"github.com/ringway/ringway/sys"
)

// tunnel is a Relay between r.src and r.dst, so that what is written to r.in arrives at r.out, and the other way round.
type tunnel struct {
	*relay
	Relay
	ends        int
	there, back uint64
}

func (e *env) tunnel(t *loop.Task, pair func(*loop.Task) (a, b *Conn), idle time.Duration) *tunnel {
	u := &tunnel{relay: e.relay(t, pair)}
	u.OnEnd = func(*Relay) { u.ends++ }
	u.Totals = [2]*uint64{&u.there, &u.back}
	u.Start(u.src, u.dst, idle)
	return u
}

// over waits until the tunnel has ended, and checks why and how much it says that it moved.
func (e *env) over(t *loop.Task, u *tunnel, why RelayEnd, there, back uint64) {
	e.until(t, "the relay ends", func() bool { return u.ends > 0 && u.src.gone && u.dst.gone })
	if u.ends != 1 || u.Why() != why {
		failf("%d ends, why %d, want %d", u.ends, u.Why(), why)
	}
	if a, b := u.Moved(); a != there || b != back {
		failf("moved %d and %d, want %d and %d", a, b, there, back)
	}
	if u.Totals[0] != nil && (u.there != there || u.back != back) {
		failf("totals of %d and %d, want %d and %d", u.there, u.back, there, back)
	}
	e.closeAll(t, u.in, u.out)
}

// atRest waits until the tunnel holds nothing but its connections.
func (e *env) atRest(t *loop.Task) {
	e.until(t, "the relay rests", func() bool {
		use := e.n.Usage()
		return use.Pipes == 0 && use.Blocks == 0 && e.l.Stats().Driver.Lent == 0 && e.l.Stats().Live == 1
	})
}

func ends(c *Conn) {
	if p, err := c.ReadBuf(); err != io.EOF {
		failf("%d bytes, %v instead of the end", len(p), err)
	}
}

// breaks reads until the connection breaks off, and fails if it ends.
func breaks(c *Conn) {
	for {
		p, err := c.ReadBuf()
		switch {
		case err == nil:
			c.Consume(len(p))
		case !sys.IsReset(err):
			failf("%v where a reset was due", err)
		default:
			return
		}
	}
}

func TestRelayPassesMessagesBothWays(t *testing.T) {
	eachDriver(t, func(e *env) {
		for _, pair := range []func(*loop.Task) (a, b *Conn){e.pair, e.unixPair} {
			e.run(func(t *loop.Task) {
				u := e.tunnel(t, pair, time.Minute)
				var there, back int64
				for range 200 {
					n, m := rand.Int64N(100_000), rand.Int64N(300)
					got(u.in.Write(bytesAt(there, int(n))))
					readPattern(u.out, there, n)
					got(u.out.Write(bytesAt(back, int(m))))
					readPattern(u.in, back, m)
					there, back = there+n, back+m
				}
				e.atRest(t)
				must(u.in.CloseWrite())
				ends(u.out)
				must(u.out.CloseWrite())
				ends(u.in)
				e.over(t, u, RelayFinished, uint64(there), uint64(back))
			})
		}
	})
}

// What was received before the relay starts goes first, the end of a side included.
func TestRelayBeginsWithWhatIsBuffered(t *testing.T) {
	eachReceive(t, func(e *env) {
		e.run(func(t *loop.Task) {
			u := &tunnel{relay: e.relay(t, e.pair)}
			u.OnEnd = func(*Relay) { u.ends++ }
			got(u.in.Write([]byte("hello")))
			must(u.in.CloseWrite())
			got(u.src.ReadBuf())
			e.until(t, "the end arrives", func() bool {
				u.src.Arm()
				return u.src.Err() == io.EOF || len(u.src.Buffered()) == 5
			})
			must(u.dst.Send(e.block([]byte("head "))))
			u.Start(u.src, u.dst, 0)
			readText(u.out, "head hello", false)
			ends(u.out)
			got(u.out.Write([]byte("answer")))
			must(u.out.CloseWrite())
			readText(u.in, "answer", false)
			ends(u.in)
			e.over(t, u, RelayFinished, 5, 6)
		})
	})
}

// Bulks go both ways at the same time, pause, and go on; while they pause, no pipe is held.
func TestRelayMovesBulks(t *testing.T) {
	const size = 24 << 20
	eachDriver(t, func(e *env) {
		e.run(func(t *loop.Task) {
			u := e.tunnel(t, e.pair, time.Minute)
			for round := range int64(3) {
				var tasks []loop.Handle
				for _, p := range [][2]*Conn{{u.in, u.out}, {u.out, u.in}} {
					tasks = append(tasks, e.spawn("writer", func(*loop.Task) {
						for off := round * size; off < (round+1)*size; off += 1 << 20 {
							got(p[0].Write(bytesAt(off, 1<<20)))
						}
					}), e.spawn("reader", func(*loop.Task) { readPattern(p[1], round*size, size) }))
				}
				join(t, tasks...)
				e.atRest(t)
				if len(e.n.pipes.idle) == 0 {
					failf("%d MiB passed without a pipe", size>>20)
				}
				got(u.in.Write([]byte("ping")))
				readText(u.out, "ping", false)
				got(u.out.Write([]byte("pong")))
				readText(u.in, "pong", false)
			}
			must(u.in.CloseWrite())
			ends(u.out)
			must(u.out.CloseWrite())
			e.over(t, u, RelayFinished, 3*(size+4), 3*(size+4))
		})
	})
}

// A direction that has ended is one only: the other one goes on, in bulk too.
func TestRelayPassesHalfClosesOn(t *testing.T) {
	const size = 5 << 20
	eachDriver(t, func(e *env) {
		for first := range 2 {
			e.run(func(t *loop.Task) {
				u := e.tunnel(t, e.pair, time.Minute)
				a, b := u.in, u.out
				moved := [2]uint64{100_000, size}
				if first == 1 {
					a, b = b, a
					moved[0], moved[1] = moved[1], moved[0]
				}
				got(a.Write(bytesAt(0, 100_000)))
				must(a.CloseWrite())
				readPattern(b, 0, 100_000)
				ends(b)
				must(t.Sleep(5 * time.Millisecond))
				if u.Why() != 0 {
					failf("the relay ended with one direction")
				}
				writer := e.spawn("writer", func(*loop.Task) {
					got(b.Write(bytesAt(0, size)))
					must(b.CloseWrite())
				})
				readPattern(a, 0, size)
				ends(a)
				join(t, writer)
				e.over(t, u, RelayFinished, moved[0], moved[1])
			})
		}
	})
}

func TestRelayPassesResetsOn(t *testing.T) {
	cases := []struct {
		name string
		do   func(e *env, t *loop.Task, u *tunnel) (other *Conn)
		why  RelayEnd
	}{
		{"first at rest", func(_ *env, _ *loop.Task, u *tunnel) *Conn { u.in.Abort(); return u.out }, RelayFirstReset},
		{"second at rest", func(_ *env, _ *loop.Task, u *tunnel) *Conn { u.out.Abort(); return u.in }, RelaySecondReset},
		{"second, half-closed", func(_ *env, _ *loop.Task, u *tunnel) *Conn {
			must(u.in.CloseWrite())
			ends(u.out)
			u.out.Abort()
			return u.in
		}, RelaySecondReset},
		{"first, after its end", func(e *env, t *loop.Task, u *tunnel) *Conn { // no receive is there to tell
			must(u.in.CloseWrite())
			ends(u.out)
			u.in.Abort()
			return nil
		}, RelayFirstReset},
		{"first, after its end, told to a send", func(e *env, t *loop.Task, u *tunnel) *Conn {
			must(u.in.CloseWrite())
			ends(u.out)
			u.in.Abort()
			must(u.out.Send(e.block([]byte("too late")))) // the relay's own send of it is the last there is
			return nil
		}, RelayFirstReset},
		{"first, while it gets", func(e *env, t *loop.Task, u *tunnel) *Conn {
			writer := e.spawn("writer", func(*loop.Task) {
				for off := int64(0); u.Why() == 0; off += 1 << 20 {
					if _, err := u.out.Write(bytesAt(off, 1<<20)); err != nil {
						return
					}
				}
			})
			readPattern(u.in, 0, 3<<20)
			u.in.Abort()
			join(t, writer)
			return nil
		}, RelayFirstReset},
	}
	eachDriver(t, func(e *env) {
		for _, tc := range cases {
			e.run(func(t *loop.Task) {
				u := e.tunnel(t, e.pair, 0)
				got(u.in.Write([]byte("hello")))
				readText(u.out, "hello", false)
				other := tc.do(e, t, u)
				e.until(t, tc.name, func() bool { return u.ends == 1 })
				if other != nil {
					breaks(other)
				} else {
					e.until(t, "a write says so", func() bool {
						err := u.out.WriteBufs([]byte("x"), nil, false)
						if err != nil && !sys.IsReset(err) {
							failf("%s: %v where a reset was due", tc.name, err)
						}
						return err != nil
					})
				}
				if u.Why() != tc.why {
					failf("%s: why %d", tc.name, u.Why())
				}
				e.over(t, u, tc.why, u.flows[0].moved, u.flows[1].moved)
			})
		}
	})
}

// A byte in either direction counts against the idle time; without one, both sides see an end.
func TestRelayEndsWhenIdle(t *testing.T) {
	const idle = 100 * time.Millisecond
	eachDriver(t, func(e *env) {
		e.run(func(t *loop.Task) {
			u := e.tunnel(t, e.pair, idle)
			from := e.l.Now()
			for range 6 {
				must(t.Sleep(idle / 4))
				got(u.out.Write([]byte("x")))
				readText(u.in, "x", false)
			}
			if time.Duration(e.l.Now()-from) < idle*3/2 {
				failf("the test took no time")
			}
			ends(u.in)
			ends(u.out)
			e.over(t, u, RelayIdle, 0, 6)
		})
		e.run(func(t *loop.Task) { // a side that takes nothing for so long was given less than it takes the relay for
			u := e.tunnel(t, e.pair, idle)
			writer := e.spawn("writer", func(*loop.Task) { _, _ = u.in.Write(bytesAt(0, 64<<20)) })
			e.until(t, "the relay ends", func() bool { return u.ends > 0 })
			breaks(u.out)
			join(t, writer)
			there, _ := u.Moved()
			e.over(t, u, RelayIdle, there, 0)
		})
	})
}

// A side that takes nothing holds the other one back: what is under way stays bounded, and all of it arrives in the end.
func TestRelayHoldsTheSourceBack(t *testing.T) {
	const size = 64 << 20
	eachDriver(t, func(e *env) {
		for _, copies := range []bool{false, true} {
			e.run(func(t *loop.Task) {
				if copies {
					e.n.pipes.open = func(int) (int, int, int, error) { return -1, -1, 0, syscall.EMFILE }
					e.n.pipes.trim()
					e.n.pipes.trim()
				}
				u := e.tunnel(t, e.pair, time.Minute)
				writer := e.spawn("writer", func(*loop.Task) { got(u.in.Write(bytesAt(0, size))) })
				moved := uint64(0)
				for same := 0; same < 20; same++ {
					must(t.Sleep(time.Millisecond))
					if now, _ := u.Moved(); now != moved || now == 0 {
						moved, same = now, 0
					}
				}
				if writer.Done() {
					failf("%d MiB went into buffers", size>>20)
				}
				if lent := e.l.Stats().Driver.Lent; lent > maxQueued+2 {
					failf("%d receive buffers are held", lent)
				}
				before := e.l.Stats().Driver.Completed
				must(t.Sleep(20 * time.Millisecond))
				if n := e.l.Stats().Driver.Completed - before; n > 100 {
					failf("%d completions while nothing can move", n)
				}
				got(u.out.Write([]byte("other way")))
				readText(u.in, "other way", false)
				readPattern(u.out, 0, size)
				join(t, writer)
				e.atRest(t)
				must(u.in.CloseWrite())
				must(u.out.CloseWrite())
				e.over(t, u, RelayFinished, size, 9)
			})
		}
	})
}

func TestRelayStops(t *testing.T) {
	eachDriver(t, func(e *env) {
		for _, busy := range []bool{false, true} {
			e.run(func(t *loop.Task) {
				u := e.tunnel(t, e.pair, time.Minute)
				var writers []loop.Handle
				if busy {
					for _, c := range []*Conn{u.in, u.out} {
						writers = append(writers, e.spawn("writer", func(*loop.Task) {
							if _, err := c.Write(bytesAt(0, 64<<20)); !sys.IsReset(err) {
								failf("%v where a reset was due", err)
							}
						}))
					}
					e.until(t, "both directions are full", func() bool { return u.flows[0].active && u.flows[1].active && u.flows[0].moved > 1<<20 })
				}
				u.Stop()
				u.Stop()
				if join(t, writers...); !busy { // who writes gets the error, and who reads then an end
					breaks(u.out)
					breaks(u.in)
				}
				there, back := u.Moved()
				e.over(t, u, RelayStopped, there, back)
			})
		}
	})
}

// TestRelayAtRestUsesNoTask: messages pass without one, and without an allocation, in each direction and in both by turns.
func TestRelayAtRestUsesNoTask(t *testing.T) {
	eachDriver(t, func(e *env) {
		e.run(func(t *loop.Task) {
			u := e.tunnel(t, e.pair, time.Minute)
			out := bytesAt(0, 300)
			turn := func() {
				got(u.in.Write(out))
				readPattern(u.out, 0, 300)
				got(u.out.Write(out))
				readPattern(u.in, 0, 300)
			}
			stream := func() {
				for range 5 {
					got(u.in.Write(out[:100]))
				}
				for range 5 {
					readPattern(u.out, 0, 100)
				}
			}
			for range 100 {
				turn()
				stream()
			}
			before := e.l.Stats().Spawned
			if n := testing.AllocsPerRun(500, turn); n != 0 {
				failf("%v allocations a round trip", n)
			}
			if n := e.l.Stats().Spawned - before; n > 10 {
				failf("%d tasks for 500 round trips", n)
			}
			if n := testing.AllocsPerRun(200, stream); n != 0 {
				failf("%v allocations for five messages in a row", n)
			}
			must(u.in.CloseWrite())
			must(u.out.CloseWrite())
			e.until(t, "the relay ends", func() bool { return u.ends > 0 })
			e.closeAll(t, u.in, u.out, u.src, u.dst)
		})
	})
}

func TestRelayOfBulksAllocatesNothing(t *testing.T) {
	const size = 1 << 20
	eachDriver(t, func(e *env) {
		e.run(func(t *loop.Task) {
			u := e.tunnel(t, e.pair, time.Minute)
			body := bytesAt(0, size)
			quit := false
			writer := e.spawn("writer", func(t *loop.Task) {
				for !quit {
					got(u.in.Write(body))
				}
			})
			read := func() { readPattern(u.out, 0, size) }
			for range 50 {
				read()
			}
			if n := testing.AllocsPerRun(100, read); n != 0 {
				failf("%v allocations a mebibyte", n)
			}
			quit = true
			for !writer.Done() || e.n.Usage().Pipes > 0 {
				u.out.SetReadTimeout(10 * time.Millisecond)
				if p, err := u.out.ReadBuf(); err == nil {
					u.out.Consume(len(p))
				} else if !os.IsTimeout(err) {
					must(err)
				}
			}
			u.Stop()
			e.until(t, "the relay ends", func() bool { return u.ends > 0 })
			e.closeAll(t, u.in, u.out, u.src, u.dst)
		})
	})
}

// Answers that follow each other without a pause are no long run: none waits for more to come.
func TestRelayDoesNotHoldAnswersBack(t *testing.T) {
	const answer, n = 300_000, 60 // more than enough for a run, were they one
	eachDriver(t, func(e *env) {
		e.run(func(t *loop.Task) {
			u := e.tunnel(t, e.pair, time.Minute)
			raised := 0
			for i := range int64(n) {
				got(u.in.Write([]byte("?")))
				readText(u.out, "?", false)
				writer := e.spawn("writer", func(*loop.Task) { got(u.out.Write(bytesAt(i*answer, answer))) })
				for left := int64(answer); left > 0; {
					p := got(u.in.ReadBuf())
					k := min(int64(len(p)), left)
					checkAt(i*answer+answer-left, p[:k])
					u.in.Consume(int(k))
					left -= k
					if s := u.dst.rd.splicing; s != nil && s.p != nil && s.p.raised != nil {
						raised++
					}
				}
				join(t, writer)
			}
			if raised > 0 {
				failf("%d times a low-water mark was found raised", raised)
			}
			u.Stop()
			e.over(t, u, RelayStopped, n, n*answer)
		})
	})
}

func TestPaceOfAFlow(t *testing.T) {
	for _, c := range []struct {
		run, elapsed int64
		mark         int
		patience     time.Duration
	}{
		{0, 0, 1, pauseTime},
		{bulkRun - 1, 1000, 1, pauseTime},
		{bulkRun, 0, lowWater, time.Millisecond},
		{10 << 20, int64(80 * time.Millisecond), lowWater, 4500 * time.Microsecond}, // 125 MiB/s
		{10 << 20, int64(250 * time.Millisecond), lowWater / 4, 3515625},            // 40 MiB/s
		{10 << 20, int64(10 * time.Second), 1, pauseTime},
		{runMemory, int64(10 * time.Millisecond), lowWater, time.Millisecond},
	} {
		var p pace
		if mark, patience := p.worth(c.run, c.elapsed); mark != c.mark || patience != c.patience {
			t.Errorf("%d bytes in %v: %d bytes in %v, want %d in %v", c.run, time.Duration(c.elapsed), mark, patience, c.mark, c.patience)
		}
	}
}

// joined are the ways to join two connections, for comparison.
var joined = []struct {
	name string
	join func(e *env, a, b *Conn)
}{
	{"relay", func(_ *env, a, b *Conn) { new(Relay).Start(a, b, time.Hour) }},
	{"splice", func(e *env, a, b *Conn) {
		for _, p := range [][2]*Conn{{a, b}, {b, a}} {
			e.l.Go("splice", func(t *loop.Task) { _, _ = Splice(t, p[0], p[1], 1<<60, nil) })
		}
	}},
	{"copy", func(e *env, a, b *Conn) {
		for _, p := range [][2]*Conn{{a, b}, {b, a}} {
			e.l.Go("copy", func(t *loop.Task) {
				for {
					in, err := p[1].ReadBuf()
					if err != nil || p[0].WriteBufs(in, nil, false) != nil {
						return
					}
					p[1].Consume(len(in))
				}
			})
		}
	}},
}

// BenchmarkTunnelMessages sends messages of 100 bytes there and back through two joined connections; BenchmarkTunnelBulk
// sends without end, in blocks of 1 MiB. The far ends are goroutines; cpu-µs/op is what the loop's own thread spends.
func BenchmarkTunnelMessages(b *testing.B) {
	benchTunnels(b, func(in, out net.Conn) {
		p := make([]byte, 100)
		got(in.Write(p))
		got(io.ReadFull(out, p))
		got(out.Write(p))
		got(io.ReadFull(in, p))
	})
}

func BenchmarkTunnelBulk(b *testing.B) {
	body, taken := make([]byte, 1<<20), make([]byte, 1<<20)
	b.SetBytes(1 << 20)
	writes := map[net.Conn]bool{}
	benchTunnels(b, func(in, out net.Conn) {
		if !writes[in] {
			writes[in] = true
			go func() {
				for {
					if _, err := in.Write(body); err != nil {
						return
					}
				}
			}()
		}
		got(io.ReadFull(out, taken))
	})
}

func benchTunnels(b *testing.B, turn func(in, out net.Conn)) {
	for _, way := range joined {
		for _, d := range drivers {
			b.Run(way.name+"/"+d.name, func(b *testing.B) {
				if err := d.probe(); err != nil {
					b.Skip("needs io_uring as of Linux 6.1: ", err)
				}
				buf.Poison = false
				defer func() { buf.Poison = true }()
				e := start(b, d.open)
				var in, out net.Conn
				var spent time.Duration
				if msg := e.try(func(*loop.Task) {
					var x, y *Conn
					x, in = e.outside()
					y, out = e.outside()
					way.join(e, x, y)
				}); msg != "" {
					b.Fatal(msg)
				}
				for range 100 {
					turn(in, out)
				}
				e.l.On(func() { spent = -threadTime() })
				for b.Loop() {
					turn(in, out)
				}
				e.l.On(func() { spent += threadTime() })
				b.ReportMetric(float64(spent.Nanoseconds())/1e3/float64(b.N), "cpu-µs/op")
				_, _ = in.Close(), out.Close()
				if err := stop(e.l); err != nil {
					b.Log(err) // the simpler ways end by the loop's end only
				}
			})
		}
	}
}

// TestRelayEndsWithAStuckMessage: a peer that takes nothing must not keep a tunnel's connection beyond the tunnel's time.
func TestRelayEndsWithAStuckMessage(t *testing.T) {
	eachDriver(t, func(e *env) {
		e.run(func(t *loop.Task) {
			u := e.tunnel(t, e.pair, 300*time.Millisecond)
			for stuck := false; !stuck; { // u.out never reads
				got(u.in.Write(make([]byte, 4096)))
				must(t.Sleep(200 * time.Microsecond))
				if u.dst.wr.op.InFlight() {
					e.l.Hurry()
					must(t.Sleep(3 * time.Millisecond))
					stuck = u.dst.wr.op.InFlight() && u.dst.wr.block != nil
				}
			}
			e.until(t, "the relay's end", func() bool { return u.ends > 0 })
			e.until(t, "the connections' end", func() bool { return u.dst.gone && u.src.gone })
			u.out.Abort()
			u.in.Abort()
			e.until(t, "the peers' end", func() bool { return u.in.gone && u.out.gone })
		})
	})
}

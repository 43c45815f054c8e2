package loop_test

import (
	"testing"
	"time"

	"github.com/ringway/ringway/loop"
)

// counter is a Runner that ends at once.
type counter struct{ runs int }

func (c *counter) Run(*loop.Task) { c.runs++ }

// player answers what it receives, until the peer ends.
type player struct {
	fd         int32
	recv, send wire
}

func newPlayer(fd int32) *player {
	p := &player{fd: fd}
	p.recv.op = loop.Op{Code: loop.OpRecv, FD: fd, PollFirst: true}
	p.send.op = loop.Op{Code: loop.OpSend, FD: fd, Buf: make([]byte, 0, 64)}
	return p
}

// answer receives once and sends the same back.
func (p *player) answer(t *loop.Task) bool {
	r := p.recv.do(t)
	if r.N <= 0 {
		return false
	}
	p.send.op.Buf = append(p.send.op.Buf[:0], r.Block.Data()...)
	t.Loop().Return(r.Block)
	return p.send.do(t).N == r.N
}

func (p *player) Run(t *loop.Task) {
	for p.answer(t) {
	}
}

// ping starts an echo task on one end of a pair and gives a function that makes one round trip.
func ping(t testing.TB, l *loop.Loop, main *loop.Task) (once func() bool, end func()) {
	ends := pair(t, l)
	echo, server := newPlayer(ends[0]), newPlayer(ends[1])
	h := l.Spawn("echo", server)
	echo.send.op.Buf = append(echo.send.op.Buf, "ping"...)
	once = func() bool {
		if echo.send.do(main).N != 4 {
			return false
		}
		r := echo.recv.do(main)
		if r.N != 4 {
			return false
		}
		l.Return(r.Block)
		return true
	}
	end = func() {
		l.Cancel(h, loop.ErrStopped)
		_ = main.Join(h)
		closeAll(t, main, ends[0], ends[1])
	}
	return once, end
}

func TestHotPathsAllocateNothing(t *testing.T) {
	onLoops(t, func(t *testing.T, l *loop.Loop) {
		inTask(t, l, func(main *loop.Task) {
			c, w := new(counter), new(waits)
			none := func(what string, f func()) {
				f()
				if n := testing.AllocsPerRun(300, f); n != 0 {
					t.Errorf("%s allocates %v times", what, n)
				}
			}
			none("spawn and finish", func() {
				l.Spawn("counter", c)
				_ = main.Yield()
			})
			none("spawn and join", func() { _ = main.Join(l.Spawn("counter", c)) })
			if c.runs == 0 {
				t.Error("nothing ran")
			}
			stop := false
			other := l.Go("waker", func(task *loop.Task) {
				for !stop {
					l.Ready(main)
					_ = task.Yield()
				}
			})
			none("park and ready", func() { _ = main.Park(w) })
			stop = true
			_ = main.Join(other)
			tm := &loop.Timer{Expirer: main}
			none("a timer", func() {
				l.StartTimer(tm, time.Second)
				l.StartTimer(tm, time.Hour)
				l.StopTimer(tm)
			})
			once, end := ping(t, l, main)
			none("a round trip", func() {
				if !once() {
					t.Error("the round trip failed")
				}
			})
			end()
		})
		inTask(t, l, func(main *loop.Task) {
			if n := testing.AllocsPerRun(20, func() { _ = main.Sleep(time.Millisecond) }); n != 0 {
				t.Errorf("a sleep allocates %v times", n)
			}
		})
	})
}

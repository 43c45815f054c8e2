package loop_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/ringway/ringway/loop"
)

func TestSelectTakesEveryKindOfCase(t *testing.T) {
	onLoops(t, func(t *testing.T, l *loop.Loop) {
		for want := range 7 {
			for _, ready := range []bool{true, false} { // at once, or later
				inTask(t, l, func(main *loop.Task) { selectOne(t, main, want, ready) })
			}
		}
	})
}

// selectOne makes the case want possible, before the Select or while it waits, and sees that nothing else happened.
func selectOne(t *testing.T, main *loop.Task, want int, before bool) {
	l := main.Loop()
	in, out, sem := loop.NewChan[int](0), loop.NewChan[int](0), loop.NewSemaphore(2)
	_ = sem.Acquire(main, 2)
	end := false
	h := l.Go("ends", func(task *loop.Task) {
		for !end {
			_ = task.Yield()
		}
	})
	recv, send := in.RecvCase(), out.SendCase(5)
	after, at := loop.After(time.Hour), loop.At(l.Now()+int64(time.Hour))
	tick := loop.NewInterval(l, time.Hour, time.Hour, loop.Burst)
	var got int
	make := []func(){
		func() { l.Go("x", func(task *loop.Task) { _ = in.Send(task, 4) }) },
		func() { l.Go("x", func(task *loop.Task) { got, _, _ = out.Recv(task) }) },
		func() { sem.Release(2) },
		func() { end = true },
		func() { after = loop.After(time.Millisecond) },
		func() { at = loop.At(l.Now() + int64(time.Millisecond)) },
		func() { tick = loop.NewInterval(l, time.Millisecond, time.Hour, loop.Burst) },
	}[want]
	switch {
	case before:
		make()
		_ = main.Sleep(2 * time.Millisecond)
		yields(main, 2)
	case want < 4:
		l.Go("later", func(*loop.Task) { make() })
	default:
		make()
	}
	i, err := loop.Select(main, recv, send, sem.AcquireCase(2), h.EndCase(), after, at, tick)
	if i != want || err != nil {
		t.Errorf("Select gave %d, %v; want %d", i, err, want)
	}
	yields(main, 1)
	if recv.OK != (want == 0) || recv.OK && recv.Value != 4 || (got == 5) != (want == 1) || (sem.Free() == 2) != false {
		t.Errorf("case %d: received %v %d, sent %d, %d units free", want, recv.OK, recv.Value, got, sem.Free())
	}
	if in.TrySend(1) || len(sendersOf(out)) != 0 {
		t.Errorf("case %d: a case that lost still waits", want)
	}
	end = true
	_ = main.Join(h)
	if n := l.Stats().Timers; n != 1 { // the loop's own
		t.Errorf("case %d: %d timers run", want, n)
	}
}

// sendersOf gives what can be taken from a channel without a wait.
func sendersOf(c *loop.Chan[int]) (all []int) {
	for {
		v, ok := c.TryRecv()
		if !ok {
			return all
		}
		all = append(all, v)
	}
}

func TestSelectPrefersNone(t *testing.T) {
	onLoops(t, func(t *testing.T, l *loop.Loop) {
		inTask(t, l, func(main *loop.Task) {
			a, b, c := loop.NewChan[int](1), loop.NewChan[int](1), loop.NewChan[int](1)
			cases := []loop.Case{a.RecvCase(), b.RecvCase(), c.RecvCase()}
			x, y := loop.NewChan[int](1), loop.NewChan[int](1)
			others := []loop.Case{x.RecvCase(), y.RecvCase()}
			var count [3]int
			var count2 [2]int
			const rounds = 3000
			for range rounds { // two selects by turns, which a rotation would serve the same side of for ever
				for _, c := range []*loop.Chan[int]{a, b, c, x, y} {
					c.TrySend(1)
				}
				i, _ := loop.Select(main, cases...)
				count[i]++
				count2[loop.TrySelect(main, others...)]++
			}
			for i, n := range count {
				if n < rounds/3*8/10 || n > rounds/3*12/10 {
					t.Errorf("case %d was taken %d times of %d", i, n, rounds)
				}
			}
			for i, n := range count2 {
				if n < rounds/2*8/10 || n > rounds/2*12/10 {
					t.Errorf("case %d of the other select was taken %d times of %d", i, n, rounds)
				}
			}
		})
	})
}

func TestSelectChoosesTheSameInEveryRun(t *testing.T) {
	runs := map[string]bool{}
	each(t, func(t *testing.T, cfg loop.Config) {
		l := start(t, cfg)
		inTask(t, l, func(main *loop.Task) {
			got := ""
			for range 50 {
				got += fmt.Sprint(loop.TrySelect(main, loop.After(0), loop.After(0), loop.After(0)))
			}
			runs[got] = true
		})
		l.Stop(patience)
		_ = l.Wait()
	})
	if len(runs) != 1 {
		t.Errorf("the choices were %v", runs)
	}
}

// Two cases that become possible in the same turn: one takes effect, and the other loses nothing.
func TestSelectTakesOneOfTwo(t *testing.T) {
	onLoops(t, func(t *testing.T, l *loop.Loop) {
		inTask(t, l, func(main *loop.Task) {
			a, b := loop.NewChan[int](1), loop.NewChan[int](1)
			ra, rb := a.RecvCase(), b.RecvCase()
			for first := range 2 {
				l.Go("both", func(*loop.Task) {
					chans := []*loop.Chan[int]{a, b}
					chans[first].TrySend(first)
					chans[1-first].TrySend(1 - first)
				})
				i, err := loop.Select(main, ra, rb)
				if i != first || err != nil || a.Len()+b.Len() != 1 {
					t.Errorf("Select gave %d, %v; %d values are left", i, err, a.Len()+b.Len())
				}
				if j := loop.TrySelect(main, ra, rb); j != 1-first || loop.TrySelect(main, ra, rb) != -1 {
					t.Errorf("then %d was ready", j)
				}
			}
			// A select does not meet itself.
			c := loop.NewChan[int](0)
			if i, _ := loop.Select(main, c.RecvCase(), c.SendCase(1), loop.After(time.Millisecond)); i != 2 {
				t.Errorf("a select met its own case %d", i)
			}
			// Two of them meet.
			h := l.Go("other", func(task *loop.Task) { _, _ = loop.Select(task, c.RecvCase(), c.SendCase(1)) })
			if i, err := loop.Select(main, c.RecvCase(), c.SendCase(2)); i < 0 || err != nil {
				t.Errorf("two selects gave %d, %v", i, err)
			}
			_ = main.Join(h)
		})
	})
}

func TestSelectCancelled(t *testing.T) {
	onLoops(t, func(t *testing.T, l *loop.Loop) {
		inTask(t, l, func(main *loop.Task) {
			c := loop.NewChan[int](0)
			var i int
			var err error
			h := l.Go("selects", func(task *loop.Task) { i, err = loop.Select(task, c.RecvCase(), loop.After(time.Hour)) })
			yields(main, 1)
			l.Cancel(h, errCause)
			if c.TrySend(1) {
				t.Error("a cancelled select took a value")
			}
			_ = main.Join(h)
			if i != -1 || err != errCause {
				t.Errorf("a cancelled select gave %d, %v", i, err)
			}
			h = l.Go("selects nothing", func(task *loop.Task) { i, err = loop.Select(task) })
			yields(main, 2)
			if h.Done() {
				t.Error("a select without cases ended")
			}
			l.Cancel(h, errCause)
			_ = main.Join(h)
			if i != -1 || err != errCause {
				t.Errorf("a select without cases gave %d, %v", i, err)
			}
		})
	})
}

// level is a Case of another package: a condition that is not used up.
type level struct {
	on     bool
	ticket loop.Ticket
	waits  bool
}

func (v *level) Try(*loop.Task) bool   { return v.on }
func (v *level) Enqueue(k loop.Ticket) { v.ticket, v.waits = k, true }
func (v *level) Dequeue()              { v.waits = false }

func (v *level) set() (took bool) {
	v.on = true
	return v.waits && v.ticket.Take()
}

func TestSelectTakesForeignCases(t *testing.T) {
	onLoops(t, func(t *testing.T, l *loop.Loop) {
		inTask(t, l, func(main *loop.Task) {
			var a, b level
			var took [2]bool
			l.Go("sets", func(*loop.Task) { took[0] = a.set(); took[1] = b.set() })
			i, err := loop.Select(main, &b, &a)
			if i != 1 || err != nil || took != [2]bool{true, false} || a.waits || b.waits {
				t.Errorf("Select gave %d, %v; took %v", i, err, took)
			}
			stale := a.ticket
			a.on, b.on = false, false
			l.Go("stale", func(*loop.Task) {
				if stale.Take() {
					t.Error("the ticket of an earlier Select was taken")
				}
				b.set()
			})
			if i, err := loop.Select(main, &a, &b); i != 1 || err != nil {
				t.Errorf("Select gave %d, %v", i, err)
			}
			r := loop.NewChan[int](0).RecvCase()
			l.Go("uses it too", func(task *loop.Task) { _, _ = loop.Select(task, r) })
			yields(main, 1)
			wantPanic(t, "a case in two selects", func() { _, _ = loop.Select(main, r) })
		})
	})
}

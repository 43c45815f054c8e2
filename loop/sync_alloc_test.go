package loop_test

import (
	"testing"
	"time"

	"github.com/ringway/ringway/loop"
)

// partner is a task that goes on doing f until the test has ended.
func partner(l *loop.Loop, f func(task *loop.Task)) loop.Handle {
	return l.Go("partner", func(task *loop.Task) {
		for task.Cause() == nil {
			f(task)
		}
	})
}

// Every wait below does wait: its partner does the other half.
func TestSyncAllocatesNothing(t *testing.T) {
	onLoops(t, func(t *testing.T, l *loop.Loop) {
		inTask(t, l, func(main *loop.Task) {
			none := func(what string, other, f func(task *loop.Task)) {
				h := partner(l, other)
				f(main)
				waits := l.Stats().Polls
				if n := testing.AllocsPerRun(300, func() { f(main) }); n != 0 {
					t.Errorf("%s allocates %v times", what, n)
				}
				if n := l.Stats().Polls - waits; n < 300 {
					t.Errorf("%s: %d resumes only: it does not wait", what, n)
				}
				l.Cancel(h, errCause)
				_ = main.Yield()
			}
			var m loop.Mutex
			locks := func(task *loop.Task) {
				if m.Lock(task) == nil {
					_ = task.Yield()
					m.Unlock()
				}
			}
			none("a contended Mutex", locks, locks)
			var rw loop.RWMutex
			none("a contended RWMutex", func(task *loop.Task) {
				if rw.RLock(task) == nil {
					_ = task.Yield()
					rw.RUnlock()
				}
			}, func(task *loop.Task) { _ = rw.Lock(task); _ = task.Yield(); rw.Unlock() })
			sem := loop.NewSemaphore(1)
			acquires := func(task *loop.Task) {
				if sem.Acquire(task, 1) == nil {
					_ = task.Yield()
					sem.Release(1)
				}
			}
			none("a contended Semaphore", acquires, acquires)
			none("a Semaphore in a Select", acquires, selecting(sem))
			var c loop.Cond
			none("a Cond", func(task *loop.Task) { c.Signal(); _ = task.Yield() },
				func(task *loop.Task) { _ = m.Lock(task); _ = c.Wait(task, &m); m.Unlock() })
			noneOfChannels(none)
			g := loop.NewGroup(l)
			member := func(task *loop.Task) error { return task.Yield() }
			none("a Group", func(task *loop.Task) { _ = task.Yield() }, func(task *loop.Task) { g.Go("member", member); _ = g.Wait(task) })
			var one *loop.Scope
			_ = loop.WithScope(main, func(s *loop.Scope) error {
				one = s
				none("a child and Wait", func(task *loop.Task) { _ = task.Yield() }, func(*loop.Task) { one.Go("child", member); _ = one.Wait() })
				return nil
			})
			var turn error
			yields := func() error { turn = main.Yield(); return turn }
			none("a Timeout", func(task *loop.Task) { _ = task.Yield() }, func(task *loop.Task) {
				_ = loop.Timeout(task, time.Hour, func() error { return loop.Timeout(task, time.Minute, yields) })
			})
		})
	})
}

// selecting gives the other half of a Select on a semaphore.
func selecting(sem *loop.Semaphore) func(*loop.Task) {
	acquire, after := sem.AcquireCase(1), loop.After(time.Hour)
	return func(task *loop.Task) {
		if i, _ := loop.Select(task, acquire, after); i == 0 {
			_ = task.Yield()
			sem.Release(1)
		}
	}
}

func noneOfChannels(none func(what string, other, f func(task *loop.Task))) {
	for _, capacity := range []int{0, 1} {
		ping, pong := loop.NewChan[[2]string](capacity), loop.NewChan[[2]string](capacity)
		echo := func(task *loop.Task) {
			if v, ok, err := ping.Recv(task); ok && err == nil {
				_ = pong.Send(task, v)
			}
		}
		none("a channel's round trip", echo, func(task *loop.Task) { _ = ping.Send(task, [2]string{"a", "b"}); _, _, _ = pong.Recv(task) })
		send, recv, after := ping.SendCase([2]string{}), pong.RecvCase(), loop.After(time.Hour)
		none("a channel's round trip by Select", echo, func(task *loop.Task) {
			_, _ = loop.Select(task, send, after)
			_, _ = loop.Select(task, recv, after)
		})
	}
}

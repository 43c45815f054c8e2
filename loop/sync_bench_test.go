package loop_test

import (
	"runtime"
	"sync"
	"testing"
	"time"

	"github.com/ringway/ringway/loop"
)

func BenchmarkMutex(b *testing.B) {
	benchOn(b, func(b *testing.B, _ *loop.Loop, main *loop.Task) {
		var m loop.Mutex
		b.ReportAllocs()
		for b.Loop() {
			_ = m.Lock(main)
			m.Unlock()
		}
	})
}

// BenchmarkMutexContended is a lock that is handed to the other task and back each time: two switches.
func BenchmarkMutexContended(b *testing.B) {
	benchOn(b, func(b *testing.B, l *loop.Loop, main *loop.Task) {
		var m loop.Mutex
		locks := func(task *loop.Task) {
			if m.Lock(task) == nil {
				_ = task.Yield()
				m.Unlock()
			}
		}
		h := partner(l, locks)
		b.ReportAllocs()
		for b.Loop() {
			locks(main)
		}
		l.Cancel(h, errCause)
	})
}

// BenchmarkSyncMutexContended is the same between two goroutines.
func BenchmarkSyncMutexContended(b *testing.B) {
	var m sync.Mutex
	stop, ended := false, make(chan struct{})
	go func() {
		defer close(ended)
		for end := false; !end; {
			m.Lock()
			end = stop
			runtime.Gosched()
			m.Unlock()
		}
	}()
	for b.Loop() {
		m.Lock()
		runtime.Gosched()
		m.Unlock()
	}
	m.Lock()
	stop = true
	m.Unlock()
	<-ended
}

// BenchmarkChanPingPong is a value to another task and back.
func BenchmarkChanPingPong(b *testing.B) {
	benchOn(b, func(b *testing.B, l *loop.Loop, main *loop.Task) {
		ping, pong := loop.NewChan[int](0), loop.NewChan[int](0)
		h := partner(l, func(task *loop.Task) {
			if v, _, err := ping.Recv(task); err == nil {
				_ = pong.Send(task, v)
			}
		})
		b.ReportAllocs()
		for b.Loop() {
			_ = ping.Send(main, 1)
			_, _, _ = pong.Recv(main)
		}
		l.Cancel(h, errCause)
	})
}

// BenchmarkGoChanPingPong is the same between two goroutines.
func BenchmarkGoChanPingPong(b *testing.B) {
	ping, pong := make(chan int), make(chan int)
	go func() {
		for v := range ping {
			pong <- v
		}
	}()
	for b.Loop() {
		ping <- 1
		<-pong
	}
	close(ping)
}

// BenchmarkChanBuffered is a value through a channel of 128, which is filled and emptied by turns.
func BenchmarkChanBuffered(b *testing.B) {
	benchOn(b, func(b *testing.B, l *loop.Loop, main *loop.Task) {
		c := loop.NewChan[int](128)
		h := partner(l, func(task *loop.Task) { _, _, _ = c.Recv(task) })
		b.ReportAllocs()
		for b.Loop() {
			_ = c.Send(main, 1)
		}
		l.Cancel(h, errCause)
	})
}

// BenchmarkSelect waits for one of two channels and a timer, and another task sends.
func BenchmarkSelect(b *testing.B) {
	benchOn(b, func(b *testing.B, l *loop.Loop, main *loop.Task) {
		c, d := loop.NewChan[int](0), loop.NewChan[int](0)
		h := partner(l, func(task *loop.Task) { _ = c.Send(task, 1) })
		one, other, after := c.RecvCase(), d.RecvCase(), loop.After(time.Hour)
		b.ReportAllocs()
		for b.Loop() {
			_, _ = loop.Select(main, one, other, after)
		}
		l.Cancel(h, errCause)
	})
}

// BenchmarkSelectReady finds the second of two channels ready.
func BenchmarkSelectReady(b *testing.B) {
	benchOn(b, func(b *testing.B, l *loop.Loop, main *loop.Task) {
		c, d := loop.NewChan[int](0), loop.NewChan[int](1)
		one, other := c.RecvCase(), d.RecvCase()
		b.ReportAllocs()
		for b.Loop() {
			d.TrySend(1)
			_, _ = loop.Select(main, one, other)
		}
	})
}

// BenchmarkTimeout is a deadline around code that does not wait.
func BenchmarkTimeout(b *testing.B) {
	benchOn(b, func(b *testing.B, l *loop.Loop, main *loop.Task) {
		n := 0
		b.ReportAllocs()
		for b.Loop() {
			_ = loop.Timeout(main, time.Minute, func() error { n++; return nil })
		}
	})
}

// BenchmarkScope opens one, runs a child and ends it.
func BenchmarkScope(b *testing.B) {
	benchOn(b, func(b *testing.B, l *loop.Loop, main *loop.Task) {
		child := func(*loop.Task) error { return nil }
		body := func(s *loop.Scope) error { s.Go("child", child); return s.Wait() }
		b.ReportAllocs()
		for b.Loop() {
			_ = loop.WithScope(main, body)
		}
	})
}

// BenchmarkSpawnJoin is a task and the wait for its end.
func BenchmarkSpawnJoin(b *testing.B) {
	benchOn(b, func(b *testing.B, l *loop.Loop, main *loop.Task) {
		c := new(counter)
		b.ReportAllocs()
		for b.Loop() {
			_ = main.Join(l.Spawn("counter", c))
		}
	})
}

// BenchmarkMeasure is a yield with Config.Measure and without.
func BenchmarkMeasure(b *testing.B) {
	for _, measure := range []string{"off", "on"} {
		b.Run(measure, func(b *testing.B) {
			benchConfigured(b, func(c *loop.Config) { c.Measure = measure == "on" }, func(b *testing.B, _ *loop.Loop, main *loop.Task) {
				h := partner(main.Loop(), func(task *loop.Task) { _ = task.Yield() })
				b.ReportAllocs()
				for b.Loop() {
					_ = main.Yield()
				}
				main.Loop().Cancel(h, errCause)
			})
		})
	}
}

// BenchmarkMillionTimers starts, stops and expires timers where a million run.
func BenchmarkMillionTimers(b *testing.B) {
	const million = 1_000_000
	benchOn(b, func(b *testing.B, l *loop.Loop, main *loop.Task) {
		e := &expiries{l: l}
		var start, stop, expire time.Duration
		timers := make([]loop.Timer, million)
		rounds := 0
		for b.Loop() {
			rounds++
			began := time.Now()
			for i := range timers {
				timers[i].Expirer = e
				l.StartTimer(&timers[i], time.Duration(i*7919%3_600_000)*time.Millisecond)
			}
			start += time.Since(began)
			began = time.Now()
			for i := range timers {
				l.StopTimer(&timers[i])
			}
			stop += time.Since(began)
			for i := range timers {
				l.StartTimer(&timers[i], time.Millisecond)
			}
			began = time.Now()
			_ = main.Sleep(0) // until the next tick of the wheel, which is theirs too
			if e.n != rounds*million {
				b.Errorf("%d timers ran out in %d rounds", e.n, rounds)
			}
			expire += time.Since(began)
		}
		per := float64(rounds) * million
		b.ReportMetric(float64(start)/per, "ns/start")
		b.ReportMetric(float64(stop)/per, "ns/stop")
		b.ReportMetric(float64(expire)/per, "ns/expire")
	})
}

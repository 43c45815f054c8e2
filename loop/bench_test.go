package loop_test

import (
	"log/slog"
	"testing"
	"time"

	"github.com/ringway/ringway/buf"
	"github.com/ringway/ringway/loop"
)

// benchOn runs f in a task of each driver's loop, with nothing switched on that only tests want.
func benchOn(b *testing.B, f func(b *testing.B, l *loop.Loop, main *loop.Task)) {
	benchConfigured(b, func(*loop.Config) {}, f)
}

// benchConfigured is benchOn with a configuration that change has changed.
func benchConfigured(b *testing.B, change func(*loop.Config), f func(b *testing.B, l *loop.Loop, main *loop.Task)) {
	for name, open := range drivers(b) {
		b.Run(name, func(b *testing.B) {
			defer loop.SetCheckThreads(loop.SetCheckThreads(false))
			defer func(was bool) { buf.Poison = was }(buf.Poison)
			buf.Poison = false
			cfg := loop.DefaultConfig(0, open)
			cfg.Log = slog.New(slog.DiscardHandler)
			change(&cfg)
			l := start(b, cfg)
			ended := make(chan struct{})
			l.Post(func() {
				l.Go("bench", func(main *loop.Task) {
					defer close(ended)
					f(b, l, main)
				})
			})
			<-ended
			l.Stop(patience)
			if err := l.Wait(); err != nil {
				b.Error(err)
			}
		})
	}
}

// BenchmarkSpawn is spawn, first switch and finish, 64 tasks a tick.
func BenchmarkSpawn(b *testing.B) {
	benchOn(b, func(b *testing.B, l *loop.Loop, main *loop.Task) {
		c := new(counter)
		b.ReportAllocs()
		for i := 0; b.Loop(); i++ {
			l.Spawn("counter", c)
			if i%64 == 63 {
				_ = main.Yield()
			}
		}
	})
}

// BenchmarkPark is one park and one ready, 64 tasks a tick.
func BenchmarkPark(b *testing.B) {
	benchOn(b, func(b *testing.B, l *loop.Loop, main *loop.Task) {
		stop := false
		var tasks []*loop.Task
		for range 64 {
			l.Go("parker", func(task *loop.Task) {
				tasks = append(tasks, task)
				w := new(waits)
				for !stop {
					_ = task.Park(w)
				}
			})
		}
		_ = main.Yield()
		b.ReportAllocs()
		for i := 0; b.Loop(); i++ {
			l.Ready(tasks[i%64])
			if i%64 == 63 {
				_ = main.Yield()
			}
		}
		stop = true
		for _, task := range tasks {
			l.Ready(task)
		}
	})
}

func BenchmarkTimer(b *testing.B) {
	benchOn(b, func(b *testing.B, l *loop.Loop, main *loop.Task) {
		tm := &loop.Timer{Expirer: main}
		b.ReportAllocs()
		for b.Loop() {
			l.StartTimer(tm, 30*time.Second)
			l.StopTimer(tm)
		}
	})
}

// BenchmarkPingPong is a round trip between two tasks over a socket pair: two sends and two receives.
func BenchmarkPingPong(b *testing.B) {
	benchOn(b, func(b *testing.B, l *loop.Loop, main *loop.Task) {
		once, end := ping(b, l, main)
		b.ReportAllocs()
		for b.Loop() {
			if !once() {
				b.Error("the round trip failed")
				break
			}
		}
		end()
	})
}

// BenchmarkPost is one message from another goroutine; the loop is mostly awake.
func BenchmarkPost(b *testing.B) {
	for name, open := range drivers(b) {
		b.Run(name, func(b *testing.B) {
			defer loop.SetCheckThreads(loop.SetCheckThreads(false))
			l := start(b, loop.DefaultConfig(0, open))
			n := 0
			f := func() { n++ }
			b.ReportAllocs()
			for b.Loop() {
				l.Post(f)
			}
			l.On(f)
			b.StopTimer()
			l.Stop(patience)
			_ = l.Wait()
		})
	}
}

// BenchmarkPostWake is a message to a loop that sleeps, and its answer: two thread switches.
func BenchmarkPostWake(b *testing.B) {
	for name, open := range drivers(b) {
		b.Run(name, func(b *testing.B) {
			defer loop.SetCheckThreads(loop.SetCheckThreads(false))
			l := start(b, loop.DefaultConfig(0, open))
			for b.Loop() {
				l.On(func() {})
			}
			b.StopTimer()
			l.Stop(patience)
			_ = l.Wait()
		})
	}
}

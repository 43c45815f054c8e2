package loop_test

import (
	"fmt"
	"testing"

	"github.com/ringway/ringway/loop"
)

// BenchmarkWatched is what a Watchdog costs the loops that it looks at: a turn with one task, a turn with 64, a spawn, and a
// round trip over a socket pair, each not watched and watched.
func BenchmarkWatched(b *testing.B) {
	for _, watched := range []bool{false, true} {
		configure := func(cfg *loop.Config) {
			if watched {
				cfg.Watchdog = loop.NewWatchdog(0)
			}
		}
		name := func(what string) string { return fmt.Sprintf("%s/watched=%v", what, watched) }
		b.Run(name("turn"), func(b *testing.B) {
			benchConfigured(b, configure, func(b *testing.B, _ *loop.Loop, main *loop.Task) {
				for b.Loop() {
					_ = main.Yield()
				}
			})
		})
		b.Run(name("resume"), func(b *testing.B) {
			benchConfigured(b, configure, func(b *testing.B, l *loop.Loop, main *loop.Task) {
				stop := false
				for range 63 {
					l.Go("other", func(t *loop.Task) {
						for !stop {
							_ = t.Yield()
						}
					})
				}
				for i := 0; b.Loop(); i++ {
					if i%64 == 0 {
						_ = main.Yield()
					}
				}
				stop = true
			})
		})
		b.Run(name("spawn"), func(b *testing.B) {
			benchConfigured(b, configure, func(b *testing.B, l *loop.Loop, main *loop.Task) {
				c := new(counter)
				b.ReportAllocs()
				for i := 0; b.Loop(); i++ {
					l.Spawn("counter", c)
					if i%64 == 63 {
						_ = main.Yield()
					}
				}
			})
		})
		b.Run(name("round trip"), func(b *testing.B) {
			benchConfigured(b, configure, func(b *testing.B, l *loop.Loop, main *loop.Task) {
				once, end := ping(b, l, main)
				for b.Loop() {
					if !once() {
						b.Error("the round trip failed")
						break
					}
				}
				end()
			})
		})
	}
}

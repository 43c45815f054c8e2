package loop

import (
	"runtime"
	"time"

	"github.com/ringway/ringway/sys"
)

const (
	// backgroundNice has the kernel give a loop about ten times as much where both want a processor. Less would have Go's collector,
	// which stops the world, wait for a thread that gets no processor.
	backgroundNice = 10
	// backgroundSlice is longer than the slice that the kernel gives a loop, some 3 ms at most. Who asks for longer slices than a thread that
	// wakes up is interrupted at once, where otherwise that thread would often wait for the next tick of the clock, of 4 ms.
	backgroundSlice = 5 * time.Millisecond
)

// Background runs f on a thread that gives way to loops, and waits for it: for work of many milliseconds beside busy loops, such as
// making a new configuration (ADR 0019). It is not for tasks. What f starts with `go` runs where all else runs.
func Background(f func()) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		runtime.LockOSThread()                                 // and never unlocked: a thread cannot take its nice value back, and ends with its goroutine
		_ = sys.LowerSchedule(backgroundNice, backgroundSlice) // forbidden to some by seccomp: then f runs as anything does
		f()
	}()
	<-done
}

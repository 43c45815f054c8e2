package loop

import (
	"fmt"
	"runtime"
	"runtime/debug"
	"time"

	"github.com/ringway/ringway/sys"
)

const (
	// backgroundNice has the kernel give a loop about ten times as much where both want a processor. With less left, Go's collector,
	// which stops the world, would wait for long on processors that other programs keep busy (ADR 0019).
	backgroundNice = 10
	// backgroundSlice is longer than the slice that the kernel gives a loop, some 3 ms at most. Who asks for longer slices than a thread that
	// wakes up is interrupted at once, where otherwise that thread would often wait for the next tick of the clock.
	backgroundSlice = 5 * time.Millisecond
)

// Background runs f on a thread that gives way to loops, and waits for it: for work of many milliseconds beside busy loops, such as
// making a new configuration (ADR 0019). It is not for tasks, nor for what loops wait for. What f starts with `go` runs where all
// else runs. A panic of f is one of the caller's, with f's stack in its text.
func Background(f func()) {
	b := &background{f: f, done: make(chan struct{})}
	go b.run()
	<-b.done
	switch {
	case b.panicked != nil:
		panic(b.panicked)
	case !b.returned:
		runtime.Goexit() // as f did
	}
}

type background struct {
	f        func()
	done     chan struct{}
	returned bool
	panicked error
}

// run has f run on a thread that ends with it, because a thread cannot take its nice value back. The main thread never ends: it is held
// meanwhile, so that f gets another.
func (b *background) run() {
	runtime.LockOSThread()
	if !sys.OnMainThread() {
		b.work()
		return
	}
	defer runtime.UnlockOSThread()
	go func() {
		runtime.LockOSThread()
		b.work()
	}()
	<-b.done
}

func (b *background) work() {
	defer close(b.done)
	defer func() {
		if b.returned {
			return
		}
		if v := recover(); v != nil {
			b.panicked = fmt.Errorf("%v, in the background\n%s", v, debug.Stack())
		}
	}()
	_ = sys.LowerSchedule(backgroundNice, backgroundSlice) // forbidden to some by seccomp: then f runs as anything does
	b.f()
	b.returned = true
}

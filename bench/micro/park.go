package main

import (
	"fmt"
	"sync/atomic"
	"time"

	"github.com/ringway/ringway/loop"
)

// park parks so many of what is asked for, says so, and waits to be killed. Its memory is read from outside.
func park(what string, count int) error {
	l, err := startLoop("auto")
	if err != nil {
		return err
	}
	var parked atomic.Int64 // those that wait, or do so at once
	block := make(chan struct{})
	start := func() {}
	wait := func(t *loop.Task) {
		parked.Add(1)
		_ = t.Park(parker{})
	}
	switch what {
	case "nothing":
		count = 0
	case "tasks":
		start = func() { l.Go("parked", wait) }
	case "deep-tasks":
		start = func() { l.Go("parked", func(t *loop.Task) { deepen(depth); wait(t) }) }
	case "goroutines":
		start = func() { go func() { parked.Add(1); <-block }() }
	case "deep-goroutines":
		start = func() { go func() { deepen(depth); parked.Add(1); <-block }() }
	default:
		return fmt.Errorf("nothing to park is called %q", what)
	}
	l.On(func() {
		for range count {
			start()
		}
	})
	for parked.Load() < int64(count) {
		time.Sleep(time.Millisecond)
	}
	l.On(func() {}) // whoever was last to say so has parked by now
	fmt.Println("parked")
	<-block
	return nil
}

// depth is how many frames deepen goes down: about 4 KiB of stack, which a handler may well use before it waits.
const depth = 32

// deepen uses stack and gives it back.
//
//go:noinline
func deepen(n int) byte {
	var frame [128]byte
	frame[n] = byte(n)
	if n > 0 {
		return deepen(n-1) + frame[n]
	}
	return frame[0]
}

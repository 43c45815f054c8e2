package main

import (
	"fmt"

	"github.com/ringway/ringway/loop"
)

// park parks so many of what is asked for, says so, and waits to be killed. Its memory is read from outside.
func park(what string, count int) error {
	l, err := startLoop("auto")
	if err != nil {
		return err
	}
	block := make(chan struct{})
	start := func() {}
	switch what {
	case "nothing":
		count = 0
	case "tasks":
		start = func() { l.Go("parked", func(t *loop.Task) { _ = t.Park(parker{}) }) }
	case "deep-tasks":
		start = func() { l.Go("parked", func(t *loop.Task) { deepen(depth); _ = t.Park(parker{}) }) }
	case "goroutines":
		start = func() { go func() { <-block }() }
	case "deep-goroutines":
		start = func() { go func() { deepen(depth); <-block }() }
	default:
		return fmt.Errorf("nothing to park is called %q", what)
	}
	l.On(func() {
		for range count {
			start()
		}
	})
	for ready := count == 0; !ready; {
		l.On(func() {
			tasks := l.Tasks()
			ready = true
			for _, t := range tasks {
				ready = ready && t.State == "parked"
			}
		})
	}
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

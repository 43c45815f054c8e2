package main

import (
	"iter"
	"runtime"
	"time"

	"github.com/ringway/ringway/gateway"
	"github.com/ringway/ringway/loop"
)

// The shape of the measurement: blocks take turns, and a block is long against the clock.
const (
	taskBlocks = 5
	taskOps    = 100_000 // in a block
	crowd      = 64      // tasks that take turns
)

// operation is something a task does; it does it so many times.
type operation struct {
	name string
	do   func(l *loop.Loop, t *loop.Task, times int)
}

// cost is what an operation took, all blocks together.
type cost struct {
	elapsed time.Duration
	mallocs uint64
	times   int
}

// measure adds one block.
func (c *cost) measure(times int, f func(times int)) {
	f(times / 100) // pools and stacks grow
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	start := time.Now()
	f(times)
	c.elapsed += time.Since(start)
	runtime.ReadMemStats(&after)
	c.mallocs += after.Mallocs - before.Mallocs
	c.times += times
}

// figures are the cost of one.
func (c *cost) figures(name string) []Figure {
	return []Figure{
		{name, "ns", float64(c.elapsed) / float64(c.times)},
		// Whole ones: what the measurement itself allocates is spread over all.
		{name, "allocations", float64(c.mallocs / uint64(c.times))},
	}
}

// operations are what is measured on a loop.
func operations() []operation {
	return []operation{
		{"spawn and join a pooled task", spawnJoin},
		{"spawn a pooled task and let it end, 64 at a time", spawnCrowd},
		{"resume and park again", parkReady},
		{"yield, 64 at a time", yieldCrowd},
	}
}

// tasks measures what tasks do on each driver, and what goroutines and bare coroutines do.
func tasks() ([]Figure, error) {
	plain := []struct {
		name string
		do   func(times int)
	}{
		{"goroutine: go, and wait for its channel", goWait},
		{"goroutine: a channel's hand-over and back, halved", channelTurn},
		{"iter.Pull: resume and yield", pullTurn},
	}
	costs := map[string]*cost{}
	var names []string
	at := func(name string) *cost {
		if costs[name] == nil {
			costs[name] = new(cost)
			names = append(names, name)
		}
		return costs[name]
	}
	for range taskBlocks {
		for _, driver := range []gateway.DriverName{"uring", "epoll"} {
			err := onTask(driver, func(l *loop.Loop, t *loop.Task) {
				for _, o := range operations() {
					at("loop-"+string(driver)+": "+o.name).measure(taskOps, func(times int) { o.do(l, t, times) })
				}
			})
			if err != nil {
				return nil, err
			}
		}
		for _, p := range plain {
			at(p.name).measure(taskOps, p.do)
		}
	}
	var figures []Figure
	for _, name := range names {
		figures = append(figures, costs[name].figures(name)...)
	}
	return figures, nil
}

// nothing is a task that ends at once.
type nothing struct{}

// Run ends.
func (nothing) Run(*loop.Task) {}

func spawnJoin(l *loop.Loop, t *loop.Task, times int) {
	var r nothing
	for range times {
		_ = t.Join(l.Spawn("nothing", r)) // nobody cancels
	}
}

func spawnCrowd(l *loop.Loop, t *loop.Task, times int) {
	var r nothing
	for range times / crowd {
		var last loop.Handle
		for range crowd {
			last = l.Spawn("nothing", r)
		}
		_ = t.Join(last)
	}
}

// parker waits for whoever makes it ready.
type parker struct{}

// CancelWait ends the wait.
func (parker) CancelWait(t *loop.Task) { t.Loop().Ready(t) }

// parkReady has tasks resumed that park again: one resume and one park each.
func parkReady(l *loop.Loop, t *loop.Task, times int) {
	rounds := times / crowd
	parked := make([]*loop.Task, 0, crowd)
	var last loop.Handle
	for range crowd {
		last = l.Go("parks", func(t *loop.Task) {
			parked = append(parked, t)
			for range rounds {
				_ = t.Park(parker{})
			}
		})
	}
	_ = t.Yield()
	for range rounds {
		for _, p := range parked {
			l.Ready(p)
		}
		if !last.Done() {
			_ = t.Yield()
		}
	}
	_ = t.Join(last)
}

func yieldCrowd(l *loop.Loop, t *loop.Task, times int) {
	var last loop.Handle
	for range crowd {
		last = l.Go("yields", func(t *loop.Task) {
			for range times / crowd {
				_ = t.Yield()
			}
		})
	}
	_ = t.Join(last)
}

func goWait(times int) {
	done := make(chan struct{})
	for range times {
		go func() { done <- struct{}{} }()
		<-done
	}
}

func channelTurn(times int) {
	there, back := make(chan struct{}), make(chan struct{})
	go func() {
		for range there {
			back <- struct{}{}
		}
	}()
	for range times / 2 {
		there <- struct{}{}
		<-back
	}
	close(there)
}

func pullTurn(times int) {
	next, stop := iter.Pull(func(yield func(int) bool) {
		for yield(0) {
		}
	})
	for range times {
		next()
	}
	stop()
}

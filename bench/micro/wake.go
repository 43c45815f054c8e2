package main

import (
	"fmt"
	"runtime"
	"slices"
	"sync/atomic"
	"time"

	"github.com/ringway/ringway/gateway"
)

// A hand-over is timed from before it until the receiver runs. What it costs hangs on what the sender does next: one that
// goes on keeps its processor, so that a goroutine must be fetched by another thread; one that waits leaves it to the
// goroutine, and no thread has to wake. So both are measured.
type sender int

const (
	goesOn sender = iota
	waits
)

// The shape of the measurement: blocks take turns.
const (
	wakeBlocks = 5
	wakes      = 300 // in a block
	// rest is how long the receiver is left alone before the next: it has parked by then, and its thread sleeps.
	rest = 150 * time.Microsecond
)

// receiver is a parked way to receive.
type receiver struct {
	hand func() // hands over
	stop func() error
	// ran is called on the receiver's side, and set before the first hand-over.
	ran func()
}

// way is a kind of receiver.
type way struct {
	name string
	open func() (*receiver, error)
}

// receivers are the kinds there are.
func receivers() []way {
	return []way{
		{"loop-uring", func() (*receiver, error) { return loopReceiver("uring") }},
		{"loop-epoll", func() (*receiver, error) { return loopReceiver("epoll") }},
		{"channel", func() (*receiver, error) { return channelReceiver(false), nil }},
		{"channel, receiver's thread locked", func() (*receiver, error) { return channelReceiver(true), nil }},
	}
}

// wake measures every kind of receiver.
func wake(s sender) ([]Figure, error) {
	ways := receivers()
	took := make([][]time.Duration, len(ways))
	for range wakeBlocks {
		for i, w := range ways {
			r, err := w.open()
			if err != nil {
				return nil, fmt.Errorf("%s: %w", w.name, err)
			}
			took[i] = append(took[i], r.times(s, wakes)...)
			if err := r.stop(); err != nil {
				return nil, fmt.Errorf("%s: %w", w.name, err)
			}
		}
	}
	var figures []Figure
	for i, w := range ways {
		slices.Sort(took[i])
		n := len(took[i])
		figures = append(figures,
			Figure{w.name, "p50 ns", float64(took[i][n/2])},
			Figure{w.name, "p99 ns", float64(took[i][n*99/100])})
	}
	return figures, nil
}

// times makes so many hand-overs.
func (r *receiver) times(s sender, count int64) []time.Duration {
	var (
		start  = time.Now()
		sent   time.Duration
		lasted time.Duration
		seen   atomic.Int64
		took   []time.Duration
		reply  = make(chan struct{}, 1)
	)
	r.ran = func() {
		lasted = time.Since(start) - sent
		seen.Add(1)
		if s == waits {
			reply <- struct{}{}
		}
	}
	for i := range count {
		if s == waits {
			time.Sleep(rest)
		} else {
			spin(rest)
		}
		sent = time.Since(start)
		r.hand()
		if s == waits {
			<-reply
		}
		for seen.Load() <= i {
			// The sender is busy: that is what is measured.
		}
		took = append(took, lasted)
	}
	return took
}

// spin keeps the processor busy.
func spin(d time.Duration) {
	for start := time.Now(); time.Since(start) < d; {
	}
}

// loopReceiver is a loop that sleeps in its driver.
func loopReceiver(driver gateway.DriverName) (*receiver, error) {
	l, err := startLoop(driver)
	if err != nil {
		return nil, err
	}
	r := &receiver{stop: func() error { return stopLoop(l) }}
	r.hand = func() { l.Post(r.ran) }
	return r, nil
}

// channelReceiver is a goroutine that waits on a channel.
func channelReceiver(locked bool) *receiver {
	ch, ended := make(chan struct{}), make(chan struct{})
	r := &receiver{hand: func() { ch <- struct{}{} }}
	r.stop = func() error { close(ch); <-ended; return nil }
	go func() {
		defer close(ended)
		if locked {
			runtime.LockOSThread()
			defer runtime.UnlockOSThread()
		}
		for range ch {
			r.ran()
		}
	}()
	return r
}

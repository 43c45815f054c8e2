package main

import (
	"testing"
	"time"

	"github.com/ringway/ringway/loop"
)

// TestLanesCarryEverything sends few numbers, enough to fill every queue, and adds them up.
func TestLanesCarryEverything(t *testing.T) {
	for _, lane := range lanes() {
		t.Run(lane.name, func(t *testing.T) {
			l, err := startLoop("epoll")
			if err != nil {
				t.Fatal(err)
			}
			const count = 4 * queueSize
			s := &sum{left: count, done: make(chan struct{})}
			lane.carry(l, s, count)
			<-s.done
			if want := uint64(count * (count - 1) / 2); s.total != want {
				t.Errorf("added up to %d, want %d", s.total, want)
			}
			if err := stopLoop(l); err != nil {
				t.Error(err)
			}
		})
	}
}

// TestReceiversTellTheirTime checks that a hand-over's time is of that hand-over: a late one shows.
func TestReceiversTellTheirTime(t *testing.T) {
	const late = 20 * time.Millisecond
	for _, s := range []sender{goesOn, waits} {
		for _, w := range receivers() {
			if w.name == "loop-uring" {
				continue // epoll's will do, and is everywhere
			}
			r, err := w.open()
			if err != nil {
				t.Fatal(err)
			}
			for _, d := range r.times(s, 5) {
				if d <= 0 {
					t.Errorf("%s took %v", w.name, d)
				}
			}
			hand := r.hand
			r.hand = func() { time.Sleep(late); hand() }
			for _, d := range r.times(s, 2) {
				if d < late {
					t.Errorf("%s took %v, but came %v late", w.name, d, late)
				}
			}
			if err := r.stop(); err != nil {
				t.Error(err)
			}
		}
	}
}

// TestOperationsEnd does each a few times; whatever is spawned has ended with it.
func TestOperationsEnd(t *testing.T) {
	err := onTask("epoll", func(l *loop.Loop, task *loop.Task) {
		for _, o := range operations() {
			before := l.Stats()
			o.do(l, task, 10*crowd)
			after := l.Stats()
			if after.Live != 1 || after.Polls-before.Polls < 10*crowd {
				t.Errorf("%s: %d tasks live, %d resumed", o.name, after.Live, after.Polls-before.Polls)
			}
		}
	})
	if err != nil {
		t.Error(err)
	}
}

func TestParkRefusesTheUnknown(t *testing.T) {
	if err := park("cars", 1); err == nil {
		t.Error("parked cars")
	}
}

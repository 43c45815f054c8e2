package loop_test

import (
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/ringway/ringway/loop"
)

func TestPostKeepsTheOrderOfEachSender(t *testing.T) {
	onLoops(t, func(t *testing.T, l *loop.Loop) {
		const senders, messages = 8, 2000
		var next [senders]int
		var all sync.WaitGroup
		for s := range senders {
			all.Go(func() {
				for i := range messages {
					if !l.Post(func() {
						if next[s] != i {
							t.Errorf("sender %d: message %d came when %d was due", s, i, next[s])
						}
						next[s]++
					}) {
						t.Error("a living loop refused a message")
					}
					if i%97 == 0 {
						time.Sleep(10 * time.Microsecond) // so that the loop falls asleep in between
					}
				}
			})
		}
		all.Wait()
		if !l.On(func() {
			for s, n := range next {
				if n != messages {
					t.Errorf("sender %d: %d messages came", s, n)
				}
			}
		}) {
			t.Error("the loop is gone")
		}
	})
}

// A message to a sleeping loop must wake it, however the two meet.
func TestPostWakesASleepingLoop(t *testing.T) {
	onLoops(t, func(t *testing.T, l *loop.Loop) {
		for i := range 2000 {
			if i%16 == 0 {
				time.Sleep(50 * time.Microsecond)
			}
			ran := make(chan struct{})
			l.Post(func() { close(ran) })
			select {
			case <-ran:
			case <-time.After(patience):
				t.Fatalf("message %d did not wake the loop", i)
			}
		}
	})
}

// Post's answer is a promise, also when it meets the loop's end; and nobody wakes a driver that is closed.
func TestPostMeetsTheEnd(t *testing.T) {
	each(t, func(t *testing.T, cfg loop.Config) {
		for round := range 30 {
			open := cfg.Driver
			var closed atomic.Bool
			own := cfg
			own.Driver = func(sizes loop.DriverConfig) (loop.Driver, error) {
				d, err := open(sizes)
				return &closing{d, &closed, t}, err
			}
			l := start(t, own)
			var ran, promised atomic.Int64
			var all sync.WaitGroup
			for range 4 {
				all.Go(func() {
					for l.Post(func() { ran.Add(1) }) {
						promised.Add(1)
					}
				})
			}
			time.Sleep(time.Duration(round) * 20 * time.Microsecond)
			grace := patience
			if round%2 == 0 {
				grace = 0
			}
			began := time.Now()
			l.Stop(grace)
			if err := l.Wait(); err != nil {
				t.Error(err)
			}
			if time.Since(began) >= patience {
				t.Fatal("senders that never pause kept the loop alive until its grace was over")
			}
			all.Wait()
			if ran.Load() != promised.Load() {
				t.Fatalf("%d messages were promised, %d ran", promised.Load(), ran.Load())
			}
		}
	})
}

// closing sees that nobody calls Wake once Close has begun.
type closing struct {
	loop.Driver
	closed *atomic.Bool
	t      *testing.T
}

func (d *closing) Wake() {
	d.Driver.Wake()
	if d.closed.Load() {
		d.t.Error("a closed driver was woken")
	}
}

func (d *closing) Close() error {
	d.closed.Store(true)
	return d.Driver.Close()
}

func TestOn(t *testing.T) {
	each(t, func(t *testing.T, cfg loop.Config) {
		l := start(t, cfg)
		x := 0
		for range 100 {
			if !l.On(func() { x++ }) {
				t.Fatal("On says that a living loop has ended")
			}
		}
		l.Stop(patience)
		_ = l.Wait()
		if l.On(func() { x++ }) || x != 100 {
			t.Errorf("x is %d after the loop's end", x)
		}
	})
}

package loop_test

import (
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/ringway/ringway/loop"
	"github.com/ringway/ringway/loop/epoll"
)

// run starts a loop, runs f as its first task, and stops it. uring.New in place of epoll.New drives it by io_uring.
func run(f func(t *loop.Task)) {
	loop.SetMaxProcs(1)
	l, err := loop.Start(loop.DefaultConfig(0, epoll.New))
	if err != nil {
		fmt.Println(err)
		return
	}
	ended := make(chan struct{})
	l.Post(func() {
		l.Go("main", func(t *loop.Task) { defer close(ended); f(t) })
	})
	<-ended
	l.Stop(time.Second)
	_ = l.Wait()
}

// Two tasks, a channel, and a wait for their end.
func Example() {
	run(func(t *loop.Task) {
		l := t.Loop()
		words := loop.NewChan[string](0)
		h := l.Go("speaker", func(t *loop.Task) {
			defer words.Close()
			for _, w := range []string{"one", "loop,", "many", "tasks"} {
				if words.Send(t, w) != nil {
					return // cancelled
				}
			}
		})
		for {
			w, ok, err := words.Recv(t)
			if !ok || err != nil {
				break
			}
			fmt.Println(w)
		}
		_ = t.Join(h)
	})
	// Output:
	// one
	// loop,
	// many
	// tasks
}

// A ticker that drops the ticks it missed.
func ExampleInterval() {
	run(func(t *loop.Task) {
		every := loop.NewInterval(t.Loop(), 0, 2*time.Millisecond, loop.Skip)
		for i := range 3 {
			if every.Tick(t) != nil {
				return
			}
			fmt.Println("tick", i)
		}
	})
	// Output:
	// tick 0
	// tick 1
	// tick 2
}

// A deadline around whatever waits.
func ExampleTimeout() {
	run(func(t *loop.Task) {
		err := loop.Timeout(t, 5*time.Millisecond, func() error {
			return t.Sleep(time.Hour)
		})
		fmt.Println(errors.Is(err, os.ErrDeadlineExceeded), t.Sleep(time.Millisecond))
	})
	// Output: true <nil>
}

// Messages until none has come for a while. The cases are made once, so the loop allocates nothing.
func ExampleSelect() {
	run(func(t *loop.Task) {
		messages := loop.NewChan[int](8)
		t.Loop().Go("sender", func(t *loop.Task) {
			for i := range 3 {
				_ = messages.Send(t, i)
				_ = t.Sleep(time.Millisecond)
			}
		})
		recv, idle := messages.RecvCase(), loop.After(200*time.Millisecond)
		for {
			i, err := loop.Select(t, recv, idle)
			if err != nil || i == 1 {
				break
			}
			fmt.Println("got", recv.Value)
		}
		fmt.Println("idle")
	})
	// Output:
	// got 0
	// got 1
	// got 2
	// idle
}

// A task that waits is cancelled with a cause.
func ExampleLoop_Cancel() {
	run(func(t *loop.Task) {
		l := t.Loop()
		h := l.Go("sleeper", func(t *loop.Task) {
			fmt.Println("woke with:", t.Sleep(time.Hour))
		})
		_ = t.Yield()
		l.Cancel(h, errors.New("the client has gone"))
		_ = t.Join(h)
	})
	// Output: woke with: the client has gone
}

// Children that do not outlive the code that started them.
func ExampleWithScope() {
	run(func(t *loop.Task) {
		err := loop.WithScope(t, func(s *loop.Scope) error {
			s.Go("watcher", func(t *loop.Task) error {
				err := t.Sleep(time.Hour)
				fmt.Println("watcher:", err)
				return err
			})
			s.Go("worker", func(t *loop.Task) error { return errors.New("the disk is full") })
			return t.Sleep(time.Millisecond) // the watcher is cancelled here
		})
		fmt.Println("scope:", err)
	})
	// Output:
	// watcher: scope ended
	// scope: the disk is full
}

// The first of several ways to an answer.
func ExampleRace() {
	run(func(t *loop.Task) {
		winner, err := loop.Race(t,
			func(t *loop.Task) error { return t.Sleep(time.Hour) },
			func(t *loop.Task) error { return errors.New("refused") },
			func(t *loop.Task) error { return t.Sleep(time.Millisecond) })
		fmt.Println(winner, err)
	})
	// Output: 2 <nil>
}

// A goroutine sends many values to a loop, which gets them in batches.
func ExampleMailbox() {
	loop.SetMaxProcs(1)
	l, err := loop.Start(loop.DefaultConfig(0, epoll.New))
	if err != nil {
		fmt.Println(err)
		return
	}
	sum, count := 0, 0
	var mailbox *loop.Mailbox[int]
	l.On(func() {
		mailbox = loop.NewMailbox(l, 1024, func(vs []int) {
			for _, v := range vs {
				sum += v
			}
			count += len(vs)
		})
	})
	for v := 0; v < 5000; v++ {
		for mailbox.Send(v) == loop.ErrMailboxFull {
			time.Sleep(100 * time.Microsecond) // an ordinary goroutine may wait like this
		}
	}
	l.Stop(time.Second)
	_ = l.Wait() // what was sent is delivered before the end
	fmt.Println(count, sum)
	// Output: 5000 12497500
}

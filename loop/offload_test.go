package loop_test

import (
	"errors"
	"fmt"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/ringway/ringway/loop"
)

func TestOffload(t *testing.T) {
	failed := errors.New("failed")
	onLoops(t, func(t *testing.T, l *loop.Loop) {
		inTask(t, l, func(task *loop.Task) {
			turns, over := 0, false
			l.Go("others go on", func(other *loop.Task) {
				for !over {
					turns++
					_ = other.Sleep(time.Millisecond)
				}
			})
			if err := task.Offload(func() error { time.Sleep(20 * time.Millisecond); return failed }); err != failed {
				t.Errorf("Offload gave %v", err)
			}
			if over = true; turns < 3 {
				t.Errorf("the loop made %d turns while work was offloaded", turns)
			}
			if err := task.Offload(func() error { return nil }); err != nil {
				t.Errorf("Offload gave %v", err)
			}
			err := task.Offload(func() error { explode(); return nil })
			if err == nil || !strings.Contains(err.Error(), "boom") || !strings.Contains(err.Error(), "explode") {
				t.Errorf("a panic came back as %v", err)
			}
		})
	})
}

func TestOffloadCancelled(t *testing.T) {
	cause := errors.New("cause")
	onLoops(t, func(t *testing.T, l *loop.Loop) {
		release, finished := make(chan struct{}), make(chan struct{})
		inTask(t, l, func(main *loop.Task) {
			h := l.Go("cancelled", func(task *loop.Task) {
				err := task.Offload(func() error { <-release; close(finished); return errors.New("dropped") })
				if err != cause {
					t.Errorf("Offload gave %v", err)
				}
			})
			_ = main.Yield()
			l.Cancel(h, cause)
			if err := main.Join(h); err != nil {
				t.Error(err)
			}
		})
		close(release)
		<-finished
		inTask(t, l, func(task *loop.Task) { _ = task.Sleep(2 * time.Millisecond) }) // the late result hits nobody
	})
}

// OffloadUncancelled sees the end of its work, and leaves the cause to the next wait.
func TestOffloadUncancelled(t *testing.T) {
	cause, result := errors.New("cause"), errors.New("result")
	onLoops(t, func(t *testing.T, l *loop.Loop) {
		release := make(chan struct{})
		inTask(t, l, func(main *loop.Task) {
			ended := false
			h := l.Go("cancelled", func(task *loop.Task) {
				err := task.OffloadUncancelled(func() error { <-release; return result })
				if err != result || task.Cause() != cause || task.Sleep(time.Hour) != cause {
					t.Errorf("it gave %v, the cause is %v", err, task.Cause())
				}
				if err := task.OffloadUncancelled(func() error { return result }); err != result { // begun after the cancel
					t.Errorf("it gave %v", err)
				}
				ended = true
			})
			_ = main.Yield()
			l.Cancel(h, cause)
			_ = main.Sleep(5 * time.Millisecond)
			if ended {
				t.Error("it ended before its work")
			}
			close(release)
			_ = main.Join(h)
			if !ended {
				t.Error("it did not come to its end")
			}
		})
	})
}

func TestOffloadFull(t *testing.T) {
	each(t, func(t *testing.T, cfg loop.Config) {
		cfg.Blocking = loop.NewBlocking(loop.BlockingLimits{Workers: 1, Queue: 1})
		l := start(t, cfg)
		release, running := make(chan struct{}), make(chan struct{})
		inTask(t, l, func(main *loop.Task) {
			first := l.Go("works", func(task *loop.Task) {
				if err := task.Offload(func() error { close(running); <-release; return nil }); err != nil {
					t.Error(err)
				}
			})
			_ = main.Yield()
			<-running // a loop never waits like this; here the worker is sure to come
			second := l.Go("queues", func(task *loop.Task) {
				if err := task.Offload(func() error { return nil }); err != nil {
					t.Error(err)
				}
			})
			_ = main.Yield()
			if err := main.Offload(func() error { return nil }); err != loop.ErrOffloadFull {
				t.Errorf("the third piece of work gave %v", err)
			}
			close(release)
			_ = main.Join(first)
			_ = main.Join(second)
		})
		l.Stop(patience)
		_ = l.Wait()
		cfg.Blocking.Close()
	})
}

// Work must not queue behind the one idle worker's work while the pool may have more workers.
func TestOffloadDoesNotQueueBehindOneIdleWorker(t *testing.T) {
	onLoops(t, func(t *testing.T, l *loop.Loop) {
		inTask(t, l, func(main *loop.Task) {
			_ = main.Offload(func() error { return nil })
			_ = main.Sleep(5 * time.Millisecond) // the worker is idle now
			met := make(chan struct{})
			meet := func(task *loop.Task) {
				err := task.Offload(func() error { // two of them can only end together
					select {
					case met <- struct{}{}:
					case <-met:
					case <-time.After(patience):
						return errors.New("the other piece of work never ran")
					}
					return nil
				})
				if err != nil {
					t.Error(err)
				}
			}
			one, other := l.Go("one", meet), l.Go("other", meet)
			_ = main.Join(one)
			_ = main.Join(other)
		})
	})
}

// Inline, everything runs on the loop's thread in one order, and the task that offloads waits as ever.
func TestOffloadInline(t *testing.T) {
	each(t, func(t *testing.T, cfg loop.Config) {
		cfg.Blocking = loop.NewBlocking(loop.BlockingLimits{Inline: true})
		l := start(t, cfg)
		inTask(t, l, func(main *loop.Task) {
			thread := syscall.Gettid()
			var order []string
			turn := func(name string) loop.Handle {
				return l.Go(name, func(task *loop.Task) {
					order = append(order, name+" begins")
					err := task.Offload(func() error {
						if id := syscall.Gettid(); id != thread {
							t.Errorf("the work runs on thread %d, the loop on %d", id, thread)
						}
						order = append(order, name+" works")
						return errors.New(name)
					})
					order = append(order, fmt.Sprint(err, " ends"))
				})
			}
			one, other := turn("one"), turn("other")
			_ = main.Join(one)
			_ = main.Join(other)
			want := "[one begins one works other begins other works one ends other ends]"
			if got := fmt.Sprint(order); got != want {
				t.Errorf("%s, want %s", got, want)
			}
			if err := main.Offload(func() error { explode(); return nil }); err == nil || !strings.Contains(err.Error(), "boom") {
				t.Errorf("a panic came back as %v", err)
			}
			cfg.Blocking.Close()
			if err := main.Offload(func() error { return nil }); err != loop.ErrOffloadFull {
				t.Errorf("a closed pool gave %v", err)
			}
		})
		l.Stop(patience)
		_ = l.Wait()
	})
}

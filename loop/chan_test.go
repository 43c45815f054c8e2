package loop_test

import (
	"errors"
	"fmt"
	"slices"
	"testing"

	"github.com/ringway/ringway/loop"
)

func TestChanCarriesEveryValueInOrder(t *testing.T) {
	onLoops(t, func(t *testing.T, l *loop.Loop) {
		for _, capacity := range []int{0, 1, 3, 100} {
			inTask(t, l, func(main *loop.Task) {
				c := loop.NewChan[int](capacity)
				if c.Cap() != capacity {
					t.Errorf("Cap is %d", c.Cap())
				}
				const senders, each = 4, 50
				var g loop.Group
				g.Add(senders)
				for s := range senders {
					l.Go("sender", func(task *loop.Task) {
						for i := range each {
							if err := c.Send(task, s*each+i); err != nil {
								t.Error(err)
							}
							if i%7 == s {
								_ = task.Yield()
							}
						}
						g.Done()
					})
				}
				l.Go("closer", func(task *loop.Task) { _ = g.Wait(task); c.Close() })
				next := [senders]int{}
				for {
					v, ok, err := c.Recv(main)
					if err != nil || !ok {
						break
					}
					if s := v / each; next[s] != v%each {
						t.Errorf("capacity %d: sender %d's value %d came when %d was due", capacity, s, v%each, next[s])
					}
					next[v/each]++
					if c.Len() > capacity {
						t.Errorf("%d values wait where %d may", c.Len(), capacity)
					}
				}
				if next != [senders]int{each, each, each, each} {
					t.Errorf("capacity %d: %v values came", capacity, next)
				}
			})
		}
	})
}

func TestChanIsFairToWhoWaits(t *testing.T) {
	onLoops(t, func(t *testing.T, l *loop.Loop) {
		inTask(t, l, func(main *loop.Task) {
			c := loop.NewChan[int](0)
			var got [5]int
			for i := range got {
				l.Go("receiver", func(task *loop.Task) {
					for {
						_, ok, _ := c.Recv(task)
						if !ok {
							return
						}
						got[i]++
					}
				})
			}
			for i := range 100 {
				if i%5 == 0 {
					yields(main, 1)
				}
				if !c.TrySend(i) {
					t.Error("nobody waits for a value")
				}
			}
			yields(main, 1)
			c.Close()
			for i, n := range got {
				if n != 20 {
					t.Errorf("receiver %d got %d of 100 values, of %v", i, n, got)
				}
			}
		})
	})
}

func TestChanClose(t *testing.T) {
	onLoops(t, func(t *testing.T, l *loop.Loop) {
		inTask(t, l, func(main *loop.Task) {
			c := loop.NewChan[string](1)
			_ = c.Send(main, "held")
			var blocked error
			h := l.Go("sender", func(task *loop.Task) { blocked = c.Send(task, "late") })
			yields(main, 1)
			c.Close()
			c.Close()
			_ = main.Join(h)
			if blocked != loop.ErrChanClosed || c.Send(main, "x") != loop.ErrChanClosed || c.TrySend("x") || !c.Closed() {
				t.Errorf("a closed channel takes values; the waiting send got %v", blocked)
			}
			if v, ok, err := c.Recv(main); v != "held" || !ok || err != nil {
				t.Errorf("the value in the channel came as %q, %v, %v", v, ok, err)
			}
			if v, ok, err := c.Recv(main); v != "" || ok || err != nil {
				t.Errorf("an empty closed channel gave %q, %v, %v", v, ok, err)
			}
			s := c.SendCase("x")
			if i, err := loop.Select(main, s); i != 0 || err != nil || s.Err != loop.ErrChanClosed {
				t.Errorf("a select on a closed channel gave %d, %v, %v", i, err, s.Err)
			}
			d := loop.NewChan[int](0)
			send := d.SendCase(1)
			h = l.Go("selects", func(task *loop.Task) { _, _ = loop.Select(task, send) })
			recv := make(chan bool, 1)
			l.Go("receives", func(task *loop.Task) { _, ok, _ := loop.NewChan[int](0).Recv(task); recv <- ok })
			yields(main, 1)
			d.Close()
			_ = main.Join(h)
			if send.Err != loop.ErrChanClosed {
				t.Errorf("a waiting select's send got %v", send.Err)
			}
		})
	})
}

// channelWays are the ways to move a value, which must lose none and double none whenever a task is cancelled.
var channelWays = map[string]struct {
	send func(*loop.Task, *loop.Chan[int], int) error
	recv func(*loop.Task, *loop.Chan[int]) (int, bool, error)
}{
	"plain": {
		func(t *loop.Task, c *loop.Chan[int], v int) error { return c.Send(t, v) },
		func(t *loop.Task, c *loop.Chan[int]) (int, bool, error) { return c.Recv(t) },
	},
	"select": {
		func(t *loop.Task, c *loop.Chan[int], v int) error {
			s := c.SendCase(v)
			_, err := loop.Select(t, nil, s, loop.After(1<<62))
			return errors.Join(err, s.Err)
		},
		func(t *loop.Task, c *loop.Chan[int]) (int, bool, error) {
			r := c.RecvCase()
			_, err := loop.Select(t, loop.After(1<<62), r)
			return r.Value, r.OK && err == nil, err
		},
	},
}

// Whenever one of the senders and one of the receivers is cancelled: what was sent without an error arrives once, and
// nothing else does.
func TestChanCancelAtEveryPoint(t *testing.T) {
	onLoops(t, func(t *testing.T, l *loop.Loop) {
		for way := range channelWays {
			for capacity := range 3 {
				for k := range 24 {
					inTask(t, l, func(main *loop.Task) { moveAndCancel(t, main, way, capacity, k) })
				}
			}
		}
	})
}

func moveAndCancel(t *testing.T, main *loop.Task, name string, capacity, k int) {
	l, way, c := main.Loop(), channelWays[name], loop.NewChan[int](capacity)
	var sent, got []int
	var senders, receivers []loop.Handle
	for s := range 3 {
		senders = append(senders, l.Go("sender", func(task *loop.Task) {
			for i := range 4 {
				yields(task, (s+i+k)%3)
				v := 10*s + i
				if err := way.send(task, c, v); err == nil {
					sent = append(sent, v)
				} else if !errors.Is(err, errCause) || s != 1 {
					t.Errorf("sender %d got %v", s, err)
				}
			}
		}))
		receivers = append(receivers, l.Go("receiver", func(task *loop.Task) {
			for {
				v, ok, err := way.recv(task, c)
				if err != nil && (err != errCause || s != 2) {
					t.Errorf("receiver %d got %v", s, err)
				}
				if !ok {
					return
				}
				got = append(got, v)
				yields(task, (s+k)%4)
			}
		}))
	}
	yields(main, k)
	l.Cancel(senders[1], errCause)
	yields(main, k%3)
	l.Cancel(receivers[2], errCause)
	joinAll(main, senders)
	c.Close()
	joinAll(main, receivers)
	slices.Sort(sent)
	slices.Sort(got)
	if !slices.Equal(sent, got) {
		t.Errorf("%s, capacity %d, k %d: sent %v, got %v", name, capacity, k, sent, got)
	}
}

// A sender and a receiver that are cancelled before the value moved leave the channel as if they had never come.
func TestChanCancelLeavesNothing(t *testing.T) {
	onLoops(t, func(t *testing.T, l *loop.Loop) {
		inTask(t, l, func(main *loop.Task) {
			c := loop.NewChan[int](0)
			h := l.Go("sender", func(task *loop.Task) { _ = c.Send(task, 1) })
			yields(main, 1)
			l.Cancel(h, errCause)
			if v, ok := c.TryRecv(); ok {
				t.Errorf("a cancelled sender's %d came", v)
			}
			h = l.Go("receiver", func(task *loop.Task) { _, _, _ = c.Recv(task) })
			yields(main, 1)
			l.Cancel(h, errCause)
			if c.TrySend(1) {
				t.Error("a cancelled receiver took a value")
			}
			// Handed over first and cancelled then, the value is the receiver's, and the cancel is not forgotten.
			got := ""
			h = l.Go("receiver", func(task *loop.Task) {
				v, ok, err := c.Recv(task)
				_, _, next := c.Recv(task)
				got = fmt.Sprint(v, ok, err, next)
			})
			yields(main, 1)
			if !c.TrySend(7) {
				t.Error("nobody receives")
			}
			l.Cancel(h, errCause)
			_ = main.Join(h)
			if got != "7 true <nil> cause" {
				t.Errorf("the receiver saw %q", got)
			}
		})
	})
}

package loop_test

import (
	"errors"
	"fmt"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/ringway/ringway/loop"
)

// newMailbox makes a mailbox on l.
func newMailbox[T any](l *loop.Loop, limit int, handle func([]T)) (m *loop.Mailbox[T]) {
	l.On(func() { m = loop.NewMailbox(l, limit, handle) })
	return m
}

type parcel struct{ sender, n int }

func TestMailboxKeepsTheOrderOfEachSender(t *testing.T) {
	onLoops(t, func(t *testing.T, l *loop.Loop) {
		const senders, values = 4, 20_000
		var next [senders]int
		batches := 0
		m := newMailbox(l, 512, func(ps []parcel) {
			batches++
			for _, p := range ps {
				if next[p.sender] != p.n {
					t.Errorf("sender %d: value %d came when %d was due", p.sender, p.n, next[p.sender])
				}
				next[p.sender]++
			}
		})
		var all sync.WaitGroup
		for s := range senders {
			all.Go(func() {
				for i := 0; i < values; {
					switch n, err := sendSome(m, s, i, values); {
					case err == nil:
						i += n
					case errors.Is(err, loop.ErrMailboxFull):
						i += n
						runtime.Gosched()
					default:
						t.Error(err)
						return
					}
					if i%997 == 0 {
						time.Sleep(10 * time.Microsecond) // so that the loop falls asleep in between
					}
				}
			})
		}
		all.Wait()
		l.On(func() {
			for s, n := range next {
				if n != values {
					t.Errorf("sender %d: %d values came", s, n)
				}
			}
			if batches >= senders*values {
				t.Errorf("%d batches for %d values", batches, senders*values)
			}
		})
		if n := m.Len(); n != 0 {
			t.Errorf("%d values wait in an empty mailbox", n)
		}
	})
}

// sendSome sends one value or a few, from the i-th on.
func sendSome(m *loop.Mailbox[parcel], sender, i, end int) (int, error) {
	if i%3 == 0 {
		if err := m.Send(parcel{sender, i}); err != nil {
			return 0, err
		}
		return 1, nil
	}
	var ps []parcel
	for n := i; n < min(i+i%50+1, end); n++ {
		ps = append(ps, parcel{sender, n})
	}
	return m.SendN(ps)
}

func TestMailboxIsBounded(t *testing.T) {
	onLoops(t, func(t *testing.T, l *loop.Loop) {
		var got []int
		m := newMailbox(l, 4, func(vs []int) { got = append(got, vs...) })
		l.On(func() { // nothing is delivered while this runs
			if n, err := m.SendN([]int{1, 2, 3}); n != 3 || err != nil {
				t.Errorf("3 of 4: %d, %v", n, err)
			}
			if n, err := m.SendN([]int{4, 5}); n != 1 || err != loop.ErrMailboxFull {
				t.Errorf("2 more: %d, %v", n, err)
			}
			if err := m.Send(6); err != loop.ErrMailboxFull {
				t.Errorf("one more: %v", err)
			}
			if n, err := m.SendN(nil); n != 0 || err != nil {
				t.Errorf("nothing more: %d, %v", n, err)
			}
			if m.Len() != 4 {
				t.Errorf("%d wait", m.Len())
			}
		})
		l.On(func() {
			if fmt.Sprint(got) != "[1 2 3 4]" {
				t.Errorf("got %v", got)
			}
			if err := m.Send(7); err != nil {
				t.Errorf("after that: %v", err)
			}
		})
	})
}

// However much is sent until the loop gets to it, it is one message to the loop.
func TestMailboxTellsTheLoopOnce(t *testing.T) {
	onLoops(t, func(t *testing.T, l *loop.Loop) {
		batches, values := 0, 0
		m := newMailbox(l, 0, func(vs []int) { batches, values = batches+1, values+len(vs) })
		release, held := make(chan struct{}), make(chan struct{})
		var before, after loop.Stats
		l.Post(func() { before = l.Stats(); close(held); <-release }) // a loop never waits like this; here all is to be sent meanwhile
		<-held
		for i := range 5000 {
			if err := m.Send(i); err != nil {
				t.Fatal(err)
			}
		}
		close(release)
		l.On(func() { after = l.Stats() })
		if posted := after.Posted - before.Posted; values != 5000 || batches > 5 || posted != 2 { // the other is that of On
			t.Errorf("%d values in %d batches by %d messages", values, batches, posted)
		}
	})
}

// Send's answer is a promise, also when it meets the loop's end.
func TestMailboxMeetsTheEnd(t *testing.T) {
	each(t, func(t *testing.T, cfg loop.Config) {
		for round := range 30 {
			l := start(t, cfg)
			var got, promised atomic.Int64
			m := newMailbox(l, 64, func(vs []int) { got.Add(int64(len(vs))) })
			var all sync.WaitGroup
			for s := range 4 {
				all.Go(func() {
					batch := make([]int, 1+7*s)
					for {
						n, err := m.SendN(batch)
						promised.Add(int64(n))
						if err == loop.ErrStopped {
							return
						}
						if err == loop.ErrMailboxFull {
							runtime.Gosched()
						}
					}
				})
			}
			time.Sleep(time.Duration(round) * 20 * time.Microsecond)
			l.Stop(patience)
			if err := l.Wait(); err != nil {
				t.Error(err)
			}
			all.Wait()
			if got.Load() != promised.Load() {
				t.Fatalf("%d values were promised, %d came", promised.Load(), got.Load())
			}
			if err := m.Send(1); err != loop.ErrStopped {
				t.Fatalf("after the end: %v", err)
			}
		}
	})
}

// What a handler sends to its own mailbox comes in the next turn, so that a loop still turns.
func TestMailboxAnswersItself(t *testing.T) {
	onLoops(t, func(t *testing.T, l *loop.Loop) {
		var m *loop.Mailbox[int]
		turns := map[uint64]bool{}
		done := make(chan struct{})
		m = newMailbox(l, 0, func(vs []int) {
			turns[l.Stats().Ticks] = true
			if vs[0] == 100 {
				close(done)
				return
			}
			if err := m.Send(vs[0] + 1); err != nil {
				t.Error(err)
			}
		})
		if err := m.Send(1); err != nil {
			t.Fatal(err)
		}
		<-done
		if len(turns) != 100 {
			t.Errorf("100 values came in %d turns", len(turns))
		}
	})
}

func TestMailboxAllocatesNothing(t *testing.T) {
	onLoops(t, func(t *testing.T, l *loop.Loop) {
		n := 0
		arrived := make(chan struct{}, 1)
		last := func() { arrived <- struct{}{} }
		m := newMailbox(l, 0, func(vs []int) { n += len(vs) })
		batch := make([]int, 64)
		for what, f := range map[string]func(){
			"Send": func() { _ = m.Send(1) },
			"SendN": func() {
				if k, err := m.SendN(batch); k != len(batch) {
					t.Error(k, err)
				}
			},
		} {
			burst := func() {
				for range 50 {
					f()
				}
				l.Post(last)
				<-arrived
			}
			for range 10 {
				burst()
			}
			if allocs := testing.AllocsPerRun(100, burst); allocs > 1 { // the letter of Post
				t.Errorf("50 times %s, and a Post, allocate %v times", what, allocs)
			}
		}
	})
}

// BenchmarkMailbox carries b.N words from another goroutine to the loop, and to a goroutine by a channel for comparison.
func BenchmarkMailbox(b *testing.B) {
	const batch, limit = 64, loop.DefaultMailboxLimit
	for name, open := range drivers(b) {
		for _, size := range []int{1, batch} {
			b.Run(fmt.Sprintf("%s/batches of %d", name, size), func(b *testing.B) {
				defer loop.SetCheckThreads(loop.SetCheckThreads(false))
				l := start(b, loop.DefaultConfig(0, open))
				done, left := make(chan struct{}), b.N
				m := newMailbox(l, limit, func(vs []uint64) {
					if left -= len(vs); left == 0 {
						close(done)
					}
				})
				src := make([]uint64, size)
				b.ReportAllocs()
				b.ResetTimer()
				for sent := 0; sent < b.N; {
					n, err := m.SendN(src[:min(size, b.N-sent)])
					if sent += n; err != nil {
						runtime.Gosched()
					}
				}
				<-done
				b.StopTimer()
				b.ReportMetric(float64(b.N)/b.Elapsed().Seconds()/1e6, "M/s")
				l.Stop(patience)
				_ = l.Wait()
			})
		}
	}
	b.Run("channel", func(b *testing.B) {
		ch := make(chan uint64, limit)
		go func() {
			for range b.N {
				ch <- 1
			}
		}()
		for range b.N {
			<-ch
		}
		b.ReportMetric(float64(b.N)/b.Elapsed().Seconds()/1e6, "M/s")
	})
	b.Run("channel/batches of 64", func(b *testing.B) {
		ch := make(chan [batch]uint64, limit/batch)
		go func() {
			for range (b.N + batch - 1) / batch {
				ch <- [batch]uint64{}
			}
		}()
		for range (b.N + batch - 1) / batch {
			<-ch
		}
		b.ReportMetric(float64(b.N)/b.Elapsed().Seconds()/1e6, "M/s")
	})
}

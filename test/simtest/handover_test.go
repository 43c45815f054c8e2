package simtest

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/ringway/ringway/buf"
	"github.com/ringway/ringway/conn"
	"github.com/ringway/ringway/gateway"
	"github.com/ringway/ringway/loop/sim"
	"github.com/ringway/ringway/process"
)

// master has the listening sockets of all gateways of a scenario, as a master process does.
type master struct {
	*scenario
	queues map[gateway.ListenerKey][]gateway.Socket
}

// listen gives copies of a listener's sockets, which it opens at the first time.
func (m *master) listen(_ context.Context, wanted []gateway.Wanted) (all []gateway.Socket, err error) {
	for _, w := range wanted {
		for i := len(m.queues[w.ListenerKey]); i < w.Sockets; i++ {
			fd, _, err := conn.OpenListener(m.w.Sockets(), conn.ListenConfig{Address: w.Address, Backlog: w.Backlog}, m.world.NonBlocking)
			if err != nil {
				return nil, err
			}
			m.queues[w.ListenerKey] = append(m.queues[w.ListenerKey], gateway.Socket{ListenerKey: w.ListenerKey, Bound: w.Address, Index: i, Fd: fd})
		}
		for _, q := range m.queues[w.ListenerKey] {
			if q.Fd, err = m.w.Sockets().Dup(q.Fd); err != nil {
				m.close(all)
				return nil, err
			}
			all = append(all, q)
		}
	}
	return all, nil
}

func (m *master) close(all []gateway.Socket) {
	for _, q := range all {
		_ = m.w.Sockets().Close(q.Fd)
	}
}

// link carries connections from one gateway to another, until it breaks.
type link struct {
	*scenario
	to     *gateway.Gateway
	breaks int // after so many messages; below 0: never
	moved  int
	sent   int // since the last Commit
}

var errBroken = errors.New("the new worker has died")

func (l *link) spent() bool {
	l.breaks--
	return l.breaks == -1
}

// Offer gives copies to the other gateway, as a socket between two processes does.
func (l *link) Offer(_ context.Context, all []process.Connection) (refused []uint64, err error) {
	if l.spent() {
		return nil, errBroken
	}
	copies := make([]process.Connection, 0, len(all))
	for _, c := range all {
		c.Fds = slices.Clone(c.Fds)
		for i, fd := range c.Fds {
			if c.Fds[i], err = l.w.Sockets().Dup(fd); err != nil { // no descriptor is free: the message would be cut
				l.closeFds(c.Fds[:i])
				for _, c := range copies {
					l.closeFds(c.Fds)
				}
				return nil, err
			}
		}
		copies = append(copies, c)
	}
	refused = l.to.Import(copies)
	for _, c := range copies {
		if slices.Contains(refused, c.ID) {
			l.closeFds(c.Fds)
		}
	}
	l.sent += len(all) - len(refused)
	return refused, nil
}

func (l *link) closeFds(fds []int) {
	for _, fd := range fds {
		_ = l.w.Sockets().Close(fd)
	}
}

// Commit makes the other gateway the owner, unless it has died before.
func (l *link) Commit(context.Context) error {
	if l.spent() {
		return errBroken
	}
	l.breaks = -1 // from here on it would be a crash, which is not what this is about
	l.to.Commit()
	l.moved, l.sent = l.moved+l.sent, 0
	return nil
}

// Alike is true: all drivers of a world want the same of sockets.
func (l *link) Alike() bool { return true }

// handOver has another gateway go on with what is at rest. One in three dies before it owns anything.
func (s *scenario) handOver(r *rand.Rand) error {
	next, err := s.startGateway(true)
	if err != nil {
		return fmt.Errorf("start: %w", err)
	}
	l := &link{scenario: s, to: next, breaks: -1}
	if r.IntN(3) == 0 {
		l.breaks = r.IntN(2)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 100*time.Millisecond)
	defer cancel()
	defer s.w.Hold(upTo(r, 3*time.Second))()
	old := s.g
	if l.breaks < 0 {
		if err := next.Resume(); err != nil {
			return err
		}
	}
	err = old.Export(ctx, l)
	next.Abort()
	if s.moved += l.moved; l.moved > 0 || err == nil {
		s.g = next
		if s.leaves {
			s.leave(old)
		}
		return next.Resume()
	}
	if err := next.Drain(ctx); err != nil { // it never accepted
		return err
	}
	return old.Resume()
}

// leave has a gateway that has handed over end what it still has, beside everything else, as a process does: connections of HTTP/2
// are told to go away, and their clients ask the next gateway for what this one has not looked at.
func (s *scenario) leave(old *gateway.Gateway) {
	s.leaving.Go(func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		if err := old.Drain(ctx); err != nil {
			s.problem("drain after a hand-over: %v", err)
		}
	})
}

// playLive runs a scenario of which gateways hand over to others, while clients and origins go on. Loops run side by side and
// the clock leaps, so that a run cannot be replayed to the last event; the faults are the seed's.
func (s *scenario) playLive(handOvers int) outcome {
	r := rand.New(rand.NewPCG(s.seed, 0x68616e64))
	s.leaves = r.IntN(2) == 0 // else they stay, close nothing by themselves, and have to hold nothing at the end
	s.world.Faults.Files = 0  // which processes have each to themselves
	s.master = &master{s, map[gateway.ListenerKey][]gateway.Socket{}}
	s.w = sim.New(s.world)
	if err := s.start(); err != nil {
		s.problem("start: %v", err)
		return s.outcome()
	}
	s.w.Run(upTo(r, 2*time.Second))
	s.w.Live()
	for range handOvers {
		if err := s.handOver(r); err != nil {
			s.problem("hand-over: %v", err)
		}
		time.Sleep(upTo(r, 2*time.Millisecond))
	}
	s.await("the clients end", func() (ended bool) {
		s.peers.On(func() { ended = s.left == 0 })
		return ended
	})
	s.whatIsLeft()
	s.await("everything rests", func() (rests bool) {
		s.peers.On(func() { rests = s.net.Usage() == conn.Usage{} })
		for _, g := range s.all {
			if u, tasks := g.Usage(); u != (conn.Usage{}) || tasks > 0 {
				return false
			}
		}
		return rests
	})
	s.leaving.Wait()
	s.atRest()
	s.stop()
	for _, queues := range s.master.queues {
		s.master.close(queues)
	}
	return s.outcome()
}

// await gives what must happen the time that it needs.
func (s *scenario) await(what string, cond func() bool) {
	for end := time.Now().Add(time.Minute); !cond(); time.Sleep(100 * time.Microsecond) {
		if time.Now().After(end) {
			s.problem("never happened: %s", what)
			return
		}
	}
}

// TestHandOvers runs seeds in which gateways hand over to others again and again, some of which die over it. Every request and every
// tunnel has to come to the end that it has in any other seed.
func TestHandOvers(t *testing.T) {
	buf.Poison = true
	var next, moved, told atomic.Int64
	var workers sync.WaitGroup
	for range 2 * runtime.NumCPU() { // most of the time it waits
		workers.Go(func() {
			for i := next.Add(1); i <= int64(*seedCount/8); i = next.Add(1) {
				seed := *firstSeed + uint64(i)
				if i%4 > 0 {
					seed *= 16 // a calm world, in which nothing may fail
				}
				s := newScenario(seed)
				if o := s.playLive(1 + int(i%7)); len(o.problems) > 0 {
					report(t, seed, o)
				}
				moved.Add(int64(s.moved))
				told.Add(int64(s.told))
			}
		})
	}
	workers.Wait()
	if moved.Load() == 0 || told.Load() == 0 {
		t.Error("nothing was handed over, or no client of HTTP/2 told to go away")
	}
	t.Logf("%d connections were handed over, and clients of %d of HTTP/2 told to go away", moved.Load(), told.Load())
}

var _ process.Giver = (*link)(nil)

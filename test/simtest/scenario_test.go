package simtest

import (
	"bytes"
	"context"
	"flag"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/ringway/ringway/buf"
	"github.com/ringway/ringway/conn"
	"github.com/ringway/ringway/gateway"
	"github.com/ringway/ringway/loop"
	"github.com/ringway/ringway/loop/sim"
)

var (
	seedCount = flag.Int("seeds", 200, "how many seeds TestSeeds runs")
	firstSeed = flag.Uint64("from", 1, "the first of them")
	oneSeed   = flag.Uint64("seed", 0, "the only seed to run, with its trace")
)

// scenario is one run of a seed.
type scenario struct {
	plan
	w       *sim.World
	g       *gateway.Gateway   // that serves
	all     []*gateway.Gateway // in the order in which they were started
	master  *master            // nil: the gateway has its sockets to itself
	moved   int                // connections that went from one gateway to the next
	leaves  bool               // gateways end when they have handed over
	told    int                // connections of HTTP/2 whose client was told first that they end
	log     bytes.Buffer
	logger  *slog.Logger // to log
	leaving sync.WaitGroup
	peers   *loop.Loop // clients and origins
	net     *conn.Net
	gateway conn.Address
	line    conn.Address // of the layer 4 listener
	rnd     *rand.Rand   // of the peers, on their loop
	calls   []*call
	left    int // clients that have not ended

	mu       sync.Mutex
	problems []string
}

func (s *scenario) problem(format string, args ...any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.problems) < 20 {
		s.problems = append(s.problems, fmt.Sprintf("%10.6fs ", float64(s.w.Now())/1e9)+fmt.Sprintf(format, args...))
	}
}

// pattern is a body that its number and length determine.
func pattern(id, n int) []byte {
	b := make([]byte, n)
	x := uint32(id)*2654435761 + uint32(n) | 1
	for i := range b {
		x = x*1664525 + 1013904223
		b[i] = byte(x >> 24)
	}
	return b
}

// outcome is what a run comes to.
type outcome struct {
	hash     uint64
	events   int
	ends     map[string]int
	problems []string
	trace    []string
	log      string
}

// run plays a seed to its end.
func run(seed uint64, trace int) outcome {
	s := newScenario(seed)
	s.world.Trace, s.world.Turns = max(trace, 50), 3_000_000
	s.w = sim.New(s.world)
	if err := s.start(); err != nil {
		s.problem("start: %v", err)
		return s.outcome()
	}
	s.w.Run(6 * time.Hour)
	if s.w.Endless() {
		s.problem("the loops run in circles; the last events:\n%s", strings.Join(s.w.Trace(), "\n"))
		s.w.Live()
		return s.outcome() // nothing of it can be ended in an orderly way
	}
	s.whatIsLeft()
	s.w.Run(40 * time.Minute) // everything that may still be held has its timeout
	hash, events := s.w.Hash(), s.w.Events()
	s.atRest()
	s.stop()
	o := s.outcome()
	o.hash, o.events = hash, events
	return o
}

func newScenario(seed uint64) *scenario {
	return &scenario{plan: draw(seed), rnd: rand.New(rand.NewPCG(seed, 0x7065657273))}
}

func (s *scenario) outcome() outcome {
	o := outcome{ends: map[string]int{}, problems: s.problems, trace: s.w.Trace(), log: s.log.String()}
	for _, q := range s.calls {
		o.ends[q.ended]++
	}
	return o
}

// start sets the gateway, the origins and the clients up, while time stands still.
func (s *scenario) start() error {
	s.logger = slog.New(slog.NewTextHandler(&s.log, nil))
	cfg := loop.DefaultConfig(99, s.w.Driver)
	cfg.Log = s.logger
	var err error
	if s.peers, err = loop.Start(cfg); err != nil {
		return err
	}
	open := func(address string, to conn.Acceptor) error {
		lc := conn.ListenConfig{Address: address}
		fd, _, err := conn.OpenListener(s.w.Sockets(), lc, s.world.NonBlocking)
		if err != nil {
			return err
		}
		s.peers.On(func() {
			if s.net == nil {
				s.net = conn.NewNet(s.peers, conn.DefaultLimits())
			}
			conn.Listen(s.net, fd, lc, to)
		})
		return nil
	}
	for _, address := range originAddresses(9001, s.origins) {
		if err := open(address, s); err != nil {
			return err
		}
	}
	for _, address := range originAddresses(9501, s.origins) {
		if err := open(address, lines{s}); err != nil {
			return err
		}
	}
	if s.g, err = s.startGateway(false); err != nil {
		return err
	}
	if s.gateway, err = conn.NewAddress(s.g.Addr("web")); err != nil {
		return err
	}
	if s.line, err = conn.NewAddress(s.g.Addr("line")); err != nil {
		return err
	}
	s.peers.On(func() {
		s.left = s.clients
		for range s.clients {
			s.peers.Go("client", func(t *loop.Task) {
				defer func() {
					if s.left--; s.left == 0 {
						s.w.Freeze()
					}
				}()
				s.client(t)
			})
		}
	})
	return nil
}

// startGateway starts a gateway with the plan's configuration.
func (s *scenario) startGateway(held bool) (*gateway.Gateway, error) {
	spec, err := gateway.Load("plan", []byte(s.config))
	if err != nil {
		return nil, err
	}
	o := gateway.Options{
		Log: s.logger, Held: held,
		Machine: gateway.Machine{Name: "sim", Driver: s.w.Driver, NonBlocking: s.world.NonBlocking, Sockets: s.w.Sockets(), Clock: s.w.Clock},
	}
	if s.master != nil {
		o.Listen = s.master.listen
	}
	g, err := gateway.Start(context.Background(), spec, o)
	if err == nil {
		s.all = append(s.all, g)
	}
	return g, err
}

// whatIsLeft checks what must hold when the clients have ended.
func (s *scenario) whatIsLeft() {
	s.peers.On(func() {
		if s.left > 0 {
			s.problem("%d clients never ended: %v", s.left, s.peers.Tasks())
		}
	})
	for _, q := range s.calls {
		switch {
		case q.ended == "":
			s.problem("request %d (%s) has no end", q.id, q.method)
		case q.method == "POST" && q.arrivals > 1:
			s.problem("request %d (POST) reached origins %d times", q.id, q.arrivals)
		case q.arrivals > 4:
			s.problem("request %d (%s) reached origins %d times", q.id, q.method, q.arrivals)
		}
	}
}

// atRest checks that a gateway without clients holds nothing.
func (s *scenario) atRest() {
	for i, g := range s.all {
		u, tasks := g.Usage()
		if u.Open > 0 || u.Blocks > 0 || u.Pipes > 0 || tasks > 0 {
			s.problem("at rest gateway %d holds %+v and %d tasks", i, u, tasks)
		}
		now := g.Snapshot()
		for _, l := range now.Listeners {
			if h := l.HTTP2; h.Connections > 0 || h.Streams > 0 {
				s.problem("at rest listener %s of gateway %d has %d connections of HTTP/2 and %d streams", l.Name, i, h.Connections, h.Streams)
			}
		}
		for _, e := range now.Endpoints {
			if e.Streams > 0 || e.Active > 0 || e.Panics > 0 {
				s.problem("at rest endpoint %s of gateway %d has %d connections in use and %d streams; %d panics", e.Name, i, e.Active, e.Streams, e.Panics)
			}
		}
		for _, l := range now.Loops {
			if l.Panics > 0 {
				s.problem("%d tasks panicked on loop %d of gateway %d", l.Panics, l.ID, i)
			}
		}
	}
	s.peers.On(func() {
		if u := s.net.Usage(); u.Open > 0 || u.Blocks > 0 {
			s.problem("at rest the peers hold %+v: %v", u, s.peers.Tasks())
		}
	})
}

// stop ends everything, which must work by itself.
func (s *scenario) stop() {
	s.w.Live()
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	for i, g := range s.all {
		if err := g.Drain(ctx); err != nil {
			s.problem("drain of gateway %d: %v", i, err)
		}
	}
	s.peers.Stop(time.Second)
	if err := s.peers.Wait(); err != nil {
		s.problem("peers: %v", err)
	}
}

func report(t *testing.T, seed uint64, o outcome) {
	t.Errorf("seed %d:\n  %s\nits log:\n%s\nreplay it with: make sim SEED=%d", seed, strings.Join(o.problems, "\n  "), tail(o.log, 2000), seed)
}

func tail(s string, n int) string { return s[max(0, len(s)-n):] }

// TestSeeds runs many seeds; each must leave every request answered once or visibly failed, with the right bytes, and
// nothing behind.
func TestSeeds(t *testing.T) {
	buf.Poison = true
	if *oneSeed > 0 {
		o := run(*oneSeed, 100_000)
		t.Logf("seed %d:\n%s%s\n%s\nends %v", *oneSeed, draw(*oneSeed).config, strings.Join(o.trace, "\n"), o.log, o.ends)
		if len(o.problems) > 0 {
			report(t, *oneSeed, o)
		}
		return
	}
	var next atomic.Uint64
	next.Store(*firstSeed)
	var mu sync.Mutex
	ends, failed, events := map[string]int{}, 0, 0
	var workers sync.WaitGroup
	for range runtime.NumCPU() {
		workers.Go(func() {
			for {
				seed := next.Add(1) - 1
				if seed >= *firstSeed+uint64(*seedCount) {
					return
				}
				o := run(seed, 0)
				mu.Lock()
				for k, n := range o.ends {
					ends[k] += n
				}
				events += o.events
				if len(o.problems) > 0 {
					if failed++; failed <= 10 {
						report(t, seed, o)
					}
				}
				mu.Unlock()
			}
		})
	}
	workers.Wait()
	t.Logf("%d seeds, %d failed, %d events; requests ended: %v", *seedCount, failed, events, ends)
	if ends["answered"] == 0 {
		t.Error("no request was answered: the scenario tests nothing")
	}
}

// TestReplay runs seeds twice: what cannot be replayed is no use.
func TestReplay(t *testing.T) {
	clients, origins := 0, 0
	for _, seed := range []uint64{1, 2, 3, 5, 8, 13, 16, 21, 32, 34, 55, 89} {
		if p := draw(seed); p.share > 0 {
			clients++
			if p.originsH2 {
				origins++
			}
		}
		a, b := run(seed, 500), run(seed, 500)
		if a.hash != b.hash || a.events != b.events {
			i := 0
			for i < min(len(a.trace), len(b.trace)) && a.trace[i] == b.trace[i] {
				i++
			}
			from, to := max(0, i-5), i+3
			t.Errorf("seed %d: two runs differ, %d and %d events, ends %v and %v; where the traces part:\n%s\n---\n%s", seed, a.events, b.events, a.ends, b.ends,
				strings.Join(a.trace[min(from, len(a.trace)):min(to, len(a.trace))], "\n"), strings.Join(b.trace[min(from, len(b.trace)):min(to, len(b.trace))], "\n"))
		}
		if c := run(seed+1000, 0); c.hash == a.hash {
			t.Errorf("seeds %d and %d have the same hash", seed, seed+1000)
		}
	}
	if clients < 4 || origins < 2 || clients == origins {
		t.Errorf("%d of the seeds have clients of HTTP/2, and %d of them origins of it, too", clients, origins)
	}
}

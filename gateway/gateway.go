package gateway

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/ringway/ringway/conn"
	"github.com/ringway/ringway/gateway/health"
	"github.com/ringway/ringway/gateway/inbound"
	"github.com/ringway/ringway/gateway/secure/acme"
	"github.com/ringway/ringway/gateway/upstream/h2"
	"github.com/ringway/ringway/loop"
	"github.com/ringway/ringway/observe/accesslog"
	"github.com/ringway/ringway/observe/admin"
	"github.com/ringway/ringway/observe/applog"
	"github.com/ringway/ringway/observe/metrics"
	"github.com/ringway/ringway/sys"
)

// Options are what a gateway needs beside its configuration.
type Options struct {
	Log     *slog.Logger
	Version string // for the metrics
	Machine Machine
	// Source is the configuration as it was read, which Reload compares hashes with.
	Source Source
	// Listen gives the sockets; nil: the gateway opens them itself.
	Listen ListenFunc
	// Held: listen, but accept nothing until Resume, since another process serves from the same sockets.
	Held bool
	// Hooks are for operators.
	Hooks Hooks
	// SetLog is called when a reload has changed the log's configuration; nil: such a reload is refused.
	SetLog func(applog.Spec)
}

// Machine is what a gateway runs on: the loops' driver and the network that its sockets belong to. The zero value is this
// machine, with the driver that the configuration names.
type Machine struct {
	Name        DriverName
	Driver      loop.NewDriver
	NonBlocking bool // how listening sockets must be, as the driver's NonBlocking says
	Sockets     loop.Sockets
	Clock       func() time.Time // what responses are dated by; nil: time.Now
}

// Gateway is a running worker.
type Gateway struct {
	log      *slog.Logger
	options  Options
	machine  Machine
	blocking *loop.Blocking
	dog      *loop.Watchdog // one for all loops; nil: none
	metrics  http.Handler
	acme     *acme.Registry
	started  time.Time
	draining atomic.Bool

	turn      chan struct{} // held by who changes the gateway; what follows is that one's
	sockets   *sockets
	shut      bool // nothing is accepted, until Resume
	heldAdmin *heldListener
	overrides overrides
	// weightsGiven: another worker was told the overrides, and would not hear of further ones.
	weightsGiven bool
	imports      imports
	preview      atomic.Pointer[previewed] // nil: none

	health    *health.Checker
	standings standings

	background context.Context // of what retires
	cancel     context.CancelFunc
	retiring   sync.WaitGroup

	mu          sync.RWMutex // held while counters are gathered, and to change what they are gathered from
	now         *state
	past        past
	closingLogs []*accesslog.Log
}

// state is what there is of a gateway between two changes. It does not change.
type state struct {
	plan    *plan // nil: nothing yet
	parts   []*part
	retired []*part // whose loops end when their last connection has
	admin   *admin.Server
	addrs   map[string]string // that the listeners got
	since   time.Time
}

// running is what who started the gateway has to know.
func (s *state) running() Running {
	r := Running{Hash: s.plan.hash, DrainTimeout: s.plan.spec.Runtime.DrainTimeout.Std()}
	for _, name := range s.plan.names {
		r.Listeners = append(r.Listeners, ListenerKey{name, s.plan.spec.Listeners[name].Address})
	}
	return r
}

// everyone is the parts of all loops, those too that are to end.
func (s *state) everyone() []*part { return slices.Concat(s.parts, s.retired) }

// Start builds and starts what spec describes. When it returns, every listener accepts, unless it is held. On failure nothing is left
// behind.
func Start(ctx context.Context, spec *Spec, o Options) (*Gateway, error) {
	g := &Gateway{log: o.Log, options: o, turn: make(chan struct{}, 1), started: time.Now(), now: &state{}, past: newPast(), overrides: overrides{}, shut: o.Held}
	g.acme = acme.NewRegistry(g.log)
	g.background, g.cancel = context.WithCancel(context.Background())
	if err := g.chooseMachine(spec, o.Machine); err != nil {
		return nil, err
	}
	g.sockets = &sockets{machine: g.machine, log: g.log, entries: map[ListenerKey]*entry{}, held: o.Held}
	g.blocking = loop.NewBlocking(loop.DefaultBlockingLimits())
	if stall := spec.Runtime.Stall.Std(); stall > 0 {
		g.dog = loop.NewWatchdog(stall)
	}
	g.health = g.newChecker()
	registry := metrics.NewRegistry(metrics.Build{Version: o.Version, Driver: string(g.machine.Name)}, g.Snapshot)
	g.metrics = metrics.Handler(registry, g.log)
	t := &transaction{g: g, listen: o.Listen}
	err := t.prepare(ctx, spec, o.Source)
	if err == nil {
		if _, err = t.publish(); err == nil {
			return g, nil
		}
	}
	g.close()
	return nil, err
}

// chooseMachine fills what is not given with this machine's.
func (g *Gateway) chooseMachine(spec *Spec, m Machine) (err error) {
	if m.Driver == nil {
		m.Sockets = sys.KernelSockets{}
		m.Driver, m.Name, err = ChooseDriver(spec.Runtime.Driver, g.log)
		m.NonBlocking = m.Name == Epoll
	}
	g.machine = m
	return err
}

// limits raises the bound of descriptors, which it returns, and gives Go's scheduler room beside the loops.
func (g *Gateway) limits(loops int) uint64 {
	files, err := sys.RaiseFileLimit()
	if err != nil {
		g.log.Warn("cannot raise the limit of open files", "limit", files, "err", err)
	}
	loop.SetMaxProcs(loops)
	if g.current().plan == nil {
		g.log.Info("starting", "driver", string(g.machine.Name), "loops", loops, "open_files_limit", files, "kernel", sys.Kernel())
	}
	return files
}

func (g *Gateway) startAdmin(ctx context.Context, spec *Spec, listen ListenFunc) (*admin.Server, error) {
	a := spec.Admin
	l, err := adminListener(ctx, a, listen)
	if err != nil {
		return nil, err
	}
	if g.shut && l != nil {
		g.heldAdmin = newHeldListener(l)
		l = g.heldAdmin
	}
	return admin.Start(admin.Options{Address: a.Address, Listener: l, AllowRemote: a.AllowRemote, Access: a.access(), Control: control{g},
		Metrics: g.metrics, Ready: g.Ready, Live: g.Live, Log: g.log})
}

// adminGrace is how long requests to an admin server that ends may take.
const adminGrace = time.Second

func (g *Gateway) stopAdmin(s *admin.Server) {
	ctx, cancel := context.WithTimeout(context.Background(), adminGrace)
	defer cancel()
	_ = s.Close(ctx)
}

// current is the state as it is now.
func (g *Gateway) current() *state {
	g.mu.RLock()
	defer g.mu.RUnlock()
	return g.now
}

// change makes to the state, and the parts that are gone since the last one retired.
func (g *Gateway) change(to *state, gone ...*part) {
	g.mu.Lock()
	defer g.mu.Unlock()
	to.retired = slices.Concat(g.now.retired, gone)
	g.now = to
	g.past.prune(to.plan)
}

// Addr is the address that a listener got, ready to connect to; empty if there is no such listener.
func (g *Gateway) Addr(listener string) string { return g.current().addrs[listener] }

// AddrPort is Addr in parts; the zero value for a Unix socket.
func (g *Gateway) AddrPort(listener string) netip.AddrPort {
	ap, _ := netip.ParseAddrPort(g.Addr(listener))
	return ap
}

// Listeners are the listeners' names, sorted.
func (g *Gateway) Listeners() []string { return g.current().plan.names }

// Running is what is in use now.
func (g *Gateway) Running() Running { return g.current().running() }

// Source is the configuration that runs, as it was given.
func (g *Gateway) Source() Source { return g.current().plan.source }

// Spec is the configuration that runs. It must not be changed.
func (g *Gateway) Spec() *Spec { return g.current().plan.spec }

// Driver is the driver in use.
func (g *Gateway) Driver() DriverName { return g.machine.Name }

// AdminAddr is the admin server's address, empty when there is none.
func (g *Gateway) AdminAddr() string {
	if a := g.current().admin; a != nil {
		return a.Addr().String()
	}
	return ""
}

// liveness is how long a loop may take to answer before it counts as stuck.
const liveness = 2 * time.Second

// Live says which loop does not answer, or nil.
func (g *Gateway) Live() error {
	for _, p := range g.current().parts {
		answered := make(chan struct{})
		if !p.loop.Post(func() { close(answered) }) {
			return fmt.Errorf("loop %d has ended", p.loop.ID())
		}
		select {
		case <-answered:
		case <-time.After(liveness):
			return fmt.Errorf("loop %d has not turned for %v", p.loop.ID(), liveness)
		}
	}
	return nil
}

// Ready says why the gateway takes no new work, or nil.
func (g *Gateway) Ready() error {
	if g.draining.Load() {
		return errors.New("draining")
	}
	if g.current().plan == nil {
		return errors.New("starting")
	}
	return g.Live()
}

// Snapshot gathers the counters of all loops.
func (g *Gateway) Snapshot() metrics.Snapshot {
	s := metrics.Snapshot{Health: g.healthMetrics()}
	g.mu.RLock()
	defer g.mu.RUnlock()
	for i, p := range g.now.everyone() {
		p.loop.On(func() { p.snapshot(&s, i == 0) })
	}
	logs := g.closingLogs
	if g.now.plan != nil {
		logs = append(logs[:len(logs):len(logs)], g.now.plan.access)
	}
	for _, l := range logs {
		s.AccessLog.Written += l.Written()
		s.AccessLog.Dropped += l.Dropped()
	}
	g.past.tell(&s)
	s.ACME = g.certificateMetrics()
	return s
}

// Usage is what the connections of all loops hold now, blocks with bodies of HTTP/2 among it.
func (g *Gateway) Usage() (u conn.Usage, tasks int) {
	for _, p := range g.current().everyone() {
		p.loop.On(func() {
			x := p.net.Usage()
			u.Open, u.Blocks, u.Pipes = u.Open+x.Open, u.Blocks+x.Blocks, u.Pipes+x.Pipes
			u.Blocks += inbound.H2BlocksInUse(p.loop) + h2.BlocksInUse(p.loop)
			tasks += p.loop.Stats().Live
		})
	}
	return u, tasks
}

// Stalls are the last times that something held a loop for too long, oldest first.
func (g *Gateway) Stalls() []loop.Stall {
	if g.dog == nil {
		return nil
	}
	return g.dog.Stalls()
}

// Reopen opens the access log's file anew, after it was rotated.
func (g *Gateway) Reopen() error { return g.current().plan.access.Reopen() }

// firstPatience is how long a gateway that drains waits for the first request of a client that has connected: it is on its way, or
// the client has connected in advance. A drain timeout of less than four times that shortens it, since a handshake or a GOAWAY may take as
// long beside it. Tests have more.
var firstPatience = time.Second

// Drain stops accepting, lets requests and sessions in flight finish until ctx ends or the configured time has passed, then closes
// everything. It returns an error if any had to be cut off.
func (g *Gateway) Drain(ctx context.Context) error {
	g.draining.Store(true)
	g.turn <- struct{}{} // a change that goes on comes to its end
	defer func() { <-g.turn }()
	g.cancel()
	g.retiring.Wait()
	now, patience := g.current(), firstPatience
	if d := now.plan.spec.Runtime.DrainTimeout.Std(); d > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, d)
		defer cancel()
		patience = min(patience, d/4)
	}
	for _, p := range now.everyone() {
		p.loop.Post(func() { p.drain(patience) })
	}
	g.releaseSockets()
	left := g.awaitRest(ctx)
	g.close()
	if left > 0 {
		return fmt.Errorf("%d connections were cut off with requests or sessions in flight", left)
	}
	return nil
}

// releaseSockets closes the listening sockets. What waits in their queues is served first, unless another process has them too
// and goes on with them.
func (g *Gateway) releaseSockets() {
	adopt := g.adopter()
	if g.sockets.shared {
		adopt = nil
	}
	g.sockets.closeAll(adopt)
}

// awaitRest waits until no client is connected, and returns how many still are when ctx ends.
func (g *Gateway) awaitRest(ctx context.Context) int {
	poll := time.NewTicker(5 * time.Millisecond)
	defer poll.Stop()
	for {
		n := 0
		for _, p := range g.current().everyone() {
			p.loop.On(func() { n += p.conns() })
		}
		if n == 0 {
			return 0
		}
		select {
		case <-ctx.Done():
			return n
		case <-poll.C:
		}
	}
}

// stopGrace is how long tasks may take to end once everything they wait for was closed.
const stopGrace = 2 * time.Second

// close ends everything that there is.
func (g *Gateway) close() {
	g.cancel()
	g.retiring.Wait()
	g.health.Close()
	now := g.current()
	for _, p := range now.everyone() {
		p.loop.On(p.end)
		p.loop.Stop(stopGrace)
	}
	for _, p := range now.everyone() {
		g.stopLoop(p.loop)
	}
	g.sockets.closeAll(nil)
	if now.admin != nil {
		g.stopAdmin(now.admin)
	}
	g.blocking.Close()
	if now.plan == nil {
		g.acme.Close()
		return
	}
	now.plan.closeSecure(nil)
	g.acme.Close()
	if err := now.plan.access.Close(); err != nil {
		g.log.Error("access log", "err", err)
	}
}

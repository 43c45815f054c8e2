package gateway

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net/netip"
	"runtime"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/ringway/ringway/conn"
	"github.com/ringway/ringway/errs"
	"github.com/ringway/ringway/gateway/inbound"
	"github.com/ringway/ringway/gateway/route"
	"github.com/ringway/ringway/gateway/upstream"
	"github.com/ringway/ringway/loop"
	"github.com/ringway/ringway/observe/accesslog"
	"github.com/ringway/ringway/observe/admin"
	"github.com/ringway/ringway/observe/metrics"
	"github.com/ringway/ringway/sys"
)

// Options are what a gateway needs beside its configuration.
type Options struct {
	Log     *slog.Logger
	Version string // for the metrics
	Machine Machine
}

// Machine is what a gateway runs on: the loops' driver and the network that its sockets belong to. The zero value is this
// machine, with the driver that the configuration names.
type Machine struct {
	Name        DriverName
	Driver      loop.NewDriver
	NonBlocking bool // how listening sockets must be, as the driver's NonBlocking says
	Sockets     loop.Sockets
}

// Gateway is a running worker.
type Gateway struct {
	spec        *Spec
	log         *slog.Logger
	machine     Machine
	names       []string                // of the listeners, sorted
	tables      map[string]*route.Table // of listeners of HTTP
	serverNames map[string]*route.Names // of listeners of layer 4
	resolved    map[string]*upstream.Resolved
	access      *accesslog.Log
	blocking    *loop.Blocking
	loops       []*loop.Loop
	parts       []*part
	addrs       map[string]string
	bounds      map[string]int // of the listeners' connections
	admin       *admin.Server
	draining    atomic.Bool
}

// Start builds and starts what spec describes. When it returns, every listener accepts. On failure nothing is left
// behind.
func Start(ctx context.Context, spec *Spec, o Options) (*Gateway, error) {
	g := &Gateway{spec: spec, log: o.Log, names: slices.Sorted(maps.Keys(spec.Listeners)), tables: map[string]*route.Table{}, serverNames: map[string]*route.Names{},
		resolved: map[string]*upstream.Resolved{}, addrs: map[string]string{}}
	if err := g.start(ctx, o); err != nil {
		g.close()
		return nil, err
	}
	return g, nil
}

func (g *Gateway) start(ctx context.Context, o Options) error {
	err := g.chooseMachine(o.Machine)
	if err != nil {
		return err
	}
	for name, s := range g.spec.Clusters {
		if g.resolved[name], err = upstream.Resolve(ctx, name, s); err != nil {
			return err
		}
	}
	for _, name := range g.names {
		if s := g.spec.Listeners[name]; s.Protocol == inbound.TCP {
			g.serverNames[name] = route.CompileNames(s.Sessions())
		} else {
			g.tables[name] = route.Compile(s.Routes)
		}
	}
	n := g.spec.Runtime.Loops.Or(runtime.NumCPU())
	if g.access, err = accesslog.Open(g.spec.AccessLog.Spec, n); err != nil {
		return err
	}
	g.limits(n)
	sockets, err := g.listen(n)
	if err != nil {
		return err
	}
	if err := g.startLoops(n); err != nil {
		g.closeSockets(sockets)
		return err
	}
	g.parts = make([]*part, n)
	for i, l := range g.loops {
		if !l.On(func() { g.parts[i] = g.build(l, sockets[i]) }) {
			return errs.New(errs.Internal, fmt.Sprintf("loop %d ended at its start", i))
		}
	}
	return g.startAdmin(o)
}

// chooseMachine fills what is not given with this machine's.
func (g *Gateway) chooseMachine(m Machine) (err error) {
	if m.Driver == nil {
		m.Sockets = sys.KernelSockets{}
		m.Driver, m.Name, err = ChooseDriver(g.spec.Runtime.Driver, g.log)
		m.NonBlocking = m.Name == Epoll
	}
	g.machine = m
	return err
}

// limits raises the bound of descriptors and gives Go's scheduler room beside the loops.
func (g *Gateway) limits(loops int) {
	files, err := sys.RaiseFileLimit()
	if err != nil {
		g.log.Warn("cannot raise the limit of open files", "limit", files, "err", err)
	}
	g.bounds = g.clientBounds(files, loops)
	loop.SetMaxProcs(loops)
	g.log.Info("starting", "driver", string(g.machine.Name), "loops", loops, "open_files_limit", files, "kernel", sys.Kernel())
}

// clientBounds are the listeners' bounds of connections, the largest of them lowered where all together would take more
// than three quarters of the descriptors: clients must leave room for the connections to upstreams that their requests
// need. A session of layer 4 takes two descriptors from the start, one of them for its own upstream.
func (g *Gateway) clientBounds(files uint64, loops int) map[string]int {
	out, sum := map[string]int{}, 0
	takes := func(name string) int {
		if g.spec.Listeners[name].Protocol == inbound.TCP {
			return 2
		}
		return 1
	}
	wants := func(name string) int { return g.spec.Listeners[name].Limits.Connections * takes(name) }
	for name, s := range g.spec.Listeners {
		out[name] = s.Limits.Connections
		sum += wants(name)
	}
	room := int(min(files, 1<<30)) / 4 * 3
	if sum <= room {
		return out
	}
	left := room
	smallestFirst := slices.SortedFunc(maps.Keys(out), func(a, b string) int { return wants(a) - wants(b) })
	for i, name := range smallestFirst { // a listener that asks for less than an equal share gets what it asks for
		out[name] = max(min(wants(name), left/(len(smallestFirst)-i))/takes(name), loops)
		left = max(left-out[name]*takes(name), 0)
	}
	g.log.Info("bounding client connections to leave descriptors for upstreams", "configured", sum, "bound", room, "open_files_limit", files)
	return out
}

func (g *Gateway) startLoops(n int) error {
	g.blocking = loop.NewBlocking(loop.DefaultBlockingLimits())
	var dog *loop.Watchdog // one for all
	if stall := g.spec.Runtime.Stall.Std(); stall > 0 {
		dog = loop.NewWatchdog(stall)
	}
	for i := range n {
		cfg := loop.DefaultConfig(i, g.machine.Driver)
		cfg.Pin, cfg.Blocking, cfg.Watchdog, cfg.Log = g.spec.Runtime.Pin, g.blocking, dog, g.log
		cfg.DriverSizes.RecvBlocks = g.spec.Runtime.Buffers
		l, err := loop.Start(cfg)
		if err != nil {
			return err
		}
		g.loops = append(g.loops, l)
	}
	return nil
}

// listen opens a socket for every listener and loop. The first of a listener decides the port where it is 0.
func (g *Gateway) listen(loops int) ([]map[string]int, error) {
	sockets := make([]map[string]int, loops)
	for i := range sockets {
		sockets[i] = map[string]int{}
	}
	for _, name := range g.names {
		s := g.spec.Listeners[name]
		fds, bound, err := g.openAll(conn.ListenConfig{Address: s.Address, Backlog: s.Backlog}, loops)
		for i, fd := range fds {
			sockets[i][name] = fd
		}
		if err != nil {
			g.closeSockets(sockets)
			return nil, errs.Wrapf(err, "listeners.%s: listen on %s", name, s.Address)
		}
		g.addrs[name] = bound
	}
	return sockets, nil
}

func (g *Gateway) startAdmin(o Options) error {
	a := g.spec.Admin
	if a.Address == "" {
		return nil
	}
	registry := metrics.NewRegistry(metrics.Build{Version: o.Version, Driver: string(g.machine.Name)}, g.Snapshot)
	var err error
	g.admin, err = admin.Start(admin.Options{
		Address: a.Address, AllowRemote: a.AllowRemote, Metrics: metrics.Handler(registry, g.log), Ready: g.Ready, Live: g.Live, Log: g.log,
	})
	return err
}

// Addr is the address that a listener got, ready to connect to.
func (g *Gateway) Addr(listener string) string { return g.addrs[listener] }

// AddrPort is Addr in parts; the zero value for a Unix socket.
func (g *Gateway) AddrPort(listener string) netip.AddrPort {
	ap, _ := netip.ParseAddrPort(g.addrs[listener])
	return ap
}

// Listeners are the listeners' names, sorted.
func (g *Gateway) Listeners() []string { return g.names }

// Driver is the driver in use.
func (g *Gateway) Driver() DriverName { return g.machine.Name }

// AdminAddr is the admin server's address, empty when there is none.
func (g *Gateway) AdminAddr() string {
	if g.admin == nil {
		return ""
	}
	return g.admin.Addr().String()
}

// liveness is how long a loop may take to answer before it counts as stuck.
const liveness = 2 * time.Second

// Live says which loop does not answer, or nil.
func (g *Gateway) Live() error {
	for _, p := range g.parts {
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
	return g.Live()
}

// Snapshot gathers the counters of all loops.
func (g *Gateway) Snapshot() metrics.Snapshot {
	var s metrics.Snapshot
	for _, p := range g.parts {
		p.loop.On(func() { p.snapshot(&s) })
	}
	s.AccessLog = metrics.AccessLog{Written: g.access.Written(), Dropped: g.access.Dropped()}
	return s
}

// Usage is what the connections of all loops hold now.
func (g *Gateway) Usage() (u conn.Usage, tasks int) {
	for _, p := range g.parts {
		p.loop.On(func() {
			x := p.net.Usage()
			u.Open, u.Blocks, u.Pipes = u.Open+x.Open, u.Blocks+x.Blocks, u.Pipes+x.Pipes
			tasks += p.loop.Stats().Live
		})
	}
	return u, tasks
}

// Reopen opens the access log's file anew, after it was rotated.
func (g *Gateway) Reopen() error { return g.access.Reopen() }

// Drain stops accepting, lets requests and sessions in flight finish until ctx ends or the configured time has passed, then closes
// everything. It returns an error if any had to be cut off.
func (g *Gateway) Drain(ctx context.Context) error {
	g.draining.Store(true)
	if d := g.spec.Runtime.DrainTimeout.Std(); d > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, d)
		defer cancel()
	}
	for _, p := range g.parts {
		p.loop.Post(p.drain)
	}
	left := g.awaitRest(ctx)
	g.close()
	if left > 0 {
		return fmt.Errorf("%d connections were cut off with requests or sessions in flight", left)
	}
	return nil
}

// awaitRest waits until no client is connected, and returns how many still are when ctx ends.
func (g *Gateway) awaitRest(ctx context.Context) int {
	poll := time.NewTicker(5 * time.Millisecond)
	defer poll.Stop()
	for {
		n := 0
		for _, p := range g.parts {
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

// removeSockets removes the files of the Unix sockets that were listened on.
func (g *Gateway) removeSockets() {
	for _, addr := range g.addrs {
		if path, ok := strings.CutPrefix(addr, "unix:"); ok {
			if err := sys.RemoveSocket(path); err != nil {
				g.log.Warn("cannot remove a listener's socket", "path", path, "err", err)
			}
		}
	}
}

// stopGrace is how long tasks may take to end once everything they wait for was closed.
const stopGrace = 2 * time.Second

func (g *Gateway) close() {
	for _, p := range g.parts {
		if p != nil {
			p.loop.On(p.end)
		}
	}
	for _, l := range g.loops {
		l.Stop(stopGrace)
	}
	for _, l := range g.loops {
		if err := l.Wait(); err != nil {
			g.log.Error("loop did not end well", "err", err)
		}
	}
	g.removeSockets()
	if g.admin != nil {
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		_ = g.admin.Close(ctx)
		cancel()
	}
	if g.blocking != nil {
		g.blocking.Close()
	}
	if g.access != nil {
		if err := g.access.Close(); err != nil {
			g.log.Error("access log", "err", err)
		}
	}
}

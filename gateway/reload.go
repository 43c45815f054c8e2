package gateway

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"time"

	"github.com/ringway/ringway/config"
	"github.com/ringway/ringway/gateway/health"
	"github.com/ringway/ringway/loop"
	"github.com/ringway/ringway/observe/accesslog"
	"github.com/ringway/ringway/observe/admin"
)

// Change is a configuration to go over to.
type Change struct {
	Source
	// Preview: say what would change, and change nothing.
	Preview bool
	// IfHash is the configuration that has to be running, else nothing changes; empty for any.
	IfHash string
	// Listen gives the sockets; nil: the gateway opens them itself.
	Listen ListenFunc
}

// Outcome is what a Change came to.
type Outcome struct {
	Running
	Changes []config.Change
	// How long it took to read and compare the configuration, to make all that it needs, and to have it in force on every loop.
	Read, Build, Publish time.Duration
}

// Diff is the changes for people, a line each; empty if nothing changed.
func (o *Outcome) Diff() string { return DiffText(o.Changes) }

// maxTold bounds the changes that are logged, a line each: a file that was written anew may have thousands.
const maxTold = 100

// tell logs the changes.
func (o *Outcome) tell(log *slog.Logger) {
	for i, c := range o.Changes {
		if i == maxTold {
			log.Info("changed", "more", len(o.Changes)-maxTold)
			return
		}
		log.Info("changed", "what", c.String())
	}
}

// DiffText is changes for people, a line each.
func DiffText(changes []config.Change) string {
	var b strings.Builder
	for _, c := range changes {
		b.WriteString(c.String())
		b.WriteByte('\n')
	}
	return b.String()
}

// Running is what who started a gateway has to know of it.
type Running struct {
	Hash string // of the configuration
	// Listeners are all that are in use.
	Listeners []ListenerKey
	// DrainTimeout is how long Drain takes at most; 0 for as long as it takes.
	DrainTimeout time.Duration
}

// ErrDraining refuses changes of a gateway that is about to end.
var ErrDraining = errors.New("the gateway is draining and takes no changes any more")

// HashError refuses a change that was meant for another configuration than the one that runs.
type HashError struct{ Running, Expected string }

// Error says so.
func (e *HashError) Error() string {
	return fmt.Sprintf("the running configuration is %.12s and not %.12s: somebody else has changed it", e.Running, e.Expected)
}

// RestartError refuses a change of what a running gateway cannot change.
type RestartError struct{ Paths []string }

// Error names the keys.
func (e *RestartError) Error() string {
	return fmt.Sprintf("%s cannot be changed while the gateway runs: restart it", strings.Join(e.Paths, ", "))
}

// Reload goes over to another configuration, or fails and leaves everything as it was. Listeners, their connections and
// counters, clusters and their pools stay as far as the configuration has them still; a request goes on as it began.
func (g *Gateway) Reload(ctx context.Context, c Change) (o Outcome, err error) {
	release, err := g.take(ctx)
	if err != nil {
		return Outcome{}, err
	}
	defer release()
	defer collectLess(len(c.Text))()
	var t *transaction
	loop.Background(func() { o, t, err = g.prepare(ctx, c) })
	if t == nil {
		return o, err
	}
	began := time.Now()
	to, err := t.publish() // loops wait for it, so that it gives way to nobody
	o.Publish, o.Running = time.Since(began), to.running()
	if err == nil {
		o.tell(g.log)
		g.log.Info("reloaded", "config", c.Name, "changes", len(o.Changes), "read", o.Read, "build", o.Build, "publish", o.Publish)
	}
	return o, err
}

// prepare reads a configuration and makes all that it needs. There is no transaction if it fails, and none of a preview.
func (g *Gateway) prepare(ctx context.Context, c Change) (Outcome, *transaction, error) {
	began := time.Now()
	from := g.current()
	if c.IfHash != "" && c.IfHash != from.plan.hash {
		return Outcome{}, nil, &HashError{Running: from.plan.hash, Expected: c.IfHash}
	}
	spec, changes, err := g.read(from, c)
	if err != nil {
		return Outcome{}, nil, err
	}
	o := Outcome{Changes: changes}
	if err := g.fixed(from.plan.spec, spec); err != nil {
		return Outcome{}, nil, err
	}
	o.Read = time.Since(began)
	if c.Preview {
		o.Running = from.running()
		return o, nil, nil
	}
	t := &transaction{g: g, from: from, listen: c.Listen}
	began = time.Now()
	if err := t.prepare(ctx, spec, c.Source); err != nil {
		return Outcome{}, nil, err
	}
	o.Build = time.Since(began)
	return o, t, nil
}

// take waits for its turn to change the gateway.
func (g *Gateway) take(ctx context.Context) (release func(), err error) {
	select {
	case g.turn <- struct{}{}:
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	if g.draining.Load() {
		<-g.turn
		return nil, ErrDraining
	}
	return func() { <-g.turn }, nil
}

// fixed refuses changes of what loops are made with.
func (g *Gateway) fixed(from, to *Spec) error {
	var paths []string
	a, b := &from.Runtime, &to.Runtime
	for _, f := range []struct {
		path    string
		differs bool
	}{
		{"runtime.driver", a.Driver != b.Driver && b.Driver != Auto && b.Driver != g.machine.Name},
		{"runtime.pin", a.Pin != b.Pin},
		{"runtime.buffers", a.Buffers != b.Buffers},
		{"runtime.heads", a.Heads != b.Heads},
		{"runtime.stall", a.Stall != b.Stall},
		{"process", from.Process != to.Process},
		{"log", from.Log != to.Log && g.options.SetLog == nil},
	} {
		if f.differs {
			paths = append(paths, f.path)
		}
	}
	if len(paths) > 0 {
		return &RestartError{paths}
	}
	return nil
}

// transaction takes a gateway from one state to the next. Until publish, everything can be undone and nobody has noticed.
type transaction struct {
	g      *Gateway
	from   *state
	listen ListenFunc

	to     *plan
	parts  []*part
	fresh  []*part // among parts
	gone   []*part
	all    []*assembly
	oldLog *accesslog.Log
	checks *health.Set
	// standings are what the checks say of the clusters at the beginning.
	standings map[string]published
	admin     *admin.Server
	undoing   []func()
}

func (t *transaction) onFailure(f func()) { t.undoing = append(t.undoing, f) }

// prepare makes all that the new state needs. On failure nothing is left of it.
func (t *transaction) prepare(ctx context.Context, spec *Spec, source Source) (err error) {
	var before *plan
	if t.from != nil {
		before = t.from.plan
	}
	if t.to, err = t.g.newPlan(ctx, spec, source, before); err != nil {
		return err
	}
	t.onFailure(func() { t.to.closeSecure(before) })
	t.to.bounds = clientBounds(spec, t.g.limits(t.to.loops), t.to.loops, t.g.log)
	for _, step := range []func(context.Context) error{t.prepareHealth, t.openSockets, t.startLoops, t.openLog, t.assemble, t.startAdmin} {
		if err = step(ctx); err != nil {
			break
		}
	}
	if err != nil {
		for i := len(t.undoing) - 1; i >= 0; i-- {
			t.undoing[i]()
		}
	}
	return err
}

func (t *transaction) openSockets(ctx context.Context) error {
	var wanted []Wanted
	for _, name := range t.to.names {
		s := t.to.spec.Listeners[name]
		wanted = append(wanted, Wanted{ListenerKey: ListenerKey{name, s.Address}, Sockets: t.to.loops, Backlog: s.Backlog})
	}
	undo, err := t.g.sockets.open(ctx, wanted, t.listen)
	if err != nil {
		return err
	}
	t.onFailure(undo)
	return nil
}

// startLoops starts the loops that are missing, and says which are to go.
func (t *transaction) startLoops(context.Context) error {
	var had []*part
	if t.from != nil {
		had = t.from.parts
	}
	n := t.to.loops
	if t.gone = nil; len(had) > n {
		had, t.gone = had[:n], had[n:]
	}
	t.parts = append([]*part(nil), had...)
	taken := map[int]bool{}
	if t.from != nil {
		for _, p := range t.from.everyone() {
			taken[p.slot] = true
		}
	}
	for i := len(had); i < n; i++ {
		l, err := t.g.startLoop(t.to.spec, i)
		if err != nil {
			return err
		}
		t.onFailure(func() { t.g.stopLoop(l) })
		slot := 0
		for taken[slot] {
			slot++
		}
		taken[slot] = true
		var p *part
		if !l.On(func() { p = newPart(l, t.to.spec.Runtime.Heads, slot) }) {
			return fmt.Errorf("loop %d ended at its start", i)
		}
		t.parts, t.fresh = append(t.parts, p), append(t.fresh, p)
	}
	return nil
}

// openLog opens the access log anew if it changed, or has too few producers.
func (t *transaction) openLog(context.Context) (err error) {
	slots := 0
	for _, p := range t.parts {
		slots = max(slots, p.slot+1)
	}
	if t.from != nil {
		for _, p := range slices.Concat(t.gone, t.from.retired) {
			slots = max(slots, p.slot+1)
		}
		if old := t.from.plan; old.spec.AccessLog == t.to.spec.AccessLog && old.slots >= slots {
			t.to.access, t.to.slots = old.access, old.slots
			return nil
		}
		t.oldLog = t.from.plan.access
	}
	if t.to.access, err = accesslog.Open(t.to.spec.AccessLog.Spec, slots); err != nil {
		return err
	}
	t.to.slots = slots
	t.onFailure(func() { _ = t.to.access.Close() })
	return nil
}

func (t *transaction) assemble(context.Context) error {
	for i, p := range t.parts {
		var from *plan
		if t.from != nil && i < len(t.from.parts) {
			from = t.from.plan
		}
		a, err := t.g.assemble(p, i, len(t.parts), from, t.to)
		t.onFailure(func() { a.discard(t.g.machine) })
		if err != nil {
			return err
		}
		t.all = append(t.all, a)
	}
	return nil
}

// startAdmin starts an admin server where the address is another one.
func (t *transaction) startAdmin(ctx context.Context) (err error) {
	address := t.to.spec.Admin.Address
	if t.from != nil && t.from.plan.spec.Admin.Address == address {
		t.admin = t.from.admin
		return nil
	}
	if address == "" {
		return nil
	}
	if t.admin, err = t.g.startAdmin(ctx, t.to.spec, t.listen); err == nil {
		t.onFailure(func() { t.g.stopAdmin(t.admin) })
	}
	return err
}

// publish has every loop go over to what was prepared, and lets go of what is no longer needed. It cannot be undone; it fails
// only if a loop does not answer because it has ended, which loses what was on it.
func (t *transaction) publish() (*state, error) {
	g := t.g
	to := &state{plan: t.to, parts: t.parts, admin: t.admin, addrs: g.sockets.addresses(t.to), since: time.Now()}
	t.yield()
	done := make(chan error, len(t.all))
	for _, a := range t.all { // all at once, so that they change at nearly the same time
		go func() {
			if !a.part.loop.On(a.apply) {
				done <- fmt.Errorf("loop %d has ended", a.part.loop.ID())
				return
			}
			a.part.doors = a.doors
			done <- nil
		}()
	}
	var err error
	for range t.all {
		err = errors.Join(err, <-done)
	}
	g.change(to, t.gone...)
	g.standings.begin(t.standings)
	g.health.Adopt(t.checks)
	t.leave()
	if g.options.SetLog != nil && (t.from == nil || t.from.plan.spec.Log != t.to.spec.Log) {
		g.options.SetLog(t.to.spec.Log)
	}
	return to, err
}

// yield has loops give up the queues that others are to have.
func (t *transaction) yield() {
	var from []*part
	for _, p := range t.gone {
		p.loop.On(p.retire)
		from = append(from, p)
	}
	for _, a := range t.all {
		if a.yields() {
			a.part.loop.On(a.yield)
			from = append(from, a.part)
		}
	}
	quiesce(from)
}

// turns is how often a loop has to turn until what it cancelled has ended and what it closed then is closed, and one more.
const turns = 4

// quiesce waits until loops have done with what they gave up.
func quiesce(parts []*part) {
	for range turns {
		for _, p := range parts {
			p.loop.On(func() {})
		}
	}
}

// leave lets go of loops, listeners and sockets that are no more.
func (t *transaction) leave() {
	g := t.g
	for _, p := range t.gone {
		g.retirePart(p, t.to.access, t.oldLog != nil)
	}
	if t.from != nil {
		for _, p := range t.from.retired {
			if access := t.to.access.Producer(p.slot); t.oldLog != nil {
				p.loop.Post(func() { p.setAccess(access) })
			}
		}
	}
	for _, a := range t.all {
		if len(a.leaving) > 0 {
			g.retireHandlers(a.part, a.leaving, t.from.plan.spec.Runtime.DrainTimeout.Std())
		}
	}
	g.sweep(t.to)
	if t.from != nil {
		t.from.plan.closeSecure(t.to)
	}
	if t.oldLog != nil {
		g.retireLog(t.oldLog, t.all)
	}
	if t.from != nil && t.from.admin != nil && t.from.admin != t.admin {
		g.retire(func(context.Context) { g.stopAdmin(t.from.admin) })
	}
	if t.admin != nil {
		t.admin.SetAccess(t.to.spec.Admin.access())
	}
}

func (g *Gateway) startLoop(spec *Spec, id int) (*loop.Loop, error) {
	cfg := loop.DefaultConfig(id, g.machine.Driver)
	cfg.Pin, cfg.Blocking, cfg.Watchdog, cfg.Log = spec.Runtime.Pin, g.blocking, g.dog, g.log
	cfg.DriverSizes.RecvBlocks = spec.Runtime.Buffers
	return loop.Start(cfg)
}

// stopLoop ends a loop, with whatever is still on it.
func (g *Gateway) stopLoop(l *loop.Loop) {
	l.Stop(stopGrace)
	if err := l.Wait(); err != nil {
		g.log.Error("loop did not end well", "err", err)
	}
}

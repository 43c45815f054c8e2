package gateway

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"strings"
	"time"

	"github.com/ringway/ringway/config"
	"github.com/ringway/ringway/errs"
	"github.com/ringway/ringway/gateway/secure"
	"github.com/ringway/ringway/observe/applog"
	"github.com/ringway/ringway/process"
)

// ServiceOptions are what a Service needs beside what its master tells it.
type ServiceOptions struct {
	Version string // for the metrics
	OpenLog func(applog.Spec) Log
	Read    func() (Source, error) // the configuration file as it is now; nil: there is none
	Machine Machine
}

// Log is the program's log, which a reload may change.
type Log struct {
	*slog.Logger
	Set   func(applog.Spec)
	Close func()
}

// Service is a gateway as what a worker runs: its sockets are its master's, and its live connections go on in the worker after it.
type Service struct {
	o    ServiceOptions
	log  Log
	g    *Gateway
	fail func(error)
	// yielded is set once another worker serves by the same sockets.
	yielded bool
}

var _ process.Mover = (*Service)(nil)

// NewService makes a Service, for process.RunWorker.
func NewService(o ServiceOptions) *Service { return &Service{o: o} }

// Start begins to serve.
func (s *Service) Start(ctx context.Context, setup process.Setup) (process.Running, error) {
	spec, err := loadFor(setup)
	if err != nil {
		return process.Running{}, err
	}
	s.log, s.fail = s.o.OpenLog(spec.Log), setup.Fail
	s.g, err = Start(ctx, spec, Options{
		Log: s.log.Logger, Version: s.o.Version, Machine: s.o.Machine, Listen: listenBy(setup.Listen), SetLog: s.log.Set, Hooks: s.hooks(setup.Master),
		Source: Source{Name: setup.Config.Name, Text: setup.Config.Bytes}, Held: setup.Held,
	})
	if err != nil {
		s.log.Close()
		return process.Running{}, err
	}
	for _, name := range s.g.Listeners() {
		s.log.Info("listening", "listener", name, "address", s.g.Addr(name))
	}
	if a := s.g.AdminAddr(); a != "" {
		s.log.Info("admin", "address", a)
	}
	return s.running(s.g.Running()), nil
}

// loadFor reads the configuration that a worker starts with.
func loadFor(setup process.Setup) (spec *Spec, err error) {
	var bear config.Tolerance
	if setup.Generation > 1 { // it takes the place of a worker that served, and for which certificates were good that may have expired since
		bear = secure.Bearable
	}
	read := func() { spec, err = new(Spec).load(setup.Config.Name, setup.Config.Bytes, bear) }
	if setup.Held { // another worker serves meanwhile
		beside(setup.Config.Bytes, read)
	} else {
		read()
	}
	return spec, err
}

// Reload goes over to another configuration.
func (s *Service) Reload(ctx context.Context, c process.Change) (process.Outcome, error) {
	o, err := s.g.Reload(ctx, Change{Source: Source{Name: c.Config.Name, Text: c.Config.Bytes}, Preview: c.Preview, Listen: listenBy(c.Listen)})
	if err != nil {
		return process.Outcome{}, err
	}
	return process.Outcome{Running: s.running(o.Running), Diff: o.Diff()}, nil
}

// Reopen opens the access log anew.
func (s *Service) Reopen() error { return s.g.Reopen() }

// Status tells what runs.
func (s *Service) Status() any { return s.g.Status() }

// Drain lets what is there finish.
func (s *Service) Drain(ctx context.Context, last bool) error {
	defer s.log.Close()
	s.g.sockets.shared = !last
	if s.yielded { // who asks now is to be answered by the worker that serves
		s.g.stopAccepting()
	}
	err := s.g.Drain(ctx)
	if err == nil {
		s.log.Info("drained")
	}
	return err
}

// Export gives the other worker the keys of TLS sessions and what is known and said of endpoints, has it accept, and gives it what can
// go on there.
func (s *Service) Export(ctx context.Context, to process.Giver) (err error) {
	defer func() {
		if err != nil {
			s.g.keepWeights()
		}
	}()
	if err := errors.Join(s.g.giveTickets(ctx, to), s.g.giveHealth(ctx, to), s.g.giveWeights(ctx, to)); err != nil {
		return err
	}
	if to.Alike() {
		if err := to.Commit(ctx); err != nil { // of nothing: from here on the other accepts, too
			return err
		}
	}
	s.log.Info("handing over")
	err = s.g.Export(ctx, to)
	s.yielded = err == nil
	return err
}

// NonBlocking reports what the driver needs.
func (s *Service) NonBlocking() bool { return s.g.machine.NonBlocking }

// Resume accepts again.
func (s *Service) Resume() error {
	s.yielded = false
	return s.resume()
}

// resume accepts from sockets that another worker may have made what its driver needs.
func (s *Service) resume() error {
	if err := s.g.reclaimSockets(); err != nil {
		return err
	}
	return s.g.Resume()
}

// Import takes connections over.
func (s *Service) Import(all []process.Connection) []uint64 { return s.g.Import(all) }

// Commit begins to serve what was imported.
func (s *Service) Commit() {
	s.accept()
	s.g.Commit()
}

// Abort closes what was imported.
func (s *Service) Abort() {
	s.accept()
	s.g.Abort()
}

// accept ends the time in which another worker served; a worker that cannot is of no use.
func (s *Service) accept() {
	if err := s.resume(); err != nil && !errors.Is(err, ErrDraining) {
		s.fail(fmt.Errorf("cannot accept: %w", err))
	}
}

// running is what the master has to know: the admin server's socket is one of its own, too.
func (s *Service) running(r Running) process.Running {
	out := process.Running{DrainTimeout: r.DrainTimeout}
	for _, k := range r.Listeners {
		out.Listeners = append(out.Listeners, process.ListenerKey{Name: k.Name, Address: k.Address})
	}
	if a := s.g.current().plan.spec.Admin.Address; a != "" {
		out.Listeners = append(out.Listeners, process.ListenerKey{Name: adminSocket, Address: a})
	}
	return out
}

// listenBy is a worker's way to sockets in the form of a gateway's.
func listenBy(f process.ListenFunc) ListenFunc {
	return func(ctx context.Context, wanted []Wanted) ([]Socket, error) {
		var list []process.Wanted
		for _, w := range wanted {
			list = append(list, process.Wanted{ListenerKey: process.ListenerKey{Name: w.Name, Address: w.Address}, Sockets: w.Sockets, Backlog: w.Backlog, Mode: w.Mode})
		}
		got, err := f(ctx, list)
		if err != nil {
			return nil, inOurWords(err, wanted)
		}
		out := make([]Socket, 0, len(got))
		for _, k := range got {
			out = append(out, Socket{ListenerKey{k.Name, k.Address}, k.Bound, k.Index, k.Fd})
		}
		return out, nil
	}
}

// inOurWords says of an error of a listener what it would be if there were no master.
func inOurWords(err error, wanted []Wanted) error {
	refused, ok := errors.AsType[*process.ListenError](err)
	if !ok {
		return err
	}
	for _, w := range wanted {
		path, unix := strings.CutPrefix(w.Address, unixPrefix)
		switch {
		case w.Name != refused.Listener:
		case w.Name != adminSocket:
			return errs.Wrapf(refused.Err, "listeners.%s: listen on %s", w.Name, w.Address)
		case unix:
			return errs.Wrapf(refused.Err, "listen unix %s", path)
		default:
			return errs.Wrapf(refused.Err, "listen tcp %s", w.Address)
		}
	}
	return refused.Err
}

// readTimeout bounds what reading a file may take.
const readTimeout = 10 * time.Second

// readBy reads the configuration file. Where the worker's user may not, because the file is for the master's alone, the master does.
func (s *Service) readBy(master *process.Client) func() (Source, error) {
	if s.o.Read == nil {
		return nil
	}
	return func() (Source, error) {
		source, err := s.o.Read()
		if !errors.Is(err, fs.ErrPermission) {
			return source, err
		}
		ctx, cancel := context.WithTimeout(context.Background(), readTimeout)
		defer cancel()
		c, err := master.ReadConfig(ctx)
		return Source{Name: c.Name, Text: c.Bytes}, err
	}
}

// hooks have operators' requests carried out by way of the master: only it can end the process for good, and it has to know which
// configuration a worker after this one is to have.
func (s *Service) hooks(master *process.Client) Hooks {
	return Hooks{
		Read:    s.readBy(master),
		Upgrade: master.Upgrade,
		Master:  masterOf(master),
		Drain:   master.Drain,
		Reload: func(ctx context.Context, c Change) (Outcome, error) {
			c.Preview = true
			o, err := s.g.Reload(ctx, c)
			if err != nil {
				return o, err
			}
			r, err := master.Reload(ctx, process.ReloadRequest{Config: &process.Config{Name: c.Name, Bytes: c.Text}, IfHash: c.IfHash})
			o.Hash = r.Hash
			return o, err
		},
	}
}

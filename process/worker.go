package process

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"runtime/debug"
	"slices"
	"sync"
	"time"

	"github.com/ringway/ringway/process/link"
	"github.com/ringway/ringway/process/message"
	"github.com/ringway/ringway/sys"
)

// WorkerOptions are what a worker needs beside its Service.
type WorkerOptions struct {
	Product string // the program and its version
	Log     *slog.Logger
	// Name is what ps and top show; empty leaves it alone.
	Name string
}

// The states of a worker, as its Status has them.
const (
	stateStarting = "starting"
	stateReady    = "ready"
	stateYielding = "yielding"
	stateDraining = "draining"
)

// The reasons for which a worker refuses.
var (
	errNotAsked  = errors.New("this is not for this side to do")
	errState     = errors.New("not in this state")
	errNoMaster  = errors.New("the master is gone")
	errNotMover  = errors.New("this service keeps its connections")
	errSecond    = errors.New("the configuration was told already")
	errCancelled = errors.New("the worker was told to end")
)

// worker is this process, as the one that serves.
type worker struct {
	s         Service
	o         WorkerOptions
	log       *slog.Logger
	born      inherited
	control   *os.File // the socket to be adopted by; nil if the worker ends with its master
	crash     *os.File
	masterUID uint32

	// turn is held by whoever calls one of Service's methods that go one at a time. active ends, with a cause, when the
	// worker is to drain: what has the turn then gives it up. cut ends when it is to end at once.
	turn      chan struct{}
	active    context.Context
	stopTurn  context.CancelCauseFunc
	cut       context.Context
	stopDrain context.CancelFunc
	finished  chan error // gets the one reason to end
	drainOnce sync.Once

	mu       sync.Mutex
	link     *link.Link
	state    string
	config   Config
	told     bool // the configuration has come
	held     bool // another worker serves still
	running  Running
	sockets  heldSockets // copies for an adoption
	gone     bool        // the master is
	heard    os.Signal   // the last one that asks to end and came while there was a master
	heardAt  time.Time
	yielded  bool // a hand-over has ended, and the master has not said yet what follows
	yieldErr error
}

// RunWorker is the life of a worker: it takes what the master left, serves as it is told, and returns when all is done; the
// process is to end then, with an error's exit status if there is one. It may be called once, early: until then a crash
// leaves no stack with the master.
func RunWorker(s Service, o WorkerOptions) error {
	born, err := inherit()
	if err != nil {
		return err
	}
	w := newWorker(s, o, born)
	defer w.close()
	signals := make(chan os.Signal, 8)
	// The master says when to end. Signals to the whole group, from a terminal or a service manager, reach it as well.
	signal.Notify(signals, sys.SIGHUP, sys.SIGINT, sys.SIGTERM, sys.SIGQUIT, sys.SIGUSR1, sys.SIGUSR2)
	defer signal.Stop(signals)
	signal.Ignore(sys.SIGPIPE) // whoever read our log may be gone before us
	if err := w.connect(); err != nil {
		return err
	}
	for {
		select {
		case err := <-w.finished:
			return err
		case s := <-signals:
			w.signalled(s)
		}
	}
}

func newWorker(s Service, o WorkerOptions, born inherited) *worker {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	w := &worker{s: s, o: o, log: o.Log.With("worker", born.generation), born: born, state: stateStarting, held: born.held,
		turn: make(chan struct{}, 1), finished: make(chan error, 1)}
	w.active, w.stopTurn = context.WithCancelCause(context.Background())
	w.cut, w.stopDrain = context.WithCancel(context.Background())
	if born.crash >= 0 {
		w.crash = os.NewFile(uintptr(born.crash), "crash")
		if err := debug.SetCrashOutput(w.crash, debug.CrashOptions{}); err != nil {
			w.log.Warn("a crash will leave no stack", "err", err)
		}
	}
	if born.control >= 0 {
		w.control = os.NewFile(uintptr(born.control), "control")
	}
	if o.Name != "" {
		_ = sys.SetName(o.Name) // for people only
	}
	return w
}

func (w *worker) close() {
	w.stopTurn(errCancelled)
	w.stopDrain()
	if l := w.currentLink(); l != nil {
		l.Close()
	}
	for _, f := range []*os.File{w.control, w.crash} {
		if f != nil {
			f.Close()
		}
	}
	w.letGo()
}

func (w *worker) hello() *message.Hello {
	h := newHello(message.RoleWorker, w.o.Product, w.born.generation)
	if _, ok := w.s.(Mover); ok {
		h.Features |= message.FeatureConnections | message.FeatureResume
	}
	if w.control != nil {
		h.Features |= message.FeatureAdopt
	}
	return h
}

// connect greets the master.
func (w *worker) connect() error {
	conn, err := link.FromFile(os.NewFile(uintptr(w.born.link), "master"))
	if err != nil {
		return err
	}
	if who, err := sys.PeerCredentials(conn); err == nil {
		w.masterUID = who.UID
	}
	l, err := link.Connect(context.Background(), conn, w.hello(), link.Anyone, w.log)
	if err != nil {
		return fmt.Errorf("greet the master: %w", err)
	}
	w.serve(l)
	return nil
}

// serve makes l the link to the master.
func (w *worker) serve(l *link.Link) {
	w.mu.Lock()
	w.link = l
	w.mu.Unlock()
	l.Start(w.handler(l, nil))
	w.watch(l)
}

// watch notices when the master has gone.
func (w *worker) watch(l *link.Link) {
	go func() {
		<-l.Done()
		if err := l.Err(); !errors.Is(err, link.ErrClosed) { // by ourselves, at the end
			w.lost(err)
		}
	}()
}

func (w *worker) currentLink() *link.Link {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.link
}

func (w *worker) enter(state string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.state = state
}

func (w *worker) stateNow() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.state
}

// take waits for its turn with the Service, and fails if the worker is to end first.
func (w *worker) take() (release func(), err error) {
	select {
	case w.turn <- struct{}{}:
		release = func() { <-w.turn }
	case <-w.active.Done():
		return nil, errCancelled
	}
	if w.active.Err() != nil { // both were possible
		release()
		return nil, errCancelled
	}
	return release, nil
}

// handler acts on what comes over l, which has to be the link to the master, or to become it: then adopted is closed.
func (w *worker) handler(l *link.Link, adopted chan struct{}) link.Handler {
	return func(ctx context.Context, d *link.Delivery) link.Reply {
		switch d.Message.(type) {
		case *message.Status:
			return w.status()
		case *message.Adopt:
			return w.adopt(l, adopted)
		}
		if l != w.currentLink() {
			return link.Refuse(message.ReasonForbidden, errNotAsked)
		}
		switch m := d.Message.(type) {
		case *message.Config:
			return w.configure(*m)
		case *message.Reload:
			return w.reload(m)
		case *message.Reopen:
			if err := w.reopen(); err != nil {
				return link.Refuse(message.ReasonFailed, err)
			}
			return link.Reply{}
		case *message.Drain:
			w.drain("the master says so", m.Last)
			return link.Reply{}
		case *message.Stop:
			w.stopDrain()
			w.drain("the master says so, at once", false)
			return link.Reply{}
		case *message.HandOver:
			return w.handOver(m, d.Descriptors.Take(1)[0])
		case *message.Resume:
			return w.resume()
		}
		return link.Refuse(message.ReasonForbidden, errNotAsked)
	}
}

func (w *worker) status() link.Reply {
	w.mu.Lock()
	state := w.state
	w.mu.Unlock()
	m := &message.StatusAnswer{State: state}
	if state == stateStarting {
		return link.Reply{Message: m} // the Service has nothing to tell yet
	}
	var err error
	if m.JSON, err = json.Marshal(w.s.Status()); err != nil {
		return link.Refuse(message.ReasonFailed, err)
	}
	return link.Reply{Message: m}
}

// configure begins to serve. The master hears of the outcome by Ready or Failed.
func (w *worker) configure(c Config) link.Reply {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.told {
		return link.Refuse(message.ReasonState, errSecond)
	}
	w.told, w.config = true, c
	go w.start(c)
	return link.Reply{}
}

func (w *worker) start(c Config) {
	release, err := w.take()
	if err != nil {
		w.finish(nil) // told to end before it began
		return
	}
	setup := Setup{Config: c, Generation: w.born.generation, Held: w.born.held, Listen: w.listen, Master: &Client{link: w.currentLink}, Fail: w.fail}
	running, err := w.s.Start(w.active, setup)
	if err != nil {
		release()
		if w.active.Err() != nil {
			w.finish(nil) // it was told to end
			return
		}
		w.fail(err)
		return
	}
	w.mu.Lock()
	w.state, w.running = stateReady, running
	w.sockets.keep(running.Listeners)
	w.mu.Unlock()
	release()
	w.tell(&message.Ready{Listeners: running.Listeners, DrainTimeout: message.Milliseconds(running.DrainTimeout)})
}

// fail ends the worker because its Service cannot go on. Who started it hears of that from the master.
func (w *worker) fail(reason error) {
	if w.tell(&message.Failed{Text: reason.Error()}) {
		reason = &ReportedError{reason}
	}
	w.finish(reason)
}

// ReportedError is what RunWorker returns when the master knows, and says, why the worker ends.
type ReportedError struct{ Err error }

// Error is the reason.
func (e *ReportedError) Error() string { return e.Err.Error() }

// Unwrap is the reason.
func (e *ReportedError) Unwrap() error { return e.Err }

// tell sends the master a message, and reports whether it took it; a master that is gone is somebody else's concern.
func (w *worker) tell(m message.Message) bool {
	err := w.currentLink().Tell(context.Background(), m)
	if err != nil {
		w.log.Warn("the master did not take a message", "type", m.Type(), "err", err)
	}
	return err == nil
}

// finish ends RunWorker; the first reason counts.
func (w *worker) finish(err error) {
	select {
	case w.finished <- err:
	default:
	}
}

// listen asks the master for sockets.
func (w *worker) listen(ctx context.Context, wanted []Wanted) ([]Socket, error) {
	m, fds, err := link.Ask[*message.Listeners](ctx, w.currentLink(), &message.Listen{Wanted: wanted})
	if err != nil {
		return nil, refusedListen(err)
	}
	sockets := make([]Socket, 0, len(m.Sockets))
	for _, s := range m.Sockets {
		sockets = append(sockets, Socket{ListenerKey: s.ListenerKey, Bound: s.Bound, Index: s.Index, Fd: fds.Take(1)[0]})
	}
	if w.control == nil {
		return sockets, nil
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if err := w.sockets.add(sockets); err != nil {
		w.log.Warn("an adoption will lack sockets", "err", err)
	}
	return sockets, nil
}

func (w *worker) reload(m *message.Reload) link.Reply {
	if m.Config == nil {
		return link.Refuse(message.ReasonInvalid, errors.New("a worker reads no file"))
	}
	if w.stateNow() != stateReady {
		return link.Refuse(message.ReasonState, errState)
	}
	release, err := w.take()
	if err != nil {
		return link.Refuse(message.ReasonState, err)
	}
	defer release()
	w.mu.Lock()
	hash := w.config.Hash()
	w.mu.Unlock()
	if m.IfHash != "" && m.IfHash != hash {
		return link.Refuse(message.ReasonState, fmt.Errorf("the running configuration is %s", hash))
	}
	out, err := w.s.Reload(w.active, Change{Config: *m.Config, Preview: m.Preview, Listen: w.listen})
	w.mu.Lock()
	defer w.mu.Unlock()
	if err == nil && !m.Preview {
		w.config, w.running, hash = *m.Config, out.Running, m.Config.Hash()
	}
	w.sockets.keep(w.running.Listeners)
	if err != nil {
		return link.Refuse(message.ReasonInvalid, err)
	}
	return link.Reply{Message: &message.Reloaded{Hash: hash, Diff: out.Diff, Listeners: w.running.Listeners, DrainTimeout: message.Milliseconds(w.running.DrainTimeout)}}
}

// drain begins to end, once: whatever has the turn gives it up, then the Service drains. last: nobody else has its sockets.
func (w *worker) drain(why string, last bool) {
	w.drainOnce.Do(func() {
		w.log.Info("draining", "reason", why)
		w.stopTurn(errCancelled)
		go func() {
			w.turn <- struct{}{}
			started := w.stateNow() != stateStarting
			w.enter(stateDraining)
			w.letGo()
			if !started {
				w.finish(nil)
				return
			}
			if err := w.s.Drain(w.cut, last); err != nil {
				w.log.Warn("drained, but not cleanly", "err", err)
			}
			w.finish(nil)
		}()
	})
}

// letGo closes the copies of sockets that an adoption would have needed.
func (w *worker) letGo() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.sockets.keep(nil)
}

// signalled: without a master nobody else says when to end.
func (w *worker) signalled(s os.Signal) {
	if slices.Contains(signalsOf(endingSignals), s) {
		w.mu.Lock()
		w.heard, w.heardAt = s, time.Now() // first: the master may be lost before the next line
		w.mu.Unlock()
	}
	if w.currentLink().Err() == nil {
		return
	}
	switch s {
	case sys.SIGQUIT, sys.SIGTERM, sys.SIGINT:
		w.obey(s)
	case sys.SIGUSR1:
		if err := w.reopen(); err != nil {
			w.log.Error("cannot reopen", "err", err)
		}
	}
}

// obey ends as a signal says.
func (w *worker) obey(s os.Signal) {
	if s == sys.SIGQUIT {
		w.stopDrain()
	}
	w.drain(s.String(), true)
}

// heardFor is how long a signal to end counts that came while there was a master: who stops a service sends one to all its processes,
// and the master may have died of its own.
const heardFor = 5 * time.Second

// heardLately is the last signal to end that still counts; nil if there is none.
func (w *worker) heardLately() os.Signal {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.heard == nil || time.Since(w.heardAt) > heardFor {
		return nil
	}
	return w.heard
}

func (w *worker) reopen() error {
	if w.stateNow() == stateStarting {
		return nil // what is open, or about to be, is new
	}
	return w.s.Reopen()
}

package process

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"sync"
	"time"

	"github.com/ringway/ringway/process/lifecycle"
	"github.com/ringway/ringway/process/message"
	"github.com/ringway/ringway/process/systemd"
	"github.com/ringway/ringway/sys"
)

// MasterOptions are what a master is told by its command line.
type MasterOptions struct {
	Product string // the program and its version
	Log     *slog.Logger
	// Config reads the configuration. It is called at the start, for a reload and for an upgrade, and when a worker asks for it, then
	// on another goroutine. That it is valid is for the worker to say. Its Name is always the same, also beside an error: a
	// configuration that runs under another name was brought by a request, and stays over upgrades.
	Config func() (Config, error)
	// Executable is the program that an upgrade goes over to; empty for the path that this one was started from.
	Executable string
	// Args are the arguments of a worker; nil for this process's own. A worker sees by IsWorker what it is.
	Args []string
	// Privileges are what a worker may do.
	Privileges Privileges
	// PIDFile gets the master's number when the first worker is ready; empty for none. While it names another master that lives,
	// RunMaster fails with ErrRunning.
	PIDFile string
	// ControlPath is the Unix socket that command lines connect to (Dial); empty for none.
	ControlPath string
	// ControlOptional goes without the control socket where it cannot be had, with a warning, unless Survive needs it.
	ControlOptional bool
	// Survive lets a worker outlive its master and be adopted by the next one, by way of ControlPath. The worker then holds
	// the control socket as well, so a command line trusts it as it trusts the master.
	Survive bool
	// Signals is what SuccessorSignals has returned; nil to hear signals from RunMaster on only.
	Signals chan os.Signal
	// Limits of the life of workers: all of them, or the zero value for lifecycle.DefaultLimits.
	Limits lifecycle.Limits
	// ReloadTimeout is how long whoever asked for a reload waits at most; 0 for a minute.
	ReloadTimeout time.Duration
	// Open opens listening sockets; nil for OpenSockets.
	Open OpenFunc
	// Name is what ps and top show of the master; empty leaves it alone.
	Name string
}

// ErrRunning says that a master runs already on the same control socket, or with the same PID file.
var ErrRunning = errors.New("another master is running")

// master is this process, as the one that workers are started by. Its fields belong to the goroutine of run; others post.
type master struct {
	o        MasterOptions
	log      *slog.Logger
	inbox    chan func()
	signals  chan os.Signal
	ended    chan struct{} // closed when run has returned
	started  time.Time
	machine  *lifecycle.Machine
	children map[lifecycle.WorkerID]*child
	sockets  table
	inUse    []ListenerKey // of the configuration that was last confirmed
	config   Config        // the same
	image    *os.File      // the program that workers are started from
	tried    *os.File      // the program of the upgrade under way
	requests map[lifecycle.RequestID]*request
	lastID   lifecycle.RequestID
	crashes  []Crash
	// lastFailure is why the last reload or upgrade was not done.
	lastFailure string
	control     *controlSocket
	notifier    systemd.Notifier
	watchdog    time.Duration
	pid         pidFile
	becoming    *becoming
	telling     sync.WaitGroup // messages to workers that wait for their Ack
	exit        *lifecycle.Exit
}

// inboxSize bounds what others have posted and run has not seen yet; who posts more waits.
const inboxSize = 256

// The signals that a master acts on: those that end it, and the others.
var (
	endingSignals = []sys.Signal{sys.SIGINT, sys.SIGTERM, sys.SIGQUIT}
	otherSignals  = []sys.Signal{sys.SIGHUP, sys.SIGUSR1, sys.SIGUSR2}
)

// signalsOf are signals as os/signal takes them.
func signalsOf(all []sys.Signal) (out []os.Signal) {
	for _, s := range all {
		out = append(out, s)
	}
	return out
}

// RunMaster is the life of a master: it starts a worker, keeps one serving whatever happens, acts on signals, and returns
// when all has ended. It does not return from an upgrade that goes well: the process then is the new program, which calls
// RunMaster with the same options and goes on. It may be called once.
func RunMaster(o MasterOptions) error {
	m, err := newMaster(o)
	if err != nil {
		return err
	}
	listenToSignals(m.signals)
	defer signal.Stop(m.signals)
	signal.Ignore(sys.SIGPIPE) // whoever reads our log may go away
	defer m.close()
	if err := m.begin(); err != nil {
		return err
	}
	return m.run()
}

// SuccessorSignals hears signals from now on, for MasterOptions.Signals, if this process was another program up to now: whoever
// sends it one knows nothing of that, and it would end the master without a drain. So it is to be called before anything that takes
// time. It returns nil in any other process.
func SuccessorSignals() chan os.Signal {
	if os.Getenv(stateVariable) == "" {
		return nil
	}
	c := newSignals()
	listenToSignals(c)
	return c
}

// newSignals has room for signals that nobody acts on yet.
func newSignals() chan os.Signal { return make(chan os.Signal, 16) }

func listenToSignals(c chan os.Signal) {
	signal.Notify(c, signalsOf(endingSignals)...)
	signal.Notify(c, signalsOf(otherSignals)...)
}

func newMaster(o MasterOptions) (*master, error) {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Limits == (lifecycle.Limits{}) {
		o.Limits = lifecycle.DefaultLimits()
	}
	if o.ReloadTimeout == 0 {
		o.ReloadTimeout = time.Minute
	}
	if o.Open == nil {
		o.Open = OpenSockets
	}
	if o.Signals == nil {
		o.Signals = newSignals()
	}
	if o.Args == nil {
		o.Args = os.Args[1:]
	}
	if o.Survive && o.ControlPath == "" {
		return nil, errors.New("to survive its master a worker needs a control socket to be adopted by")
	}
	if o.Executable == "" {
		path, err := os.Executable()
		if err != nil {
			return nil, err
		}
		o.Executable = path
	}
	if o.Name != "" {
		_ = sys.SetName(o.Name) // for people only
	}
	m := &master{
		o: o, log: o.Log.With("master", os.Getpid()), inbox: make(chan func(), inboxSize), signals: o.Signals, ended: make(chan struct{}), started: time.Now(),
		machine: lifecycle.New(o.Limits), children: map[lifecycle.WorkerID]*child{}, sockets: table{open: o.Open},
		requests: map[lifecycle.RequestID]*request{}, notifier: systemd.NewNotifier(os.Getenv), watchdog: systemd.Watchdog(os.Getenv, os.Getpid()),
	}
	var err error
	m.image, err = openImage("/proc/self/exe")
	return m, err
}

// begin finds out how this master comes to be: out of the one before, in its place after it died, or as the first.
func (m *master) begin() error {
	if os.Getenv(stateVariable) != "" {
		return m.restore()
	}
	activated, err := systemd.Activated(os.Getenv, os.Getpid())
	for _, v := range []string{"LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES"} {
		_ = os.Unsetenv(v)
	}
	if err != nil {
		return err
	}
	m.sockets.activated = activated
	adopted, err := m.takeControl()
	if err != nil && m.o.ControlOptional && !m.o.Survive {
		m.log.Warn("no control socket: ringway upgrade reaches this gateway by its admin address and by SIGUSR2 only; set process.control", "path", m.o.ControlPath, "err", err)
		err = nil
	}
	if err != nil {
		return err
	}
	if err := m.preparePIDFile(); err != nil {
		return err
	}
	if adopted != nil {
		m.handle(*adopted)
	} else {
		m.handle(lifecycle.Begin{})
	}
	return nil
}

// run is the one goroutine that the state belongs to.
func (m *master) run() error {
	var alive <-chan time.Time
	if m.watchdog > 0 {
		t := time.NewTicker(m.watchdog / 2)
		defer t.Stop()
		alive = t.C
	}
	for m.exit == nil {
		select {
		case f := <-m.inbox:
			f()
		case s := <-m.signals:
			m.signalled(s)
		case <-alive:
			m.showAlive()
		}
	}
	if m.exit.Err != "" {
		return errors.New(m.exit.Err)
	}
	return nil
}

// post has f called by run. It reports whether run still goes.
func (m *master) post(f func()) bool {
	select {
	case m.inbox <- f:
		return true
	case <-m.ended:
		return false
	}
}

// event posts an event.
func (m *master) event(e lifecycle.Event) {
	m.post(func() { m.handle(e) })
}

// ask has f called by run and waits until it was.
func (m *master) ask(ctx context.Context, f func()) error {
	done := make(chan struct{})
	if !m.post(func() { f(); close(done) }) {
		return errEnding
	}
	select {
	case <-done:
		return nil
	case <-m.ended:
		return errEnding
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// errEnding refuses who comes too late.
var errEnding = errors.New("the master is about to end")

// handle gives an event to the machine and carries out what it says. While the master becomes another program events wait:
// either that fails and they follow, or its successor sees for itself.
func (m *master) handle(e lifecycle.Event) {
	if m.becoming != nil {
		m.becoming.wait(e)
		return
	}
	before := m.machine.Phase()
	for _, a := range m.machine.Handle(time.Now(), e) {
		m.log.Debug("action", "action", a.String())
		m.carryOut(a)
	}
	if after := m.machine.Phase(); after != before {
		m.log.Debug("phase", "from", before, "to", after)
	}
	m.confirm()
}

// confirm takes what the current worker runs for confirmed, and closes the sockets that nobody uses any more.
func (m *master) confirm() {
	if m.machine.Phase() == "running" || m.machine.Phase() == "reloading" {
		if c := m.children[m.machine.Current()]; c != nil {
			m.config, m.inUse = c.config, c.running.Listeners
		}
	}
	keys := append([]ListenerKey(nil), m.inUse...)
	for _, c := range m.children {
		keys = append(keys, c.running.Listeners...)
		keys = append(keys, c.wants...)
	}
	if m.exit != nil {
		return
	}
	for _, k := range m.sockets.keep(keys) {
		m.log.Info("closed a listener's sockets", "listener", k.Name, "address", k.Address)
	}
}

func (m *master) signalled(s os.Signal) {
	m.log.Info("signal", "signal", s.String())
	switch s {
	case sys.SIGHUP:
		m.handle(lifecycle.Reload{})
	case sys.SIGUSR2:
		m.handle(lifecycle.Upgrade{})
	case sys.SIGUSR1:
		m.handle(lifecycle.Reopen{})
	case sys.SIGTERM, sys.SIGINT:
		m.handle(lifecycle.Terminate{})
	case sys.SIGQUIT:
		m.handle(lifecycle.Quit{})
	}
}

// close lets go of everything, whether or not anything was begun.
func (m *master) close() {
	close(m.ended)
	if m.control != nil {
		m.control.close(m.exit != nil)
	}
	if m.exit != nil {
		m.sockets.close()
	}
	if m.exit != nil || !m.pid.written {
		m.pid.remove()
	}
	for _, c := range m.children {
		c.close()
	}
	for _, f := range []*os.File{m.image, m.tried} {
		if f != nil {
			f.Close()
		}
	}
}

// showAlive tells the service manager's watchdog that we live, if the worker that serves answers.
func (m *master) showAlive() {
	c := m.children[m.machine.Current()]
	if c == nil || c.link == nil || m.becoming != nil || m.machine.Phase() == "starting" || m.machine.Phase() == "restarting" {
		m.told(m.notifier.Alive())
		return
	}
	go func() {
		ctx, cancel := context.WithTimeout(context.Background(), m.watchdog/2)
		defer cancel()
		if _, err := c.link.Call(ctx, &message.Status{}); err != nil {
			m.log.Warn("the worker does not answer; the watchdog is not told that we live", "worker", c.id, "err", err)
			return
		}
		m.told(m.notifier.Alive())
	}()
}

func (m *master) told(err error) {
	if err != nil {
		m.log.Warn("service manager", "err", err)
	}
}

// openImage holds a program so that it can be started also after its file was replaced. Its number is out of the way of
// those that a child is given.
func openImage(path string) (*os.File, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	fd, err := sys.DupAbove(sys.FileDescriptor(f), imageFloor)
	if err != nil {
		return nil, fmt.Errorf("hold %s: %w", path, err)
	}
	return os.NewFile(uintptr(fd), path), nil
}

// imageFloor is the least number of a program's descriptor.
const imageFloor = 64

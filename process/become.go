package process

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strconv"
	"time"

	"github.com/ringway/ringway/process/lifecycle"
	"github.com/ringway/ringway/process/link"
	"github.com/ringway/ringway/process/message"
	"github.com/ringway/ringway/process/systemd"
	"github.com/ringway/ringway/sys"
)

// stateVersion is the version of the record by which a master goes on as another program. Fields may be added to a version;
// one that means something else is a new version. A worker tells which versions its program takes over.
const stateVersion = 1

// masterState is that record, as JSON in memory that has no name. Numbers of descriptors are those that are left open.
type masterState struct {
	Version     int
	Started     time.Time
	Executable  string
	PIDFile     string
	Machine     lifecycle.Snapshot
	Children    []childState
	Entries     []entryState
	Activated   []systemd.Socket
	Control     int // -1 for none
	Config      Config
	InUse       []ListenerKey
	Crashes     []Crash
	LastFailure string
	Signals     []int // that came in between
}

type childState struct {
	ID      lifecycle.WorkerID
	PID     int
	Pidfd   int
	Crash   int
	Socket  int // -1 if its link has ended
	Link    link.State
	Config  Config
	Running Running
	Started time.Time
}

type entryState struct {
	Key     ListenerKey
	Bound   string
	Fds     []int
	Foreign bool
}

// becoming is a master on its way to another program: its links are being detached, and events wait.
type becoming struct {
	waiting []lifecycle.Event
	ended   []*child
	signals []int                           // of those events that nobody waits for, for the successor
	files   map[lifecycle.WorkerID]*os.File // the sockets of detached links
	states  map[lifecycle.WorkerID]link.State
}

// wait keeps an event. What of it a successor would not see for itself, it is told as the signal that asks the same.
func (b *becoming) wait(e lifecycle.Event) {
	b.waiting = append(b.waiting, e)
	switch e := e.(type) {
	case lifecycle.Reload:
		if e.Request == 0 {
			b.signals = append(b.signals, int(sys.SIGHUP))
		}
	case lifecycle.Upgrade:
		if e.Request == 0 {
			b.signals = append(b.signals, int(sys.SIGUSR2))
		}
	case lifecycle.Reopen:
		b.signals = append(b.signals, int(sys.SIGUSR1))
	case lifecycle.Terminate:
		b.signals = append(b.signals, int(sys.SIGTERM))
	case lifecycle.Quit:
		b.signals = append(b.signals, int(sys.SIGQUIT))
	}
}

// detachTimeout is how long it may take until all links are between two messages.
const detachTimeout = 5 * time.Second

// become turns the master into the program of the last upgrade. First every message that has come is answered; what comes
// later waits in the sockets, and so do signals.
func (m *master) become() {
	c := m.children[m.machine.Current()]
	if h := c.link.Peer(); h.StateMin > stateVersion || h.StateMax < stateVersion {
		m.log.Warn("the new program cannot take this master over, which goes on; end and start it to replace it",
			"product", h.Product, "its_oldest", h.StateMin, "its_newest", h.StateMax, "ours", stateVersion)
		return
	}
	b := &becoming{files: map[lifecycle.WorkerID]*os.File{}, states: map[lifecycle.WorkerID]link.State{}}
	links := map[lifecycle.WorkerID]*link.Link{}
	for id, c := range m.children {
		if c.link != nil {
			links[id] = c.link
		}
	}
	var commands []*link.Link
	if m.control != nil {
		commands = m.control.all()
	}
	m.becoming = b
	current := m.machine.Current()
	go func() {
		m.telling.Wait() // what was said before has to arrive
		err := b.detach(links, commands, current)
		m.post(func() { m.finishBecoming(err) })
	}()
}

// detach stops all links between two messages. Only the current worker's has to be alive: others drain, and may end.
func (b *becoming) detach(links map[lifecycle.WorkerID]*link.Link, commands []*link.Link, current lifecycle.WorkerID) error {
	ctx, cancel := context.WithTimeout(context.Background(), detachTimeout)
	defer cancel()
	for _, l := range commands { // a command line asks again; it only has to get the answer that it waits for
		if _, f, err := l.Detach(ctx); err == nil {
			f.Close()
		}
	}
	for id, l := range links {
		state, file, err := l.Detach(ctx)
		switch {
		case err == nil:
			b.states[id], b.files[id] = state, file
		case id == current:
			return fmt.Errorf("worker %d: %w", id, err)
		}
	}
	return nil
}

// finishBecoming execs, and takes all up again where it was if that does not work.
func (m *master) finishBecoming(err error) {
	b := m.becoming
	if err == nil {
		restore := m.unlistenToSignals()
		err = m.exec(b)
		restore()
	}
	listenToSignals(m.signals)
	m.log.Error("the master stays the program that it is", "err", err)
	m.becoming = nil
	for id, f := range b.files {
		c := m.children[id]
		if c == nil { // it has ended in the meantime
			f.Close()
			continue
		}
		l, err := link.Attach(f, b.states[id], m.log)
		if err != nil {
			m.log.Error("a link is lost", "worker", id, "err", err)
			go m.linkLost(c, err)
			continue
		}
		c.link = l
		m.attach(c, l)
	}
	for _, e := range b.waiting {
		m.handle(e)
	}
	for _, c := range b.ended {
		m.processEnded(c)
	}
	m.handle(lifecycle.NotBecome{})
}

// unlistenToSignals is for the moment in which one program becomes the other and nobody can act on a signal. One that ends
// a process ends this one: workers then drain, which is what was asked for. Others are ignored, as they would end it too;
// what they asked for restore does unasked.
func (m *master) unlistenToSignals() (restore func()) {
	signal.Ignore(signalsOf(otherSignals)...) // first: without it and without us they have their default action
	restore = sys.DefaultAction(endingSignals...)
	signal.Stop(m.signals) // it waits for those that are on their way to us
	for {                  // those that came before
		select {
		case s := <-m.signals:
			m.signalled(s)
		default:
			return restore
		}
	}
}

// exec becomes the other program. It returns only if that failed.
func (m *master) exec(b *becoming) error {
	state, keep, err := m.state(b)
	if err != nil {
		return err
	}
	data, err := json.Marshal(state)
	if err != nil {
		return err
	}
	memory, err := sys.Memfd("ringway master")
	if err != nil {
		return err
	}
	defer memory.Close()
	if _, err := memory.Write(data); err != nil {
		return err
	}
	keep = append(keep, sys.FileDescriptor(memory))
	env := append(without(os.Environ(), stateVariable), stateVariable+"="+strconv.Itoa(sys.FileDescriptor(memory)))
	m.log.Info("becoming the new program")
	return execKeeping(keep, sys.FdPath(sys.FileDescriptor(m.image)), env)
}

// execKeeping becomes the program at path, which finds those descriptors open. If that fails, at whichever step, no other child will.
func execKeeping(keep []int, path string, env []string) error {
	defer func() {
		for _, fd := range keep {
			_ = sys.KeepOnExec(fd, false)
		}
	}()
	for _, fd := range keep {
		if err := sys.KeepOnExec(fd, true); err != nil {
			return err
		}
	}
	return sys.Exec(path, os.Args, env)
}

// state is the record, and the descriptors that have to stay open for it.
func (m *master) state(b *becoming) (s masterState, keep []int, err error) {
	s = masterState{Version: stateVersion, Started: m.started, Executable: m.o.Executable, PIDFile: m.pid.path, Machine: m.machine.Snapshot(),
		Activated: m.sockets.activated, Control: -1, Config: m.config, InUse: m.inUse, Crashes: m.crashes, LastFailure: m.lastFailure, Signals: b.signals}
	for id, c := range m.children {
		cs := childState{ID: id, PID: c.proc.PID(), Pidfd: c.proc.Fd(), Crash: sys.FileDescriptor(c.crash), Socket: -1,
			Link: b.states[id], Config: c.config, Running: c.running, Started: c.started}
		if f := b.files[id]; f != nil {
			cs.Socket = sys.FileDescriptor(f)
			keep = append(keep, cs.Socket)
		}
		s.Children = append(s.Children, cs)
		keep = append(keep, cs.Pidfd, cs.Crash)
	}
	for _, e := range m.sockets.entries {
		s.Entries = append(s.Entries, entryState{e.key, e.bound, e.fds, e.foreign})
		keep = append(keep, e.fds...)
	}
	for _, a := range m.sockets.activated {
		keep = append(keep, a.Fd)
	}
	if m.control != nil {
		s.Control = sys.FileDescriptor(m.control.file)
		keep = append(keep, s.Control)
	}
	return s, keep, nil
}

// errRecord says that a record is not what it should be.
var errRecord = errors.New("process: the record of the master before this one cannot be read")

// readState takes the record over, and forgets the variable.
func readState() (s masterState, err error) {
	fd, err := strconv.Atoi(os.Getenv(stateVariable))
	_ = os.Unsetenv(stateVariable)
	if err != nil || fd <= 2 || !sys.IsOpen(fd) {
		return s, errRecord
	}
	f := os.NewFile(uintptr(fd), "state")
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return s, errors.Join(errRecord, err)
	}
	data, err := io.ReadAll(io.NewSectionReader(f, 0, info.Size()))
	if err == nil {
		err = json.Unmarshal(data, &s)
	}
	if err != nil {
		return s, errors.Join(errRecord, err)
	}
	if s.Version != stateVersion {
		return s, fmt.Errorf("%w: version %d, and this program knows %d", errRecord, s.Version, stateVersion)
	}
	return s, nil
}

// restore goes on where the program before this one has stopped.
func (m *master) restore() error {
	s, err := readState()
	if err != nil {
		return err
	}
	m.started, m.config, m.inUse, m.crashes, m.lastFailure = s.Started, s.Config, s.InUse, s.Crashes, s.LastFailure
	m.o.Executable, m.pid = s.Executable, pidFile{path: s.PIDFile, written: s.PIDFile != ""}
	for _, e := range s.Entries {
		m.sockets.entries = append(m.sockets.entries, &entry{e.Key, e.Bound, closeOnExec(e.Fds), e.Foreign})
	}
	for _, a := range s.Activated {
		closeOnExec([]int{a.Fd})
		m.sockets.activated = append(m.sockets.activated, a)
	}
	if s.Control >= 0 {
		if err := m.serveControl(os.NewFile(uintptr(closeOnExec([]int{s.Control})[0]), "control")); err != nil {
			return err
		}
	}
	var actions []lifecycle.Action
	m.machine, actions = lifecycle.Restore(m.o.Limits, s.Machine, time.Now())
	for _, cs := range s.Children {
		m.restoreChild(cs)
	}
	for _, a := range actions {
		m.carryOut(a)
	}
	m.log.Info("this master is a new program", "product", m.o.Product, "worker", m.machine.Current())
	for _, n := range s.Signals {
		m.signalled(sys.Signal(n))
	}
	m.catchUp()
	return nil
}

// catchUp does what signals may have asked for in the moment in which nobody could hear them: logs are opened anew, which
// harms nobody, and a file that has changed is gone over to, if it is what runs. An upgrade would have been refused.
func (m *master) catchUp() {
	m.handle(lifecycle.Reopen{})
	if config, err := m.o.Config(); err == nil && m.fromFile(config) && config.Hash() != m.config.Hash() {
		m.handle(lifecycle.Reload{})
	}
}

func (m *master) restoreChild(cs childState) {
	closeOnExec([]int{cs.Pidfd, cs.Crash})
	c := &child{id: cs.ID, proc: sys.HoldProcess(cs.Pidfd, cs.PID), crash: os.NewFile(uintptr(cs.Crash), "crash"),
		config: cs.Config, running: cs.Running, started: cs.Started, gone: make(chan struct{})}
	m.children[c.id] = c
	m.watchProcess(c)
	if cs.Socket < 0 {
		return
	}
	closeOnExec([]int{cs.Socket})
	l, err := link.Attach(os.NewFile(uintptr(cs.Socket), "worker"), cs.Link, m.log)
	if err != nil {
		m.log.Error("a link is lost", "worker", c.id, "err", err)
		go m.linkLost(c, err)
		return
	}
	c.link = l
	m.attach(c, l)
}

// closeOnExec marks descriptors that came over an exec; one that is not open is noticed where it is used.
func closeOnExec(fds []int) []int {
	for _, fd := range fds {
		_ = sys.KeepOnExec(fd, false)
	}
	return fds
}

// restore adds a socket that another process brought.
func (t *table) restore(s message.Socket, fd int) {
	e := t.find(s.ListenerKey)
	if e == nil {
		e = &entry{key: place(s.ListenerKey), bound: s.Bound}
		t.entries = append(t.entries, e)
	}
	e.fds = append(e.fds, fd)
}

// duplicate copies descriptors, all or none.
func duplicate(fds []int) (copies []int, err error) {
	for _, fd := range fds {
		n, err := sys.Dup(fd)
		if err != nil {
			closeAll(copies)
			return nil, err
		}
		copies = append(copies, n)
	}
	return copies, nil
}

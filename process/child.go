package process

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"time"

	"github.com/ringway/ringway/process/lifecycle"
	"github.com/ringway/ringway/process/link"
	"github.com/ringway/ringway/process/message"
	"github.com/ringway/ringway/sys"
)

// child is a worker as its master has it. Fields belong to the master's goroutine.
type child struct {
	id      lifecycle.WorkerID
	proc    *sys.Process
	link    *link.Link // nil until it has said Hello
	crash   *os.File   // memory that takes its last words
	config  Config     // that it runs
	running Running
	wants   []ListenerKey // sockets that it was given and may not use yet
	started time.Time
	greeted chan struct{} // closed when it has said Hello, or what was wrong about it was reported
	giving  chan struct{} // closed when it has answered that it is to hand over, or cannot be told; nil if it never was
	gone    chan struct{} // closed when the process has ended
	exit    sys.Exit      // how
}

// endGrace is how long a process may take to end after its link has.
const endGrace = 2 * time.Second

func (c *child) close() {
	if c.link != nil {
		c.link.Close()
	}
	_ = c.proc.Close()
	_ = c.crash.Close()
}

// spawn starts a worker. What came of it, the machine hears.
func (m *master) spawn(a lifecycle.Spawn) {
	c, mine, err := m.start(a)
	if err != nil {
		m.log.Error("cannot start a worker", "worker", a.Worker, "err", err)
		go m.event(lifecycle.WorkerEnded{Worker: a.Worker, Reason: err.Error()})
		return
	}
	m.children[c.id] = c
	m.log.Info("started a worker", "worker", c.id, "pid", c.proc.PID())
	m.watchProcess(c)
	go m.greet(c, mine)
}

// start forks and execs. mine is the master's end of the link.
func (m *master) start(a lifecycle.Spawn) (c *child, mine *os.File, err error) {
	image, config, err := m.forSpawn(a)
	if err != nil {
		return nil, nil, err
	}
	privileges, err := m.o.Privileges.resolve()
	if err != nil {
		return nil, nil, err
	}
	mine, theirs, err := sys.SocketPair()
	if err != nil {
		return nil, nil, err
	}
	defer theirs.Close()
	crash, err := newCrashMemory()
	if err != nil {
		mine.Close()
		return nil, nil, err
	}
	born := inherited{link: 3, crash: 4, control: -1, generation: uint64(a.Worker), held: a.New}
	files := []*os.File{theirs, crash}
	if m.o.Survive && m.control != nil {
		born.control = 3 + len(files)
		files = append(files, m.control.file)
	}
	cmd := &exec.Cmd{
		Path: sys.FdPath(sys.FileDescriptor(image)), Args: append([]string{os.Args[0]}, m.o.Args...), ExtraFiles: files,
		Stdout: os.Stdout, Stderr: os.Stderr,
		Env: append(without(os.Environ(), workerVariable, stateVariable, "NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID"), workerVariable+"="+born.String()),
	}
	err = privileges.StartWith(cmd)
	var proc *sys.Process
	if err == nil {
		proc, err = sys.OpenProcess(cmd.Process.Pid) // a child that nobody has waited for: the number is certain
		if err != nil {
			_ = cmd.Process.Kill()
			_, _ = cmd.Process.Wait()
		} else {
			_ = cmd.Process.Release()
		}
	}
	if err != nil {
		mine.Close()
		crash.Close()
		return nil, nil, err
	}
	return &child{id: a.Worker, proc: proc, crash: crash, config: config, started: time.Now(), greeted: make(chan struct{}), gone: make(chan struct{})}, mine, nil
}

// forSpawn finds the program and the configuration to start a worker with.
func (m *master) forSpawn(a lifecycle.Spawn) (image *os.File, config Config, err error) {
	image, config = m.image, m.config
	if a.New {
		if m.tried, err = openImage(m.o.Executable); err != nil {
			return nil, config, err
		}
		image = m.tried
	}
	if !a.Fresh {
		return image, config, nil
	}
	file, err := m.o.Config()
	if a.New && !m.fromFile(file) {
		m.log.Warn("what runs was brought by a request: the new worker gets that, and not the file; a reload goes over to the file",
			"worker", a.Worker, "running", config.Hash(), "file", file.Name, "err", err)
		return image, config, nil
	}
	return image, file, err
}

// fromFile reports whether the configuration that runs is a state of that file. One that a request has brought has another name,
// and nobody has confirmed that the file is to replace it.
func (m *master) fromFile(file Config) bool { return m.config.Name == file.Name }

// watchProcess tells the machine when the process has ended.
func (m *master) watchProcess(c *child) {
	go func() {
		exit, err := c.proc.Wait()
		if errors.Is(err, os.ErrClosed) {
			return // this program gives it up
		}
		if err != nil {
			m.log.Error("cannot wait for a worker", "worker", c.id, "err", err)
		}
		if c.greeted != nil { // what was wrong about its greeting says more than its status
			select {
			case <-c.greeted:
			case <-time.After(endGrace):
			}
		}
		c.exit = exit
		m.post(func() { m.processEnded(c) })
	}()
}

// processEnded takes leave of a worker whose process has ended. While the master becomes another program that is its successor's.
func (m *master) processEnded(c *child) {
	if m.becoming != nil {
		m.becoming.ended = append(m.becoming.ended, c)
		return
	}
	c.proc.Reap()
	close(c.gone)
	m.log.Info("a worker has ended", "worker", c.id, "pid", c.proc.PID(), "status", c.exit.String())
	m.handle(lifecycle.WorkerEnded{Worker: c.id, Reason: c.exit.String(), Clean: c.exit.Known && c.exit.Code == 0 && c.exit.Signal == 0})
	m.forget(c)
}

// forget lets go of a worker that has ended and been recorded.
func (m *master) forget(c *child) {
	c.close()
	delete(m.children, c.id)
	m.confirm()
}

// greet meets a new worker and tells it its configuration.
func (m *master) greet(c *child, mine *os.File) {
	l := m.meet(c, mine)
	close(c.greeted)
	if l == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), m.o.Limits.Ready)
	defer cancel()
	var config Config
	if err := m.ask(ctx, func() { c.link, config = l, c.config }); err != nil {
		l.Close()
		return
	}
	m.attach(c, l)
	if err := l.Tell(ctx, &config); err != nil {
		m.linkLost(c, err)
	}
}

// meet is the handshake. A worker that is refused, or does not speak the protocol, is given up; one that is gone has its
// exit status to tell why.
func (m *master) meet(c *child, mine *os.File) *link.Link {
	conn, err := link.FromFile(mine)
	if err == nil {
		ctx, cancel := context.WithTimeout(context.Background(), m.o.Limits.Ready+tellTimeout) // the machine is to notice first
		defer cancel()
		var l *link.Link
		if l, err = link.Accept(ctx, conn, newHello(message.RoleMaster, m.o.Product, 0), m.permitWorker(c), m.log); err == nil {
			return l
		}
	}
	if !errors.Is(err, link.ErrPeerGone) {
		m.event(lifecycle.WorkerFailed{Worker: c.id, Reason: err.Error()})
	}
	return nil
}

// permitWorker is for the link that was made for one process: the kernel knows who made the socket, which is us, so what
// is left is that it says what it should be.
func (m *master) permitWorker(c *child) link.Permit {
	return func(_ sys.Credentials, h *message.Hello) error {
		if h.Role != message.RoleWorker || h.Generation != uint64(c.id) {
			return fmt.Errorf("it says that it is %v %d, and was to be worker %d", h.Role, h.Generation, c.id)
		}
		return nil
	}
}

// attach serves a worker's link.
func (m *master) attach(c *child, l *link.Link) {
	l.Start(m.workerHandler(c))
	m.watchLink(c, l)
}

func (m *master) watchLink(c *child, l *link.Link) {
	go func() {
		<-l.Done()
		if err := l.Err(); err != nil && !errors.Is(err, link.ErrDetached) {
			m.linkLost(c, err)
		}
	}()
}

// linkLost has a worker ended that cannot be spoken with. Most often it is about to end, and its status says more.
func (m *master) linkLost(c *child, err error) {
	select {
	case <-c.gone:
	case <-m.ended:
	case <-time.After(endGrace):
		m.event(lifecycle.WorkerWedged{Worker: c.id, Reason: "link: " + err.Error()})
	}
}

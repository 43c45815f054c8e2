package process

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"sync"
	"time"

	"github.com/ringway/ringway/process/lifecycle"
	"github.com/ringway/ringway/process/link"
	"github.com/ringway/ringway/process/message"
	"github.com/ringway/ringway/sys"
)

// maxControls bounds the command lines that are connected at a time.
const maxControls = 16

// controlSocket listens for command lines, and for masters that find this one alive. A worker that is to survive holds
// the same socket and listens when the master is gone.
type controlSocket struct {
	path     string
	file     *os.File // the socket; listener is a copy
	listener net.Listener
	mu       sync.Mutex
	links    map[*link.Link]bool
}

// takeControl takes the control socket: from a worker whose master died, which is adopted, or anew. It fails with
// ErrRunning if a master has it.
func (m *master) takeControl() (*lifecycle.Adopted, error) {
	path := m.o.ControlPath
	if path == "" {
		return nil, nil
	}
	adopted, err := m.adopt(path)
	if adopted != nil || err != nil {
		return adopted, err
	}
	if err := sys.RemoveSocket(path); err != nil {
		return nil, err
	}
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
	if err != nil {
		return nil, err
	}
	defer l.Close()
	l.SetUnlinkOnClose(false)
	if err := os.Chmod(path, 0o600); err != nil {
		return nil, err
	}
	f, err := l.File()
	if err != nil {
		return nil, err
	}
	return nil, m.serveControl(f)
}

// serveControl accepts on the control socket.
func (m *master) serveControl(f *os.File) error {
	l, err := net.FileListener(f)
	if err != nil {
		f.Close()
		return err
	}
	s := &controlSocket{path: m.o.ControlPath, file: f, listener: l, links: map[*link.Link]bool{}}
	m.control = s
	go func() {
		for {
			c, err := l.Accept()
			if errors.Is(err, net.ErrClosed) {
				return
			}
			if err != nil {
				m.log.Warn("control socket", "err", err)
				time.Sleep(100 * time.Millisecond) // out of descriptors, most likely
				continue
			}
			go m.serveCommand(s, c.(*net.UnixConn))
		}
	}()
	return nil
}

// serveCommand serves one connection.
func (m *master) serveCommand(s *controlSocket, c *net.UnixConn) {
	l, err := link.Accept(context.Background(), c, newHello(message.RoleMaster, m.o.Product, 0), permitUsers(), m.log)
	if err != nil {
		m.log.Warn("refused on the control socket", "err", err)
		return
	}
	s.mu.Lock()
	full := len(s.links) >= maxControls
	if !full {
		s.links[l] = true
	}
	s.mu.Unlock()
	if full {
		l.Close()
		return
	}
	l.Start(func(ctx context.Context, d *link.Delivery) link.Reply { return m.operate(ctx, d.Message) })
	<-l.Done() // its last answers may be on their way yet, if it is detached
	s.mu.Lock()
	delete(s.links, l)
	s.mu.Unlock()
}

// all are the links of command lines.
func (s *controlSocket) all() (links []*link.Link) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for l := range s.links {
		links = append(links, l)
	}
	return links
}

// close stops listening. remove takes the socket's file away as well: it is for a master that ends in order.
func (s *controlSocket) close(remove bool) {
	if remove {
		_ = sys.RemoveSocket(s.path)
	}
	s.listener.Close()
	s.file.Close()
	for _, l := range s.all() {
		l.Close()
	}
}

// adoptTimeout is how long it may take to adopt a worker; whoever connects to an orphan without a purpose has as long.
const adoptTimeout = 3 * time.Second

// adopt takes a worker over that has lost its master. Nil and no error says that there is none.
func (m *master) adopt(path string) (*lifecycle.Adopted, error) {
	ctx, cancel := context.WithTimeout(context.Background(), adoptTimeout)
	defer cancel()
	hello := newHello(message.RoleMaster, m.o.Product, 0)
	hello.Features |= message.FeatureAdopt
	l, who, err := dial(ctx, path, hello)
	if errors.Is(err, os.ErrNotExist) || sys.IsRefused(err) {
		return nil, nil // nobody listens
	}
	if err != nil && who.PID != os.Getpid() && sys.IsAlive(who.PID) {
		return nil, fmt.Errorf("%w: pid %d, at %s, and it does not answer: %w", ErrRunning, who.PID, path, err)
	}
	if err != nil {
		// Who made the socket is gone, and who holds it does not accept: a worker that drains.
		m.log.Warn("nobody to adopt", "path", path, "err", err)
		return nil, nil
	}
	c := &child{id: lifecycle.WorkerID(l.Peer().Generation), link: l, started: time.Now(), gone: make(chan struct{})}
	l.Start(m.workerHandler(c)) // what it asks waits until this master runs
	a, fds, err := link.Ask[*message.Adopted](ctx, l, &message.Adopt{})
	if err != nil {
		l.Close()
		if l.Peer().Role == message.RoleMaster {
			return nil, fmt.Errorf("%w: pid %d, at %s", ErrRunning, l.Peer().PID, path)
		}
		m.log.Warn("nobody to adopt", "path", path, "err", err)
		return nil, nil
	}
	return m.adopted(c, a, fds)
}

// adopted makes a worker ours, with all that it has brought.
func (m *master) adopted(c *child, a *message.Adopted, fds *link.Descriptors) (*lifecycle.Adopted, error) {
	first := fds.Take(message.AdoptedBefore)
	c.proc, c.crash = sys.HoldProcess(first[0], c.link.Peer().PID), os.NewFile(uintptr(first[2]), "crash")
	c.config, c.running = a.Config, Running{Listeners: a.Ready.Listeners, DrainTimeout: a.Ready.DrainTimeout.Duration()}
	for _, s := range a.Sockets {
		m.sockets.restore(s, fds.Take(1)[0])
	}
	m.children[c.id] = c
	m.config, m.inUse = c.config, c.running.Listeners
	m.watchProcess(c)
	m.watchLink(c, c.link)
	m.log.Info("adopted a worker", "worker", c.id, "pid", c.proc.PID())
	if err := m.serveControl(os.NewFile(uintptr(first[1]), "control")); err != nil {
		return nil, err
	}
	return &lifecycle.Adopted{Worker: c.id, DrainTimeout: c.running.DrainTimeout}, nil
}

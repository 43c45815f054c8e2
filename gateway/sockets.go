package gateway

import (
	"context"
	"log/slog"
	"net"
	"strings"

	"github.com/ringway/ringway/conn"
	"github.com/ringway/ringway/errs"
	"github.com/ringway/ringway/gateway/inbound"
	"github.com/ringway/ringway/sys"
)

// ListenerKey tells listeners apart: one whose address changed is another one.
type ListenerKey struct {
	Name    string
	Address string // as it is configured
}

// Wanted is a listener that needs sockets.
type Wanted struct {
	ListenerKey
	Sockets int // one for each loop
	Backlog int // of each accept queue
	Mode    int // of a Unix socket's file, for whoever binds it; 0: what the umask leaves
}

// Socket is one listening socket of a listener. Its descriptor belongs to who is given it.
type Socket struct {
	ListenerKey
	Bound string // the address that it got
	Index int    // among the listener's sockets, from 0
	Fd    int
}

// ListenFunc gives a gateway the sockets of listeners, all or none, when a process that holds them is to open them. A listener
// that is there already comes with the sockets that it has, and may have more than are wanted.
type ListenFunc func(ctx context.Context, wanted []Wanted) ([]Socket, error)

// sockets are the listening sockets that a gateway holds. Loops accept by copies, so that a queue outlives the loop that
// accepted from it: what waits in it is for the next one.
type sockets struct {
	machine Machine
	log     *slog.Logger
	foreign bool // another process opens them, and removes the files of Unix sockets
	shared  bool // another process goes on with them, and with what waits in their queues
	held    bool // another process accepts from them still, and they are as it needs them
	entries map[ListenerKey]*entry
	last    uint64 // id of the last socket
}

// entry is an address that is listened on.
type entry struct {
	key    ListenerKey // as place makes it
	owner  string      // the listener whose it was last
	bound  string
	unix   bool
	queues []queue
}

// queue is one socket with its own accept queue.
type queue struct {
	id uint64
	fd int
}

// place is what tells entries apart: a listener that only got another name keeps its sockets. Names matter where the port is
// chosen by the kernel.
func place(name, address string) ListenerKey {
	if !strings.HasSuffix(address, ":0") {
		name = ""
	}
	return ListenerKey{name, address}
}

func (s *sockets) find(name, address string) *entry { return s.entries[place(name, address)] }

// addresses are those that a plan's listeners got.
func (s *sockets) addresses(of *plan) map[string]string {
	out := map[string]string{}
	for _, name := range of.names {
		out[name] = s.find(name, of.spec.Listeners[name].Address).bound
	}
	return out
}

// open sees to it that every listener has the sockets that it wants. undo closes what was opened; on failure nothing has been.
func (s *sockets) open(ctx context.Context, wanted []Wanted, listen ListenFunc) (undo func(), err error) {
	var back []func()
	undo = func() {
		for i := len(back) - 1; i >= 0; i-- {
			back[i]()
		}
	}
	if listen != nil {
		s.foreign, s.shared = true, true
		err = s.receive(ctx, wanted, listen, &back)
	} else {
		for _, w := range wanted {
			if err = s.want(w, &back); err != nil {
				err = errs.Wrapf(err, "listeners.%s: listen on %s", w.Name, w.Address)
				break
			}
		}
	}
	if err != nil {
		undo()
		return nil, err
	}
	return undo, nil
}

// receive takes the sockets from who holds them.
func (s *sockets) receive(ctx context.Context, wanted []Wanted, listen ListenFunc, back *[]func()) error {
	all, err := listen(ctx, wanted)
	if err != nil {
		return err
	}
	had := map[ListenerKey]int{}
	for _, w := range wanted {
		if e := s.find(w.Name, w.Address); e != nil {
			had[e.key] = len(e.queues)
		}
	}
	for i, k := range all {
		key := place(k.Name, k.Address)
		if k.Index < had[key] { // a further copy of what is here
			_ = s.machine.Sockets.Close(k.Fd)
			continue
		}
		// All copies share the mode: a driver that had to wait in accept would stop its loop, and the other one spin.
		if err := s.own(k.Fd); err != nil {
			for _, rest := range all[i:] {
				_ = s.machine.Sockets.Close(rest.Fd)
			}
			return err
		}
		s.add(k.Name, k.Address, k.Bound, k.Fd, back)
	}
	return nil
}

// own makes a socket what the driver needs, unless another process accepts from it.
func (s *sockets) own(fd int) error {
	if s.held {
		return nil
	}
	return s.machine.Sockets.SetNonblock(fd, s.machine.NonBlocking)
}

// reclaimSockets makes all sockets what the driver needs, whatever another process has made them.
func (g *Gateway) reclaimSockets() error {
	release, err := g.take(context.Background())
	if err != nil {
		return err
	}
	defer release()
	g.sockets.held = false
	for _, e := range g.sockets.entries {
		for _, q := range e.queues {
			if err := g.sockets.own(q.fd); err != nil {
				return errs.Wrapf(err, "listen on %s", e.key.Address)
			}
		}
	}
	return nil
}

// add notes a socket.
func (s *sockets) add(name, address, bound string, fd int, back *[]func()) *entry {
	key := place(name, address)
	e := s.entries[key]
	if e == nil {
		e = &entry{key: key, owner: name, bound: bound, unix: strings.HasPrefix(address, unixPrefix)}
		s.entries[key] = e
		*back = append(*back, func() {
			delete(s.entries, key)
			s.removeFile(e)
		})
	}
	s.last++
	e.queues = append(e.queues, queue{s.last, fd})
	*back = append(*back, func() {
		e.queues = e.queues[:len(e.queues)-1]
		_ = s.machine.Sockets.Close(fd)
	})
	return e
}

const unixPrefix = "unix:"

// want opens what a listener lacks. TCP sockets share the address (SO_REUSEPORT), so that each has an accept queue of its own; a
// Unix socket has one queue, which loops share.
func (s *sockets) want(w Wanted, back *[]func()) error {
	e := s.find(w.Name, w.Address)
	path, unix := strings.CutPrefix(w.Address, unixPrefix)
	address, n := w.Address, w.Sockets
	switch {
	case e != nil:
		address, n = e.bound, n-len(e.queues)
	case unix:
		if err := removeStale(path); err != nil {
			return err
		}
	default:
		if err := s.alone(address); err != nil {
			return err
		}
	}
	if unix {
		n = 1
		if e != nil {
			return nil
		}
	}
	for range n {
		fd, bound, err := s.openOne(conn.ListenConfig{Address: address, Backlog: w.Backlog})
		if err != nil {
			return err
		}
		s.add(w.Name, w.Address, bound, fd, back)
		address = bound // the first decides the port where it is 0
	}
	return nil
}

// alone reports an address that another process listens on. Where that shares the port too, as another Ringway does, the
// kernel would let both in and give each a part of the connections. A port that this gateway has is its own to share.
func (s *sockets) alone(address string) error {
	sa, err := conn.ParseAddress(address)
	if err != nil {
		return err
	}
	fd, err := s.machine.Sockets.Listen(&sa, sys.ListenOptions{Backlog: 1})
	if sys.IsNoFamily(err) || err != nil && s.hasPort(address) {
		return nil // openOne knows what to do
	}
	if err != nil {
		return err
	}
	return s.machine.Sockets.Close(fd)
}

func (s *sockets) hasPort(address string) bool {
	_, port, err := net.SplitHostPort(address)
	for _, e := range s.entries {
		if _, ours, ownErr := net.SplitHostPort(e.bound); err == nil && ownErr == nil && ours == port {
			return true
		}
	}
	return false
}

func (s *sockets) openOne(cfg conn.ListenConfig) (int, string, error) {
	fd, addr, err := conn.OpenListener(s.machine.Sockets, cfg, s.machine.NonBlocking)
	if err != nil || !addr.IsValid() {
		return fd, cfg.Address, err
	}
	return fd, addr.String(), nil
}

// removeStale removes the file of a Unix socket that nobody listens on any more.
func removeStale(path string) error {
	inUse, err := sys.UnixInUse(path)
	if err != nil {
		return err
	}
	if inUse {
		return nil // the bind will say so
	}
	return sys.RemoveSocket(path)
}

// of are the queues that loop i of n accepts from. Each queue has a loop; where there are fewer than loops, they share.
func (e *entry) of(i, n int) (mine []queue) {
	if len(e.queues) < n {
		return []queue{e.queues[i%len(e.queues)]}
	}
	for j := i; j < len(e.queues); j += n {
		mine = append(mine, e.queues[j])
	}
	return mine
}

// copy gives a loop its own descriptor of a queue.
func (s *sockets) copy(e *entry, q queue) (inbound.Socket, error) {
	fd, err := s.machine.Sockets.Dup(q.fd)
	return inbound.Socket{ID: q.id, Fd: fd, Address: e.key.Address}, err
}

// close closes all sockets of an entry, after adopt got what waits in their queues. What comes between the last look and the
// close, or is in the middle of its handshake, the kernel resets: nobody listens there any more.
func (s *sockets) close(e *entry, adopt func(e *entry, fd int32)) {
	for _, q := range e.queues {
		if adopt != nil && s.machine.Sockets.SetNonblock(q.fd, true) == nil {
			for fd := s.accept(q); fd >= 0; fd = s.accept(q) {
				adopt(e, fd)
			}
		}
		_ = s.machine.Sockets.Close(q.fd)
	}
	delete(s.entries, e.key)
	s.removeFile(e)
}

func (s *sockets) accept(q queue) int32 {
	for {
		fd := s.machine.Sockets.Accept(int32(q.fd), s.machine.NonBlocking)
		if fd != -sys.ECONNABORTED {
			return fd
		}
	}
}

func (s *sockets) removeFile(e *entry) {
	path, unix := strings.CutPrefix(e.key.Address, unixPrefix)
	if !unix || s.foreign || strings.HasPrefix(path, "@") {
		return
	}
	if err := sys.RemoveSocket(path); err != nil {
		s.log.Warn("cannot remove a listener's socket", "path", path, "err", err)
	}
}

// closeAll closes everything.
func (s *sockets) closeAll(adopt func(e *entry, fd int32)) {
	for _, e := range s.entries {
		s.close(e, adopt)
	}
}

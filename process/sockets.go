package process

import (
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"

	"github.com/ringway/ringway/conn"
	"github.com/ringway/ringway/process/message"
	"github.com/ringway/ringway/process/systemd"
	"github.com/ringway/ringway/sys"
)

// OpenFunc opens the sockets of a listener in the master, which may be allowed to what its worker is not. have are those
// that there are already: the new ones share their address. It returns the new ones and the address that they got.
type OpenFunc func(w Wanted, have []int, bound string) (fds []int, at string, err error)

// maxSockets bounds the sockets of one listener.
const maxSockets = 4096

// maxMode are the permissions that the file of a Unix socket may have.
const maxMode = 0o777

// table are the listening sockets of a master. They stay open while any worker may use them.
type table struct {
	open      OpenFunc
	entries   []*entry
	activated []systemd.Socket // given to us by a service manager, and wanted by nobody yet
}

// entry is an address with its sockets.
type entry struct {
	key     ListenerKey // as place makes it
	bound   string
	fds     []int
	foreign bool // a service manager's: its file is not ours to remove
}

// place is what tells entries apart: a listener that only got another name keeps its sockets. Names matter where the port
// is chosen by the kernel.
func place(k ListenerKey) ListenerKey {
	if !strings.HasSuffix(k.Address, ":0") {
		k.Name = ""
	}
	return k
}

// ListenError is why a listener cannot have its sockets.
type ListenError struct {
	Listener string
	Err      error
}

// Error names the listener.
func (e *ListenError) Error() string { return fmt.Sprintf("listener %s: %v", e.Listener, e.Err) }

// Unwrap is the cause.
func (e *ListenError) Unwrap() error { return e.Err }

// refusal is how a worker is told.
func (e *ListenError) refusal() *message.Refusal {
	return &message.Refusal{Reason: message.ReasonFailed, Text: e.Err.Error(), Listener: e.Listener}
}

// refusedListen is what a worker was told, as a ListenError if it is about a listener.
func refusedListen(err error) error {
	if r, ok := errors.AsType[*message.Refusal](err); ok && r.Listener != "" {
		return &ListenError{r.Listener, errors.New(r.Text)}
	}
	return fmt.Errorf("listen: %w", err)
}

// get gives the sockets of the listeners that are wanted, and opens what is missing. On failure nothing has changed. The
// descriptors stay the table's.
func (t *table) get(wanted []Wanted) (sockets []message.Socket, fds []int, err error) {
	var undo []func()
	for _, w := range wanted {
		back, err := t.want(w)
		undo = append(undo, back)
		if err != nil {
			for _, back := range slices.Backward(undo) {
				back()
			}
			return nil, nil, &ListenError{w.Name, err}
		}
	}
	for _, w := range wanted {
		e := t.find(w.ListenerKey)
		for i, fd := range e.fds {
			sockets = append(sockets, message.Socket{ListenerKey: w.ListenerKey, Bound: e.bound, Index: i})
			fds = append(fds, fd)
		}
	}
	return sockets, fds, nil
}

func (t *table) find(key ListenerKey) *entry {
	for _, e := range t.entries {
		if e.key == place(key) {
			return e
		}
	}
	return nil
}

// want sees to it that a listener has its sockets. back takes that back.
func (t *table) want(w Wanted) (back func(), err error) {
	nothing := func() {}
	if w.Sockets < 1 || w.Sockets > maxSockets {
		return nothing, fmt.Errorf("%d sockets", w.Sockets)
	}
	if w.Mode&^maxMode != 0 {
		return nothing, fmt.Errorf("mode %#o", w.Mode)
	}
	e := t.find(w.ListenerKey)
	switch {
	case e != nil && e.foreign:
		// What a service manager opened is as many as it is: it decided how the address is shared, and with whom.
		return nothing, nil
	case e != nil && len(e.fds) >= w.Sockets:
		return e.permit(w.Mode)
	case e == nil && t.activate(w.ListenerKey):
		return nothing, nil
	case e == nil:
		e = &entry{key: place(w.ListenerKey)}
	}
	w.Sockets -= len(e.fds)
	had := len(e.fds)
	fds, bound, err := t.open(w, e.fds, e.bound)
	if err != nil {
		return nothing, err
	}
	if had == 0 {
		e.bound = bound
		t.entries = append(t.entries, e)
	}
	e.fds = append(e.fds, fds...)
	return func() {
		closeAll(fds)
		if e.fds = e.fds[:had]; had == 0 {
			t.entries = slices.DeleteFunc(t.entries, func(o *entry) bool { return o == e })
			e.removeFile()
		}
	}, nil
}

// permit has the file of a Unix socket that there is already be open to whom mode says. back takes that back.
func (e *entry) permit(mode int) (back func(), err error) {
	nothing := func() {}
	path := fileOf(e.key.Address)
	if path == "" || mode == 0 {
		return nothing, nil
	}
	was, err := sys.ChmodSocket(path, fs.FileMode(mode))
	switch {
	case errors.Is(err, fs.ErrNotExist): // somebody has removed it: there is nothing to protect
		return nothing, nil
	case err != nil:
		return nothing, err
	}
	return func() { _, _ = sys.ChmodSocket(path, was) }, nil
}

// fileOf is the path of a Unix socket's file; empty where there is none.
func fileOf(address string) string {
	path, unix := strings.CutPrefix(address, unixPrefix)
	if !unix || strings.HasPrefix(path, "@") {
		return ""
	}
	return path
}

// activate takes the sockets that a service manager opened for a listener: by its name, or by its address.
func (t *table) activate(key ListenerKey) bool {
	var e *entry
	t.activated = slices.DeleteFunc(t.activated, func(s systemd.Socket) bool {
		bound := boundAddress(s.Fd)
		if s.Name != key.Name && bound != key.Address {
			return false
		}
		if e == nil {
			e = &entry{key: place(key), bound: bound, foreign: true}
			t.entries = append(t.entries, e)
		}
		e.fds = append(e.fds, s.Fd)
		return true
	})
	return e != nil
}

func boundAddress(fd int) string {
	ap, err := sys.Getsockname(fd)
	if err != nil || !ap.IsValid() {
		return ""
	}
	return ap.String()
}

// keep closes the sockets of all listeners but those with these keys.
func (t *table) keep(keys []ListenerKey) (closed []ListenerKey) {
	t.entries = slices.DeleteFunc(t.entries, func(e *entry) bool {
		if slices.ContainsFunc(keys, func(k ListenerKey) bool { return place(k) == e.key }) {
			return false
		}
		closeAll(e.fds)
		e.removeFile()
		closed = append(closed, e.key)
		return true
	})
	return closed
}

// close closes everything. Files of Unix sockets go as well: nobody listens on them any more.
func (t *table) close() {
	t.keep(nil)
	for _, s := range t.activated {
		_ = sys.Close(s.Fd)
	}
	t.activated = nil
}

func closeAll(fds []int) {
	for _, fd := range fds {
		_ = sys.Close(fd)
	}
}

const unixPrefix = "unix:"

func (e *entry) removeFile() {
	if path, ok := strings.CutPrefix(e.key.Address, unixPrefix); ok && !e.foreign {
		_ = sys.RemoveSocket(path) // what is there and no socket is not ours
	}
}

// OpenSockets is the OpenFunc of a master that was given none. TCP and UDP sockets share their address by SO_REUSEPORT, so
// that each has a queue of its own; a Unix socket has one queue, which copies of its descriptor share, and a file whose mode is set
// as soon as it is there.
func OpenSockets(w Wanted, have []int, bound string) (fds []int, at string, err error) {
	at = bound
	path, unix := strings.CutPrefix(w.Address, unixPrefix)
	if len(have) == 0 {
		at = w.Address
		if err := free(w, path, unix); err != nil {
			return nil, "", err
		}
	}
	for range w.Sockets {
		var fd int
		switch {
		case unix && len(have)+len(fds) > 0:
			fd, err = sys.Dup(slices.Concat(have, fds)[0])
		case w.Datagram:
			fd, at, err = openDatagram(at)
		default:
			fd, at, err = openStream(at, w.Backlog)
		}
		if err != nil {
			closeAll(fds)
			return nil, "", err
		}
		fds = append(fds, fd)
	}
	if path := fileOf(w.Address); path != "" && w.Mode != 0 && len(have) == 0 {
		if _, err := sys.ChmodSocket(path, fs.FileMode(w.Mode)); err != nil {
			closeAll(fds)
			_ = sys.RemoveSocket(path)
			return nil, "", err
		}
	}
	return fds, at, nil
}

// free reports an address that somebody else listens on. Where that one shares its port too, as another gateway does, the
// kernel would let both in and give each a part of the connections.
func free(w Wanted, path string, unix bool) error {
	if unix {
		inUse, err := sys.UnixInUse(path)
		if err != nil || inUse {
			return err // the bind says that it is in use
		}
		return sys.RemoveSocket(path)
	}
	sa, err := conn.ParseAddress(w.Address)
	if err != nil {
		return err
	}
	listen := sys.Listen
	if w.Datagram {
		listen = sys.ListenDatagram
	}
	fd, err := listen(&sa, sys.ListenOptions{Backlog: 1})
	if sys.IsNoFamily(err) {
		return nil // the real one knows what to do
	}
	if err != nil {
		return err
	}
	return sys.Close(fd)
}

func openStream(address string, backlog int) (int, string, error) {
	fd, at, err := conn.OpenListener(sys.KernelSockets{}, conn.ListenConfig{Address: address, Backlog: backlog}, false)
	if err != nil || !at.IsValid() {
		return fd, address, err
	}
	return fd, at.String(), nil
}

// errDatagram says what cannot be had.
var errDatagram = errors.New("datagrams need an IP address")

func openDatagram(address string) (int, string, error) {
	sa, err := conn.ParseAddress(address)
	if err != nil {
		return -1, "", err
	}
	if sa.Family() == sys.AF_UNIX {
		return -1, "", errDatagram
	}
	fd, err := sys.ListenDatagram(&sa, sys.ListenOptions{ReusePort: true})
	if port, ok := strings.CutPrefix(address, ":"); ok && sys.IsNoFamily(err) { // this machine has no IPv6
		if sa, err = conn.ParseAddress("0.0.0.0:" + port); err == nil {
			fd, err = sys.ListenDatagram(&sa, sys.ListenOptions{ReusePort: true})
		}
	}
	if err != nil {
		return -1, "", err
	}
	return fd, boundAddress(fd), nil
}

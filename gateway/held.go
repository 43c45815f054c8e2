package gateway

import (
	"net"
	"sync"
)

// heldListener accepts nothing until it is opened: another worker serves from the same socket, and operators are to be answered by
// the one that does.
type heldListener struct {
	net.Listener
	opened, closed chan struct{}
	open, end      sync.Once
}

func newHeldListener(l net.Listener) *heldListener {
	return &heldListener{Listener: l, opened: make(chan struct{}), closed: make(chan struct{})}
}

// Open lets Accept begin.
func (l *heldListener) Open() { l.open.Do(func() { close(l.opened) }) }

// Accept waits until the listener is opened, and for a connection.
func (l *heldListener) Accept() (net.Conn, error) {
	select {
	case <-l.opened:
		return l.Listener.Accept()
	case <-l.closed:
		return nil, net.ErrClosed
	}
}

// Close ends Accept.
func (l *heldListener) Close() error {
	l.end.Do(func() { close(l.closed) })
	return l.Listener.Close()
}

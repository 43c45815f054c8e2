package process

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"

	"github.com/ringway/ringway/process/link"
	"github.com/ringway/ringway/process/message"
	"github.com/ringway/ringway/sys"
)

// handOver takes part in the hand-over at the other end of fd, on one side or the other.
func (w *worker) handOver(m *message.HandOver, fd int) link.Reply {
	f := os.NewFile(uintptr(fd), "handover")
	mover, ok := w.s.(Mover)
	if !ok {
		f.Close()
		return link.Refuse(message.ReasonState, errNotMover)
	}
	if m.Give {
		return w.give(f, mover)
	}
	if w.stateNow() != stateReady {
		f.Close()
		return link.Refuse(message.ReasonState, errState)
	}
	go func() {
		if err := take(w.active, f, serving{mover, w}, w.greeting(mover), w.log); err != nil {
			w.log.Warn("the hand-over failed", "err", err)
		}
	}()
	return link.Reply{}
}

// greeting is a worker's Hello to another one.
func (w *worker) greeting(m Mover) *message.Hello {
	h := w.hello()
	if m.NonBlocking() {
		h.Features |= message.FeatureNonBlocking
	} else {
		h.Features |= message.FeatureBlocking
	}
	return h
}

// give is the old worker's side. It answers when all that can be given is given; then the master says Drain, or Resume if
// whoever took it has died.
func (w *worker) give(f *os.File, mover Mover) link.Reply {
	release, err := w.take()
	if err != nil {
		f.Close()
		return link.Refuse(message.ReasonState, err)
	}
	if w.stateNow() != stateReady {
		release()
		f.Close()
		return link.Refuse(message.ReasonState, errState)
	}
	w.enter(stateYielding)
	err = give(w.active, f, mover, w.greeting(mover), w.log)
	release()
	w.mu.Lock()
	w.yielded, w.yieldErr = true, err
	w.mu.Unlock()
	w.lonely()
	if err != nil {
		return link.Refuse(message.ReasonFailed, fmt.Errorf("hand over: %w", err))
	}
	return link.Reply{}
}

func (w *worker) resume() link.Reply {
	if err := w.resumeService(); err != nil {
		return link.Refuse(message.ReasonFailed, err)
	}
	return link.Reply{}
}

func (w *worker) resumeService() error {
	mover, ok := w.s.(Mover)
	if !ok {
		return nil // it never stopped
	}
	release, err := w.take()
	if err != nil {
		return err
	}
	defer release()
	if s := w.stateNow(); s != stateYielding && s != stateReady {
		return errState
	}
	if err := mover.Resume(); err != nil {
		return err
	}
	w.mu.Lock()
	w.state, w.yielded, w.held = stateReady, false, false
	w.mu.Unlock()
	return nil
}

// serving is a Mover that tells its worker when it serves.
type serving struct {
	Mover
	w *worker
}

func (s serving) Commit() {
	s.w.release()
	s.Mover.Commit()
}

func (s serving) Abort() {
	s.w.release()
	s.Mover.Abort()
}

// release: whoever served before has begun to hand over, or is gone.
func (w *worker) release() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.held = false
}

// lost: the master is gone. A worker that serves, and is to outlive it, waits for another one, unless it has heard that all is to end;
// any other drains.
func (w *worker) lost(err error) {
	w.mu.Lock()
	w.gone = true
	state, held := w.state, w.held
	w.mu.Unlock()
	signal := w.heardLately()
	switch {
	case held: // the one that serves goes on
		w.drain(fmt.Sprintf("no master, and another worker serves: %v", err), false)
	case state == stateDraining:
	case state == stateYielding:
		w.lonely()
	case signal != nil:
		w.obey(signal)
	case state == stateReady && w.control != nil:
		w.orphaned(err)
	default:
		w.drain(fmt.Sprintf("no master: %v", err), true)
	}
}

// lonely ends a hand-over whose master has died, once both have happened: if it succeeded the other worker serves, else
// this one does.
func (w *worker) lonely() {
	w.mu.Lock()
	both, err := w.gone && w.yielded, w.yieldErr
	if both {
		w.yielded = false
	}
	w.mu.Unlock()
	switch {
	case !both:
	case err == nil:
		w.drain("no master, and another worker serves", false)
	default:
		if err := w.resumeService(); err != nil {
			w.drain(fmt.Sprintf("no master, and cannot resume: %v", err), true)
			return
		}
		w.lost(errNoMaster)
	}
}

// orphaned waits on the control socket for a new master, until one has adopted the worker or it is to end.
func (w *worker) orphaned(err error) {
	w.log.Warn("the master is gone; waiting to be adopted", "err", err)
	control, err := net.FileListener(w.control)
	if err != nil {
		w.drain(fmt.Sprintf("no master, and none can come: %v", err), true)
		return
	}
	stop := context.AfterFunc(w.active, func() { control.Close() })
	go func() {
		defer control.Close() // a copy: the socket stays
		defer stop()
		for {
			c, err := control.Accept()
			if err != nil {
				if w.active.Err() == nil {
					w.drain(fmt.Sprintf("no master, and none can come: %v", err), true)
				}
				return
			}
			if w.greet(c.(*net.UnixConn)) {
				return
			}
		}
	}()
}

// greet speaks with whoever has connected, and reports whether it has become the master.
func (w *worker) greet(c *net.UnixConn) bool {
	ctx, cancel := context.WithTimeout(w.active, adoptTimeout)
	defer cancel()
	l, err := link.Accept(ctx, c, w.hello(), permitUsers(w.masterUID), w.log)
	if err != nil {
		w.log.Warn("refused on the control socket", "err", err)
		return false
	}
	adopted := make(chan struct{})
	l.Start(w.handler(l, adopted))
	select {
	case <-adopted:
		return true
	case <-l.Done():
	case <-ctx.Done():
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.link == l { // it was adopted at the last moment
		return true
	}
	l.Close()
	return false
}

// adopt gives the sender all that a master has.
func (w *worker) adopt(l *link.Link, adopted chan struct{}) link.Reply {
	w.mu.Lock()
	defer w.mu.Unlock()
	if adopted == nil || !w.gone || w.state != stateReady || w.crash == nil {
		return link.Refuse(message.ReasonState, errors.New("this worker has a master, or is about to end"))
	}
	self, err := sys.OpenProcess(os.Getpid())
	if err != nil {
		return link.Refuse(message.ReasonFailed, err)
	}
	m := &message.Adopted{Config: w.config, Ready: message.Ready{Listeners: w.running.Listeners, DrainTimeout: message.Milliseconds(w.running.DrainTimeout)}}
	fds := []int{self.Fd(), sys.FileDescriptor(w.control), sys.FileDescriptor(w.crash)}
	for _, s := range w.sockets.all {
		m.Sockets = append(m.Sockets, message.Socket{ListenerKey: s.ListenerKey, Bound: s.Bound, Index: s.Index})
		fds = append(fds, s.Fd)
	}
	return link.Reply{Message: m, Descriptors: fds, Sent: func(err error) {
		self.Close()
		w.mu.Lock()
		defer w.mu.Unlock()
		if err != nil || !w.gone || l.Err() != nil {
			return // it has gone again, or asked twice
		}
		w.link, w.gone = l, false
		close(adopted)
		w.log.Info("adopted", "pid", l.Peer().PID)
		w.watch(l)
	}}
}

// heldSockets are copies of a worker's listening sockets, for a master that comes after its own.
type heldSockets struct{ all []Socket }

// add copies those that are not held yet.
func (h *heldSockets) add(sockets []Socket) error {
	for _, s := range sockets {
		if h.has(s) {
			continue
		}
		fd, err := sys.Dup(s.Fd)
		if err != nil {
			return err
		}
		s.Fd = fd
		h.all = append(h.all, s)
	}
	return nil
}

func (h *heldSockets) has(s Socket) bool {
	for _, o := range h.all {
		if o.ListenerKey == s.ListenerKey && o.Index == s.Index {
			return true
		}
	}
	return false
}

// keep closes the sockets of all other listeners.
func (h *heldSockets) keep(keys []ListenerKey) {
	var kept []Socket
next:
	for _, s := range h.all {
		for _, k := range keys {
			if s.ListenerKey == k {
				kept = append(kept, s)
				continue next
			}
		}
		_ = sys.Close(s.Fd)
	}
	h.all = kept
}

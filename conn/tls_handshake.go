package conn

import (
	"errors"
	"net"
	"os"

	"github.com/ringway/ringway/loop"
)

// ErrNoSlot says that the time for a handshake was over before it had one of the slots.
var ErrNoSlot = errors.New("too many handshakes are at work")

// handshake is what a connection has more while its handshake goes on.
type handshake struct {
	slots *loop.Semaphore // nil: it needs none
	holds bool            // one of them
}

// Handshake runs the handshake in the task that calls it, until the deadlines for reading and writing. No other task may
// use the connection meanwhile, but Close and Abort end it. After a failure the alert is on its way, and the connection is
// to be closed.
func (t *TLS) Handshake() error { return t.HandshakeWithin(nil) }

// HandshakeWithin is Handshake with one of slots while it is at work, and without while it waits for the peer, so that one that is silent
// takes none from others. The wait for a slot is bounded by the task's Timeouts: ErrNoSlot says that one ended it.
func (t *TLS) HandshakeWithin(slots *loop.Semaphore) error {
	err := t.shakeHands(&handshake{slots: slots})
	if t.closed {
		t.release()
		return net.ErrClosed
	}
	if flushed := t.handOver(); err == nil {
		err = flushed
	}
	if t.up = err == nil; t.up {
		t.lends = insideTLS.known && insideTLS.settle(t.tc)
	}
	return err
}

func (t *TLS) shakeHands(h *handshake) error {
	t.shake = h
	defer func() {
		h.leave()
		t.shake = nil
	}()
	if err := t.takeTurn(); err != nil || t.closed {
		return err
	}
	return t.tc.Handshake()
}

// leave gives the slot back.
func (h *handshake) leave() {
	if h.holds {
		h.holds = false
		h.slots.Release(1)
	}
}

// takeTurn waits until the handshake may go on to what costs much.
func (t *TLS) takeTurn() error {
	h, task := t.shake, t.c.n.Loop.Current()
	if h.slots != nil && !h.holds {
		if err := h.slots.Acquire(task, 1); errors.Is(err, os.ErrDeadlineExceeded) {
			return ErrNoSlot
		} else if err != nil {
			return err
		}
		h.holds = true
	}
	return t.c.n.handshakes.Await(task)
}

// awaitPeer returns when there are bytes of the peer that the handshake may go on with. While it waits it has no slot.
func (t *TLS) awaitPeer() error {
	h := t.shake
	if len(t.out) > 0 || len(t.c.Buffered()) == 0 {
		h.leave()
		if err := t.handOver(); err != nil {
			return err
		}
		if _, err := t.c.ReadBuf(); err != nil {
			return err
		}
		if err := t.takeTurn(); err != nil {
			return err
		}
	}
	_, err := t.c.ReadBuf() // it may have been closed meanwhile
	return err
}

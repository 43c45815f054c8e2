package conn

import (
	"errors"
	"net"
	"os"

	"github.com/ringway/ringway/loop"
)

// tlsFlight is the most that a client may send in one flight of its handshake, headers included. A ClientHello with keys for everything
// takes a few KiB, and so does a certificate with those of its authorities. They are parsed on the loop, for which nothing of
// crypto/tls can be had elsewhere, and that would take a chain of 256 KiB, which holds a loop for 10 to 35 ms.
const tlsFlight = 32 << 10

// tlsTicket is how much more its first flight may have: the ticket of a session holds the chain of certificates, too.
const tlsTicket = 8 << 10

var (
	// ErrTLSFlight says that a client had more to say at once in its handshake than is read.
	ErrTLSFlight = errors.New("the client's flight in the handshake is longer than 32 KiB")
	// ErrNoSlot says that the time for a handshake was over before it had one of the slots.
	ErrNoSlot = errors.New("too many handshakes are at work")
)

// handshake is what a connection has more while its handshake goes on.
type handshake struct {
	slots  *loop.Semaphore // nil: it needs none
	holds  bool            // one of them
	flight int             // bytes that were taken of the peer's flight; it begins below nought where more are free
}

// Handshake runs the handshake in the task that calls it, until the deadlines for reading and writing. No other task may
// use the connection meanwhile, but Close and Abort end it. After a failure the alert is on its way, and the connection is
// to be closed.
func (t *TLS) Handshake() error { return t.HandshakeWithin(nil) }

// HandshakeWithin is Handshake with one of slots while it is at work, and without while it waits for the peer, so that one that is silent
// takes none from others. The wait for a slot is bounded by the task's Timeouts: ErrNoSlot says that one ended it.
func (t *TLS) HandshakeWithin(slots *loop.Semaphore) error {
	err := t.shakeHands(&handshake{slots: slots, flight: -tlsTicket})
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
	if len(t.out) > 0 {
		h.flight = 0 // what comes now is the answer
	}
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
	if !t.client && h.flight == tlsFlight {
		return ErrTLSFlight
	}
	_, err := t.c.ReadBuf() // it may have been closed meanwhile
	return err
}

// bounded is what of p may be filled with the peer's flight.
func (t *TLS) bounded(p []byte) []byte {
	if t.client {
		return p
	}
	return p[:min(len(p), tlsFlight-t.shake.flight)]
}

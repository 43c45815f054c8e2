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

// tlsRecords is the most records that a client may cut a flight into: each that comes by itself has a turn of the loop, however short
// it is.
const tlsRecords = 64

// tlsTicket is how much more its first flight may have: the ticket of a session holds the chain of certificates, too.
const tlsTicket = 8 << 10

var (
	// ErrTLSFlight says that a client had more to say at once in its handshake than is read.
	ErrTLSFlight = errors.New("the client's flight in the handshake is longer than 32 KiB, or cut into more than 64 records")
	// ErrNoSlot says that the time for a handshake was over before it had one of the slots.
	ErrNoSlot = errors.New("too many handshakes are at work")
)

// handshake is what a connection has more while its handshake goes on.
type handshake struct {
	slots    *loop.Semaphore // nil: it needs none
	holds    bool            // one of them
	answered bool            // a flight of ours has gone out
	due      bool            // it is to take a turn before the next whole record
	flight   int             // bytes that were taken of the peer's flight; it begins below nought where more are free
	records  int             // of the peer's flight that turns were taken for
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
	if !t.client {
		h.due = true // as soon as the ClientHello is there
	} else if err := t.takeTurn(); err != nil || t.closed {
		return err
	}
	return t.tc.Handshake()
}

// acquire takes a slot. One whose client has had an answer goes before those that begin: else a burst would have all of them begun, and
// none of them ended in its time.
func (h *handshake) acquire(t *loop.Task) error {
	if h.answered {
		return h.slots.AcquireFirst(t, 1)
	}
	return h.slots.Acquire(t, 1)
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
		if err := h.acquire(task); errors.Is(err, os.ErrDeadlineExceeded) {
			return ErrNoSlot
		} else if err != nil {
			return err
		}
		h.holds = true
	}
	if t.client {
		return t.c.n.outgoingHandshakes.Await(task)
	}
	return t.c.n.handshakes.Await(task)
}

// awaitPeer returns when there are bytes of the peer that the handshake may go on with. While it waits it has no slot, nor does it take one
// for a part of a record, which crypto/tls only keeps: peers that send a byte at a time would take the turns of others.
func (t *TLS) awaitPeer() error {
	h := t.shake
	if len(t.out) > 0 {
		h.answered, h.flight, h.records = true, 0, 0 // what comes now is another flight
	}
	if len(t.out) > 0 || len(t.c.Buffered()) == 0 {
		h.leave()
		if err := t.handOver(); err != nil {
			return err
		}
		if _, err := t.c.ReadBuf(); err != nil {
			return err
		}
		h.due = true
	}
	if h.due && t.whole() {
		h.due = false
		if h.records++; h.records > tlsRecords && !t.client {
			return ErrTLSFlight
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

// whole reports whether what has been received ends the record that it belongs to.
func (t *TLS) whole() bool {
	p := t.c.Buffered()
	if t.record > 0 {
		return len(p) >= t.record
	}
	var h [tlsHeader]byte
	copy(h[copy(h[:], t.header[:t.have]):], p)
	return t.have+len(p) >= tlsHeader+int(h[3])<<8+int(h[4])
}

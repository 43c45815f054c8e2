package loop

import (
	"errors"

	"github.com/ringway/ringway/lockfree"
)

// ErrMailboxFull says that as many values wait in a Mailbox as it takes.
var ErrMailboxFull = errors.New("mailbox is full")

// DefaultMailboxLimit is the bound of a Mailbox whose maker names none.
const DefaultMailboxLimit = lockfree.DefaultInboxLimit

// Mailbox carries values from any threads to a loop, many at a time: however many are sent until the loop gets to them,
// that is one message to it and at most one wake-up. It allocates nothing while fewer than some thousand sends wait.
// Sent in batches of 64, values pass at 10 to 30 ns each (30 to 90 M/s); one by one at 120 to 170, which a Go channel
// does in 35: so batch. Where it is enough to run a function now and then, Post is simpler.
//
// Values of one sender come in the order in which they were sent. Those that SendN took come together.
//
// Memory order. What a sender wrote before it sent a value may be read by the handler that gets it (lockfree.Inbox).
// The send that finds the mailbox empty, and exactly one does between two deliveries, posts to the loop; those that
// find it filled come before that delivery's take, or find it empty again.
type Mailbox[T any] struct {
	l      *Loop
	in     *lockfree.Inbox[T]
	handle func(vs []T)
	letter letter // in the loop's list at most once: between a send that found nothing and its delivery
}

// NewMailbox makes a mailbox of the loop that it is called on, for limit values at a time, DefaultMailboxLimit if that
// is nought. handle runs on the loop, outside any task: it must not wait, and it does not keep vs, which is emptied
// when it returns. What it sends to the same mailbox comes in the next turn. The mailbox lives as long as the loop.
func NewMailbox[T any](l *Loop, limit int, handle func(vs []T)) *Mailbox[T] {
	l.assertOnLoop()
	m := &Mailbox[T]{l: l, in: lockfree.NewInbox[T](limit), handle: handle}
	m.letter.Value = func() { m.in.ReceiveSlices(m.handle) }
	l.AtClose(func() { m.in.CloseSlices(m.handle) })
	return m
}

// Send sends one value, from any thread, and never waits. Without an error it promises that handle gets the value;
// ErrMailboxFull says that there is no room now, ErrStopped that the loop takes nothing any more.
func (m *Mailbox[T]) Send(v T) error {
	wasEmpty, ok := m.in.Send(v)
	if !ok {
		return m.refusal()
	}
	if wasEmpty {
		m.tell()
	}
	return nil
}

// SendN sends as many of vs as there is room for, in order, and returns how many. It keeps no hold of vs. The error
// says, as that of Send, why it was not all.
func (m *Mailbox[T]) SendN(vs []T) (sent int, err error) {
	sent, wasEmpty := m.in.SendN(vs)
	if wasEmpty {
		m.tell()
	}
	if sent < len(vs) {
		err = m.refusal()
	}
	return sent, err
}

// Len is about how many values wait.
func (m *Mailbox[T]) Len() int { return m.in.Len() }

func (m *Mailbox[T]) refusal() error {
	if m.in.Closed() {
		return ErrStopped
	}
	return ErrMailboxFull
}

// tell has the loop deliver. When it takes no letters any more, what is in the mailbox was delivered as it closed.
func (m *Mailbox[T]) tell() { m.l.send(&m.letter) }

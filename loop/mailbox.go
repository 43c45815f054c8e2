package loop

import (
	"runtime"
	"sync/atomic"
)

// mailbox is a list that any thread pushes to and the loop takes whole: one compare-and-swap a message, one swap for
// all of them.
type mailbox struct {
	head atomic.Pointer[letter]
	_    [56]byte
	// asleep says that the loop is about to wait or waits: then a push must wake it.
	asleep atomic.Bool
	slept  bool // of the loop: it has set asleep
	// waking counts the threads that may be inside Driver.Wake, so that the driver is not closed under them.
	waking atomic.Int32
}

type letter struct {
	next *letter
	f    func()
}

// sealed stands at the head of a mailbox that takes nothing any more.
var sealed = new(letter)

// push adds f; false says that the mailbox is sealed.
func (m *mailbox) push(f func()) bool {
	n := &letter{f: f}
	for {
		h := m.head.Load()
		if h == sealed {
			return false
		}
		n.next = h
		if m.head.CompareAndSwap(h, n) {
			return true
		}
	}
}

// beginWake reports whether the loop must be woken by the caller, who then calls endWake.
func (m *mailbox) beginWake() bool {
	if !m.asleep.Load() {
		return false
	}
	m.waking.Add(1) // before the flag is taken: who sees it taken by a waker sees the waker too
	if m.asleep.CompareAndSwap(true, false) {
		return true
	}
	m.waking.Add(-1)
	return false
}

// fallAsleep and wokenUp are the loop's: between the two a push wakes it. What is stored already is not stored again,
// since a tick that does not wait would pay for it.
func (m *mailbox) fallAsleep() {
	m.slept = true
	m.asleep.Store(true)
}

func (m *mailbox) wokenUp() {
	if m.slept {
		m.slept = false
		m.asleep.Store(false)
	}
}

func (m *mailbox) endWake() { m.waking.Add(-1) }

// awaitWakers returns when no thread is inside Driver.Wake and none can get there: asleep must be false for good.
func (m *mailbox) awaitWakers() {
	for m.waking.Load() > 0 {
		runtime.Gosched()
	}
}

func (m *mailbox) empty() bool {
	h := m.head.Load()
	return h == nil || h == sealed
}

// take gives every message in the order of the pushes. The mailbox must not be sealed.
func (m *mailbox) take() *letter { return inOrder(m.head.Swap(nil)) }

// seal gives what take would, and lets nothing in afterwards.
func (m *mailbox) seal() *letter {
	n := m.head.Swap(sealed)
	if n == sealed {
		return nil
	}
	return inOrder(n)
}

func inOrder(n *letter) *letter {
	var first *letter
	for n != nil {
		next := n.next
		n.next = first
		first, n = n, next
	}
	return first
}

// Post runs f on the loop, outside any task: f must not wait. It may be called from any goroutine and never blocks.
// True promises that f runs; after the loop has ended Post does nothing and returns false.
func (l *Loop) Post(f func()) bool {
	if !l.box.push(f) {
		return false
	}
	if l.box.beginWake() {
		l.driver.Wake()
		l.box.endWake()
	}
	return true
}

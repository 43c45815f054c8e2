package loop

import "sync/atomic"

// mailbox is a list that any thread pushes to and the loop takes whole: one compare-and-swap a message, one swap for
// all of them.
type mailbox struct {
	head atomic.Pointer[letter]
	_    [56]byte
	// asleep says that the loop is about to wait or waits: then a push must wake it.
	asleep atomic.Bool
}

type letter struct {
	next *letter
	f    func()
}

// push adds f and reports whether the loop must be woken.
func (m *mailbox) push(f func()) bool {
	n := &letter{f: f}
	for {
		h := m.head.Load()
		n.next = h
		if m.head.CompareAndSwap(h, n) {
			break
		}
	}
	return m.asleep.Load() && m.asleep.CompareAndSwap(true, false)
}

func (m *mailbox) empty() bool { return m.head.Load() == nil }

// take gives every message in the order of the pushes.
func (m *mailbox) take() *letter {
	var first *letter
	for n := m.head.Swap(nil); n != nil; {
		next := n.next
		n.next = first
		first, n = n, next
	}
	return first
}

// Post runs f on the loop, outside any task: f must not wait. It may be called from any goroutine, never blocks, and
// after the loop has ended does nothing and returns false.
func (l *Loop) Post(f func()) bool {
	if l.ended.Load() {
		return false
	}
	if l.box.push(f) {
		l.driver.Wake()
	}
	return true
}

package loop

import (
	"runtime"
	"sync/atomic"

	"github.com/ringway/ringway/lockfree"
)

// letter is a function that is to run on the loop: 16 bytes, the sender's to allocate. A pool of them was slower, 95 instead of
// 71 ns a Post, and had the loop pay for giving them back; who sends much takes a Mailbox, which allocates nothing.
type letter = lockfree.Node[func()]

// mailbox is how other threads reach a loop: they push letters to a list that the loop takes whole, once a turn.
//
// Memory order. What a thread wrote before it pushed a letter is seen by the loop that takes it: lockfree.MPSC says why. The
// loop sets asleep and then looks whether the list is empty; a thread pushes and then looks at asleep: so either the loop
// sees the letter and does not sleep, or the thread sees the flag and wakes it.
type mailbox struct {
	list lockfree.MPSC[func()]
	// asleep says that the loop is about to wait or waits: then a push must wake it.
	asleep atomic.Bool
	slept  bool // of the loop: it has set asleep
	// waking counts the threads that may be inside Driver.Wake, so that the driver is not closed under them.
	waking atomic.Int32
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

// Post runs f on the loop, outside any task: f must not wait. It may be called from any goroutine and never blocks.
// True promises that f runs; after the loop has ended Post does nothing and returns false.
func (l *Loop) Post(f func()) bool {
	return l.send(&letter{Value: f})
}

// send puts n into the loop's list, wakes the loop if it sleeps, and reports whether the loop takes letters still.
func (l *Loop) send(n *letter) bool {
	if _, ok := l.box.list.TryPush(n); !ok {
		return false
	}
	if l.box.beginWake() {
		l.driver.Wake()
		l.box.endWake()
	}
	return true
}

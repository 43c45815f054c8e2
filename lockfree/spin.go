package lockfree

import (
	"runtime"
	"sync/atomic"
)

// The bounds of spinning, in rounds. A round is a look at the lock and a pause that doubles up to maxPause.
const (
	maxPause   = 16
	yieldAfter = 4
	parkAfter  = 8
)

// SpinHot is a lock whose waiters look at it until it is free and do nothing else. The zero value is unlocked.
//
// Memory order, of all three: Unlock's atomic store (or swap) of "free" is seen by the compare-and-swap that takes the
// lock next, so what one holder did happens before what the next does. Waiters only load until the lock looks free: a
// compare-and-swap in a loop would take the line from the holder again and again.
type SpinHot struct {
	_    pad
	held atomic.Uint32
	_    pad
}

// TryLock takes the lock if it is free.
func (l *SpinHot) TryLock() bool { return l.held.CompareAndSwap(0, 1) }

// Lock takes the lock.
func (l *SpinHot) Lock() {
	for wait := uint32(1); !l.TryLock(); {
		for l.held.Load() != 0 {
			pause(wait)
			wait = min(2*wait, maxPause)
		}
	}
}

// Unlock frees the lock, which the caller holds.
func (l *SpinHot) Unlock() { unlock(&l.held) }

func unlock(held *atomic.Uint32) {
	if held.Load() == 0 {
		panic("lockfree: unlock of an unlocked lock")
	}
	held.Store(0)
}

// SpinYield is a lock whose waiters, after a few looks, let other goroutines run between looks. The zero value is
// unlocked.
type SpinYield struct {
	_    pad
	held atomic.Uint32
	_    pad
}

// TryLock takes the lock if it is free.
func (l *SpinYield) TryLock() bool { return l.held.CompareAndSwap(0, 1) }

// Lock takes the lock.
func (l *SpinYield) Lock() {
	for round, wait := 0, uint32(1); !l.TryLock(); {
		for l.held.Load() != 0 {
			if round++; round > yieldAfter {
				runtime.Gosched()
			} else {
				pause(wait)
				wait = min(2*wait, maxPause)
			}
		}
	}
}

// Unlock frees the lock, which the caller holds.
func (l *SpinYield) Unlock() { unlock(&l.held) }

// The states of a SpinPark.
const (
	parkFree      = iota
	parkHeld      // nobody sleeps
	parkContended // somebody may sleep
)

// SpinPark is a lock whose waiters, after a few looks, sleep until it is freed. Make it with NewSpinPark.
//
// A waiter marks the lock contended before it sleeps, and keeps it so when it gets it, since it cannot know whether it
// was the last. Who frees a contended lock leaves a wake-up, of which one is enough: whoever takes it either gets the
// lock and frees it as contended, or marks it again for the one that has it.
type SpinPark struct {
	_     pad
	state atomic.Uint32
	wake  chan struct{} // holds one wake-up
	_     pad
}

// NewSpinPark makes an unlocked lock.
func NewSpinPark() *SpinPark { return &SpinPark{wake: make(chan struct{}, 1)} }

// TryLock takes the lock if it is free.
func (l *SpinPark) TryLock() bool { return l.state.CompareAndSwap(parkFree, parkHeld) }

// Lock takes the lock.
func (l *SpinPark) Lock() {
	for round, wait := 0, uint32(1); round < parkAfter; round++ {
		if l.state.Load() == parkFree && l.TryLock() {
			return
		}
		pause(wait)
		wait = min(2*wait, maxPause)
	}
	for l.state.Swap(parkContended) != parkFree {
		<-l.wake
	}
}

// Unlock frees the lock, which the caller holds.
func (l *SpinPark) Unlock() {
	switch l.state.Swap(parkFree) {
	case parkFree:
		panic("lockfree: unlock of an unlocked lock")
	case parkContended:
		select {
		case l.wake <- struct{}{}:
		default: // one is there already
		}
	}
}

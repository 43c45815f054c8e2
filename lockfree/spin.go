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

// Which one to use. BenchmarkLock, with sync.Mutex as 1, in one run on two shared virtual processors; hold is how long
// the lock is held, and between two holds passes four times as much. Where nobody contends, all are alike.
//
//	GOMAXPROCS  goroutines  hold       hot  yield   park
//	1           2           5 ns       3.7    0.7    0.7
//	1           2           0.5 µs      12    1.2    1.0
//	1           2           50 µs       31    1.0    1.1
//	1           16          5 ns       129    1.3    1.4
//	1           16          0.5 µs    1354    1.6    1.0
//	1           16          50 µs      259    1.0    1.0
//	2           2           5 ns       1.6    1.2    1.0
//	2           2           0.5 µs     1.1    1.2    1.0
//	2           2           50 µs      1.3    1.4    1.0
//	2           16          5 ns       1.2    1.1    0.7
//	2           16          0.5 µs     0.9    1.0    1.0
//	2           16          50 µs      590    1.2    0.8
//	4           2           5 ns       1.3    2.0    1.0
//	4           2           0.5 µs     1.0    1.7    1.0
//	4           2           50 µs      1.3    2.2    1.7
//	4           16          5 ns       460    2.1    1.0
//	4           16          0.5 µs    1300    1.5    1.1
//	4           16          50 µs      551    2.1    1.0
//
// So none beats sync.Mutex by what would matter, and a hot waiter that has the processor the holder needs wastes whole
// time slices: three orders of magnitude.
//
//   - SpinHot: only where the contenders are threads with a processor each (pinned loops, fewer than GOMAXPROCS and than
//     processors), the hold is a few instructions, and a wait must not reach the scheduler.
//   - SpinYield: where the hold is as short and the contenders may be more than the processors: it degrades little, but
//     it never sleeps, so it burns what it waits.
//   - SpinPark: anywhere a lock may be held for long; it is no better than sync.Mutex, which is fair besides, so take
//     sync.Mutex unless the bound of the spin matters.
//   - On a loop: none of them across anything that can take long, and none held by a goroutine that is not on a thread
//     of its own: the runtime may take its processor away while it holds the lock.

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

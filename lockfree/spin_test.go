package lockfree_test

import (
	"runtime"
	"sync"
	"testing"
	"time"

	"github.com/ringway/ringway/lockfree"
)

type tryLocker interface {
	sync.Locker
	TryLock() bool
}

func locks() map[string]func() tryLocker {
	return map[string]func() tryLocker{
		"hot":   func() tryLocker { return new(lockfree.SpinHot) },
		"yield": func() tryLocker { return new(lockfree.SpinYield) },
		"park":  func() tryLocker { return lockfree.NewSpinPark() },
	}
}

func TestSpinLocks(t *testing.T) {
	for name, make := range locks() {
		t.Run(name, func(t *testing.T) {
			l := make()
			l.Lock()
			if l.TryLock() {
				t.Fatal("locked twice")
			}
			l.Unlock()
			if !l.TryLock() {
				t.Fatal("a free lock was refused")
			}
			l.Unlock()
			mustPanic(t, "an unlock too many", l.Unlock)
		})
	}
}

// TestSpinLockWaits looks that a waiter gets the lock from a holder that keeps it for long.
func TestSpinLockWaits(t *testing.T) {
	for name, make := range locks() {
		t.Run(name, func(t *testing.T) {
			l, held := make(), 0
			var done sync.WaitGroup
			for range 4 {
				done.Go(func() {
					l.Lock()
					defer l.Unlock()
					held++
					time.Sleep(2 * time.Millisecond)
				})
			}
			done.Wait()
			if held != 4 {
				t.Errorf("%d of 4 held the lock", held)
			}
		})
	}
}

func TestSpinLockStress(t *testing.T) {
	for name, make := range locks() {
		t.Run(name, func(t *testing.T) {
			const threads = 4
			l, count := make(), 0
			each := stressed(t) / threads / 4
			var done sync.WaitGroup
			for i := range threads {
				done.Go(func() {
					for n := range each {
						if (n+i)%5 == 0 {
							for !l.TryLock() {
								runtime.Gosched()
							}
						} else {
							l.Lock()
						}
						count++
						l.Unlock()
					}
				})
			}
			done.Wait()
			if count != threads*each {
				t.Errorf("counted %d of %d", count, threads*each)
			}
		})
	}
}

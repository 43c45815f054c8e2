package loop_test

import (
	"os"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/ringway/ringway/loop"
)

// The thread of Background's work gives way, and neither the threads that start meanwhile nor those that work on afterwards do.
func TestBackground(t *testing.T) {
	usual := nice(t)
	for range 3 {
		loop.Background(func() {
			if n := nice(t); n != min(usual+10, 19) {
				t.Errorf("work in the background has a nice value of %d, and %d is usual", n, usual)
			}
			onManyThreads(t, usual)
		})
	}
	onManyThreads(t, usual)
}

// onManyThreads has more goroutines hold a thread than there can be threads at rest.
func onManyThreads(t *testing.T, usual int) {
	t.Helper()
	var all sync.WaitGroup
	hold := make(chan struct{})
	for range 16 {
		all.Add(1)
		go func() {
			runtime.LockOSThread() // which ends with it
			if n := nice(t); n != usual {
				t.Errorf("another thread has a nice value of %d, and %d is usual", n, usual)
			}
			all.Done()
			<-hold
		}()
	}
	all.Wait()
	close(hold)
}

// nice is the value of the calling thread, as proc(5) has it.
func nice(t *testing.T) int {
	b, err := os.ReadFile("/proc/thread-self/stat")
	if err != nil {
		t.Error(err)
		return -1
	}
	_, rest, _ := strings.Cut(string(b), ") ")
	if fields := strings.Fields(rest); len(fields) > 16 {
		if n, err := strconv.Atoi(fields[16]); err == nil {
			return n
		}
	}
	t.Errorf("stat says %q", b)
	return -1
}

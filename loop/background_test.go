package loop_test

import (
	"fmt"
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
	if n := niceOf(t, "/proc/self/stat"); n != usual {
		t.Errorf("the main thread has a nice value of %d, and %d is usual", n, usual)
	}
}

// What ends the work ends the caller, who would else go on as if it were done.
func TestBackgroundPanics(t *testing.T) {
	func() {
		defer func() {
			if text := fmt.Sprint(recover()); !strings.Contains(text, "index out of range") || !strings.Contains(text, "TestBackgroundPanics") {
				t.Errorf("the caller's panic is %q", text)
			}
		}()
		loop.Background(func() {
			var none []int
			none[len(none)]++
		})
	}()
	ended := make(chan bool)
	go func() {
		on := false
		defer func() { ended <- on }()
		loop.Background(runtime.Goexit)
		on = true
	}()
	if <-ended {
		t.Error("the caller went on after work that has not ended")
	}
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

// nice is the value of the calling thread.
func nice(t *testing.T) int { return niceOf(t, "/proc/thread-self/stat") }

// niceOf finds the value in what proc(5) says.
func niceOf(t *testing.T, stat string) int {
	b, err := os.ReadFile(stat)
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

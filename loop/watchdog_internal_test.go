package loop

import (
	"fmt"
	"runtime"
	"strings"
	"testing"
	"time"
)

// What a thread got of the time elapsed, and what of that is held against it, in milliseconds.
func TestThreadUseSince(t *testing.T) {
	for _, c := range []struct {
		what          string
		ran, queued   time.Duration
		wants         bool
		elapsed, late time.Duration
		held          time.Duration
	}{
		{"it ran all the time", 10, 0, true, 10, 0, 10},
		{"it ran, and nobody looked", 10, 0, true, 10, 8, 10},
		{"it was blocked", 0, 0, false, 10, 0, 10},
		{"it was blocked, and nobody looked for some time", 0, 0, false, 10, 8, 2},
		{"it ran a little, then was blocked", 2, 0, false, 10, 0, 10},
		{"it waits for a processor", 0, 0, true, 10, 0, 0},
		{"it waited for one, then was blocked", 0, 7, false, 10, 0, 3},
		{"it shares one with another", 4, 6, true, 10, 0, 4},
		{"its counters are unknown", 0, 0, false, 10, 0, 10},
	} {
		before := threadUse{ran: 1000, queued: 500}
		after := threadUse{ran: before.ran + c.ran, queued: before.queued + c.queued}
		if ran, held := after.since(before, c.wants, c.elapsed, c.late); ran != c.ran || held != c.held {
			t.Errorf("%s: ran %d, held %d, want %d", c.what, ran, held, c.held)
		}
	}
}

func TestThreadClockOfThisThread(t *testing.T) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	c := newThreadClock(currentThread())
	defer c.close()
	before := c.use()
	for began := time.Now(); time.Since(began) < 10*time.Millisecond; {
	}
	after := c.use()
	if ran := after.ran - before.ran; ran <= 0 || !c.wants() || after.queued < before.queued {
		t.Errorf("before %+v, after %+v", before, after)
	}
	if n := testing.AllocsPerRun(100, func() { before = c.use(); _ = c.wants() }); n != 0 {
		t.Errorf("reading allocates %v times", n)
	}
}

func TestSecondNumber(t *testing.T) {
	for text, want := range map[string]time.Duration{"": 0, "1": 0, "1 23 4": 23, "0 0 1\n": 0, "12 345": 345, "x y z": 0} {
		if got := secondNumber([]byte(text)); got != want {
			t.Errorf("%q gives %d", text, got)
		}
	}
}

func calls(names ...string) (s stack) {
	for _, name := range names {
		s = append(s, runtime.Frame{Function: name, File: "f.go", Line: 1})
	}
	return s
}

func TestStackTells(t *testing.T) {
	task, tick := ownFunctions+"(*Task).body", ownFunctions+"(*Loop).tick"
	for _, c := range []struct {
		what  string
		s     stack
		cause Cause
		doing string
		runs  bool
	}{
		{"nothing", nil, CauseUnknown, "", false},
		{"a mutex", calls("runtime.gopark", "runtime.semacquire1", "internal/sync.runtime_SemacquireMutex", "internal/sync.(*Mutex).lockSlow", "x.f", task), CauseMutex, "", true},
		{"a suspended task", calls("runtime.coroswitch", "iter.Pull[...].func1.1", task), CauseUnknown, "", false},
		{"a caller of what waits", calls("runtime.gopark", "x.f", "sync.(*Mutex).Lock", task), CauseUnknown, "", true},
		{"preempted", calls("runtime.asyncPreempt2", "runtime.asyncPreempt", "x.f", task), CauseScheduler, "", true},
		{"raw system call", calls("internal/runtime/syscall.Syscall6", "syscall.RawSyscall6", "x.f", task), CauseSyscall, "", true},
		{"letter", calls("runtime.gopark", "runtime.chanrecv", "runtime.chanrecv1", "x.f", ownFunctions+"(*Loop).readMail", tick, ownFunctions+"(*Loop).main"), CauseChannel, "a posted function", true},
		{"completion", calls("x.f", "x.(*Driver).Reap", tick, ownFunctions+"(*Loop).main"), CauseUnknown, "a completion", true},
		{"another goroutine", calls("time.Sleep", "x.f"), CauseSleep, "", false},
		{"a stack cut off", calls(strings.Fields(strings.Repeat("x.f ", 128))...), CauseUnknown, "", true},
	} {
		if cause, doing, runs := c.s.cause(), c.s.doing(), c.s.runsOnLoop(); cause != c.cause || doing != c.doing || runs != c.runs {
			t.Errorf("%s: %q, %q, on the loop: %v", c.what, cause, doing, runs)
		}
	}
	for c := CauseUnknown; c <= CauseScheduler; c++ {
		if c.String() == "" {
			t.Errorf("cause %d has no words", c)
		}
	}
	long := calls(strings.Fields(strings.Repeat("x.f ", 100))...).String()
	if n := strings.Count(long, "\n"); n != maxStackFrames+1 || !strings.Contains(long, "68 calls further out") {
		t.Errorf("100 calls are %d lines:\n%s", n, long)
	}
}

// FuzzRunningStack gives the parser what is no profile.
func FuzzRunningStack(f *testing.F) {
	pc, _, _, _ := runtime.Caller(0)
	label := fmt.Sprintf("%q:%q", serialLabel, "7")
	f.Add(fmt.Appendf(nil, "goroutine profile: total 2\n1 @ %#x %#x\n# labels: {\"loop\":\"0\", %s}\n#\tx\n\n2 @ 0x1\n", pc, pc, label))
	f.Add([]byte("1 @ \n# labels: {" + label + "}"))
	f.Add([]byte("1 @ 0xffffffffffffffff 0x0 0x1\n# labels: {" + label + "}\n"))
	f.Add([]byte("1 @ 99999999999999999999\n# labels: {" + label + "}\n"))
	f.Fuzz(func(t *testing.T, text []byte) {
		s := runningStack(text, label)
		if s != nil && !s.runsOnLoop() {
			t.Errorf("%v does not run on a loop", s)
		}
		_, _, _ = s.String(), s.cause(), s.doing()
	})
}

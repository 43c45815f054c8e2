package loop

import (
	"bufio"
	"bytes"
	"fmt"
	"runtime"
	"runtime/pprof"
	"strconv"
	"strings"
)

// Cause says why a loop stood still.
type Cause uint8

// The causes that a Watchdog tells apart.
const (
	CauseUnknown   Cause = iota
	CauseRunning         // it used the processor and did not yield
	CauseMutex           // a sync.Mutex or RWMutex that somebody else holds
	CauseChannel         // a channel, or a select
	CauseSync            // a sync.WaitGroup or Cond
	CauseSleep           // time.Sleep
	CauseNetwork         // Go's network poller: a net.Conn, a pipe, a resolver
	CauseSyscall         // a system call other than the loop's own wait
	CauseCollector       // an allocation that had to help the garbage collector
	CauseScheduler       // Go's scheduler gave the loop no processor: law 3, or GOMAXPROCS was lowered
)

// String says it in words.
func (c Cause) String() string {
	return [...]string{"unknown", "runs without yielding", "waits for a mutex", "waits on a channel", "waits for a WaitGroup or Cond",
		"time.Sleep", "waits for the network", "in a system call", "helps the garbage collector", "waits for Go's scheduler"}[c]
}

// The bounds of a look at stacks.
const (
	maxProfiled    = 20_000 // goroutines: some 4 µs each, on the Watchdog's processor
	maxStackFrames = 32
)

// serialLabel is the label that a loop's goroutines have in common, with a value that no other loop of the process has.
const serialLabel = "loop_serial"

// stack is a list of calls, innermost first.
type stack []runtime.Frame

// stackOf gives the stack of what runs on a loop now: of all its goroutines, that which is no suspended coroutine.
//
// It comes from the goroutine profile. That stops the world only to begin, each goroutine is then recorded while others
// run; runtime.Stack would hold every loop of the process for as long as it writes. Both look at all goroutines, there
// is no way to ask for one, so it is not done where they are too many.
func stackOf(serial string) stack {
	if runtime.NumGoroutine() > maxProfiled {
		return nil
	}
	var text bytes.Buffer
	if err := pprof.Lookup("goroutine").WriteTo(&text, 1); err != nil {
		return nil
	}
	return runningStack(text.Bytes(), fmt.Sprintf("%q:%q", serialLabel, serial))
}

// runningStack finds the stack in a goroutine profile, which has for each a line "COUNT @ PC PC …" and then one with its
// labels.
func runningStack(profile []byte, label string) stack {
	lines := bufio.NewScanner(bytes.NewReader(profile))
	var head string
	for lines.Scan() {
		line := lines.Text()
		switch {
		case strings.HasPrefix(line, "1 @ "): // no two run at once on one loop
			head = line
		case strings.HasPrefix(line, "# labels: ") && head != "" && strings.Contains(line, label):
			if s := frames(head); s.runsOnLoop() {
				return s
			}
		case line == "" || strings.Contains(line, " @ "):
			head = ""
		}
	}
	return nil
}

// frames turns the program counters of a profile's line into calls.
func frames(line string) (s stack) {
	var pcs []uintptr
	for _, word := range strings.Fields(line)[2:] {
		pc, err := strconv.ParseUint(word, 0, 64)
		if err != nil {
			return nil
		}
		pcs = append(pcs, uintptr(pc))
	}
	if len(pcs) == 0 {
		return nil
	}
	for from := runtime.CallersFrames(pcs); ; {
		f, more := from.Next()
		s = append(s, f)
		if !more {
			return s
		}
	}
}

// runsOnLoop reports whether s is of a loop or a task, and not suspended in favour of another.
func (s stack) runsOnLoop() bool {
	own := false
	for i := range s {
		switch s[i].Function {
		case "runtime.coroswitch", "runtime.coroswitch_m":
			return false
		case ownFunctions + "(*Loop).main", ownFunctions + "(*Task).body":
			own = true
		}
	}
	return own || len(s) >= 128 // as long as the profile keeps: the end is missing
}

// causes are the functions that tell what a goroutine waits for, found from the innermost call outwards.
var causes = []struct {
	prefix string
	cause  Cause
}{
	{"sync.(*Mutex).", CauseMutex},
	{"internal/sync.(*Mutex).", CauseMutex},
	{"sync.(*RWMutex).", CauseMutex},
	{"sync.(*WaitGroup).", CauseSync},
	{"sync.(*Cond).", CauseSync},
	{"runtime.chan", CauseChannel},
	{"runtime.selectgo", CauseChannel},
	{"runtime.block", CauseChannel}, // select{}
	{"runtime.gcAssist", CauseCollector},
	{"runtime.gcParkAssist", CauseCollector},
	{"time.Sleep", CauseSleep},
	{"internal/poll.runtime_poll", CauseNetwork},
	{"syscall.", CauseSyscall},
	{"internal/runtime/syscall", CauseSyscall},
	{"golang.org/x/sys/unix.", CauseSyscall},
	{"runtime.cgocall", CauseSyscall},
	{"runtime.asyncPreempt", CauseScheduler},
	{"runtime.goschedImpl", CauseScheduler},
	{"runtime.gopreempt_m", CauseScheduler},
	{"runtime.Gosched", CauseScheduler},
}

// cause says what the thread of s sleeps for.
func (s stack) cause() Cause {
	for i := range s {
		for _, c := range causes {
			if strings.HasPrefix(s[i].Function, c.prefix) {
				return c.cause
			}
		}
		if !strings.HasPrefix(s[i].Function, "runtime.") && !strings.Contains(s[i].Function, "sync.runtime_") {
			break // what is further out called it, and does not wait itself
		}
	}
	return CauseUnknown
}

// activities are what a loop does outside of tasks, by the function of its turn.
var activities = map[string]string{
	"readMail":   "a posted function",
	"advance":    "a timer",
	"Reap":       "a completion",
	"Wait":       "the driver",
	"Hurry":      "the driver",
	"runClosers": "a function at the loop's end",
}

// doing says what a loop does whose goroutine has the stack s; empty: none of activities.
func (s stack) doing() string {
	for i := len(s) - 1; i >= 0; i-- {
		name := s[i].Function
		if what, ok := activities[name[strings.LastIndexByte(name, '.')+1:]]; ok {
			return what
		}
	}
	return ""
}

// String gives a line for each call, without those of the runtime at both ends.
func (s stack) String() string {
	for len(s) > 0 && strings.HasPrefix(s[0].Function, "runtime.") {
		s = s[1:]
	}
	var b strings.Builder
	for i := range s {
		switch {
		case s[i].Function == ownFunctions+"(*Task).runOnce" || s[i].Function == ownFunctions+"(*Loop).main":
			return b.String()
		case i == maxStackFrames:
			fmt.Fprintf(&b, "and %d calls further out\n", len(s)-i)
			return b.String()
		}
		fmt.Fprintf(&b, "%s %s:%d\n", s[i].Function, s[i].File, s[i].Line)
	}
	return b.String()
}

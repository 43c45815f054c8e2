package loop

import (
	"bytes"
	"fmt"
	"os"
	"strconv"
	"syscall"
	"time"
	"unsafe"
)

// threadClock reads how much of the processor a thread got. Where the kernel does not tell, it counts as nothing.
type threadClock struct {
	thread    threadID
	schedstat *os.File // nil: not to be had
}

// threadUse is what a thread got and wanted since its start.
type threadUse struct {
	ran    time.Duration // on a processor; exact at any time
	queued time.Duration // waiting for one; each wait counts when it has ended
	wants  bool          // it runs or waits for a processor now
}

func newThreadClock(thread threadID) *threadClock {
	f, err := os.Open(fmt.Sprintf("/proc/self/task/%d/schedstat", thread))
	if err != nil {
		f = nil
	}
	return &threadClock{thread, f}
}

func (c *threadClock) close() {
	if c.schedstat != nil {
		_ = c.schedstat.Close()
	}
}

// use costs two system calls for the counters and three for the state, together some 5 µs.
func (c *threadClock) use() threadUse {
	return threadUse{ran: threadTime(c.thread), queued: c.queued(), wants: c.wants()}
}

// since says how long, of the time elapsed since an earlier use, the thread ran, and how long it held what it is doing: it ran, or was
// blocked, and did not wait for a processor. late is how much of that time nobody was there to see.
func (u threadUse) since(before threadUse, elapsed, late time.Duration) (ran, held time.Duration) {
	ran = u.ran - before.ran
	queued := u.queued - before.queued
	if u.wants { // the present wait for a processor is not in the counter yet, so all that did not run may be that
		queued = elapsed - ran
	}
	return ran, max(ran, elapsed-queued-late)
}

// queued is the second number of schedstat: nanoseconds in a run queue.
func (c *threadClock) queued() time.Duration {
	var b [96]byte
	if c.schedstat == nil {
		return 0
	}
	n, _ := c.schedstat.ReadAt(b[:], 0)
	fields := bytes.Fields(b[:n])
	if len(fields) < 2 {
		return 0
	}
	ns, _ := strconv.ParseInt(string(fields[1]), 10, 64)
	return time.Duration(ns)
}

// wants reports whether the thread's state is R.
func (c *threadClock) wants() bool {
	b, _ := os.ReadFile(fmt.Sprintf("/proc/self/task/%d/stat", c.thread))
	i := bytes.LastIndexByte(b, ')') // the name before it can hold anything
	return i >= 0 && i+2 < len(b) && b[i+2] == 'R'
}

// The clock of a thread's own time, as clock_gettime numbers it: the complement of its id, and what of it is asked.
const (
	cpuclockSched     = 2
	cpuclockPerThread = 4
)

// threadTime is the processor time of a thread of this process, nought if it has ended.
func threadTime(thread threadID) time.Duration {
	var ts syscall.Timespec
	id := int32(^thread)<<3 | cpuclockSched | cpuclockPerThread
	if _, _, e := syscall.RawSyscall(syscall.SYS_CLOCK_GETTIME, uintptr(id), uintptr(unsafe.Pointer(&ts)), 0); e != 0 {
		return 0
	}
	return time.Duration(ts.Nano())
}

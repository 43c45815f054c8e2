package loop

import (
	"bytes"
	"fmt"
	"os"
	"syscall"
	"time"
	"unsafe"
)

// threadClock reads how much of the processor a thread got. Where the kernel does not tell, it counts as nothing.
// Reading allocates nothing: a Watchdog reads all the time.
type threadClock struct {
	thread    threadID
	schedstat *os.File // nil: not to be had
	stat      *os.File // nil: not to be had
	buf       [512]byte
}

// threadUse is what a thread got and wanted since its start.
type threadUse struct {
	ran    time.Duration // on a processor; exact at any time
	queued time.Duration // waiting for one; each wait counts when it has ended
}

func newThreadClock(thread threadID) *threadClock {
	open := func(name string) *os.File {
		f, err := os.Open(fmt.Sprintf("/proc/self/task/%d/%s", thread, name))
		if err != nil {
			return nil
		}
		return f
	}
	return &threadClock{thread: thread, schedstat: open("schedstat"), stat: open("stat")}
}

func (c *threadClock) close() {
	for _, f := range [...]*os.File{c.schedstat, c.stat} {
		if f != nil {
			_ = f.Close()
		}
	}
}

func (c *threadClock) read(f *os.File) []byte {
	if f == nil {
		return nil
	}
	n, _ := f.ReadAt(c.buf[:], 0)
	return c.buf[:n]
}

// use costs two system calls, together some 2 µs.
func (c *threadClock) use() threadUse {
	return threadUse{ran: threadTime(c.thread), queued: secondNumber(c.read(c.schedstat))}
}

// wants reports whether the thread runs or waits for a processor now: whether its state is R.
func (c *threadClock) wants() bool {
	b := c.read(c.stat)
	i := bytes.LastIndexByte(b, ')') // the name before it can hold anything
	return i >= 0 && i+2 < len(b) && b[i+2] == 'R'
}

// secondNumber is that of schedstat: nanoseconds in a run queue.
func secondNumber(b []byte) (ns time.Duration) {
	_, b, _ = bytes.Cut(b, []byte(" "))
	for _, digit := range b {
		if digit < '0' || digit > '9' {
			break
		}
		ns = ns*10 + time.Duration(digit-'0')
	}
	return ns
}

// since says how long, of the time elapsed since an earlier use, the thread ran, and how long it held what it is doing:
// it ran, or was blocked, and did not wait for a processor. wants says that it runs or waits for one now; late is how
// much of the time nobody was there to see.
func (u threadUse) since(before threadUse, wants bool, elapsed, late time.Duration) (ran, held time.Duration) {
	ran = u.ran - before.ran
	queued := u.queued - before.queued
	if wants { // the present wait for a processor is not in the counter yet, so all that did not run may be that
		queued = elapsed - ran
	}
	return ran, max(ran, elapsed-queued-late)
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

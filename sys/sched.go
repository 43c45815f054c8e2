package sys

import (
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// LowerSchedule makes the calling thread, which has to be locked, less urgent: its nice value becomes so much higher, and slice is the
// time that it asks to be left alone for once it runs (sched(7), sched_setattr(2); 0.1 to 100 ms, of which kernels before 6.12 take
// no notice). A thread needs no right to do that, and one to go back.
func LowerSchedule(nice int, slice time.Duration) error {
	const lowest = 19
	now, err := unix.SchedGetAttr(0, 0)
	if err != nil {
		return os.NewSyscallError("sched_getattr", err)
	}
	policy := now.Policy
	if policy != unix.SCHED_BATCH && policy != unix.SCHED_IDLE { // in real time it would give way to nothing
		policy = unix.SCHED_NORMAL
	}
	a := unix.SchedAttr{Size: unix.SizeofSchedAttr, Policy: policy, Flags: now.Flags & unix.SCHED_FLAG_RESET_ON_FORK, Nice: min(now.Nice+int32(nice), lowest), Runtime: uint64(slice)}
	if err := unix.SchedSetAttr(0, &a, 0); err != nil {
		return os.NewSyscallError("sched_setattr", err)
	}
	return nil
}

// OnMainThread reports whether the caller, which has to be locked to its thread, is on the one that the process began with.
func OnMainThread() bool { return unix.Gettid() == unix.Getpid() }

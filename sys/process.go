package sys

import (
	"os"
	"unsafe"

	"golang.org/x/sys/unix"
)

// RaiseFileLimit raises the soft limit of open descriptors to the hard one and returns what holds now.
func RaiseFileLimit() (uint64, error) {
	var r unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &r); err != nil {
		return 0, os.NewSyscallError("getrlimit", err)
	}
	if r.Cur == r.Max {
		return r.Cur, nil
	}
	want := unix.Rlimit{Cur: r.Max, Max: r.Max}
	if err := unix.Setrlimit(unix.RLIMIT_NOFILE, &want); err != nil {
		return r.Cur, os.NewSyscallError("setrlimit", err)
	}
	return want.Cur, nil
}

// Kernel is the release of the running kernel, as uname -r prints it.
func Kernel() string {
	var u unix.Utsname
	if unix.Uname(&u) != nil {
		return "unknown"
	}
	return unix.ByteSliceToString(u.Release[:])
}

// PinThread binds the calling thread to one of the processors that it may run on, counted from zero and wrapping.
func PinThread(index int) error {
	var allowed, one unix.CPUSet
	if err := unix.SchedGetaffinity(0, &allowed); err != nil {
		return os.NewSyscallError("sched_getaffinity", err)
	}
	index %= max(allowed.Count(), 1)
	for cpu := range int(unsafe.Sizeof(allowed)) * 8 {
		if !allowed.IsSet(cpu) {
			continue
		}
		if index == 0 {
			one.Set(cpu)
			return os.NewSyscallError("sched_setaffinity", unix.SchedSetaffinity(0, &one))
		}
		index--
	}
	return nil
}

package sys

import (
	"fmt"
	"os"
	"strconv"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Signal is a signal's number.
type Signal = syscall.Signal

// The signals that a master and a worker know.
const (
	SIGHUP  = unix.SIGHUP
	SIGINT  = unix.SIGINT
	SIGQUIT = unix.SIGQUIT
	SIGKILL = unix.SIGKILL
	SIGTERM = unix.SIGTERM
	SIGUSR1 = unix.SIGUSR1
	SIGUSR2 = unix.SIGUSR2
	SIGPIPE = unix.SIGPIPE
)

// Memfd makes a file that has no name and lives in memory, closed on exec. name is for /proc only.
func Memfd(name string) (*os.File, error) {
	fd, err := unix.MemfdCreate(name, unix.MFD_CLOEXEC|unix.MFD_ALLOW_SEALING)
	if err != nil {
		return nil, os.NewSyscallError("memfd_create", err)
	}
	return os.NewFile(uintptr(fd), name), nil
}

// FixSize gives a memfd its size for good: what is written beyond is refused, by whomever.
func FixSize(f *os.File, bytes int64) error {
	if err := f.Truncate(bytes); err != nil {
		return err
	}
	_, err := unix.FcntlInt(uintptr(FileDescriptor(f)), unix.F_ADD_SEALS, unix.F_SEAL_GROW|unix.F_SEAL_SHRINK|unix.F_SEAL_SEAL)
	return os.NewSyscallError("fcntl F_ADD_SEALS", err)
}

// DupAbove copies a descriptor to a number from least on, out of the way of those that a child is given. The copy is
// closed on exec.
func DupAbove(fd, least int) (int, error) {
	n, err := unix.FcntlInt(uintptr(fd), unix.F_DUPFD_CLOEXEC, least)
	return n, os.NewSyscallError("fcntl F_DUPFD_CLOEXEC", err)
}

// KeepOnExec decides whether a descriptor stays open in the program that this process becomes.
func KeepOnExec(fd int, keep bool) error {
	flags := unix.FD_CLOEXEC
	if keep {
		flags = 0
	}
	_, err := unix.FcntlInt(uintptr(fd), unix.F_SETFD, flags)
	return os.NewSyscallError("fcntl F_SETFD", err)
}

// IsOpen reports whether a descriptor number is in use.
func IsOpen(fd int) bool {
	_, err := unix.FcntlInt(uintptr(fd), unix.F_GETFD, 0)
	return err == nil
}

// IsSocket reports whether a descriptor is a socket.
func IsSocket(fd int) bool {
	_, err := unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_TYPE)
	return err == nil
}

// FdPath is a name under which this process, and a child of it until it execs, can open or run what a descriptor holds,
// also after the file was replaced.
func FdPath(fd int) string { return "/proc/self/fd/" + strconv.Itoa(fd) }

// Exec turns this process into another program. It returns only on failure. What signals do in between is for the caller
// to settle: those that are ignored stay so, others get their default action, whatever was blocked: a Go program unblocks
// at its start, before it has handlers, all that end a process.
func Exec(path string, argv, env []string) error {
	return &os.PathError{Op: "execve", Path: path, Err: unix.Exec(path, argv, env)}
}

// sigaction is struct sigaction as the kernel has it on 64-bit machines.
type sigaction struct {
	handler, flags, restorer uintptr
	mask                     uint64
}

// DefaultAction gives signals that end a process their default action in the kernel, past Go's handlers: while a thread
// runs one of those another thread's exec may end it, and the signal is lost. restore brings the handlers back.
func DefaultAction(signals ...Signal) (restore func()) {
	old := make([]sigaction, len(signals))
	for i, s := range signals {
		setAction(s, &sigaction{}, &old[i])
	}
	return func() {
		for i, s := range signals {
			setAction(s, &old[i], nil)
		}
	}
}

// setAction cannot fail for a signal that can be caught.
func setAction(s Signal, act, old *sigaction) {
	_, _, e := syscall.RawSyscall6(unix.SYS_RT_SIGACTION, uintptr(s), uintptr(unsafe.Pointer(act)), uintptr(unsafe.Pointer(old)), unsafe.Sizeof(act.mask), 0, 0)
	if e != 0 {
		panic(fmt.Sprintf("sys: rt_sigaction of %v: %v", s, e))
	}
}

// SetName names the process as ps and top show it; the kernel keeps 15 bytes.
func SetName(name string) error {
	return os.WriteFile("/proc/self/comm", []byte(name), 0)
}

// MonotonicMicros is CLOCK_MONOTONIC in microseconds, as systemd compares it.
func MonotonicMicros() int64 {
	var ts unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_MONOTONIC, &ts); err != nil {
		panic(fmt.Sprintf("sys: CLOCK_MONOTONIC: %v", err)) // a kernel without it runs no Go program
	}
	return time.Duration(ts.Nano()).Microseconds()
}

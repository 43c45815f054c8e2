package sys

import (
	"errors"
	"fmt"
	"os"
	"strconv"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Process is a process held by a pidfd: unlike its number, that never comes to mean another process.
type Process struct {
	pid int
	f   *os.File
}

// OpenProcess takes hold of a process. The number is certain only for a child that was not waited for, and for oneself.
func OpenProcess(pid int) (*Process, error) {
	fd, err := unix.PidfdOpen(pid, unix.PIDFD_NONBLOCK)
	if err != nil {
		return nil, os.NewSyscallError("pidfd_open", err)
	}
	return HoldProcess(fd, pid), nil
}

// HoldProcess takes over a pidfd that came from elsewhere. The descriptor is the Process's from now on.
func HoldProcess(pidfd, pid int) *Process {
	_ = unix.SetNonblock(pidfd, true) // without it Wait would hold a thread; the kernel knows it since 5.10
	return &Process{pid: pid, f: os.NewFile(uintptr(pidfd), "pidfd "+strconv.Itoa(pid))}
}

// IsAlive reports whether a process of that number lives; one that has ended and was not waited for does not.
func IsAlive(pid int) bool {
	p, err := OpenProcess(pid)
	if err != nil {
		return false
	}
	defer p.Close()
	return Poll(int32(p.Fd()), POLLIN) == 0
}

// PID is the process's number.
func (p *Process) PID() int { return p.pid }

// Fd is the pidfd; it stays p's.
func (p *Process) Fd() int { return FileDescriptor(p.f) }

// Close lets go of the process, which it does not harm.
func (p *Process) Close() error { return p.f.Close() }

// Signal sends a signal. A process that has ended is no error.
func (p *Process) Signal(s syscall.Signal) error {
	err := unix.PidfdSendSignal(p.Fd(), s, nil, 0)
	if err == unix.ESRCH {
		return nil
	}
	return os.NewSyscallError("pidfd_send_signal", err)
}

// Exit says how a process ended.
type Exit struct {
	Known  bool // false for a process that is not our child
	Code   int  // of a process that ended by itself
	Signal syscall.Signal
	Core   bool
}

// String is what a shell would say.
func (e Exit) String() string {
	switch {
	case !e.Known:
		return "ended, its status is unknown"
	case e.Signal != 0 && e.Core:
		return fmt.Sprintf("signal: %v (core dumped)", e.Signal)
	case e.Signal != 0:
		return fmt.Sprintf("signal: %v", e.Signal)
	}
	return fmt.Sprintf("exit status %d", e.Code)
}

// siginfo is struct siginfo as waitid fills it (SIGCHLD), on 64-bit machines.
type siginfo struct {
	signo, errno, code, _ int32
	pid                   int32
	uid                   uint32
	status                int32
	_                     [100]byte
}

// Wait waits until the process has ended, and tells its status if it is a child of this process. The child stays until Reap
// takes it away, so that the status can be asked again, also by another program that this process becomes. It holds no
// thread. Only one call may wait; Close makes it return os.ErrClosed.
func (p *Process) Wait() (Exit, error) {
	raw, err := p.f.SyscallConn()
	if err != nil {
		return Exit{}, err
	}
	var exit Exit
	var failed error
	if err := raw.Read(func(fd uintptr) (done bool) {
		exit, done, failed = tryWait(int(fd), unix.WNOWAIT)
		return done
	}); err != nil {
		return Exit{}, errors.Join(os.ErrClosed, err) // the poller has an error of its own for it
	}
	return exit, failed
}

// Reap takes a child away that has ended. For other processes it does nothing.
func (p *Process) Reap() {
	_, _, _ = tryWait(p.Fd(), 0)
}

func tryWait(fd, flags int) (e Exit, done bool, err error) {
	var info siginfo
	err = unix.Waitid(unix.P_PIDFD, fd, (*unix.Siginfo)(unsafe.Pointer(&info)), unix.WEXITED|unix.WNOHANG|flags, nil)
	switch {
	case err == unix.EINTR:
		return tryWait(fd, flags)
	case err == unix.ECHILD: // somebody else's child
		return Exit{}, Poll(int32(fd), POLLIN) != 0, nil
	case err != nil:
		return Exit{}, true, os.NewSyscallError("waitid", err)
	case info.pid == 0:
		return Exit{}, false, nil
	case info.code == 1: // CLD_EXITED
		return Exit{Known: true, Code: int(info.status)}, true, nil
	}
	return Exit{Known: true, Signal: syscall.Signal(info.status), Core: info.code == 3}, true, nil // CLD_KILLED, CLD_DUMPED
}

// FileDescriptor is the number behind f. Unlike os.File.Fd it leaves the file in the poller. It is -1 for a closed file.
func FileDescriptor(f *os.File) int {
	raw, err := f.SyscallConn()
	if err != nil {
		return -1
	}
	n := -1
	if err := raw.Control(func(fd uintptr) { n = int(fd) }); errors.Is(err, os.ErrClosed) {
		return -1
	}
	return n
}

package sys

import (
	"errors"
	"os"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Timerfd is a timer of the kernel's (timerfd_create(2)) on the monotonic clock. One thread at a time sets it, and any goroutine may wait
// for it. Setting costs a system call that does not wait, some 0.5 µs; Go's scheduler hears of it only when it goes off.
type Timerfd struct {
	fd int
	f  *os.File
}

// NewTimerfd makes a timer that is not set.
func NewTimerfd() (*Timerfd, error) {
	fd, err := unix.TimerfdCreate(unix.CLOCK_MONOTONIC, unix.TFD_CLOEXEC|unix.TFD_NONBLOCK)
	if err != nil {
		return nil, os.NewSyscallError("timerfd_create", err)
	}
	f := os.NewFile(uintptr(fd), "timerfd")
	if err := f.SetReadDeadline(time.Time{}); err != nil { // Go's poller would not have it, and Wait could not wait
		return nil, errors.Join(err, f.Close())
	}
	return &Timerfd{fd: fd, f: f}, nil
}

// Set has the timer go off in d from now, once, instead of when it was set to before; nought or less has it not go off.
func (t *Timerfd) Set(d time.Duration) {
	value := unix.ItimerSpec{Value: unix.NsecToTimespec(int64(max(d, 0)))}
	_, _, _ = syscall.RawSyscall6(unix.SYS_TIMERFD_SETTIME, uintptr(t.fd), 0, uintptr(unsafe.Pointer(&value)), 0, 0, 0)
}

// Wait waits until the timer has gone off since the last Wait, or was closed.
func (t *Timerfd) Wait() error {
	var count [8]byte
	_, err := t.f.Read(count[:])
	return err
}

// Close must not be called beside Set.
func (t *Timerfd) Close() error { return t.f.Close() }

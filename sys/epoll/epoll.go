// Package epoll is a thin binding of epoll(7) under the kernel's names.
package epoll

import (
	"os"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Events and modes.
const (
	EPOLLIN    = unix.EPOLLIN
	EPOLLOUT   = unix.EPOLLOUT
	EPOLLERR   = unix.EPOLLERR
	EPOLLHUP   = unix.EPOLLHUP
	EPOLLRDHUP = unix.EPOLLRDHUP
	EPOLLET    = 1 << 31
)

// Event is struct epoll_event: what happened, and the eight bytes given to Add.
type Event = unix.EpollEvent

// Create opens an epoll instance.
func Create() (int, error) {
	fd, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	return fd, os.NewSyscallError("epoll_create1", err)
}

// Add watches fd for events; lo and hi come back with each Event, as Fd and Pad.
func Add(ep int, fd int32, events uint32, lo, hi int32) error {
	e := Event{Events: events, Fd: lo, Pad: hi}
	_, _, errno := syscall.RawSyscall6(unix.SYS_EPOLL_CTL, uintptr(ep), unix.EPOLL_CTL_ADD, uintptr(fd), uintptr(unsafe.Pointer(&e)), 0, 0)
	if errno != 0 {
		return os.NewSyscallError("epoll_ctl", errno)
	}
	return nil
}

// Delete stops watching fd, which stays open.
func Delete(ep int, fd int32) {
	_, _, _ = syscall.RawSyscall6(unix.SYS_EPOLL_CTL, uintptr(ep), unix.EPOLL_CTL_DEL, uintptr(fd), 0, 0, 0)
}

// Wait fills events and returns how many there are. It waits for d, rounded up to a millisecond; negative: without end;
// nought: not at all. A signal ends the wait with none.
func Wait(ep int, events []Event, d time.Duration) (int, error) {
	ms := -1
	if d >= 0 {
		ms = int((d + time.Millisecond - 1) / time.Millisecond)
	}
	var n uintptr
	var e syscall.Errno
	p, l := uintptr(unsafe.Pointer(unsafe.SliceData(events))), uintptr(len(events))
	if ms == 0 {
		n, _, e = syscall.RawSyscall6(unix.SYS_EPOLL_PWAIT, uintptr(ep), p, l, 0, 0, 0)
	} else {
		n, _, e = syscall.Syscall6(unix.SYS_EPOLL_PWAIT, uintptr(ep), p, l, uintptr(ms), 0, 0)
	}
	switch e {
	case 0:
		return int(n), nil
	case unix.EINTR:
		return 0, nil
	}
	return 0, os.NewSyscallError("epoll_wait", e)
}

package sys

import (
	"os"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Pipe opens a non-blocking pipe (read end, write end) and asks for room for size bytes; the kernel may give less,
// the room that it gave is returned.
func Pipe(size int) (r, w, room int, err error) {
	var p [2]int
	if err := unix.Pipe2(p[:], unix.O_CLOEXEC|unix.O_NONBLOCK); err != nil {
		return -1, -1, 0, os.NewSyscallError("pipe2", err)
	}
	room, err = unix.FcntlInt(uintptr(p[0]), unix.F_SETPIPE_SZ, size)
	if err != nil {
		room, _ = unix.FcntlInt(uintptr(p[0]), unix.F_GETPIPE_SZ, 0)
	}
	return p[0], p[1], room, nil
}

// Splice moves up to n bytes from one descriptor to another, of which one is a pipe, without copying them through
// user space: bytes moved, 0 at the source's end, or -errno. Both descriptors must be non-blocking, because
// SPLICE_F_NONBLOCK speaks of the pipe only. more says that further bytes follow at once.
func Splice(in, out int, n int, more bool) int32 {
	flags := unix.SPLICE_F_NONBLOCK | unix.SPLICE_F_MOVE
	if more {
		flags |= unix.SPLICE_F_MORE
	}
	for {
		r, _, e := syscall.RawSyscall6(unix.SYS_SPLICE, uintptr(in), 0, uintptr(out), 0, uintptr(n), uintptr(flags))
		if e != unix.EINTR {
			return raw(r, e)
		}
	}
}

// Eventfd opens a non-blocking event counter, by which one thread wakes another out of its wait.
func Eventfd() (int, error) {
	fd, err := unix.Eventfd(0, unix.EFD_CLOEXEC|unix.EFD_NONBLOCK)
	return fd, os.NewSyscallError("eventfd", err)
}

// EventfdSignal adds one to the counter.
func EventfdSignal(fd int) {
	one := uint64(1)
	_, _, _ = syscall.RawSyscall(unix.SYS_WRITE, uintptr(fd), uintptr(unsafe.Pointer(&one)), 8)
}

// EventfdDrain sets the counter back to nought.
func EventfdDrain(fd int) {
	var v uint64
	_, _, _ = syscall.RawSyscall(unix.SYS_READ, uintptr(fd), uintptr(unsafe.Pointer(&v)), 8)
}

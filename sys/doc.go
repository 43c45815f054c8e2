// Package sys is the one place that speaks the kernel's language: system calls, their numbers, errno and
// address layouts. Names are the kernel's own, so that a manual page answers every question.
//
// Start reading at socket.go. The drivers (loop/uring, loop/epoll) and conn call it; nothing above them may.
// Only this package and its subpackages import golang.org/x/sys/unix.
//
// Calls that may wait go through Syscall, which tells Go's scheduler; calls that never wait (the socket is
// non-blocking, or the call is non-blocking by nature) use RawSyscall, which costs nothing extra.
// EINTR is retried here and never seen above.
package sys

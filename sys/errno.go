package sys

import (
	"errors"
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

// The errno values that code above this package distinguishes, under the kernel's names.
const (
	EAGAIN       = int32(unix.EAGAIN)
	EINTR        = int32(unix.EINTR)
	ECANCELED    = int32(unix.ECANCELED)
	ENOBUFS      = int32(unix.ENOBUFS)
	ETIME        = int32(unix.ETIME)
	EBUSY        = int32(unix.EBUSY)
	EMFILE       = int32(unix.EMFILE)
	ENFILE       = int32(unix.ENFILE)
	ENOMEM       = int32(unix.ENOMEM)
	EINPROGRESS  = int32(unix.EINPROGRESS)
	ECONNABORTED = int32(unix.ECONNABORTED)
	ECONNREFUSED = int32(unix.ECONNREFUSED)
	ECONNRESET   = int32(unix.ECONNRESET)
	ETIMEDOUT    = int32(unix.ETIMEDOUT)
	ENOENT       = int32(unix.ENOENT)
	EALREADY     = int32(unix.EALREADY)
	EINVAL       = int32(unix.EINVAL)
	EBADF        = int32(unix.EBADF)
	ENOTCONN     = int32(unix.ENOTCONN)
	EPIPE        = int32(unix.EPIPE)
	EMSGSIZE     = int32(unix.EMSGSIZE)
	EADDRINUSE   = int32(unix.EADDRINUSE)
	EDESTADDRREQ = int32(unix.EDESTADDRREQ)
)

// Error turns a negative result of an operation (-errno, as io_uring reports it) into an error that names the
// call, as the net package does: errors.Is(err, syscall.ECONNRESET) works on it.
func Error(call string, negErrno int32) error {
	return os.NewSyscallError(call, syscall.Errno(-negErrno))
}

// IsRefused reports whether err says that the peer refused a connection.
func IsRefused(err error) bool { return errors.Is(err, syscall.ECONNREFUSED) }

// IsReset reports whether err says that the peer ended the connection without finishing it.
func IsReset(err error) bool {
	return errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE)
}

// IsBroken reports whether err says that a connection was reset or given up by the kernel: nothing that was on its way can
// be told to have arrived.
func IsBroken(err error) bool {
	return errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.ETIMEDOUT) || errors.Is(err, syscall.EHOSTUNREACH) ||
		errors.Is(err, syscall.ENETUNREACH)
}

// IsNoFamily reports whether err says that the kernel has no such addresses, as IPv6 where it is switched off.
func IsNoFamily(err error) bool {
	return errors.Is(err, syscall.EAFNOSUPPORT) || errors.Is(err, syscall.EADDRNOTAVAIL)
}

// IsExhausted reports whether err says that this process or machine has no descriptors or memory left.
func IsExhausted(err error) bool {
	for _, e := range [...]syscall.Errno{syscall.EMFILE, syscall.ENFILE, syscall.ENOMEM, syscall.ENOBUFS} {
		if errors.Is(err, e) {
			return true
		}
	}
	return false
}

// IsTimeout reports whether err is the kernel's own timeout of a connection (ETIMEDOUT).
func IsTimeout(err error) bool { return errors.Is(err, syscall.ETIMEDOUT) }

// raw turns the result of a raw system call into the form that operations use: bytes, or -errno.
func raw(n uintptr, e syscall.Errno) int32 {
	if e != 0 {
		return -int32(e)
	}
	return int32(n)
}

package sys

import (
	"io/fs"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// What operations on files need of the kernel's constants.
const (
	AT_FDCWD            = unix.AT_FDCWD
	AT_REMOVEDIR        = unix.AT_REMOVEDIR
	AT_SYMLINK_NOFOLLOW = unix.AT_SYMLINK_NOFOLLOW
	AT_EMPTY_PATH       = unix.AT_EMPTY_PATH
	O_CLOEXEC           = unix.O_CLOEXEC
	STATX_BASIC_STATS   = unix.STATX_BASIC_STATS
	ENOTDIR             = int32(unix.ENOTDIR)
	EEXIST              = int32(unix.EEXIST)
)

// Errno is the bare error of a negative result of an operation, as fs.PathError and its like hold it.
func Errno(negErrno int32) error { return syscall.Errno(-negErrno) }

// Statx is struct statx, which the kernel fills. It is part of a record on the heap while an operation has it.
type Statx struct{ raw unix.Statx_t }

// Pointer gives the form that statx and io_uring take.
func (s *Statx) Pointer() unsafe.Pointer { return unsafe.Pointer(&s.raw) }

// Size is the size in bytes.
func (s *Statx) Size() int64 { return int64(s.raw.Size) }

// ModTime is when the content last changed.
func (s *Statx) ModTime() time.Time { return time.Unix(s.raw.Mtime.Sec, int64(s.raw.Mtime.Nsec)) }

// Mode is the type and the permissions, in package fs's form.
func (s *Statx) Mode() fs.FileMode {
	m := fs.FileMode(s.raw.Mode & 0o777)
	switch s.raw.Mode & unix.S_IFMT {
	case unix.S_IFBLK:
		m |= fs.ModeDevice
	case unix.S_IFCHR:
		m |= fs.ModeDevice | fs.ModeCharDevice
	case unix.S_IFDIR:
		m |= fs.ModeDir
	case unix.S_IFIFO:
		m |= fs.ModeNamedPipe
	case unix.S_IFLNK:
		m |= fs.ModeSymlink
	case unix.S_IFSOCK:
		m |= fs.ModeSocket
	}
	for _, b := range modeBits {
		if s.raw.Mode&uint16(b.kernel) != 0 {
			m |= b.fs
		}
	}
	return m
}

var modeBits = [...]struct {
	kernel uint32
	fs     fs.FileMode
}{{unix.S_ISGID, fs.ModeSetgid}, {unix.S_ISUID, fs.ModeSetuid}, {unix.S_ISVTX, fs.ModeSticky}}

// FileMode is package fs's permissions in the kernel's form.
func FileMode(m fs.FileMode) uint32 {
	out := uint32(m.Perm())
	for _, b := range modeBits {
		if m&b.fs != 0 {
			out |= b.kernel
		}
	}
	return out
}

// Ftruncate sets a file's size: 0, or -errno.
func Ftruncate(fd int32, size int64) int32 {
	for {
		err := unix.Ftruncate(int(fd), size)
		if e, ok := err.(unix.Errno); ok && e == unix.EINTR {
			continue
		} else if ok {
			return -int32(e)
		}
		return 0
	}
}

// CString is a path in the kernel's form, ended by a nought; false says that it holds one itself.
func CString(s string) ([]byte, bool) {
	b := make([]byte, len(s)+1)
	copy(b, s)
	for _, c := range b[:len(s)] {
		if c == 0 {
			return nil, false
		}
	}
	return b, true
}

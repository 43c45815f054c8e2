package sys

import (
	"errors"
	"io/fs"
	"os"
	"strconv"

	"golang.org/x/sys/unix"
)

// Dup copies a descriptor; the copy is closed on exec.
func Dup(fd int) (int, error) {
	n, err := unix.FcntlInt(uintptr(fd), unix.F_DUPFD_CLOEXEC, 0)
	return n, os.NewSyscallError("fcntl F_DUPFD_CLOEXEC", err)
}

// UnixInUse reports whether somebody listens on the Unix socket at path. No file there means nobody does.
func UnixInUse(path string) (bool, error) {
	var sa Sockaddr
	if err := sa.SetUnix(path); err != nil {
		return false, err
	}
	fd, err := StreamSocket(AF_UNIX, true)
	if err != nil {
		return false, err
	}
	defer Close(fd)
	switch n := Connect(int32(fd), sa.Pointer(), sa.Len()); n {
	case -ECONNREFUSED, -ENOENT:
		return false, nil
	default:
		return true, nil
	}
}

// ChmodSocket gives the file of a Unix socket other permissions, and returns those that it had. It follows no symbolic link and leaves
// alone what is no socket: who may write to the folder could have put anything there.
func ChmodSocket(path string, mode fs.FileMode) (was fs.FileMode, err error) {
	fail := func(err error) (fs.FileMode, error) { return 0, &fs.PathError{Op: "chmod", Path: path, Err: err} }
	fd, err := unix.Open(path, unix.O_PATH|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	if err != nil {
		return fail(err)
	}
	defer unix.Close(fd)
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		return fail(err)
	}
	if st.Mode&unix.S_IFMT != unix.S_IFSOCK {
		return fail(errors.New("it is no socket"))
	}
	if err := unix.Chmod("/proc/self/fd/"+strconv.Itoa(fd), uint32(mode.Perm())); err != nil {
		return fail(err)
	}
	return fs.FileMode(st.Mode & 0o777), nil
}

// RemoveSocket removes the file of a Unix socket; what is no socket is left alone.
func RemoveSocket(path string) error {
	info, err := os.Lstat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	if info.Mode().Type() != fs.ModeSocket {
		return &fs.PathError{Op: "listen", Path: path, Err: errors.New("a file that is no socket is there")}
	}
	return os.Remove(path)
}

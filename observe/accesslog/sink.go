package accesslog

import (
	"os"
	"syscall"
)

// The paths that name no file.
const (
	pathStdout = "stdout"
	pathStderr = "stderr"
)

// fileMode lets the owner's group read: the log names clients and targets.
const fileMode = 0o640

// sink is the open file.
type sink struct {
	file *os.File
	torn bool // the last write ended within a line
}

// openSink opens path for appending, or takes a standard stream.
func openSink(path string) (*sink, error) {
	var file *os.File
	var err error
	switch path {
	case pathStdout:
		file, err = duplicate(os.Stdout)
	case pathStderr:
		file, err = duplicate(os.Stderr)
	default:
		file, err = os.OpenFile(path, os.O_WRONLY|os.O_APPEND|os.O_CREATE, fileMode)
	}
	if err != nil {
		return nil, err
	}
	return &sink{file: file}, nil
}

// duplicate returns a second descriptor of a standard stream. Through the
// first, package os answers EPIPE by ending the process with SIGPIPE; that
// whoever reads the access log went away must not end the gateway.
func duplicate(f *os.File) (*os.File, error) {
	syscall.ForkLock.RLock() // no child may start before close-on-exec is set
	defer syscall.ForkLock.RUnlock()
	fd, err := syscall.Dup(int(f.Fd()))
	if err != nil {
		return nil, os.NewSyscallError("dup", err)
	}
	syscall.CloseOnExec(fd)
	return os.NewFile(uintptr(fd), f.Name()), nil
}

// write writes b and returns how many of its bytes the file took. After a
// write that ended within a line it first ends that line, so that one full
// disk spoils one line only.
func (s *sink) write(b []byte) (int, error) {
	if s.torn {
		if _, err := s.file.Write([]byte{'\n'}); err != nil {
			return 0, err
		}
		s.torn = false
	}
	n, err := s.file.Write(b)
	s.torn = n > 0 && b[n-1] != '\n'
	return n, err
}

// close closes the file; the standard stream behind a duplicate stays open.
func (s *sink) close() error { return s.file.Close() }

package keyless

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
)

// socket is a listener whose file is removed with it.
type socket struct {
	*net.UnixListener
	path string
	file os.FileInfo
}

// Close stops listening, and removes the file unless another server has put its own in its place.
func (s *socket) Close() error {
	if now, err := os.Lstat(s.path); err == nil && os.SameFile(now, s.file) {
		_ = os.Remove(s.path)
	}
	return s.UnixListener.Close()
}

// Listen listens at unix:/path. Only those whom mode lets write to the file may connect, from the first moment on: it is made
// in a folder of its own and then moved to its place, where it takes that of an earlier one.
func Listen(address string, mode os.FileMode) (net.Listener, error) {
	path, ok := strings.CutPrefix(address, "unix:")
	if !ok || path == "" {
		return nil, fmt.Errorf("%q is not unix:/path", address)
	}
	if now, err := os.Lstat(path); err == nil && now.Mode()&os.ModeSocket == 0 {
		return nil, fmt.Errorf("%s is there and is no socket", path)
	}
	dir, err := os.MkdirTemp(filepath.Dir(path), ".keys-")
	if err != nil {
		return nil, err
	}
	defer func() { _ = os.RemoveAll(dir) }()
	made := filepath.Join(dir, "s")
	ln, err := net.ListenUnix("unix", &net.UnixAddr{Name: made, Net: "unix"})
	if err != nil {
		return nil, err
	}
	ln.SetUnlinkOnClose(false)
	if err = os.Chmod(made, mode); err == nil {
		err = os.Rename(made, path)
	}
	s := &socket{UnixListener: ln, path: path}
	if err == nil {
		s.file, err = os.Lstat(path)
	}
	if err != nil {
		_ = ln.Close()
		return nil, err
	}
	return s, nil
}

package file

import (
	"io/fs"

	"github.com/ringway/ringway/loop"
)

// Stat gives the metadata of a file, or of the one that a link leads to.
func Stat(t *loop.Task, name string) (fs.FileInfo, error) { return stat(t, name, true) }

// Lstat gives the metadata of a file, or of a link itself.
func Lstat(t *loop.Task, name string) (fs.FileInfo, error) { return stat(t, name, false) }

func stat(t *loop.Task, name string, follow bool) (fs.FileInfo, error) {
	s, err := of(t)
	if err != nil {
		return nil, err
	}
	return s.Stat(t, name, follow)
}

// Rename moves a file and replaces what is there, at once for whoever looks.
func Rename(t *loop.Task, from, to string) error {
	s, err := of(t)
	if err != nil {
		return err
	}
	return s.Rename(t, from, to)
}

// Remove removes a file, a link or an empty directory.
func Remove(t *loop.Task, name string) error {
	s, err := of(t)
	if err != nil {
		return err
	}
	return s.Remove(t, name)
}

// Mkdir makes a directory. perm is lessened by the umask.
func Mkdir(t *loop.Task, name string, perm fs.FileMode) error {
	s, err := of(t)
	if err != nil {
		return err
	}
	return s.Mkdir(t, name, perm)
}

// Symlink makes name a link to target, which need not exist.
func Symlink(t *loop.Task, target, name string) error {
	s, err := of(t)
	if err != nil {
		return err
	}
	return s.Symlink(t, target, name)
}

// Readlink gives the target of a link.
func Readlink(t *loop.Task, name string) (string, error) {
	s, err := of(t)
	if err != nil {
		return "", err
	}
	return s.Readlink(t, name)
}

// ReadDir lists a directory, sorted by name.
func ReadDir(t *loop.Task, name string) ([]fs.DirEntry, error) {
	s, err := of(t)
	if err != nil {
		return nil, err
	}
	return s.ReadDir(t, name)
}

package file

import (
	"errors"
	"io/fs"
	"os"

	"github.com/ringway/ringway/loop"
)

// Offloaded is the System of package os on the loop's blocking pool. When that is full, calls but Close fail with
// loop.ErrOffloadFull, and have done nothing. One call costs some 10 µs for the way to another thread and back, so that
// large buffers pay.
type Offloaded struct{}

// offload runs f to its end and gives both of its results.
func offload[T any](t *loop.Task, f func() (T, error)) (v T, err error) {
	err = t.OffloadUncancelled(func() (err error) { v, err = f(); return err })
	return v, err
}

// Open opens a file by os.OpenFile.
func (Offloaded) Open(t *loop.Task, name string, flag int, perm fs.FileMode) (Descriptor, error) {
	f, err := offload(t, func() (*os.File, error) { return os.OpenFile(name, flag, perm) })
	if err != nil {
		return nil, err
	}
	return osFile{f}, nil
}

// Stat gives metadata by os.Stat or os.Lstat.
func (Offloaded) Stat(t *loop.Task, name string, follow bool) (fs.FileInfo, error) {
	if follow {
		return offload(t, func() (fs.FileInfo, error) { return os.Stat(name) })
	}
	return offload(t, func() (fs.FileInfo, error) { return os.Lstat(name) })
}

// Rename moves a file by os.Rename.
func (Offloaded) Rename(t *loop.Task, from, to string) error {
	return t.OffloadUncancelled(func() error { return os.Rename(from, to) })
}

// Remove removes a file or an empty directory by os.Remove.
func (Offloaded) Remove(t *loop.Task, name string) error {
	return t.OffloadUncancelled(func() error { return os.Remove(name) })
}

// Mkdir makes a directory by os.Mkdir.
func (Offloaded) Mkdir(t *loop.Task, name string, perm fs.FileMode) error {
	return t.OffloadUncancelled(func() error { return os.Mkdir(name, perm) })
}

// Symlink makes a link by os.Symlink.
func (Offloaded) Symlink(t *loop.Task, target, name string) error {
	return t.OffloadUncancelled(func() error { return os.Symlink(target, name) })
}

// Readlink gives a link's target by os.Readlink.
func (Offloaded) Readlink(t *loop.Task, name string) (string, error) {
	return offload(t, func() (string, error) { return os.Readlink(name) })
}

// ReadDir lists a directory by os.ReadDir.
func (Offloaded) ReadDir(t *loop.Task, name string) ([]fs.DirEntry, error) {
	return offload(t, func() ([]fs.DirEntry, error) { return os.ReadDir(name) })
}

// osFile is the Descriptor of Offloaded. An os.File counts who uses it, so that a Close beside a read is safe.
type osFile struct{ f *os.File }

func (o osFile) ReadAt(t *loop.Task, b []byte, off int64) (int, error) {
	return offload(t, func() (int, error) { return o.f.ReadAt(b, off) })
}

func (o osFile) WriteAt(t *loop.Task, b []byte, off int64) (int, error) {
	return offload(t, func() (int, error) { return o.f.WriteAt(b, off) })
}

func (o osFile) Append(t *loop.Task, b []byte) (int, error) {
	return offload(t, func() (int, error) { return o.f.Write(b) })
}

func (o osFile) Sync(t *loop.Task) error { return t.OffloadUncancelled(o.f.Sync) }

func (o osFile) Stat(t *loop.Task) (fs.FileInfo, error) { return offload(t, o.f.Stat) }

func (o osFile) Truncate(t *loop.Task, size int64) error {
	return t.OffloadUncancelled(func() error { return o.f.Truncate(size) })
}

// Close closes here and now where the pool is full: a descriptor that stays open is worse than a loop that waits.
func (o osFile) Close(t *loop.Task) error {
	err := t.OffloadUncancelled(o.f.Close)
	if errors.Is(err, loop.ErrOffloadFull) {
		return o.f.Close()
	}
	return err
}

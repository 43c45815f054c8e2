package file

import (
	"io/fs"

	"github.com/ringway/ringway/loop"
)

// System carries file operations out. Each method is called in the task t, waits by yielding, and returns when the
// operation has ended for good, also if t is cancelled meanwhile. Errors are as those of package os: a *fs.PathError or
// *os.LinkError that answers to errors.Is with fs.ErrNotExist and its like.
type System interface {
	// Open opens a file; flag and perm are those of os.OpenFile (openat).
	Open(t *loop.Task, name string, flag int, perm fs.FileMode) (Descriptor, error)
	// Stat gives metadata, of a link's target if follow is set (statx).
	Stat(t *loop.Task, name string, follow bool) (fs.FileInfo, error)
	// Rename moves a file and replaces what is there (renameat).
	Rename(t *loop.Task, from, to string) error
	// Remove removes a file or an empty directory (unlinkat).
	Remove(t *loop.Task, name string) error
	// Mkdir makes a directory (mkdirat).
	Mkdir(t *loop.Task, name string, perm fs.FileMode) error
	// Symlink makes name a link to target (symlinkat).
	Symlink(t *loop.Task, target, name string) error
	// Readlink gives a link's target (readlinkat).
	Readlink(t *loop.Task, name string) (string, error)
	// ReadDir lists a directory, sorted by name (getdents64).
	ReadDir(t *loop.Task, name string) ([]fs.DirEntry, error)
}

// Descriptor is an open file of a System. Tasks may use it side by side; Close ends it when what goes on has ended.
type Descriptor interface {
	// ReadAt and WriteAt transfer all of b, or return an error: io.EOF where the file ends (pread, pwrite).
	ReadAt(t *loop.Task, b []byte, off int64) (int, error)
	WriteAt(t *loop.Task, b []byte, off int64) (int, error)
	// Append writes b at the file's end, of a file opened with os.O_APPEND.
	Append(t *loop.Task, b []byte) (int, error)
	// Sync waits until the file is on the disk (fsync).
	Sync(t *loop.Task) error
	// Stat gives metadata (statx).
	Stat(t *loop.Task) (fs.FileInfo, error)
	// Truncate sets the size (ftruncate).
	Truncate(t *loop.Task, size int64) error
	// Close lets go of the file.
	Close(t *loop.Task) error
}

// systems are what the loops use: Ring where the driver can, Offloaded elsewhere.
var systems = loop.NewLocal(func(l *loop.Loop) System {
	if l.FileOps() {
		return Ring{}
	}
	return Offloaded{}
})

// Use has the tasks of l work with s instead of what suits its driver, for what they open from here on. It is called on
// the loop.
func Use(l *loop.Loop, s System) { *systems.Get(l) = s }

// of gives the System of t's loop, unless t has been cancelled.
func of(t *loop.Task) (System, error) { return *systems.Get(t.Loop()), t.Cause() }

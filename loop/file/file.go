package file

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"

	"github.com/ringway/ringway/loop"
)

// File is an open file of a loop. Its methods are called in tasks of that loop, which may use it side by side; the
// position of Read, Write and Seek is one for all. It is an io.Reader, Writer, Seeker, Closer, ReaderAt and WriterAt,
// so that io.Copy, bufio and their like work on it. A buffer belongs to the call until it returns.
type File struct {
	l       *loop.Loop
	d       Descriptor
	name    string
	appends bool
	pos     int64
	turn    loop.Mutex // of who moves the position
	closed  bool
}

// ErrNegative is what Seek says of a position before the beginning.
var ErrNegative = errors.New("file: negative position")

// Open opens a file for reading.
func Open(t *loop.Task, name string) (*File, error) { return OpenFile(t, name, os.O_RDONLY, 0) }

// Create makes a file, or empties the one that is there, for reading and writing. perm is lessened by the umask.
func Create(t *loop.Task, name string, perm fs.FileMode) (*File, error) {
	return OpenFile(t, name, os.O_RDWR|os.O_CREATE|os.O_TRUNC, perm)
}

// OpenFile opens a file with the flags of package os (os.O_RDONLY, …). The caller closes it.
func OpenFile(t *loop.Task, name string, flag int, perm fs.FileMode) (*File, error) {
	s, err := of(t)
	if err != nil {
		return nil, err
	}
	d, err := s.Open(t, name, flag, perm)
	if err != nil {
		return nil, err
	}
	return &File{l: t.Loop(), d: d, name: name, appends: flag&os.O_APPEND != 0}, nil
}

// Name is the name that the file was opened by.
func (f *File) Name() string { return f.name }

// task gives the task that calls op, if it may.
func (f *File) task(op string) (*loop.Task, error) {
	t := f.l.Current()
	if t == nil {
		panic("file: " + op + " outside a task of the file's loop")
	}
	if f.closed {
		return nil, &fs.PathError{Op: op, Path: f.name, Err: fs.ErrClosed}
	}
	return t, t.Cause()
}

// ReadAt reads len(b) bytes from off; fewer come with an error, io.EOF at the file's end.
func (f *File) ReadAt(b []byte, off int64) (int, error) {
	t, err := f.task("read")
	if err != nil {
		return 0, err
	}
	return f.d.ReadAt(t, b, off)
}

// WriteAt writes b at off; a file opened with os.O_APPEND refuses it.
func (f *File) WriteAt(b []byte, off int64) (int, error) {
	t, err := f.task("write")
	if err != nil {
		return 0, err
	}
	return f.d.WriteAt(t, b, off)
}

// Read reads up to len(b) bytes from the position on; io.EOF says that there are none.
func (f *File) Read(b []byte) (n int, err error) {
	if len(b) == 0 {
		return 0, nil
	}
	return f.move("read", func(t *loop.Task) (int, error) {
		n, err := f.d.ReadAt(t, b, f.pos)
		if n > 0 && err == io.EOF {
			err = nil // it comes with the next call
		}
		return n, err
	})
}

// Write writes b at the position, or at the file's end if it was opened with os.O_APPEND.
func (f *File) Write(b []byte) (n int, err error) {
	return f.move("write", func(t *loop.Task) (int, error) {
		if f.appends {
			return f.d.Append(t, b)
		}
		return f.d.WriteAt(t, b, f.pos)
	})
}

// move lets one task at a time transfer at the position, which it moves.
func (f *File) move(op string, transfer func(t *loop.Task) (int, error)) (n int, err error) {
	t, err := f.task(op)
	if err != nil {
		return 0, err
	}
	if err := f.turn.Lock(t); err != nil {
		return 0, err
	}
	defer f.turn.Unlock()
	if _, err := f.task(op); err != nil { // it may have been closed while others had their turn
		return 0, err
	}
	n, err = transfer(t)
	f.pos += int64(n)
	return n, err
}

// Seek sets the position for the next Read or Write, as io.Seeker says. It asks for the size where whence is io.SeekEnd.
func (f *File) Seek(offset int64, whence int) (int64, error) {
	t, err := f.task("seek")
	if err != nil {
		return 0, err
	}
	if err := f.turn.Lock(t); err != nil {
		return 0, err
	}
	defer f.turn.Unlock()
	base := int64(0)
	switch whence {
	case io.SeekStart:
	case io.SeekCurrent:
		base = f.pos
	case io.SeekEnd:
		info, err := f.d.Stat(t)
		if err != nil {
			return 0, err
		}
		base = info.Size()
	default:
		return 0, fmt.Errorf("file: whence %d is unknown", whence)
	}
	if base+offset < 0 {
		return 0, &fs.PathError{Op: "seek", Path: f.name, Err: ErrNegative}
	}
	f.pos = base + offset
	return f.pos, nil
}

// Sync waits until what was written is on the disk.
func (f *File) Sync() error {
	t, err := f.task("sync")
	if err != nil {
		return err
	}
	return f.d.Sync(t)
}

// Stat gives the file's metadata.
func (f *File) Stat() (fs.FileInfo, error) {
	t, err := f.task("stat")
	if err != nil {
		return nil, err
	}
	return f.d.Stat(t)
}

// Truncate cuts the file off, or fills it with zeroes, so that it has the size. The position stays.
func (f *File) Truncate(size int64) error {
	t, err := f.task("truncate")
	if err != nil {
		return err
	}
	return f.d.Truncate(t, size)
}

// Close lets go of the file, also in a task that was cancelled. Calls that still wait in other tasks come to their end.
func (f *File) Close() error {
	t, err := f.task("close")
	if t == nil {
		return err
	}
	f.closed = true
	return f.d.Close(t)
}

package file

import (
	"errors"
	"io"
	"io/fs"
	"path/filepath"

	"github.com/ringway/ringway/loop"
	"github.com/ringway/ringway/sys"
)

// ringFile is the Descriptor of Ring. It counts who uses the descriptor, so that a Close beside a read waits for it.
type ringFile struct {
	fd      int32
	name    string
	appends bool
	users   int
	closed  bool
	closer  *loop.Task // waits for the last user
}

// use carries an operation out on the descriptor.
func (f *ringFile) use(t *loop.Task, call string, o *operation) (int32, error) {
	if f.closed {
		return 0, &fs.PathError{Op: call, Path: f.name, Err: fs.ErrClosed}
	}
	f.users++
	o.op.FD = f.fd
	n := o.do(t)
	f.release(t)
	if n < 0 {
		return n, &fs.PathError{Op: call, Path: f.name, Err: failure(t, n)}
	}
	return n, nil
}

func (f *ringFile) release(t *loop.Task) {
	if f.users--; f.users == 0 && f.closer != nil {
		t.Loop().Ready(f.closer)
	}
}

// transfer repeats an operation until all of b has been moved, or nothing more is.
func (f *ringFile) transfer(t *loop.Task, call string, code loop.Code, b []byte, off int64) (int, error) {
	if off < 0 && off != here {
		return 0, &fs.PathError{Op: call, Path: f.name, Err: ErrNegative}
	}
	o := &operation{op: loop.Op{Code: code}}
	done := 0
	for done < len(b) {
		o.op.Buf, o.args.Offset = b[done:min(len(b), done+most)], off
		if off != here {
			o.args.Offset += int64(done)
		}
		n, err := f.use(t, call, o)
		if err != nil {
			return done, err
		}
		if n == 0 {
			if code == loop.OpRead {
				return done, io.EOF
			}
			return done, &fs.PathError{Op: call, Path: f.name, Err: io.ErrShortWrite}
		}
		done += int(n)
	}
	return done, nil
}

const (
	// here is the offset that stands for where the descriptor is.
	here = -1
	// most is how many bytes one operation moves.
	most = 1 << 30
)

// ReadAt fills b from off.
func (f *ringFile) ReadAt(t *loop.Task, b []byte, off int64) (int, error) {
	if off < 0 {
		return 0, &fs.PathError{Op: "readat", Path: f.name, Err: ErrNegative}
	}
	return f.transfer(t, "read", loop.OpRead, b, off)
}

// WriteAt writes b at off.
func (f *ringFile) WriteAt(t *loop.Task, b []byte, off int64) (int, error) {
	if off < 0 {
		return 0, &fs.PathError{Op: "writeat", Path: f.name, Err: ErrNegative}
	}
	if f.appends {
		return 0, &fs.PathError{Op: "writeat", Path: f.name, Err: errAppends}
	}
	return f.transfer(t, "write", loop.OpWrite, b, off)
}

// errAppends is why a file that is appended to is not written elsewhere.
var errAppends = errors.New("file was opened with O_APPEND")

// Append writes b at the end.
func (f *ringFile) Append(t *loop.Task, b []byte) (int, error) {
	return f.transfer(t, "write", loop.OpWrite, b, here)
}

// Sync waits for the disk.
func (f *ringFile) Sync(t *loop.Task) error {
	_, err := f.use(t, "sync", &operation{op: loop.Op{Code: loop.OpSync}})
	return err
}

// Stat gives metadata.
func (f *ringFile) Stat(t *loop.Task) (fs.FileInfo, error) {
	o := &operation{op: loop.Op{Code: loop.OpStat}}
	o.args.Path, o.args.Stat = []byte{0}, new(sys.Statx)
	if _, err := f.use(t, "stat", o); err != nil {
		return nil, err
	}
	return info{filepath.Base(f.name), o.args.Stat}, nil
}

// Truncate sets the size, on the blocking pool: kernels before 6.9 have no operation for it.
func (f *ringFile) Truncate(t *loop.Task, size int64) error {
	if f.closed {
		return &fs.PathError{Op: "truncate", Path: f.name, Err: fs.ErrClosed}
	}
	f.users++
	defer f.release(t)
	n := int32(0)
	if err := t.OffloadUncancelled(func() error { n = sys.Ftruncate(f.fd, size); return nil }); err != nil {
		return err
	}
	if n < 0 {
		return &fs.PathError{Op: "truncate", Path: f.name, Err: sys.Errno(n)}
	}
	return nil
}

// Close waits for those who use the descriptor, and closes it.
func (f *ringFile) Close(t *loop.Task) error {
	if f.closed {
		return &fs.PathError{Op: "close", Path: f.name, Err: fs.ErrClosed}
	}
	f.closed = true
	o := &operation{op: loop.Op{Code: loop.OpClose, FD: f.fd}}
	for f.closer = t; f.users > 0; {
		_ = t.ParkUncancelled(o)
	}
	f.closer = nil
	if n := o.do(t); n < 0 {
		return &fs.PathError{Op: "close", Path: f.name, Err: sys.Errno(n)}
	}
	return nil
}

package file

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/ringway/ringway/loop"
	"github.com/ringway/ringway/sys"
)

// Ring is the System of a loop whose driver carries out operations on files (Loop.FileOps). What is in the page cache is read
// and written by the loop's own thread, and most files are opened by it; the kernel's workers do the rest. What io_uring has no operation for, links' targets, directories' lists and sizes
// that are set, is offloaded.
type Ring struct{ Offloaded }

var _ System = Ring{}

// operation is one operation on a file and the task that waits for it.
type operation struct {
	op   loop.Op
	args loop.FileArgs
	task *loop.Task
	n    int32
}

// Complete wakes the task.
func (o *operation) Complete(_ *loop.Op, r loop.Result) {
	o.n = r.N
	o.task.Loop().Ready(o.task)
}

// CancelWait asks the kernel to end the operation early. It does what has not begun, or waits for ever, as a read of an
// empty FIFO; anything else is waited for.
func (o *operation) CancelWait(t *loop.Task) {
	if o.op.Code != loop.OpClose {
		t.Loop().CancelOp(&o.op)
	}
}

// do carries an operation out and waits for its end, whatever becomes of the task.
func (o *operation) do(t *loop.Task) int32 {
	o.task, o.op.Done, o.op.File = t, o, &o.args
	for {
		t.Loop().Submit(&o.op)
		for o.op.InFlight() {
			_ = t.ParkUncancelled(o) // the cause shows in the result, or at the task's next wait
		}
		again := o.n == -sys.EINTR || o.n == -sys.EAGAIN
		if !again || o.op.Code == loop.OpClose || t.Cause() != nil { // a close has freed the number even when interrupted
			return o.n
		}
	}
}

// onPath carries out an operation on a path.
func onPath(t *loop.Task, call, name string, o *operation) (int32, error) {
	path, ok := sys.CString(name)
	if !ok {
		return 0, &fs.PathError{Op: call, Path: name, Err: sys.Errno(-sys.EINVAL)}
	}
	o.args.Path = path
	if n := o.do(t); n < 0 {
		return n, &fs.PathError{Op: call, Path: name, Err: failure(t, n)}
	}
	return o.n, nil
}

// onPaths carries out an operation on two paths; an error names them as package os does.
func onPaths(t *loop.Task, failed os.LinkError, name, target string, o *operation) error {
	var fine, also bool
	o.args.Path, fine = sys.CString(name)
	o.args.Target, also = sys.CString(target)
	n := -sys.EINVAL
	if fine && also {
		n = o.do(t)
	}
	if n < 0 {
		failed.Err = failure(t, n)
		return &failed
	}
	return nil
}

// failure is why an operation failed: the task's cause if it was cancelled for that.
func failure(t *loop.Task, n int32) error {
	if cause := t.Cause(); cause != nil && (n == -sys.ECANCELED || n == -sys.EINTR || n == -sys.EAGAIN) {
		return cause
	}
	return sys.Errno(n)
}

// Open opens a file.
func (r Ring) Open(t *loop.Task, name string, flag int, perm fs.FileMode) (Descriptor, error) {
	o := &operation{op: loop.Op{Code: loop.OpOpen}}
	o.args.Flags, o.args.Mode = uint32(flag)|sys.O_CLOEXEC, sys.FileMode(perm)
	fd, err := onPath(t, "open", name, o)
	if err != nil {
		return nil, err
	}
	return &ringFile{fd: fd, name: name, appends: flag&os.O_APPEND != 0}, nil
}

// Stat gives metadata; its Sys is a *sys.Statx.
func (r Ring) Stat(t *loop.Task, name string, follow bool) (fs.FileInfo, error) {
	o := &operation{op: loop.Op{Code: loop.OpStat}}
	call := "stat"
	if o.args.Stat = new(sys.Statx); !follow {
		call, o.args.Flags = "lstat", sys.AT_SYMLINK_NOFOLLOW
	}
	if name == "" {
		return nil, &fs.PathError{Op: call, Path: name, Err: fs.ErrNotExist}
	}
	if _, err := onPath(t, call, name, o); err != nil {
		return nil, err
	}
	return info{filepath.Base(name), o.args.Stat}, nil
}

// Rename moves a file.
func (r Ring) Rename(t *loop.Task, from, to string) error {
	failed := os.LinkError{Op: "rename", Old: from, New: to}
	if is, err := r.Stat(t, to, false); err == nil && is.IsDir() { // as package os: a directory is never replaced
		failed.Err = sys.Errno(-sys.EEXIST)
		if _, err := r.Stat(t, from, false); err != nil {
			failed.Err = errors.Unwrap(err)
		}
		return &failed
	}
	return onPaths(t, failed, from, to, &operation{op: loop.Op{Code: loop.OpRename}})
}

// Remove removes a file or an empty directory.
func (r Ring) Remove(t *loop.Task, name string) error {
	_, err := onPath(t, "remove", name, &operation{op: loop.Op{Code: loop.OpRemove}})
	if err == nil {
		return nil
	}
	o := &operation{op: loop.Op{Code: loop.OpRemove}}
	o.args.Flags = sys.AT_REMOVEDIR
	n, asDirectory := onPath(t, "remove", name, o)
	if asDirectory != nil && n != -sys.ENOTDIR { // it is one, so this says what is wrong
		return asDirectory
	}
	if asDirectory == nil {
		return nil
	}
	return err
}

// Mkdir makes a directory.
func (r Ring) Mkdir(t *loop.Task, name string, perm fs.FileMode) error {
	o := &operation{op: loop.Op{Code: loop.OpMkdir}}
	o.args.Mode = sys.FileMode(perm)
	_, err := onPath(t, "mkdir", name, o)
	return err
}

// Symlink makes a link.
func (r Ring) Symlink(t *loop.Task, target, name string) error {
	return onPaths(t, os.LinkError{Op: "symlink", Old: target, New: name}, name, target, &operation{op: loop.Op{Code: loop.OpSymlink}})
}

// info is metadata of a file.
type info struct {
	name string
	*sys.Statx
}

// Name is the last part of the path.
func (i info) Name() string { return i.name }

// IsDir reports whether it is a directory.
func (i info) IsDir() bool { return i.Mode().IsDir() }

// Sys is the *sys.Statx.
func (i info) Sys() any { return i.Statx }

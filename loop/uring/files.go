package uring

import (
	"fmt"
	"unsafe"

	"github.com/ringway/ringway/loop"
	"github.com/ringway/ringway/sys"
	ring "github.com/ringway/ringway/sys/uring"
)

// FileOps is true: every kernel that this driver runs on has them (5.15).
func (d *Driver) FileOps() bool { return true }

// fillFile makes an entry of an operation on files. Reads and writes of what is in the page cache, and most opens, happen
// within the submission; the kernel's own workers do the rest.
func fillFile(sqe *ring.SQE, op *loop.Op) {
	a := op.File
	switch op.Code {
	case loop.OpOpen:
		sqe.Opcode, sqe.FD = ring.IORING_OP_OPENAT, sys.AT_FDCWD
		sqe.Addr, sqe.Len, sqe.OpFlags = bytes(a.Path), a.Mode, a.Flags
	case loop.OpRead, loop.OpWrite:
		sqe.Opcode = ring.IORING_OP_READ
		if op.Code == loop.OpWrite {
			sqe.Opcode = ring.IORING_OP_WRITE
		}
		sqe.Addr, sqe.Len, sqe.Off = bytes(op.Buf), uint32(len(op.Buf)), uint64(max(a.Offset, -1))
	case loop.OpSync:
		sqe.Opcode = ring.IORING_OP_FSYNC
	case loop.OpStat:
		sqe.Opcode, sqe.Addr = ring.IORING_OP_STATX, bytes(a.Path)
		sqe.Len, sqe.Off, sqe.OpFlags = sys.STATX_BASIC_STATS, uint64(uintptr(a.Stat.Pointer())), a.Flags
		if len(a.Path) > 1 {
			sqe.FD = sys.AT_FDCWD
		} else {
			sqe.OpFlags |= sys.AT_EMPTY_PATH
		}
	case loop.OpRename:
		sqe.Opcode, sqe.FD = ring.IORING_OP_RENAMEAT, sys.AT_FDCWD
		sqe.Addr, sqe.Off, sqe.Len = bytes(a.Path), bytes(a.Target), uint32(workingDirectory)
	case loop.OpRemove:
		sqe.Opcode, sqe.FD = ring.IORING_OP_UNLINKAT, sys.AT_FDCWD
		sqe.Addr, sqe.OpFlags = bytes(a.Path), a.Flags
	case loop.OpMkdir:
		sqe.Opcode, sqe.FD = ring.IORING_OP_MKDIRAT, sys.AT_FDCWD
		sqe.Addr, sqe.Len = bytes(a.Path), a.Mode
	case loop.OpSymlink:
		sqe.Opcode, sqe.FD = ring.IORING_OP_SYMLINKAT, sys.AT_FDCWD
		sqe.Addr, sqe.Off = bytes(a.Target), bytes(a.Path)
	default:
		panic(fmt.Sprintf("uring: unknown operation %d", op.Code))
	}
}

// workingDirectory is AT_FDCWD where an entry holds it without its sign.
const workingDirectory = uint32(1<<32 + sys.AT_FDCWD)

func bytes(b []byte) uint64 { return uint64(uintptr(unsafe.Pointer(unsafe.SliceData(b)))) }

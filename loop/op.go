package loop

import (
	"github.com/ringway/ringway/buf"
	"github.com/ringway/ringway/sys"
)

// Code says what an operation does.
type Code uint8

// The operations that every driver carries out.
const (
	// OpRecv receives into a buffer that the driver lends: Result.Block, to be given back with Loop.Return. While it
	// waits it holds no buffer. With Multi it goes on: one Result a buffer, More set, until it is cancelled, fails or the
	// stream ends.
	OpRecv Code = iota + 1
	// OpSend sends Buf; it may send less.
	OpSend
	// OpSendmsg sends the buffers of Msg; it may send less.
	OpSendmsg
	// OpAccept accepts connections until it is cancelled or fails: one Result a connection, N its descriptor, More set
	// while it goes on.
	OpAccept
	// OpConnect connects the socket to Addr.
	OpConnect
	// OpPoll waits until one of Events holds; N is the set that does.
	OpPoll
	// OpClose closes FD. No other operation may be in flight on it.
	OpClose
	// OpRecvmsg receives messages (datagrams of any kind, and descriptors with them) until it is cancelled or fails: one
	// Result a message, More set while it goes on, each in a buffer of its own that the driver lends, with sys.Received's
	// layout. More may be missing although nothing is wrong: whoever wants more submits it again. A message of nought bytes
	// has a buffer too; on a socket of SOCK_SEQPACKET it may be the end. While it waits it holds no buffer.
	OpRecvmsg
	// OpForget takes FD out of the driver's care, so that it may be closed by others or be given to another loop. No other
	// operation may be in flight on it.
	OpForget

	// The operations on files are for drivers that say so (Loop.FileOps); paths are relative to the working directory.
	OpOpen    // File.Path, Flags and Mode; N is the descriptor (openat)
	OpRead    // into Buf, from File.Offset; N is 0 at the end (pread)
	OpWrite   // of Buf, at File.Offset, or where the descriptor stands if that is negative (pwrite)
	OpSync    // (fsync)
	OpStat    // of File.Path, or of FD if that is empty, into File.Stat; Flags are statx's
	OpRename  // File.Path to File.Target (renameat)
	OpRemove  // File.Path; Flags are unlinkat's
	OpMkdir   // File.Path, Mode (mkdirat)
	OpSymlink // File.Path becomes a link to File.Target (symlinkat)
)

// FileArgs are what operations on files have beside others. Like the operation they are on the heap.
type FileArgs struct {
	Path, Target []byte // ended by a nought: sys.CString
	Offset       int64
	Flags, Mode  uint32
	Stat         *sys.Statx
}

// Op is one operation. It is part of the record that starts it, on the heap, and belongs to the driver from Submit
// until the Result without More. The driver does not copy what it points to.
type Op struct {
	Code      Code
	Multi     bool  // OpRecv: go on after the first buffer
	PollFirst bool  // OpRecv: nothing is there yet, so wait before trying; a hint
	NotLast   bool  // OpSend, OpSendmsg: more follows at once (MSG_MORE)
	Quiet     bool  // OpSend: success is no reason to end a wait; see Driver.Hurry
	Events    int16 // OpPoll: sys.POLLIN, …
	FD        int32
	Buf       []byte
	Msg       *sys.Msghdr
	Addr      *sys.Sockaddr
	File      *FileArgs
	Done      Completer

	Driver DriverState // the driver's own; others leave it alone
}

// DriverState is what a driver keeps of an operation in flight.
type DriverState struct {
	Slot      uint32
	InFlight  bool
	Cancelled bool   // Cancel was called
	Aborted   bool   // cancelled before the kernel saw it
	Polled    bool   // OpRecv, OpRecvmsg: found no buffer once, so waits for data before it takes one
	Loud      bool   // OpSend: Quiet has been tried
	Renewed   bool   // OpRecv with Multi: the driver itself has cancelled it, to start it anew
	Row       uint8  // OpRecv with Multi: results in a row that left something in the socket
	Batch     uint32 // OpSend: which quiet try is out; 0: none
	Next      *Op    // link of a queue
}

// InFlight reports whether the operation is the driver's: between Submit and its last Result.
func (op *Op) InFlight() bool { return op.Driver.InFlight }

// Result is the outcome of an operation.
type Result struct {
	N       int32      // bytes, descriptor or events; -errno when it failed
	Block   *buf.Block // OpRecv, OpRecvmsg: the lent buffer, Len set; nil unless N > 0
	More    bool       // the operation goes on
	Drained bool       // OpRecv: the socket was empty afterwards
}

// Completer takes the results of an operation, on the loop and outside any task: it must not wait.
type Completer interface {
	Complete(op *Op, r Result)
}

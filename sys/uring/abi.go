package uring

import "unsafe"

// Opcodes (enum io_uring_op), as far as they are used.
const (
	IORING_OP_NOP          = 0
	IORING_OP_FSYNC        = 3
	IORING_OP_POLL_ADD     = 6
	IORING_OP_SENDMSG      = 9
	IORING_OP_RECVMSG      = 10
	IORING_OP_ACCEPT       = 13
	IORING_OP_ASYNC_CANCEL = 14
	IORING_OP_CONNECT      = 16
	IORING_OP_OPENAT       = 18
	IORING_OP_CLOSE        = 19
	IORING_OP_STATX        = 21
	IORING_OP_READ         = 22
	IORING_OP_WRITE        = 23
	IORING_OP_SEND         = 26
	IORING_OP_RECV         = 27
	IORING_OP_SHUTDOWN     = 34
	IORING_OP_RENAMEAT     = 35
	IORING_OP_UNLINKAT     = 36
	IORING_OP_MKDIRAT      = 37
	IORING_OP_SYMLINKAT    = 38
	IORING_OP_MSG_RING     = 40
)

// Flags of an SQE.
const (
	IOSQE_FIXED_FILE       = 1 << 0
	IOSQE_IO_DRAIN         = 1 << 1
	IOSQE_IO_LINK          = 1 << 2
	IOSQE_IO_HARDLINK      = 1 << 3
	IOSQE_ASYNC            = 1 << 4
	IOSQE_BUFFER_SELECT    = 1 << 5
	IOSQE_CQE_SKIP_SUCCESS = 1 << 6
)

// Flags of single operations (sqe.ioprio for receive, send and accept).
const (
	IORING_RECVSEND_POLL_FIRST   = 1 << 0
	IORING_RECV_MULTISHOT        = 1 << 1
	IORING_ACCEPT_MULTISHOT      = 1 << 0
	IORING_POLL_ADD_MULTI        = 1 << 0
	IORING_ASYNC_CANCEL_USERDATA = 1 << 4
	IORING_MSG_DATA              = 0
)

// Flags of a CQE.
const (
	IORING_CQE_F_BUFFER        = 1 << 0
	IORING_CQE_F_MORE          = 1 << 1
	IORING_CQE_F_SOCK_NONEMPTY = 1 << 2
	IORING_CQE_F_NOTIF         = 1 << 3
	IORING_CQE_BUFFER_SHIFT    = 16
)

const (
	ioringSetupCQSize       = 1 << 3
	ioringSetupClamp        = 1 << 4
	ioringSetupSubmitAll    = 1 << 7
	ioringSetupCoopTaskrun  = 1 << 8
	ioringSetupSingleIssuer = 1 << 12
	ioringSetupDeferTaskrun = 1 << 13
	ioringSetupNoSQArray    = 1 << 16

	ioringEnterGetevents      = 1 << 0
	ioringEnterExtArg         = 1 << 3
	ioringEnterRegisteredRing = 1 << 4

	ioringFeatSingleMmap = 1 << 0
	ioringFeatNodrop     = 1 << 1
	ioringFeatFastPoll   = 1 << 5
	ioringFeatExtArg     = 1 << 8
	ioringFeatCQESkip    = 1 << 11

	ioringOffSQRing = 0
	ioringOffSQEs   = 0x10000000

	ioringRegisterProbe       = 8
	ioringRegisterRingFDs     = 20
	ioringUnregisterRingFDs   = 21
	ioringRegisterPbufRing    = 22
	ioringRegisterSendMsgRing = 31
)

// SQE is struct io_uring_sqe.
type SQE struct {
	Opcode      uint8
	Flags       uint8
	Ioprio      uint16
	FD          int32
	Off         uint64 // also addr2
	Addr        uint64
	Len         uint32
	OpFlags     uint32 // msg_flags, accept_flags, poll32_events, cancel_flags, open_flags, statx_flags, unlink_flags
	UserData    uint64
	BufGroup    uint16 // buf_group or buf_index
	Personality uint16
	FileIndex   int32
	Addr3       uint64
	_           uint64
}

// CQE is struct io_uring_cqe.
type CQE struct {
	UserData uint64
	Res      int32
	Flags    uint32
}

type sqringOffsets struct {
	head, tail, ringMask, ringEntries, flags, dropped, array, resv1 uint32
	userAddr                                                        uint64
}

type cqringOffsets struct {
	head, tail, ringMask, ringEntries, overflow, cqes, flags, resv1 uint32
	userAddr                                                        uint64
}

type params struct {
	sqEntries, cqEntries, flags, sqThreadCPU, sqThreadIdle, features, wqFD uint32
	resv                                                                   [3]uint32
	sqOff                                                                  sqringOffsets
	cqOff                                                                  cqringOffsets
}

type timespec struct{ sec, nsec int64 }

type geteventsArg struct {
	sigmask   uint64
	sigmaskSz uint32
	minWait   uint32 // microseconds
	ts        uint64
}

type rsrcUpdate struct {
	offset uint32
	resv   uint32
	data   uint64
}

type bufReg struct {
	ringAddr    uint64
	ringEntries uint32
	bgid        uint16
	flags       uint16
	resv        [3]uint64
}

// buf is struct io_uring_buf; the tail of a buffer ring overlays resv of entry 0.
type buf struct {
	addr uint64
	len  uint32
	bid  uint16
	resv uint16
}

type probeOp struct {
	op    uint8
	resv  uint8
	flags uint16
	resv2 uint32
}

type probe struct {
	lastOp uint8
	opsLen uint8
	resv   uint16
	resv2  [3]uint32
	ops    [256]probeOp
}

// The kernel's sizes; a layout that drifts fails to compile.
var (
	_ [64 - unsafe.Sizeof(SQE{})]byte
	_ [unsafe.Sizeof(SQE{}) - 64]byte
	_ [16 - unsafe.Sizeof(CQE{})]byte
	_ [unsafe.Sizeof(CQE{}) - 16]byte
	_ [120 - unsafe.Sizeof(params{})]byte
	_ [unsafe.Sizeof(params{}) - 120]byte
	_ [16 - unsafe.Sizeof(buf{})]byte
	_ [unsafe.Sizeof(buf{}) - 16]byte
)

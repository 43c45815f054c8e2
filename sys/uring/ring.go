package uring

import (
	"fmt"
	"os"
	"sync/atomic"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Ring is one io_uring instance: a submission queue that this side writes and a completion queue that it reads,
// both shared with the kernel.
type Ring struct {
	fd      int
	enterFD uintptr // fd, or the index of the registered ring
	enterFl uintptr
	selfIdx int    // index of the registered ring, -1 for none
	flags   uint32 // setup flags that the kernel took

	ringMem, sqeMem []byte

	sqHead, sqTail *uint32
	sqMask         uint32
	sqEntries      uint32
	sqes           unsafe.Pointer
	tail           uint32 // ours, published by Enter
	submitted      uint32 // tail at the last Enter

	cqHead, cqTail *uint32
	cqMask         uint32
	cqes           unsafe.Pointer

	ts  timespec
	arg geteventsArg

	// Enters counts the calls into the kernel.
	Enters uint64
}

// Setup opens a ring with room for entries submissions and eight times as many completions. It must be called on the
// thread that will use the ring.
func Setup(entries uint32) (*Ring, error) {
	base := uint32(ioringSetupCQSize | ioringSetupClamp | ioringSetupSubmitAll | ioringSetupSingleIssuer |
		ioringSetupDeferTaskrun | ioringSetupCoopTaskrun)
	var p params
	var err error
	var fd int
	for _, flags := range [...]uint32{base | ioringSetupNoSQArray, base} { // NO_SQARRAY is there since 6.6
		p = params{flags: flags, cqEntries: entries * 8}
		if fd, err = setup(entries, &p); err == nil {
			break
		}
	}
	if err != nil {
		return nil, err
	}
	const need = ioringFeatSingleMmap | ioringFeatNodrop | ioringFeatFastPoll | ioringFeatExtArg | ioringFeatCQESkip
	if p.features&need != need {
		unix.Close(fd)
		return nil, fmt.Errorf("io_uring lacks features: has %#x, needs %#x", p.features, need)
	}
	r := &Ring{fd: fd, enterFD: uintptr(fd), selfIdx: -1, flags: p.flags}
	if err := r.mmap(&p); err != nil {
		r.Close()
		return nil, err
	}
	r.registerSelf()
	return r, nil
}

func setup(entries uint32, p *params) (int, error) {
	fd, _, e := syscall.RawSyscall(unix.SYS_IO_URING_SETUP, uintptr(entries), uintptr(unsafe.Pointer(p)), 0)
	if e != 0 {
		return -1, os.NewSyscallError("io_uring_setup", e)
	}
	return int(fd), nil
}

func (r *Ring) mmap(p *params) error {
	size := max(p.sqOff.array+p.sqEntries*4, p.cqOff.cqes+p.cqEntries*uint32(unsafe.Sizeof(CQE{})))
	var err error
	const prot, flags = unix.PROT_READ | unix.PROT_WRITE, unix.MAP_SHARED | unix.MAP_POPULATE
	if r.ringMem, err = unix.Mmap(r.fd, ioringOffSQRing, int(size), prot, flags); err != nil {
		return os.NewSyscallError("mmap rings", err)
	}
	if r.sqeMem, err = unix.Mmap(r.fd, ioringOffSQEs, int(p.sqEntries)*int(unsafe.Sizeof(SQE{})), prot, flags); err != nil {
		return os.NewSyscallError("mmap sqes", err)
	}
	at := func(off uint32) *uint32 { return (*uint32)(unsafe.Pointer(&r.ringMem[off])) }
	r.sqHead, r.sqTail = at(p.sqOff.head), at(p.sqOff.tail)
	r.sqEntries, r.sqMask = p.sqEntries, p.sqEntries-1
	r.sqes = unsafe.Pointer(&r.sqeMem[0])
	r.cqHead, r.cqTail = at(p.cqOff.head), at(p.cqOff.tail)
	r.cqMask = p.cqEntries - 1
	r.cqes = unsafe.Pointer(&r.ringMem[p.cqOff.cqes])
	if p.flags&ioringSetupNoSQArray == 0 {
		for i := range p.sqEntries { // the indirection is the identity, once and for all
			*at(p.sqOff.array + i*4) = i
		}
	}
	return nil
}

// registerSelf saves the kernel a descriptor look-up at every Enter; a kernel that refuses costs nothing but that.
func (r *Ring) registerSelf() {
	up := rsrcUpdate{offset: ^uint32(0), data: uint64(r.fd)}
	_, _, e := syscall.RawSyscall6(unix.SYS_IO_URING_REGISTER, uintptr(r.fd), ioringRegisterRingFDs, uintptr(unsafe.Pointer(&up)), 1, 0, 0)
	if e == 0 {
		r.enterFD, r.enterFl = uintptr(up.offset), ioringEnterRegisteredRing
		r.selfIdx = int(up.offset)
	}
}

// unregisterSelf drops the reference that the thread would otherwise hold on the ring until it ends: closing the
// descriptor alone would leave the ring, and the sockets of what is in flight on it, alive.
func (r *Ring) unregisterSelf() {
	if r.selfIdx < 0 {
		return
	}
	up := rsrcUpdate{offset: uint32(r.selfIdx)}
	_, _, _ = syscall.RawSyscall6(unix.SYS_IO_URING_REGISTER, uintptr(r.fd), ioringUnregisterRingFDs, uintptr(unsafe.Pointer(&up)), 1, 0, 0)
	r.selfIdx = -1
}

// FD is the ring's descriptor.
func (r *Ring) FD() int { return r.fd }

// Next gives the next free submission entry, cleared, or nil when the queue is full: then Submit makes room.
func (r *Ring) Next() *SQE {
	if r.tail-atomic.LoadUint32(r.sqHead) >= r.sqEntries {
		return nil
	}
	sqe := (*SQE)(unsafe.Add(r.sqes, uintptr(r.tail&r.sqMask)*unsafe.Sizeof(SQE{})))
	*sqe = SQE{}
	r.tail++
	return sqe
}

// Tail is the position of the entry that Next gave last, counted from 1 in 31 bits.
func (r *Ring) Tail() uint32 { return r.tail & positionMask }

// Submitted reports whether the kernel has taken the entry at a position of Tail.
func (r *Ring) Submitted(position uint32) bool {
	return int32((r.submitted-position)<<1) >= 0
}

const positionMask = 1<<31 - 1

// Submit hands the pending entries to the kernel and lets it run what is due; it never waits.
func (r *Ring) Submit() error {
	return r.enter(0, nil)
}

// SubmitAndWait hands the pending entries to the kernel and waits until there is a completion, or for the duration;
// a negative one waits without end. A signal ends the wait early; that is not an error.
func (r *Ring) SubmitAndWait(d time.Duration) error {
	if d < 0 {
		return r.enter(1, nil)
	}
	r.ts = timespec{sec: int64(d / time.Second), nsec: int64(d % time.Second)}
	return r.enter(1, &r.ts)
}

func (r *Ring) enter(wait uintptr, ts *timespec) error {
	for {
		atomic.StoreUint32(r.sqTail, r.tail)
		n := r.tail - r.submitted
		flags := r.enterFl | ioringEnterGetevents
		var got uintptr
		var e syscall.Errno
		r.Enters++
		switch {
		case wait == 0:
			got, _, e = syscall.RawSyscall6(unix.SYS_IO_URING_ENTER, r.enterFD, uintptr(n), 0, flags, 0, 0)
		case ts == nil:
			got, _, e = syscall.Syscall6(unix.SYS_IO_URING_ENTER, r.enterFD, uintptr(n), wait, flags, 0, 0)
		default:
			r.arg = geteventsArg{ts: uint64(uintptr(unsafe.Pointer(ts)))}
			got, _, e = syscall.Syscall6(unix.SYS_IO_URING_ENTER, r.enterFD, uintptr(n), wait, flags|ioringEnterExtArg,
				uintptr(unsafe.Pointer(&r.arg)), unsafe.Sizeof(r.arg))
		}
		if e == 0 {
			r.submitted += uint32(got)
			return nil
		}
		switch e {
		case unix.EINTR: // nothing was submitted if the call failed; a wait that a signal ends is the caller's to repeat
			if wait == 0 || n > 0 {
				r.submitted = atomic.LoadUint32(r.sqHead)
				if r.tail != r.submitted {
					continue
				}
			}
			return nil
		case unix.ETIME:
			r.submitted = atomic.LoadUint32(r.sqHead)
			return nil
		case unix.EBUSY, unix.EAGAIN: // completions must be taken before more can be submitted
			r.submitted = atomic.LoadUint32(r.sqHead)
			return nil
		}
		return os.NewSyscallError("io_uring_enter", e)
	}
}

// Completions is the number of completions ready to be taken.
func (r *Ring) Completions() uint32 { return atomic.LoadUint32(r.cqTail) - *r.cqHead }

// Peek gives the i-th ready completion; it stays valid until Seen passes it.
func (r *Ring) Peek(i uint32) *CQE {
	return (*CQE)(unsafe.Add(r.cqes, uintptr((*r.cqHead+i)&r.cqMask)*unsafe.Sizeof(CQE{})))
}

// Seen gives the first n ready completions back to the kernel.
func (r *Ring) Seen(n uint32) { atomic.StoreUint32(r.cqHead, *r.cqHead+n) }

// Close frees the ring, on the thread that opened it. Operations in flight are cancelled by the kernel.
func (r *Ring) Close() error {
	r.unregisterSelf()
	if r.ringMem != nil {
		_ = unix.Munmap(r.ringMem)
		r.ringMem = nil
	}
	if r.sqeMem != nil {
		_ = unix.Munmap(r.sqeMem)
		r.sqeMem = nil
	}
	fd := r.fd
	r.fd = -1
	if fd < 0 {
		return nil
	}
	return os.NewSyscallError("close", unix.Close(fd))
}

// SendMessage posts a completion with the given user data on the ring behind fd, from a thread that has no ring of its
// own. Kernels before 6.13 refuse with EINVAL.
func SendMessage(fd int, userData uint64) error {
	sqe := SQE{Opcode: IORING_OP_MSG_RING, FD: int32(fd), Addr: IORING_MSG_DATA, Off: userData}
	_, _, e := syscall.RawSyscall6(unix.SYS_IO_URING_REGISTER, ^uintptr(0), ioringRegisterSendMsgRing, uintptr(unsafe.Pointer(&sqe)), 1, 0, 0)
	if e != 0 {
		return os.NewSyscallError("io_uring_register SEND_MSG_RING", e)
	}
	return nil
}

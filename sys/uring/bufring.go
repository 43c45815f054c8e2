package uring

import (
	"os"
	"sync/atomic"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// BufRing is a ring of provided buffers: the kernel takes one when a receive has data, so that a connection at rest
// holds none. It belongs to the ring's thread.
type BufRing struct {
	mem  []byte
	mask uint16
	tail uint16
}

// RegisterBufRing registers an empty buffer ring under a group; entries is a power of two, at most 32,768.
func (r *Ring) RegisterBufRing(group uint16, entries int) (*BufRing, error) {
	mem, err := unix.Mmap(-1, 0, entries*int(unsafe.Sizeof(buf{})), unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE|unix.MAP_ANONYMOUS)
	if err != nil {
		return nil, os.NewSyscallError("mmap buffer ring", err)
	}
	reg := bufReg{ringAddr: uint64(uintptr(unsafe.Pointer(&mem[0]))), ringEntries: uint32(entries), bgid: group}
	_, _, e := syscall.RawSyscall6(unix.SYS_IO_URING_REGISTER, uintptr(r.fd), ioringRegisterPbufRing, uintptr(unsafe.Pointer(&reg)), 1, 0, 0)
	if e != 0 {
		_ = unix.Munmap(mem)
		return nil, os.NewSyscallError("io_uring_register PBUF_RING", e)
	}
	return &BufRing{mem: mem, mask: uint16(entries - 1)}, nil
}

// Add queues buffer b under id; Publish makes it the kernel's. b must stay where it is: mapped memory, not Go's heap.
func (br *BufRing) Add(b []byte, id uint16) {
	e := (*buf)(unsafe.Pointer(&br.mem[uintptr(br.tail&br.mask)*unsafe.Sizeof(buf{})]))
	e.addr = uint64(uintptr(unsafe.Pointer(unsafe.SliceData(b))))
	e.len = uint32(len(b))
	e.bid = id
	br.tail++
}

// Publish shows the kernel every buffer added so far.
func (br *BufRing) Publish() {
	// The tail is the 16 bits behind bid of entry 0; storing it with its neighbour bid, which only this side writes,
	// gives the release order that the kernel's acquire load pairs with.
	e := (*buf)(unsafe.Pointer(&br.mem[0]))
	p := (*uint32)(unsafe.Pointer(&e.bid))
	atomic.StoreUint32(p, uint32(e.bid)|uint32(br.tail)<<16)
}

// Close unmaps the ring's memory, after the io_uring itself was closed.
func (br *BufRing) Close() error { return os.NewSyscallError("munmap", unix.Munmap(br.mem)) }

package sys

import (
	"encoding/binary"
	"net/netip"
	"strconv"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// A received message lies in one block as io_uring's multishot RECVMSG writes it, whichever call received it: struct
// io_uring_recvmsg_out (lengths of name, control and payload, flags), room for the name, room for control messages, payload.
const (
	receivedHead    = 16
	receivedName    = 112  // struct sockaddr_un, rounded up
	receivedControl = 1088 // RightsSpace(SCM_MAX_FD), and what else may come
	// ReceivedOverhead is what a message takes of a block beside its payload.
	ReceivedOverhead = receivedHead + receivedName + receivedControl
	// MessageBlock is the size of a block that holds every datagram of IP, and as much as the kernel joins (UDP_GRO).
	MessageBlock = ReceivedOverhead + 64<<10
)

// Received is a block with a message in it.
type Received []byte

// Payload is the message's bytes.
func (r Received) Payload() []byte { return r[ReceivedOverhead:] }

// Truncated reports whether the message was longer than the block (MSG_TRUNC).
func (r Received) Truncated() bool { return word(r[12:])&unix.MSG_TRUNC != 0 }

// Control is the control messages; complete is false if the kernel had to cut them off (MSG_CTRUNC).
func (r Received) Control() (b []byte, complete bool) {
	n := min(int(word(r[4:])), receivedControl)
	return r[receivedHead+receivedName:][:n], word(r[12:])&unix.MSG_CTRUNC == 0
}

// name is the sender's address.
func (r Received) name() []byte { return r[receivedHead:][:min(int(word(r)), receivedName)] }

// From is the IP address and port that the message came from; the zero value if it has none. It allocates for addresses
// that mean something on one link only, whose zone is the interface's number.
func (r Received) From() netip.AddrPort {
	var s Sockaddr
	s.setBytes(r.name())
	ap := s.AddrPort()
	if s.Family() == unix.AF_INET6 && ap.Addr().IsLinkLocalUnicast() {
		in := (*unix.RawSockaddrInet6)(unsafe.Pointer(&s.raw))
		ap = netip.AddrPortFrom(ap.Addr().WithZone(strconv.Itoa(int(in.Scope_id))), ap.Port())
	}
	return ap
}

// FromPath is the path of the Unix socket that the message came from; empty if it has none.
func (r Received) FromPath() string {
	var s Sockaddr
	s.setBytes(r.name())
	return s.Path()
}

// MakeReceived puts a message into block as the kernel would, for networks that are not the kernel's. It returns how much of
// the block that takes. Control beyond the room is cut off.
func MakeReceived(block []byte, from *Sockaddr, control, payload []byte) int {
	var name []byte
	if from != nil {
		name = from.bytes()
	}
	flags := uint32(0)
	if len(control) > receivedControl {
		control, flags = control[:receivedControl], unix.MSG_CTRUNC
	}
	n := copy(block[ReceivedOverhead:], payload)
	if n < len(payload) {
		flags |= unix.MSG_TRUNC
	}
	copy(block[receivedHead:receivedHead+receivedName], name)
	copy(block[receivedHead+receivedName:], control)
	putReceived(block, uint32(len(name)), uint32(len(control)), uint32(len(payload)), flags)
	return ReceivedOverhead + n
}

func putReceived(block []byte, name, control, payload, flags uint32) {
	binary.NativeEndian.PutUint32(block, name)
	binary.NativeEndian.PutUint32(block[4:], control)
	binary.NativeEndian.PutUint32(block[8:], payload)
	binary.NativeEndian.PutUint32(block[12:], flags)
}

// ReceiveHeader is the struct msghdr that io_uring's multishot RECVMSG takes for this layout: two lengths.
type ReceiveHeader struct{ hdr unix.Msghdr }

// NewReceiveHeader makes one, which may serve any number of operations at a time.
func NewReceiveHeader() *ReceiveHeader {
	h := &ReceiveHeader{}
	h.hdr.Namelen = receivedName
	h.hdr.SetControllen(receivedControl)
	return h
}

// Pointer gives the form that io_uring takes.
func (h *ReceiveHeader) Pointer() unsafe.Pointer { return unsafe.Pointer(&h.hdr) }

// RECEIVE_FLAGS are the flags of every such receive: descriptors that come along are closed on exec.
const RECEIVE_FLAGS = unix.MSG_CMSG_CLOEXEC

// Receiver receives several messages by one call, each into a block of its own. It is allocated once, on the heap.
type Receiver struct {
	headers []mmsghdr
	vectors []unix.Iovec
}

// NewReceiver makes one for n messages at a time.
func NewReceiver(n int) *Receiver {
	return &Receiver{headers: make([]mmsghdr, n), vectors: make([]unix.Iovec, n)}
}

// Len is how many messages it takes at a time.
func (r *Receiver) Len() int { return len(r.headers) }

// Set says where message i goes: a block that is longer than ReceivedOverhead, mapped or on the heap, until Receive returns.
func (r *Receiver) Set(i int, block []byte) {
	r.vectors[i].Base = &block[ReceivedOverhead]
	r.vectors[i].SetLen(len(block) - ReceivedOverhead)
	h := &r.headers[i].hdr
	h.Name, h.Namelen = &block[receivedHead], receivedName
	h.Control = &block[receivedHead+receivedName]
	h.SetControllen(receivedControl)
	h.Iov, h.Flags = &r.vectors[i], 0
	h.SetIovlen(1)
}

// Receive takes what is there for the first n blocks, without waiting: how many messages, or -errno.
func (r *Receiver) Receive(fd int32, n int) int32 {
	for {
		got, _, e := syscall.RawSyscall6(unix.SYS_RECVMMSG, uintptr(fd), uintptr(unsafe.Pointer(&r.headers[0])), uintptr(n), unix.MSG_DONTWAIT|RECEIVE_FLAGS, 0, 0)
		if e != unix.EINTR {
			return raw(got, e)
		}
	}
}

// Finish writes the head of message i into its block, and gives how much of the block the message takes.
func (r *Receiver) Finish(i int, block []byte) int {
	h := &r.headers[i]
	size := int(h.len)
	putReceived(block, h.hdr.Namelen, uint32(h.hdr.Controllen), h.len, uint32(h.hdr.Flags))
	return ReceivedOverhead + min(size, len(block)-ReceivedOverhead)
}

// ReceiveMessage takes one message without waiting: how much of the block it takes, or -errno.
func ReceiveMessage(fd int32, block []byte) int32 {
	var h unix.Msghdr
	iov := unix.Iovec{Base: unsafe.SliceData(block[ReceivedOverhead:])}
	iov.SetLen(len(block) - ReceivedOverhead)
	h.Name, h.Namelen = &block[receivedHead], receivedName
	h.Control = &block[receivedHead+receivedName]
	h.SetControllen(receivedControl)
	h.Iov = &iov
	h.SetIovlen(1)
	for {
		n, _, e := syscall.RawSyscall(unix.SYS_RECVMSG, uintptr(fd), uintptr(unsafe.Pointer(&h)), unix.MSG_DONTWAIT|RECEIVE_FLAGS)
		if e == unix.EINTR {
			continue
		}
		if e != 0 {
			return -int32(e)
		}
		putReceived(block, h.Namelen, uint32(h.Controllen), uint32(n), uint32(h.Flags))
		return ReceivedOverhead + int32(n)
	}
}

package sys

import (
	"encoding/binary"
	"net/netip"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// outgoingControl is the room for the control messages of a datagram of IP: packet information, traffic class, segment size.
const outgoingControl = 96

// Outgoing is an array of messages for sendmmsg(2). Their bytes are the caller's and must stay until Send returns; the rest is
// allocated once, on the heap.
type Outgoing struct {
	headers []mmsghdr
	vectors []unix.Iovec
	names   []Sockaddr
	control []byte
	n       int
}

// NewOutgoing makes room for n messages.
func NewOutgoing(n int) *Outgoing {
	o := &Outgoing{headers: make([]mmsghdr, n), vectors: make([]unix.Iovec, n), names: make([]Sockaddr, n), control: make([]byte, n*outgoingControl)}
	for i := range o.headers {
		h := &o.headers[i].hdr
		h.Iov = &o.vectors[i]
		h.SetIovlen(1)
	}
	return o
}

// Cap is how many messages there is room for, Len how many there are.
func (o *Outgoing) Cap() int { return len(o.headers) }

// Len is how many messages were added since Reset.
func (o *Outgoing) Len() int { return o.n }

// Reset drops all messages and the pointers to their bytes.
func (o *Outgoing) Reset() {
	for i := range o.n {
		o.vectors[i] = unix.Iovec{}
		o.headers[i].hdr.Control = nil
	}
	o.n = 0
}

// Add adds a message to wherever the socket is connected to.
func (o *Outgoing) Add(data []byte) {
	i := o.n
	o.n++
	o.vectors[i].Base = unsafe.SliceData(data)
	o.vectors[i].SetLen(len(data))
	h := &o.headers[i].hdr
	h.Name, h.Namelen, h.Control = nil, 0, nil
	h.SetControllen(0)
}

// To says where the last message added goes.
func (o *Outgoing) To(ap netip.AddrPort) error {
	s := &o.names[o.n-1]
	if err := s.SetAddrPort(ap); err != nil {
		return err
	}
	o.toName(s)
	return nil
}

// ToName is To for any kind of address.
func (o *Outgoing) ToName(to *Sockaddr) {
	s := &o.names[o.n-1]
	*s = *to
	o.toName(s)
}

func (o *Outgoing) toName(s *Sockaddr) {
	h := &o.headers[o.n-1].hdr
	h.Name, h.Namelen = (*byte)(s.Pointer()), s.Len()
}

// Segment has the kernel cut the last message into datagrams of so many bytes (UDP_SEGMENT).
func (o *Outgoing) Segment(size int) {
	binary.NativeEndian.PutUint16(o.value(unix.IPPROTO_UDP, unix.UDP_SEGMENT, 2), uint16(size))
}

// TOS sets the last message's TOS byte; ip6 says that it goes to an IPv6 address, where that is the traffic class.
func (o *Outgoing) TOS(tos uint8, ip6 bool) {
	level, typ := unix.SOL_IP, unix.IP_TOS
	if ip6 {
		level, typ = unix.SOL_IPV6, unix.IPV6_TCLASS
	}
	binary.NativeEndian.PutUint32(o.value(level, typ, 4), uint32(tos))
}

// From says which of this machine's addresses the last message comes from.
func (o *Outgoing) From(local netip.Addr) {
	if local = local.Unmap(); local.Is4() {
		v := o.value(unix.SOL_IP, unix.IP_PKTINFO, unix.SizeofInet4Pktinfo)
		a := local.As4()
		copy(v[4:], a[:]) // ipi_spec_dst
		return
	}
	v := o.value(unix.SOL_IPV6, unix.IPV6_PKTINFO, unix.SizeofInet6Pktinfo)
	a := local.As16()
	copy(v, a[:])
	binary.NativeEndian.PutUint32(v[16:], zoneIndex(local.Zone()))
}

// Control gives the last message control messages that were made elsewhere (Rights), in place of others.
func (o *Outgoing) Control(oob []byte) {
	h := &o.headers[o.n-1].hdr
	h.Control = unsafe.SliceData(oob)
	h.SetControllen(len(oob))
}

// value adds a control message of n bytes, all nought, and gives them.
func (o *Outgoing) value(level, typ, n int) []byte {
	i := o.n - 1
	h := &o.headers[i].hdr
	at := int(h.Controllen)
	if at+unix.CmsgSpace(n) > outgoingControl {
		panic("sys: no room for a control message")
	}
	room := o.control[i*outgoingControl : i*outgoingControl+at : (i+1)*outgoingControl]
	all, v := appendMessage(room, level, typ, n)
	h.Control = &all[0]
	h.SetControllen(len(all))
	return v
}

// Send sends the messages from the given one on, without waiting: how many the kernel took, or -errno if it took none, which
// then is about the first.
func (o *Outgoing) Send(fd int32, from int) int32 {
	for {
		n, _, e := syscall.RawSyscall6(unix.SYS_SENDMMSG, uintptr(fd), uintptr(unsafe.Pointer(&o.headers[from])), uintptr(o.n-from),
			unix.MSG_DONTWAIT|unix.MSG_NOSIGNAL, 0, 0)
		if e != unix.EINTR {
			return raw(n, e)
		}
	}
}

// Sent is how many bytes of message i the kernel took, after a Send that counted it.
func (o *Outgoing) Sent(i int) int { return int(o.headers[i].len) }

// Data, Name and ControlOf give what message i is made of, for networks that are not the kernel's.
func (o *Outgoing) Data(i int) []byte {
	return unsafe.Slice(o.vectors[i].Base, o.vectors[i].Len)
}

// Name is where message i goes; nil: to wherever the socket is connected to.
func (o *Outgoing) Name(i int) *Sockaddr {
	if o.headers[i].hdr.Name == nil {
		return nil
	}
	return &o.names[i]
}

// ControlOf is the control messages of message i.
func (o *Outgoing) ControlOf(i int) []byte {
	h := &o.headers[i].hdr
	return unsafe.Slice(h.Control, int(h.Controllen))
}

// SetSent notes how many bytes of message i were taken, for networks that are not the kernel's.
func (o *Outgoing) SetSent(i, n int) { o.headers[i].len = uint32(n) }

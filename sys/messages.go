package sys

import (
	"net/netip"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// mmsghdr is struct mmsghdr of sendmmsg(2) and recvmmsg(2).
type mmsghdr struct {
	hdr unix.Msghdr
	len uint32
	_   [unsafe.Sizeof(uintptr(0)) - 4]byte
}

// Messages is an array of datagrams for sendmmsg(2) or recvmmsg(2), each with a buffer, an address and room for control
// messages. All of it is allocated once, on the heap, where the kernel may read and write it during the call.
type Messages struct {
	headers []mmsghdr
	vectors []unix.Iovec
	names   []Sockaddr
	data    []byte
	control []byte
	size    int
	room    int
}

// NewMessages makes room for n datagrams of at most size bytes with control bytes of control messages each. Size is at least 1.
func NewMessages(n, size, control int) *Messages {
	control = unix.CmsgSpace(0) + (control+7)&^7
	m := &Messages{headers: make([]mmsghdr, n), vectors: make([]unix.Iovec, n), names: make([]Sockaddr, n), data: make([]byte, n*size),
		control: make([]byte, n*control), size: size, room: control}
	for i := range m.headers {
		m.vectors[i].Base = &m.data[i*size]
		h := &m.headers[i].hdr
		h.Iov = &m.vectors[i]
		h.SetIovlen(1)
	}
	return m
}

// Len is the number of datagrams that there is room for.
func (m *Messages) Len() int { return len(m.headers) }

// Buffer is the empty buffer of datagram i, to append to within its capacity.
func (m *Messages) Buffer(i int) []byte { return m.data[i*m.size : i*m.size : (i+1)*m.size] }

// Prepare says that datagram i is to be sent: the first n bytes of its buffer, to that address, without control messages.
func (m *Messages) Prepare(i, n int, to netip.Addr) error {
	if err := m.names[i].SetAddrPort(netip.AddrPortFrom(to, 0)); err != nil {
		return err
	}
	m.vectors[i].SetLen(n)
	h := &m.headers[i].hdr
	h.Name, h.Namelen = (*byte)(m.names[i].Pointer()), m.names[i].Len()
	h.Control = nil
	h.SetControllen(0)
	return nil
}

// AddControl adds a control message with a value of 32 bits to datagram i.
func (m *Messages) AddControl(i, level, typ int, v uint32) {
	h := &m.headers[i].hdr
	at := int(h.Controllen)
	if at+unix.CmsgSpace(4) > m.room {
		panic("sys: no room for a control message")
	}
	b := m.control[i*m.room+at : (i+1)*m.room]
	c := (*unix.Cmsghdr)(unsafe.Pointer(&b[0]))
	c.Level, c.Type = int32(level), int32(typ)
	c.SetLen(unix.CmsgLen(4))
	*(*uint32)(unsafe.Pointer(&b[unix.CmsgLen(0)])) = v
	h.Control = &m.control[i*m.room]
	h.SetControllen(at + unix.CmsgSpace(4))
}

// Send sends the datagrams from up to to without waiting: how many the kernel took, or -errno if it took none, which then is
// about the first.
func (m *Messages) Send(fd, from, to int) int32 {
	for {
		n, _, e := syscall.Syscall6(unix.SYS_SENDMMSG, uintptr(fd), uintptr(unsafe.Pointer(&m.headers[from])), uintptr(to-from),
			unix.MSG_DONTWAIT|unix.MSG_NOSIGNAL, 0, 0)
		if e != unix.EINTR {
			return raw(n, e)
		}
	}
}

// Receive takes what is there, without waiting: how many datagrams, or -errno. errorQueue asks for those of the error queue.
func (m *Messages) Receive(fd int, errorQueue bool) int32 {
	for i := range m.headers {
		h := &m.headers[i].hdr
		m.vectors[i].SetLen(m.size)
		h.Name, h.Namelen = (*byte)(m.names[i].Pointer()), uint32(unsafe.Sizeof(m.names[i].raw))
		h.Control = &m.control[i*m.room]
		h.SetControllen(m.room)
		h.Flags = 0
	}
	flags := unix.MSG_DONTWAIT
	if errorQueue {
		flags |= unix.MSG_ERRQUEUE
	}
	for {
		n, _, e := syscall.Syscall6(unix.SYS_RECVMMSG, uintptr(fd), uintptr(unsafe.Pointer(&m.headers[0])), uintptr(len(m.headers)), uintptr(flags), 0, 0)
		if e != unix.EINTR {
			return raw(n, e)
		}
	}
}

// Data is what datagram i brought, until the next Receive.
func (m *Messages) Data(i int) []byte {
	return m.data[i*m.size : i*m.size+min(int(m.headers[i].len), m.size)]
}

// From is the address that datagram i came from, without a zone; on the error queue, that it was sent to.
func (m *Messages) From(i int) netip.Addr {
	if m.headers[i].hdr.Namelen == 0 {
		return netip.Addr{}
	}
	return m.names[i].AddrPort().Addr()
}

// Control is the control messages that came with datagram i, until the next Receive. complete is false if the kernel had to
// cut them off (MSG_CTRUNC).
func (m *Messages) Control(i int) (b []byte, complete bool) {
	h := &m.headers[i].hdr
	return m.control[i*m.room : i*m.room+int(h.Controllen)], h.Flags&unix.MSG_CTRUNC == 0
}

package epoll

import (
	"github.com/ringway/ringway/loop"
	"github.com/ringway/ringway/sys"
	abi "github.com/ringway/ringway/sys/epoll"
)

// direction is a side of a descriptor; each has at most one operation at a time.
type direction int

const (
	in direction = iota
	out
)

func directionOf(op *loop.Op) direction {
	switch op.Code {
	case loop.OpSend, loop.OpSendmsg, loop.OpConnect:
		return out
	case loop.OpPoll:
		if op.Events&sys.POLLOUT != 0 {
			return out
		}
	}
	return in
}

// file is what the driver knows of a descriptor.
type file struct {
	waiting    [2]*loop.Op // parked until the next edge
	ready      [2]bool     // an edge came that no EAGAIN or short read has answered
	hangup     bool        // the peer has ended its side: reads never drain
	busy       bool        // the last receive of messages found as many as it had room for
	family     int         // 0: not asked yet
	leaving    bool        // OpForget is queued: what is submitted after it waits its turn
	registered bool
	gen        int32 // tells events of a closed descriptor from those of its successor
}

// file gives the record of fd, watched from the first operation on.
func (d *Driver) file(fd int32) (*file, int32) {
	if fd < 0 {
		return nil, -sys.EBADF
	}
	for int(fd) >= len(d.files) {
		d.files = append(d.files, make([]file, max(64, len(d.files)))...)
	}
	f := &d.files[fd]
	if !f.registered {
		const events = abi.EPOLLIN | abi.EPOLLOUT | abi.EPOLLRDHUP | abi.EPOLLET
		if err := abi.Add(d.ep, fd, events, fd, f.gen); err != nil {
			return f, errnoOf(err)
		}
		f.registered = true
		f.ready = [2]bool{false, true}
	}
	return f, 0
}

// isUnix reports whether the socket is a Unix one.
func (f *file) isUnix(fd int32) bool {
	if f.family == 0 {
		f.family = sys.Family(int(fd))
	}
	return f.family == sys.AF_UNIX
}

// forget clears the record of a descriptor that the kernel watches no more: it was closed, or taken off.
func (d *Driver) forget(fd int32) {
	if fd >= 0 && int(fd) < len(d.files) {
		d.files[fd] = file{gen: d.files[fd].gen + 1}
	}
}

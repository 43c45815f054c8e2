package uring

import (
	"github.com/ringway/ringway/loop"
	"github.com/ringway/ringway/sys"
)

// A multishot receive can miss what ends its stream. When the kernel begins to wait and finds that the peer has left already, it
// looks at the socket once. That look takes the data that are left, if there are any, and nothing ever wakes it for the end: no
// completion comes, and the connection would stay for ever. (CVE-2026-23473 was the same for ends that come while it waits. Linux
// 6.18 has the mending of that, but not of this; over TCP it concerns resets, since the kernel counts an end as something to be
// read.) It begins to wait with data in the socket
//
//   - where it was asked to poll first: so a multishot receive never is, but for one that is starved of buffers;
//   - after recvRow results in a row that each left something in the socket: there the kernel lets others have a turn.
//
// In these cases the receive is started anew as soon as the socket is drained, and then finds the end at once.

// recvRow is how often the kernel goes on without waiting (MULTISHOT_MAX_RETRY).
const recvRow = 32

// renew notes whether a multishot receive that goes on has drained the socket, and starts it anew where it may have missed the end.
func (d *Driver) renew(op *loop.Op, drained bool) {
	s := &op.Driver
	switch {
	case !drained:
		s.Row = min(s.Row+1, recvRow)
		return
	case s.Row == recvRow && !s.Cancelled && !s.Renewed:
		s.Renewed = true
		if !d.pushCancel(op) {
			d.cancels = append(d.cancels, op)
		}
	}
	s.Row = 0
}

// renewed takes the end of a receive that is to be started anew, and starts it; false says that it has ended in truth.
func (d *Driver) renewed(op *loop.Op, res int32) bool {
	s := &op.Driver
	if !s.Renewed || s.Cancelled || res != -sys.ECANCELED {
		return false
	}
	s.Renewed, s.Polled = false, false
	d.push(op)
	return true
}

package conn

import (
	"errors"
	"net"

	"github.com/ringway/ringway/sys"
)

// Credentials are those of a process: PID, UID and GID.
type Credentials = sys.Credentials

// StreamPair gives two connected Unix stream sockets.
func StreamPair(n *Net) (a, b *Conn, err error) {
	fds, err := n.sock.StreamPair(n.Loop.NonBlocking())
	if err != nil {
		return nil, nil, err
	}
	return New(n, int32(fds[0]), true), New(n, int32(fds[1]), true), nil
}

// Credentials are those of the process that connected or listened on the other end of a Unix connection, as they were then.
func (c *Conn) Credentials() (Credentials, error) {
	if c.closed {
		return Credentials{}, net.ErrClosed
	}
	who, err := c.n.sock.Credentials(int(c.fd))
	return who, c.opError("credentials", err)
}

// ErrNoBytes says that descriptors need at least one byte to go with.
var ErrNoBytes = errors.New("descriptors were sent without a byte to go with")

// SendFiles sends all of b over a Unix connection, and with its first bytes copies of the descriptors, at most 253. This side
// keeps its own. If it fails with n over nought, the descriptors have gone.
func (c *Conn) SendFiles(b []byte, fds []int) (n int, err error) {
	w := &c.wr
	if len(b) == 0 {
		return 0, c.opError("write", ErrNoBytes)
	}
	if err := w.begin(); err != nil {
		return 0, err
	}
	rights := sys.Rights(fds)
	for {
		o := c.n.messages()
		o.Reset()
		o.Add(b)
		o.Control(rights)
		res := c.n.sock.SendMessages(c.fd, o, 0)
		n = o.Sent(0)
		o.Reset()
		switch {
		case res > 0:
			w.sent += uint64(n)
			if n == len(b) {
				return n, nil
			}
			rest, err := c.Write(b[n:])
			return n + rest, err
		case res != -sys.EAGAIN:
			return 0, c.opError("write", sys.Error("sendmsg", res))
		}
		if err := w.waitWritable(); err != nil {
			return 0, err
		}
	}
}

// ReceiveFiles reads into b from a Unix connection as Read does, and gives the descriptors that came with those bytes; they are
// the caller's to close. Bytes that were received before by other means have lost what came with them, so a side that expects
// descriptors reads with nothing else.
func (c *Conn) ReceiveFiles(b []byte) (n int, fds []int, err error) {
	r := &c.rd
	switch {
	case len(b) == 0:
		return 0, nil, nil
	case r.splicing != nil:
		return 0, nil, c.opError("read", errSplicing)
	case r.block == nil && r.err == nil:
		if err := r.quiesce(); err != nil {
			return 0, nil, err
		}
	}
	for {
		if r.block != nil || r.ready() {
			n, err = c.Read(b)
			return n, nil, err
		}
		if err := c.n.Loop.Current().Cause(); err != nil {
			return 0, nil, err
		}
		n, fds, again, err := c.receiveFiles(b)
		if !again {
			return n, fds, err
		}
		if err := r.waitReadable(); err != nil {
			return 0, nil, err
		}
	}
}

// receiveFiles is one try; again says that there was nothing.
func (c *Conn) receiveFiles(b []byte) (n int, fds []int, again bool, err error) {
	block := c.n.Large()
	if block == nil {
		return 0, nil, false, c.opError("read", ErrNoBlock)
	}
	defer block.Put()
	res := c.n.sock.ReceiveMessage(c.fd, block.Bytes[:min(sys.ReceivedOverhead+len(b), len(block.Bytes))])
	switch {
	case res == -sys.EAGAIN:
		return 0, nil, true, nil
	case res < 0:
		c.rd.err = c.opError("read", sys.Error("recvmsg", res))
		return 0, nil, false, c.rd.err
	case res == sys.ReceivedOverhead:
		c.rd.err = c.rd.ending()
		return 0, nil, false, c.rd.err
	}
	m := sys.Received(block.Bytes[:res])
	control, complete := m.Control()
	fds, err = sys.ParseRights(control)
	if err == nil && !complete {
		err = ErrFilesLost
	}
	return copy(b, m.Payload()), fds, false, c.opError("read", err)
}

// ErrFilesLost says that descriptors were sent that this process had no numbers left for. Those that it got are given with
// the error.
var ErrFilesLost = errors.New("descriptors were lost for want of numbers")

// ErrNoBlock says that all blocks of the loop's connections are in use.
var ErrNoBlock = errors.New("no block is free")

package conn

import (
	"io"
	"net"
	"time"

	"github.com/ringway/ringway/loop"
	"github.com/ringway/ringway/sys"
)

// PipeEnd is one end of a pipe, for tasks of one loop. It satisfies net.Conn; the end that is for reading cannot be written to,
// and the other way round. At rest it holds no buffer.
type PipeEnd struct {
	n       *Net
	fd      int32
	gone    bool
	in, out poller
	closeOp loop.Op
}

var _ net.Conn = (*PipeEnd)(nil)

// Pipe opens a pipe with room for size bytes, or less where the system gives less; 0: 64 KiB.
func Pipe(n *Net, size int) (r, w *PipeEnd, err error) {
	if size == 0 {
		size = 64 << 10
	}
	rfd, wfd, _, err := n.sock.Pipe(size)
	if err != nil {
		return nil, nil, err
	}
	return newPipeEnd(n, rfd), newPipeEnd(n, wfd), nil
}

// NewPipeEnd makes a connection of a descriptor that was opened elsewhere, as the standard input of a child, and owns it from then
// on. It makes the descriptor non-blocking, which its other users see too.
func NewPipeEnd(n *Net, fd int) (*PipeEnd, error) {
	if err := n.sock.SetNonblock(fd, true); err != nil {
		return nil, err
	}
	return newPipeEnd(n, fd), nil
}

func newPipeEnd(n *Net, fd int) *PipeEnd {
	p := &PipeEnd{n: n, fd: int32(fd)}
	n.open++
	p.in.init(n.Loop, p.fd, sys.POLLIN, p.finishClose)
	p.out.init(n.Loop, p.fd, sys.POLLOUT, p.finishClose)
	p.closeOp = loop.Op{Code: loop.OpClose, FD: p.fd, Done: (*pipeCloser)(p)}
	return p
}

// FD is the descriptor; it stays the end's.
func (p *PipeEnd) FD() int { return int(p.fd) }

// Read waits for bytes and copies them into b. When the other end has been closed and the pipe is empty, it returns io.EOF.
func (p *PipeEnd) Read(b []byte) (int, error) {
	for len(b) > 0 {
		if err := p.in.check(); err != nil {
			return 0, err
		}
		switch n := p.n.sock.Read(p.fd, b); {
		case n > 0:
			return int(n), nil
		case n == 0:
			return 0, io.EOF
		case n != -sys.EAGAIN:
			return 0, p.opError("read", sys.Error("read", n))
		}
		if err := p.in.wait(); err != nil {
			return 0, err
		}
	}
	return 0, nil
}

// Write writes all of b, waiting for room. When nobody reads any more, the error is syscall.EPIPE.
func (p *PipeEnd) Write(b []byte) (int, error) {
	sent := 0
	for sent < len(b) {
		if err := p.out.check(); err != nil {
			return sent, err
		}
		switch n := p.n.sock.Write(p.fd, b[sent:]); {
		case n >= 0:
			sent += int(n)
			continue
		case n != -sys.EAGAIN:
			return sent, p.opError("write", sys.Error("write", n))
		}
		if err := p.out.wait(); err != nil {
			return sent, err
		}
	}
	return sent, nil
}

// Close closes this end; tasks that wait at it get net.ErrClosed.
func (p *PipeEnd) Close() error {
	if p.in.closed {
		return net.ErrClosed
	}
	p.in.close()
	p.out.close()
	return nil
}

func (p *PipeEnd) finishClose() {
	if p.gone || !p.in.closed || !p.out.closed || p.in.op.InFlight() || p.out.op.InFlight() {
		return
	}
	p.gone = true
	p.n.Loop.Submit(&p.closeOp)
}

type pipeCloser PipeEnd

func (k *pipeCloser) Complete(*loop.Op, loop.Result) { k.n.open-- }

// LocalAddr and RemoteAddr say that it is a pipe.
func (p *PipeEnd) LocalAddr() net.Addr { return pipeAddr{} }

// RemoteAddr is the same as LocalAddr.
func (p *PipeEnd) RemoteAddr() net.Addr { return pipeAddr{} }

type pipeAddr struct{}

func (pipeAddr) Network() string { return "pipe" }
func (pipeAddr) String() string  { return "pipe" }

func (p *PipeEnd) opError(op string, err error) error {
	return &net.OpError{Op: op, Net: "pipe", Err: err}
}

// SetDeadline sets both deadlines; the zero time means none.
func (p *PipeEnd) SetDeadline(t time.Time) error {
	if err := p.SetReadDeadline(t); err != nil {
		return err
	}
	return p.SetWriteDeadline(t)
}

// SetReadDeadline makes reads fail with os.ErrDeadlineExceeded from t on.
func (p *PipeEnd) SetReadDeadline(t time.Time) error { return p.in.setDeadline(t) }

// SetWriteDeadline makes writes fail with os.ErrDeadlineExceeded from t on.
func (p *PipeEnd) SetWriteDeadline(t time.Time) error { return p.out.setDeadline(t) }

func (p *poller) setDeadline(t time.Time) error {
	if p.closed {
		return net.ErrClosed
	}
	p.deadline.set(p.l, until(t))
	return nil
}

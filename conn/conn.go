package conn

import (
	"errors"
	"net"
	"net/netip"
	"os"
	"time"

	"github.com/ringway/ringway/loop"
	"github.com/ringway/ringway/sys"
)

// Conn is a stream connection of one loop. At rest it is this record and one pending receive: no task and no buffer.
// One task at a time may read, one may write; they may be two.
type Conn struct {
	n      *Net
	fd     int32
	unix   bool
	closed bool // Close was called
	gone   bool // the descriptor is closed
	pins   int  // splices that use the descriptor: it stays open for them, and non-blocking
	local  netip.AddrPort
	remote netip.AddrPort

	rd reader
	wr writer

	detach *detachment // nil: it is in its loop's care
	// OnClosed, if set, is called once when the descriptor has been closed, outside any task.
	OnClosed func(*Conn)
}

// Watcher is told of what happens on a connection that no task reads from. Its methods run outside any task.
type Watcher interface {
	// Readable says that there are bytes, an end or an error to be had from ReadBuf at once.
	Readable(c *Conn)
	// Expired says that the read deadline has passed.
	Expired(c *Conn)
}

// New makes a connection of an open stream socket, which it owns from then on.
func New(n *Net, fd int32, unix bool) *Conn {
	c := &Conn{n: n, fd: fd, unix: unix}
	n.open++
	c.rd.init(c)
	c.wr.init(c)
	return c
}

// Net is what the connection shares with the others of its loop.
func (c *Conn) Net() *Net { return c.n }

// FD is the descriptor; it stays the connection's.
func (c *Conn) FD() int { return int(c.fd) }

// Remote is the peer's address; the zero value for a Unix socket.
func (c *Conn) Remote() netip.AddrPort {
	if !c.remote.IsValid() && !c.unix && !c.gone {
		c.remote, _ = c.n.sock.Getpeername(int(c.fd))
	}
	return c.remote
}

// Local is this side's address; the zero value for a Unix socket.
func (c *Conn) Local() netip.AddrPort {
	if !c.local.IsValid() && !c.unix && !c.gone {
		c.local, _ = c.n.sock.Getsockname(int(c.fd))
	}
	return c.local
}

// LocalAddr is Local in the form of package net.
func (c *Conn) LocalAddr() net.Addr { return c.addr(c.Local()) }

// RemoteAddr is Remote in the form of package net.
func (c *Conn) RemoteAddr() net.Addr { return c.addr(c.Remote()) }

func (c *Conn) addr(ap netip.AddrPort) net.Addr {
	if c.unix {
		return &net.UnixAddr{Net: "unix"}
	}
	return net.TCPAddrFromAddrPort(ap)
}

// SetDeadline sets both deadlines; the zero time means none.
func (c *Conn) SetDeadline(t time.Time) error {
	if err := c.SetReadDeadline(t); err != nil {
		return err
	}
	return c.SetWriteDeadline(t)
}

// SetReadDeadline makes reads fail with os.ErrDeadlineExceeded from t on.
func (c *Conn) SetReadDeadline(t time.Time) error {
	if c.closed {
		return net.ErrClosed
	}
	c.SetReadTimeout(until(t))
	return nil
}

// SetWriteDeadline makes writes fail with os.ErrDeadlineExceeded from t on. What was written before is not taken back.
func (c *Conn) SetWriteDeadline(t time.Time) error {
	if c.closed {
		return net.ErrClosed
	}
	c.SetWriteTimeout(until(t))
	return nil
}

// SetReadTimeout is SetReadDeadline counted from the loop's present time; 0 means none, less means that it has passed.
// It costs a few nanoseconds.
func (c *Conn) SetReadTimeout(d time.Duration) {
	if !c.closed {
		c.rd.deadline.set(c.n.Loop, d)
	}
}

// SetWriteTimeout is SetWriteDeadline counted from the loop's present time; 0 means none, less means that it has passed.
// On a closed connection it still bounds what is being sent.
func (c *Conn) SetWriteTimeout(d time.Duration) {
	if !c.gone {
		c.wr.deadline.set(c.n.Loop, d)
	}
}

// until is the time left to t as the timeouts take it: 0 for none.
func until(t time.Time) time.Duration {
	if t.IsZero() {
		return 0
	}
	if d := time.Until(t); d != 0 {
		return d
	}
	return -1
}

// SetNoDelay switches Nagle's algorithm off, which is how connections start, or on.
func (c *Conn) SetNoDelay(on bool) error {
	if c.unix {
		return nil
	}
	if c.closed {
		return net.ErrClosed
	}
	return c.n.sock.SetNoDelay(int(c.fd), on)
}

// Close ends the connection. A block in flight (Send) is sent first, as far as the write deadline allows: if that cuts
// it short the peer sees a reset and not an end. A task that waits to read or write gets net.ErrClosed. Close does not
// wait: OnClosed says when the descriptor is gone. Bytes that ReadBuf lent stop being valid.
func (c *Conn) Close() error {
	if c.closed {
		return net.ErrClosed
	}
	c.closed = true
	c.rd.close()
	c.wr.close()
	c.finishClose()
	return nil
}

// reset makes the end of the connection a reset, so that the peer does not take what it got for the whole.
func (c *Conn) reset() {
	if !c.unix {
		_ = c.n.sock.SetLinger0(int(c.fd))
	}
}

// Abort ends the connection at once and with a reset, so that the peer does not take what it got for the whole.
func (c *Conn) Abort() {
	if c.gone {
		return
	}
	c.reset()
	c.wr.abort()
	if !c.closed {
		_ = c.Close()
	}
}

// CloseWrite ends this side's direction after what was written; reads go on.
func (c *Conn) CloseWrite() error {
	if err := c.Flush(); err != nil {
		return err
	}
	return c.opError("close", c.n.sock.Shutdown(int(c.fd), sys.SHUT_WR))
}

// errSplicing is what CloseRead gets while a Splice takes what this side receives.
var errSplicing = errors.New("a splice takes what this side receives")

// CloseRead ends the other direction: what was received and not consumed is dropped, and reads end with io.EOF. Writes go on.
// The peer does not hear of it; what it still sends over TCP is not read.
func (c *Conn) CloseRead() error {
	switch {
	case c.closed:
		return net.ErrClosed
	case c.rd.splicing != nil:
		return c.opError("close", errSplicing)
	case c.rd.shut:
		return nil
	}
	c.rd.shutdown()
	return c.opError("close", c.n.sock.Shutdown(int(c.fd), sys.SHUT_RD))
}

// Closed reports whether Close was called.
func (c *Conn) Closed() bool { return c.closed }

// finishClose closes the descriptor once no operation is in flight on it.
func (c *Conn) finishClose() {
	if !c.closed || c.gone || c.pins > 0 || c.rd.op.InFlight() || c.wr.op.InFlight() || c.detach != nil && c.detach.op.InFlight() {
		return
	}
	c.gone = true
	c.n.Loop.StopTimer(&c.wr.deadline.timer)
	k := c.n.idleClosers.take()
	k.c, k.op = c, loop.Op{Code: loop.OpClose, FD: c.fd, Done: k}
	c.n.Loop.Submit(&k.op)
}

// pin keeps the descriptor open and non-blocking for a splice. There may be two, one in each direction.
func (c *Conn) pin() error {
	if c.pins == 0 && !c.n.Loop.NonBlocking() {
		if err := c.n.sock.SetNonblock(int(c.fd), true); err != nil {
			return c.opError("splice", err)
		}
	}
	c.pins++
	return nil
}

// unpin makes the descriptor again what the driver wants; it closes it if that waited.
func (c *Conn) unpin() {
	if c.pins--; c.pins > 0 {
		return
	}
	if !c.closed && !c.n.Loop.NonBlocking() {
		_ = c.n.sock.SetNonblock(int(c.fd), false) // were it to stay, EAGAIN would cost a poll, not correctness
	}
	c.finishClose()
}

// closer is the last operation of a connection. Connections do not have it from the start: most of them are at rest.
type closer struct {
	op loop.Op
	c  *Conn
}

// Complete tells that the descriptor is gone.
func (k *closer) Complete(*loop.Op, loop.Result) {
	c := k.c
	k.c = nil
	c.n.idleClosers.put(k)
	c.n.open--
	if c.OnClosed != nil {
		c.OnClosed(c)
	}
}

// opError wraps err as package net does.
func (c *Conn) opError(op string, err error) error {
	if err == nil {
		return nil
	}
	return &net.OpError{Op: op, Net: c.network(), Source: c.LocalAddr(), Addr: c.RemoteAddr(), Err: err}
}

func (c *Conn) network() string { return networkOf(c.unix) }

func networkOf(unix bool) string {
	if unix {
		return "unix"
	}
	return "tcp"
}

var errDeadline = os.ErrDeadlineExceeded

// deadline is a point in time and the timer that watches it. The timer is moved lazily: pushing the deadline back,
// which every request does, is a store.
type deadline struct {
	at    int64 // of the loop's clock; 0: none
	fires int64 // when the timer runs out, which may be earlier
	timer loop.Timer
}

// farthest is the longest time that a deadline is counted for: two years stand for every longer one, which would
// overflow the clock.
const farthest = 2 * 365 * 24 * time.Hour

// set counts the deadline from the loop's present time: 0 is none, less has passed.
func (d *deadline) set(l *loop.Loop, after time.Duration) {
	if after == 0 {
		d.at = 0
		return
	}
	at := max(l.Now()+int64(min(max(after, 0), farthest)), 1)
	d.at = at
	if !d.timer.Active() || at < d.fires {
		d.start(l)
	}
}

func (d *deadline) start(l *loop.Loop) {
	d.fires = d.at
	l.StartTimerAt(&d.timer, d.at)
}

func (d *deadline) passed(l *loop.Loop) bool { return d.at != 0 && l.Now() >= d.at }

// expire reports whether the deadline has really passed; if it was moved, the timer is set again.
func (d *deadline) expire(l *loop.Loop) bool {
	if d.at == 0 {
		return false
	}
	if l.Now() >= d.at {
		return true
	}
	d.start(l)
	return false
}

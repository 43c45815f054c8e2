package inbound

import (
	"errors"
	"io"
	"net/netip"
	"time"

	"github.com/ringway/ringway/conn"
	"github.com/ringway/ringway/errs"
	"github.com/ringway/ringway/gateway/preface"
	"github.com/ringway/ringway/gateway/secure"
	"github.com/ringway/ringway/loop"
	"github.com/ringway/ringway/observe/metrics"
)

const (
	// pipelined is how many requests of one connection are served in a row before others have a turn.
	pipelined = 16
	// lingerBytes and lingerTime bound the reading on after a last response, without which a reset could overtake it.
	lingerBytes = 1 << 20
	lingerTime  = time.Second
)

// session is one client connection. Between requests it is this record and a pending receive; the first byte starts a
// task.
type session struct {
	h        *Handler
	c        conn.Stream // what requests are read from and responses written to
	under    *conn.Conn  // what carries it: the same, unless it is encrypted
	door     *Door
	task     loop.Handle
	active   bool               // a task serves it
	watching bool               // the request has been read: what arrives now concerns the next one, or is the client's leaving
	linger   bool               // bytes that nobody will read may be on their way
	header   bool               // a PROXY header comes first
	shake    *secure.Terminator // makes the connection TLS before the first request; nil: it is, or stays plain
	info     *secure.Info       // what that has settled; nil: plain
	begun    bool               // TLS, with what the client has sent: from here on it is this process's
	unclear  bool               // its first bytes are too few to tell the version
	h2       *h2Conn            // what it is once the client speaks HTTP/2
	leaving  bool               // it is on its way out of the loop, to another process
	stays    bool               // it cannot be handed over, until Resume
	pinned   bool               // it carries a tunnel that never can be
	tunnel   *tunnel            // what it has become after an upgrade; it counts as active then
	requests int
	since    int64          // when its time for a handshake began: as it came, or when the PROXY header had come
	client   netip.AddrPort // who opened the connection, or whom the PROXY header names
	peer     []byte         // the client's address as text
	peerBuf  [48]byte
}

// remote is the client's address.
func (s *session) remote() netip.AddrPort {
	if !s.client.IsValid() {
		s.client = s.c.Remote()
	}
	return s.client
}

// rest waits for the next request without a task.
func (s *session) rest() {
	s.active, s.watching = false, false
	s.c.Multishot(s.requests > 0) // a connection that carries one request needs one receive
	s.c.Watch(s)
	s.c.SetReadTimeout(s.silence())
	if !s.leave() {
		s.c.Arm()
	}
}

// silence is how long the client may say nothing while the connection is at rest; 0: for as long as it likes.
func (s *session) silence() time.Duration {
	most := s.h.terms.times.idle
	switch {
	case s.header:
		most = s.h.terms.times.proxy
	case s.shake != nil:
		most = max(s.shakeLeft(), 1)
	case s.h.draining: // the last response went out just before, or the handshake has ended
		return s.h.patience
	}
	if s.h.draining && (most == 0 || most > s.h.patience) {
		return s.h.patience
	}
	return most
}

// fresh reports whether the connection is at rest and its client has yet to be answered for the first time. It may have sent what the
// answer is due to, and unlike one that was answered it has no reason to expect that the connection ends.
func (s *session) fresh() bool {
	return !s.active && s.requests == 0 && !s.leaving && !s.under.Detached()
}

// Readable starts a task for the next request, or cancels the one whose client has left.
func (s *session) Readable(*conn.Conn) {
	err := s.c.Err()
	switch {
	case !s.active && err != nil:
		s.leftEarly()
		_ = s.c.Close()
	case !s.active:
		s.active = true
		s.task = s.h.n.Loop.Spawn("http1", s)
	case s.watching && err != nil && (err != io.EOF || s.h.terms.half == Cancel):
		s.h.n.Loop.Cancel(s.task, errClientClosed)
	}
}

var errClientClosed = errs.New(errs.ClientClosed, "the client closed the connection")

// watchLate is how long a client whose connection ends with the request is not watched: most are answered by then, and
// need no receive that would only be cancelled.
const watchLate = 20 * time.Millisecond

// Expired closes a connection that was at rest for too long, or begins to watch a client.
func (s *session) Expired(*conn.Conn) {
	switch {
	case !s.active:
		switch {
		case s.h.closes: // it was not given the time that it may take
		case s.header:
			s.refuse(metrics.ProxyHeaderTimeout, errDeadline)
		default:
			s.lateHandshake()
		}
		_ = s.c.Close()
	case s.watching:
		s.c.SetReadTimeout(0)
		s.c.Arm()
	}
}

// Run serves the requests that are there, as a task.
func (s *session) Run(t *loop.Task) {
	defer s.recovered()
	if s.header && !s.readProxy() || s.shake != nil && !s.isSecure(t) || s.requests == 0 && s.beginsH2() {
		return
	}
	for n := 1; ; n++ {
		keep := s.serve(t)
		if s.h2 != nil || s.tunnel != nil {
			return
		}
		if !keep {
			s.end(t)
			return
		}
		if s.h.closes {
			_ = s.c.Close()
			return
		}
		if len(s.c.Buffered()) == 0 {
			if s.c.Err() != nil {
				_ = s.c.Close()
				return
			}
			s.rest()
			return
		}
		s.watching = false
		if n%pipelined == 0 && t.Yield() != nil {
			s.c.Abort()
			return
		}
	}
}

// readProxy takes the PROXY header from the connection; false says that there is nothing to serve yet, or any more.
func (s *session) readProxy() bool {
	e, err := preface.ReadProxy(s.under)
	if err != nil {
		if end := preface.ProxyEnd(err); end != metrics.ClientClosed && end != metrics.ClientReset {
			s.refuse(end, err)
		}
		s.c.Abort()
		return false
	}
	s.header, s.client, s.since = false, e.Source, s.h.n.Loop.Now()
	if len(s.c.Buffered()) == 0 && s.c.Err() == nil {
		s.rest()
		return false
	}
	return true
}

// refuse counts a connection that ends before its first request.
func (s *session) refuse(end metrics.SessionEnd, err error) {
	s.h.Counters.Sessions.Ends[end]++
	s.h.complaints.Warn(s.h.n.Loop.Now(), end, "peer", s.c.Remote(), "err", err)
}

var (
	errUntrusted = errors.New("its address is not among those of the proxies that may connect")
	errDeadline  = errors.New("the PROXY header did not come in time")
)

// recovered closes the connection of a request whose handling panicked; the loop logs the panic.
func (s *session) recovered() {
	if v := recover(); v != nil {
		s.c.Abort()
		panic(v)
	}
}

// end closes the connection after its last response.
func (s *session) end(t *loop.Task) {
	if (s.linger || len(s.c.Buffered()) > 0) && t.Cause() == nil && s.c.WriteErr() == nil {
		s.lingerOn()
	}
	if errors.Is(t.Cause(), loop.ErrStopped) {
		s.c.Abort() // the client is to see that it was cut off
	}
	if !s.c.Closed() {
		_ = s.c.Close()
	}
}

// lingerOn ends the sending side and reads on for a while, so that the client gets the response before a reset that its
// unread bytes would cause (RFC 9112 §9.6).
func (s *session) lingerOn() {
	s.c.SetWriteTimeout(s.h.terms.times.write)
	if s.c.CloseWrite() != nil {
		return
	}
	s.c.SetReadTimeout(lingerTime)
	for n := 0; n < lingerBytes; {
		p, err := s.c.ReadBuf()
		if err != nil {
			return
		}
		n += len(p)
		s.c.Consume(len(p))
	}
}

// closed is called when the descriptor is gone.
func (s *session) closed(*conn.Conn) {
	if s.h2 != nil {
		s.h2.closed()
		return
	}
	s.forget()
}

// forget ends the session's record.
func (s *session) forget() {
	delete(s.h.sessions, s)
	s.h.Counters.Active--
	s.h.Counters.Closed++
	s.door.Release()
}

// gone reports whether err means that the client is not there to be answered.
func gone(err error) bool {
	return errors.Is(err, errs.ClientClosed) || errors.Is(err, loop.ErrStopped)
}

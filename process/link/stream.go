package link

import (
	"errors"
	"fmt"
	"io"
	"net"
	"time"

	"github.com/ringway/ringway/process/message"
	"github.com/ringway/ringway/sys"
)

// writeTimeout is how long a peer may take nothing of a message until the link counts as dead: a peer reads always, so
// one that does not hangs.
const writeTimeout = 10 * time.Second

// inFlightPause is how long to wait before descriptors are sent again that were too many for the kernel at once.
const inFlightPause = time.Millisecond

// stream is frames on a socket.
type stream struct {
	conn *net.UnixConn
	dec  *message.Decoder
	buf  []byte
	oob  []byte
}

func newStream(conn *net.UnixConn, received message.Seq) *stream {
	return &stream{conn: conn, dec: message.NewDecoder(received), buf: make([]byte, message.HeaderLen), oob: make([]byte, sys.RightsSpace(message.Batch))}
}

// read waits for a frame. io.EOF says that the peer ended between two of them. The frame's descriptors are the caller's;
// those of a frame that is not complete are closed unless the read may go on (a deadline).
func (s *stream) read() (*message.Frame, error) {
	for {
		want := s.dec.Want()
		if len(s.buf) < want {
			s.buf = make([]byte, want)
		}
		n, oobn, flags, _, err := s.conn.ReadMsgUnix(s.buf[:want], s.oob)
		fds, oobErr := sys.ParseRights(s.oob[:max(oobn, 0)])
		switch {
		case err != nil && n <= 0 && len(fds) == 0 && isTimeout(err):
			return nil, err
		case n <= 0 && (err == nil || errors.Is(err, io.EOF)):
			err = s.ended()
		case oobErr != nil:
			err = fmt.Errorf("%w: %w", message.ErrForeign, oobErr)
		case err == nil && flags&sys.MSG_CTRUNC != 0:
			err = fmt.Errorf("%w: the kernel dropped descriptors; are there numbers left for them?", message.ErrTruncated)
		}
		if err != nil {
			closeAll(fds)
			closeAll(s.dec.Release())
			return nil, err
		}
		frame, err := s.dec.Feed(s.buf[:n], fds)
		if err != nil {
			closeAll(s.dec.Release())
			return nil, err
		}
		if frame != nil {
			return frame, nil
		}
	}
}

func (s *stream) ended() error {
	if s.dec.Between() {
		return io.EOF
	}
	return fmt.Errorf("%w: the peer ended in the middle of it", message.ErrTruncated)
}

func isTimeout(err error) bool {
	ne, ok := errors.AsType[net.Error](err)
	return ok && ne.Timeout()
}

// write sends one frame. A failure may leave a part of it on the wire, so the link ends with it.
func (s *stream) write(h message.Header, body []byte, fds []int) error {
	deadline := time.Now().Add(writeTimeout)
	if err := s.conn.SetWriteDeadline(deadline); err != nil {
		return err
	}
	b := make([]byte, 0, message.HeaderLen+len(body))
	b = h.Append(b)
	if len(fds) > 0 {
		if _, err := s.conn.Write(b); err != nil {
			return err
		}
		if err := s.writeRights(fds, deadline); err != nil {
			return err
		}
		b = b[:0]
	}
	if b = append(b, body...); len(b) == 0 {
		return nil
	}
	_, err := s.conn.Write(b)
	return err
}

// writeRights sends a carrier byte for each batch. The kernel bounds how many descriptors may be on their way: then the
// peer has to take some first.
func (s *stream) writeRights(fds []int, deadline time.Time) error {
	for len(fds) > 0 {
		n := min(len(fds), message.Batch)
		_, _, err := s.conn.WriteMsgUnix([]byte{0}, sys.Rights(fds[:n]), nil)
		if sys.IsTooManyInFlight(err) && time.Now().Before(deadline) {
			time.Sleep(inFlightPause)
			continue
		}
		if err != nil {
			return err
		}
		fds = fds[n:]
	}
	return nil
}

package http1io

import (
	"errors"
	"io"
	"time"

	"github.com/ringway/ringway/conn"
	"github.com/ringway/ringway/proto/header"
	"github.com/ringway/ringway/proto/http1"
)

// ErrTooLarge says that a body is longer than its limit.
var ErrTooLarge = errors.New("body larger than the limit")

// Body reads the body of one message from a connection (RFC 9112 §6.3). It is reused from message to message.
type Body struct {
	c       conn.Stream
	dec     http1.ChunkDecoder
	framing http1.Framing
	left    int64 // Length: bytes still to come
	max     int64 // most bytes allowed; 0: any number
	read    int64
	timeout time.Duration

	held  int    // bytes of the connection's buffer that the last chunk covers
	next  []byte // Chunked: decoded ahead, not lent yet
	taken int    // Chunked: wire bytes up to the end of next
	ended bool
	err   error
}

// Limits bound the reading of a body.
type Limits struct {
	HTTP1   *http1.Limits
	Size    int64         // bytes; 0: any number
	Timeout time.Duration // for every wait; 0: none
}

// Start makes b the body of a message on c whose head has been consumed.
func (b *Body) Start(c conn.Stream, framing http1.Framing, length int64, lim Limits) {
	b.c, b.framing, b.left = c, framing, length
	b.max, b.read, b.timeout = lim.Size, 0, lim.Timeout
	b.held, b.next, b.taken, b.ended, b.err = 0, nil, 0, false, nil
	switch framing {
	case http1.NoBody:
		b.ended = true
	case http1.Length:
		b.ended = length == 0
	case http1.Chunked:
		b.dec.Reset(lim.HTTP1)
	}
}

// SetTrailerRule says, after Start, which trailers pass: without it the Restricted ones.
func (b *Body) SetTrailerRule(rule header.TrailerRule) { b.dec.SetRule(rule) }

// Complete reports whether the body was read to its end, so that the next message may follow on the connection.
func (b *Body) Complete() bool { return b.ended && b.held == 0 }

// Read is the number of body bytes that were lent so far.
func (b *Body) Read() int64 { return b.read }

// Err is what ended the body early, or nil.
func (b *Body) Err() error { return b.err }

// release gives the last chunk's bytes back.
func (b *Body) release() {
	if b.held > 0 {
		b.c.Consume(b.held)
		b.held = 0
	}
}

// Release gives the last chunk's bytes back before the next are asked for, so that Ready can tell of what follows them.
func (b *Body) Release() { b.release() }

// Next lends the next bytes.
func (b *Body) Next() ([]byte, error) {
	b.release()
	for {
		if p := b.buffered(); p != nil {
			return b.lend(p)
		}
		if b.err != nil {
			return nil, b.err
		}
		if b.ended {
			return nil, io.EOF
		}
		if err := b.wait(); err != nil {
			b.err = err
			return nil, err
		}
	}
}

func (b *Body) lend(p []byte) ([]byte, error) {
	b.read += int64(len(p))
	if b.max > 0 && b.read > b.max {
		b.err = ErrTooLarge
		return nil, b.err
	}
	switch b.framing {
	case http1.Length:
		b.held = len(p)
		b.left -= int64(len(p))
		b.ended = b.left == 0
	case http1.UntilClose:
		b.held = len(p)
	case http1.Chunked:
		b.held, b.next, b.taken = b.taken, nil, 0
	}
	return p, nil
}

// buffered gives what Next can lend without waiting, nil if that is nothing; it decodes chunks as far as it must.
func (b *Body) buffered() []byte {
	if b.ended && b.next == nil || b.err != nil {
		return nil
	}
	switch b.framing {
	case http1.Length:
		p := b.c.Buffered()
		if int64(len(p)) > b.left {
			p = p[:b.left]
		}
		return p
	case http1.UntilClose:
		return b.c.Buffered()
	case http1.Chunked:
		if b.next == nil {
			b.decode()
		}
		return b.next
	}
	return nil
}

// decode runs the decoder over the buffered bytes up to the first data, the end or a fault.
func (b *Body) decode() {
	for !b.ended && b.err == nil {
		in := b.c.Buffered()
		if len(in) == 0 {
			return
		}
		n, data, done, err := b.dec.Next(in)
		switch {
		case err != nil:
			b.err = err
			return
		case len(data) > 0:
			b.next, b.taken, b.ended = data, n, done
			return
		case n == 0 && !done:
			return
		}
		b.ended = done
		b.c.Consume(n)
	}
}

// wait gets more bytes from the connection, after those that are buffered were used up.
func (b *Body) wait() error {
	b.c.SetReadTimeout(b.timeout)
	_, err := b.c.ReadBuf()
	if err == io.EOF {
		if b.framing == http1.UntilClose {
			b.ended = true
			return nil
		}
		return io.ErrUnexpectedEOF
	}
	return err
}

// Ready reports whether Next would not wait.
func (b *Body) Ready() bool {
	if b.ended || b.err != nil || b.next != nil {
		return true
	}
	if b.held > 0 { // what follows the lent chunk shows when that is released
		return b.framing != http1.Chunked && len(b.c.Buffered()) > b.held
	}
	return b.buffered() != nil || b.err != nil || b.ended
}

// Prompt reports whether the rest of a body of known length is buffered.
func (b *Body) Prompt() bool {
	return b.ended || b.framing == http1.Length && int64(len(b.c.Buffered())) >= b.left
}

// Trailers are those of a chunked body.
func (b *Body) Trailers() *header.Fields {
	if b.framing != http1.Chunked {
		return nil
	}
	return b.dec.Trailers()
}

// Close gives the lent chunk back.
func (b *Body) Close() { b.release() }

// Splice offers the rest of a body of known length when nothing of it is buffered. What comes encrypted cannot be spliced.
func (b *Body) Splice() (src *conn.Conn, n int64, timeout time.Duration) {
	c, plain := b.c.(*conn.Conn)
	if !plain || b.framing != http1.Length || b.err != nil || b.max > 0 && b.read+b.left > b.max {
		return nil, 0, 0
	}
	b.release()
	if len(c.Buffered()) > 0 || c.Err() != nil {
		return nil, 0, 0
	}
	return c, b.left, b.timeout
}

// Spliced notes what was taken past this side.
func (b *Body) Spliced(n int64, err error) {
	b.left -= n
	b.read += n
	b.ended = b.left == 0
	if err != nil && !b.ended {
		b.err = err
	}
}

// Drain reads on to the body's end, at most limit bytes, and reports whether it got there.
func (b *Body) Drain(limit int64) bool {
	stop := b.read + limit
	for b.read <= stop {
		if _, err := b.Next(); err != nil {
			return err == io.EOF
		}
	}
	return false
}

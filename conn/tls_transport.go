package conn

import (
	"encoding/binary"
	"net"
	"time"

	"github.com/ringway/ringway/buf"
	"github.com/ringway/ringway/loop"
)

// tlsTransport is the connection as crypto/tls sees it: reads give what has been received, and writes only append.
type tlsTransport TLS

// wouldBlock says that nothing has been received. crypto/tls keeps what it has of a record after an error that is
// temporary, and goes on where it was at the next read.
type wouldBlock struct{}

func (wouldBlock) Error() string   { return "nothing has been received yet" }
func (wouldBlock) Timeout() bool   { return false }
func (wouldBlock) Temporary() bool { return true }

var errWouldBlock net.Error = wouldBlock{}

// Loop is the loop that the connection belongs to: whoever signs for a handshake finds the task there that runs it.
func (k *tlsTransport) Loop() *loop.Loop { return k.c.n.Loop }

// Read gives what has been received, no more than the rest of one record: crypto/tls then never holds a record that
// nobody knows of. In a handshake it waits (awaitPeer), for then no other task can want crypto/tls's locks.
func (k *tlsTransport) Read(p []byte) (int, error) {
	t := (*TLS)(k)
	if t.shake != nil {
		if err := t.awaitPeer(); err != nil {
			return 0, err
		}
		n := t.feed(t.bounded(p))
		t.shake.flight += n
		return n, nil
	} else if t.lent {
		return 0, errWouldBlock // one record at a time
	} else if len(t.c.Buffered()) == 0 {
		if err := t.c.Err(); err != nil {
			t.cut = true
			return 0, err
		}
		return 0, errWouldBlock
	}
	return t.feed(p), nil
}

// feed moves received bytes into p, up to the end of the record that they belong to.
func (t *TLS) feed(p []byte) int {
	n := 0
	for n < len(p) {
		data := t.c.Buffered()
		if len(data) == 0 {
			break
		}
		if t.record > 0 {
			data = data[:min(len(data), t.record)]
		} else {
			data = data[:min(len(data), tlsHeader-t.have)]
		}
		moved := copy(p[n:], data)
		n += moved
		if t.record > 0 {
			t.record -= moved
		} else {
			t.have += copy(t.header[t.have:], data[:moved])
		}
		t.c.Consume(moved)
		if t.have == tlsHeader && t.record == 0 {
			if t.record = int(binary.BigEndian.Uint16(t.header[3:])); t.record > 0 {
				t.have = 0
				continue
			}
			t.have = 0
			break
		}
		if t.have == 0 && t.record == 0 {
			break
		}
	}
	return n
}

// Write appends p to the ciphertext that waits to be handed over. It never waits (law 5 of the runtime): it runs under a
// lock of crypto/tls that a task which reads may want too, to send an alert.
func (k *tlsTransport) Write(p []byte) (int, error) {
	t := (*TLS)(k)
	if t.dead || t.closed {
		return 0, net.ErrClosed
	}
	n := 0
	for n < len(p) {
		b := t.last()
		if b == nil || b.Len == len(b.Bytes) {
			if len(t.out) == tlsPending {
				return n, errNoTLSBlock
			}
			if b = (*tlsBlocks.Get(t.c.n.Loop)).Get(); b == nil {
				return n, errNoTLSBlock
			}
			t.out = append(t.out, b)
		}
		k := copy(b.Bytes[b.Len:], p[n:])
		b.Len += k
		n += k
	}
	return n, nil
}

// last is the block that ciphertext is appended to.
func (t *TLS) last() *buf.Block {
	if n := len(t.out); n > 0 {
		return t.out[n-1]
	}
	return nil
}

// pop takes the first block that waits.
func (t *TLS) pop() *buf.Block {
	b := t.out[0]
	n := copy(t.out, t.out[1:])
	t.out[n] = nil
	t.out = t.out[:n]
	return b
}

// Close does nothing: who owns the connection closes it.
func (k *tlsTransport) Close() error { return nil }

// LocalAddr is this side's address.
func (k *tlsTransport) LocalAddr() net.Addr { return k.c.LocalAddr() }

// RemoteAddr is the peer's address.
func (k *tlsTransport) RemoteAddr() net.Addr { return k.c.RemoteAddr() }

// SetDeadline does nothing: reads and writes of the transport do not wait, and those of a handshake have deadlines.
func (k *tlsTransport) SetDeadline(time.Time) error { return nil }

// SetReadDeadline does nothing.
func (k *tlsTransport) SetReadDeadline(time.Time) error { return nil }

// SetWriteDeadline does nothing.
func (k *tlsTransport) SetWriteDeadline(time.Time) error { return nil }

package conn

import (
	"io"
	"net"
)

// Buffered is the plaintext that can be had without waiting; the bytes are valid until they are consumed.
func (t *TLS) Buffered() []byte {
	if t.in == nil {
		t.pull()
	}
	return t.held()
}

func (t *TLS) held() []byte {
	if t.in == nil {
		return nil
	}
	return t.in.Bytes[t.off:t.in.Len]
}

// Err is what ended the plaintext: io.EOF, an error, or nil while it goes on. Where a server ends its direction without a
// close_notify it is io.ErrUnexpectedEOF, since anybody on the way can do that (RFC 9112 §9.8); clients often do.
func (t *TLS) Err() error {
	if t.in == nil {
		t.pull()
	}
	return t.err
}

// Watch is Conn's. The Watcher is told of plaintext, and gets the connection below.
func (t *TLS) Watch(w Watcher) {
	t.watcher = w
	if w == nil {
		t.c.Watch(nil)
	} else {
		t.c.Watch(t)
	}
}

// Arm is Conn's.
func (t *TLS) Arm() {
	if t.in == nil && t.err == nil && !t.Closed() {
		t.pull()
	}
	if t.in == nil && t.err == nil && !t.stalled {
		t.c.Arm()
	}
}

// Readable takes received bytes when no task waits for them. Not all of them carry plaintext: a part of a record does not,
// nor does a KeyUpdate.
func (t *TLS) Readable(*Conn) {
	if t.shake != nil {
		return // its task looks for itself
	}
	if t.in == nil && t.err == nil {
		t.pull()
		if t.in == nil && t.err == nil {
			if !t.stalled {
				t.c.Arm()
			}
			return
		}
	}
	if t.watcher != nil {
		t.watcher.Readable(t.c)
	}
}

// Expired says that the read deadline has passed.
func (t *TLS) Expired(*Conn) {
	if t.watcher != nil {
		t.watcher.Expired(t.c)
	}
}

// ReadBuf lends plaintext that was not consumed, at least one byte; it waits if there is none. The bytes are valid until
// Consume. At the end it returns io.EOF.
func (t *TLS) ReadBuf() ([]byte, error) {
	r := &t.c.rd
	for {
		switch {
		case t.Closed():
			return nil, net.ErrClosed
		case r.deadline.passed(t.c.n.Loop):
			return nil, errDeadline
		case t.in != nil:
			return t.held(), nil
		case t.err != nil:
			return nil, t.err
		}
		t.pull()
		if t.in != nil || t.err != nil {
			continue
		}
		if !t.stalled {
			r.arm()
		}
		if err := r.park(); err != nil {
			return nil, err
		}
	}
}

// Consume says that the first n bytes lent are done with; when all are, the block goes back.
func (t *TLS) Consume(n int) {
	if n > len(t.held()) {
		if t.Closed() {
			return // Close took the bytes back
		}
		panic("conn: more consumed than was lent")
	}
	if t.off += n; t.in != nil && t.off == t.in.Len {
		t.dropPlaintext()
	}
}

func (t *TLS) dropPlaintext() {
	if t.in != nil {
		t.in.Put()
		t.in, t.off = nil, 0
	}
}

// pull decrypts what has been received, as far as that goes without waiting: until nothing whole is left or the block has
// no room for another record. It reads on only while there is room for what crypto/tls may want to say about it.
func (t *TLS) pull() {
	t.stalled = false
	for t.err == nil && !t.Closed() && t.shake == nil && (len(t.c.Buffered()) > 0 || t.c.Err() != nil) {
		if !t.roomToReply() {
			t.stalled = true
			break
		}
		if t.in == nil {
			if t.in = (*tlsBlocks.Get(t.c.n.Loop)).Get(); t.in == nil {
				t.err = errNoTLSBlock
				break
			}
		}
		if len(t.in.Bytes)-t.in.Len <= tlsPlain {
			break // what a record has more than fits would stay inside crypto/tls, where nobody sees it
		}
		n, err := t.decrypt(t.in.Bytes[t.in.Len:])
		t.in.Len += n
		if err == errWouldBlock {
			break
		}
		if err != nil {
			t.err = t.ending(err)
		}
	}
	if t.in != nil && t.in.Len == 0 {
		t.dropPlaintext()
	}
	t.push()
}

// ending is what an end of the plaintext means.
func (t *TLS) ending(err error) error {
	if err == io.EOF && t.client && t.cut {
		return io.ErrUnexpectedEOF
	}
	return err
}

package conn

import (
	"bytes"
	"crypto/tls"
	"reflect"
	"unsafe"
)

// crypto/tls keeps three buffers in a connection: what it has of a record, the plaintext of the last one, and messages of the
// handshake. They stay as large as they ever were, which for a connection at rest is half of all that it costs, and much more
// once it has received full records. They have no methods that reach them. So they are reached by their names and types, and
// where a future crypto/tls has others the connection is used as everybody does: what it costs then is memory and a copy.

// tlsBuffers is where in a tls.Conn its buffers are.
type tlsBuffers struct {
	known            bool
	raw, input, hand uintptr
}

var insideTLS = findTLSBuffers(reflect.TypeFor[tls.Conn]())

func findTLSBuffers(conn reflect.Type) (found tlsBuffers) {
	found.known = true
	place := func(name string, want reflect.Type) uintptr {
		f, ok := conn.FieldByName(name)
		found.known = found.known && ok && f.Type == want && len(f.Index) == 1
		return f.Offset
	}
	found.raw = place("rawInput", reflect.TypeFor[bytes.Buffer]())
	found.input = place("input", reflect.TypeFor[bytes.Reader]())
	found.hand = place("hand", reflect.TypeFor[bytes.Buffer]())
	return found
}

// lend makes rec, a whole record or the beginning of one, what c has received. c must not have anything of another. It is
// decrypted where it is.
func (b *tlsBuffers) lend(c *tls.Conn, rec []byte) {
	*(*bytes.Buffer)(unsafe.Add(unsafe.Pointer(c), b.raw)) = *bytes.NewBuffer(rec)
}

// settle lets go of what the handshake has left, unless part of a record is among it: then c is to be used as everybody does. There is none,
// since the transport has given records one by one.
func (b *tlsBuffers) settle(c *tls.Conn) bool {
	if (*bytes.Buffer)(unsafe.Add(unsafe.Pointer(c), b.raw)).Len() > 0 {
		return false
	}
	b.takeBack(c)
	return true
}

// takeBack ends what lend began, after c has been read, and says how much plaintext c had not given out. That is lost; it happens where the
// peer breaks the protocol, and Read has said so (TLS 1.2: plaintext behind half a message of the handshake). Nobody may be within c.
func (b *tlsBuffers) takeBack(c *tls.Conn) (lost int) {
	*(*bytes.Buffer)(unsafe.Add(unsafe.Pointer(c), b.raw)) = bytes.Buffer{}
	input := (*bytes.Reader)(unsafe.Add(unsafe.Pointer(c), b.input))
	lost = input.Len()
	input.Reset(nil)
	hand := (*bytes.Buffer)(unsafe.Add(unsafe.Pointer(c), b.hand))
	if hand.Len() == 0 && hand.Cap() > 0 {
		*hand = bytes.Buffer{}
	}
	return lost
}

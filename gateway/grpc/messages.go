package grpc

import (
	"encoding/binary"

	"github.com/ringway/ringway/proto/http2"
)

// prefixLen is how long the bytes before a message are: whether it is compressed, and its length.
const prefixLen = 5

// Messages follows the messages of a body as its bytes pass. The zero value is at its beginning.
type Messages struct {
	prefix [prefixLen]byte
	have   int    // bytes of the prefix that have passed
	left   uint32 // bytes of the message that have not
}

// Pass takes in the next bytes.
func (m *Messages) Pass(p []byte) {
	for len(p) > 0 {
		if m.left > 0 {
			n := min(uint32(len(p)), m.left) // pieces are shorter than 4 GiB
			m.left -= n
			p = p[n:]
			continue
		}
		n := copy(m.prefix[m.have:], p)
		p = p[n:]
		if m.have += n; m.have == prefixLen {
			m.have, m.left = 0, binary.BigEndian.Uint32(m.prefix[1:])
		}
	}
}

// Whole reports whether what has passed ends with a message.
func (m *Messages) Whole() bool { return m.have == 0 && m.left == 0 }

// CutError says that a response has ended amid a message. Clients take a status behind half a message for a fault of the protocol's, so the
// stream is to be reset instead, with Code.
type CutError struct {
	Code http2.ErrCode
	Err  error
}

// Error says what has ended the response.
func (e *CutError) Error() string { return "ended amid a message: " + e.Err.Error() }

// Unwrap gives what has ended the response.
func (e *CutError) Unwrap() error { return e.Err }

// ToReset is the code of RST_STREAM that clients take for the status, INTERNAL_ERROR where there is none that says no more than that.
func ToReset(s Status) http2.ErrCode {
	switch s {
	case Canceled, DeadlineExceeded: // a client knows its own deadline
		return http2.Cancel
	case ResourceExhausted:
		return http2.EnhanceYourCalm
	case PermissionDenied:
		return http2.InadequateSecurity
	}
	return http2.InternalError
}

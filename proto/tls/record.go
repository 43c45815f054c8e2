package tls

import "encoding/binary"

// The record layer (RFC 8446 §5.1).
const (
	recordHead    = 5
	recordMax     = 1 << 14
	typeCCS       = 20 // the lowest content type
	typeHandshake = 22
	typeHeartbeat = 24 // the highest one
	major         = 3  // of every version from SSL 3.0 on

	handshakeHead   = 4
	typeClientHello = 1
)

// httpStarts are what a request without TLS starts with; the last one is HTTP/2's preface.
var httpStarts = [...]string{"GET ", "POST ", "HEAD ", "PUT ", "OPTIONS ", "DELETE ", "CONNECT ", "PATCH ", "TRACE ", "PRI "}

// speaksTLS looks at the first bytes of a connection: false without an error means that there are too few of them. At most
// 8 bytes are needed.
func speaksTLS(b []byte) (bool, *Error) {
	switch {
	case len(b) == 0:
		return false, nil
	case b[0] >= typeCCS && b[0] <= typeHeartbeat:
		switch {
		case len(b) < 2:
			return false, nil
		case b[1] != major:
			return false, ErrNotTLS
		}
		return true, nil
	case b[0]&0x80 != 0:
		return false, sslv2(b)
	}
	for _, start := range httpStarts {
		switch {
		case len(b) >= len(start) && string(b[:len(start)]) == start:
			return false, ErrPlainHTTP
		case len(b) < len(start) && string(b) == start[:len(b)]:
			return false, nil
		}
	}
	return false, ErrNotTLS
}

// sslv2 looks for a CLIENT-HELLO of SSL 2.0: a length of 15 bits, type 1, and the highest version of the client, which may be
// one of TLS (RFC 5246 appendix E.2).
func sslv2(b []byte) *Error {
	switch {
	case len(b) < 3:
		return nil
	case b[2] != typeClientHello:
		return ErrNotTLS
	case len(b) < 4 || b[3] == 0 && len(b) < 5:
		return nil
	case b[3] == major, b[3] == 0 && b[4] == 2:
		return ErrSSLv2
	}
	return ErrNotTLS
}

// fragments is how far the ClientHello has come in. Only a message that is spread over several records is joined.
type fragments struct {
	record int // where the current record starts in the input
	taken  int // how many bytes of its payload are in joined
	size   int // of the message with its head; 0 until that is there
	joined []byte
}

// next looks at more of the input. It returns the message and where its last record ends, or 0 where more is needed.
func (f *fragments) next(b []byte, limit int) (message []byte, n int, e *Error) {
	for {
		length, e := f.header(b, limit)
		if length == 0 {
			return nil, 0, e
		}
		start := f.record + recordHead
		end := start + length
		payload := b[start:min(len(b), end):min(len(b), end)]
		message = payload
		if f.record == 0 {
			if e := f.head(message, length, end, limit); e != nil {
				return nil, 0, e
			}
		}
		if f.record > 0 || length < handshakeHead || f.size > length {
			f.joined = append(f.joined, payload[f.taken:]...)
			f.taken = len(payload)
			message = f.joined
			if e := f.head(message, len(message)-len(payload)+length, end, limit); e != nil {
				return nil, 0, e
			}
		}
		switch {
		case len(payload) < length:
			return nil, 0, nil
		case len(message) == f.size:
			return message, end, nil
		}
		f.record, f.taken = end, 0
	}
}

// header checks the header of the current record as far as it is there, and returns the record's length, or 0.
func (f *fragments) header(b []byte, limit int) (int, *Error) {
	missing := f.size - len(f.joined) + f.taken // from this record on, once the size is known
	if f.record+recordHead+max(missing, 1) > limit {
		return 0, ErrTooLarge
	}
	h := b[f.record:]
	switch {
	case len(h) == 0:
		return 0, nil
	case h[0] != typeHandshake:
		return 0, ErrUnexpectedRecord
	case len(h) > 1 && h[1] != major: // the minor version is to be ignored (RFC 8446 §5.1)
		return 0, ErrUnexpectedRecord
	case len(h) < recordHead:
		return 0, nil
	}
	length := int(binary.BigEndian.Uint16(h[3:]))
	switch {
	case length == 0 || length > recordMax:
		return 0, ErrRecordLength
	case f.record+recordHead+length > limit:
		return 0, ErrTooLarge
	case f.size > 0 && length > missing:
		return 0, ErrExcessData
	}
	return length, nil
}

// head checks the head of the message as far as it is there, and finds its size. Records that end at the given position of
// the input hold so many bytes of the message. There may be no more in the last record than the message's end: nothing that a
// client may say follows it before the server has answered, and who believes in a second message there would be misled.
func (f *fragments) head(message []byte, held, end, limit int) *Error {
	if f.size > 0 || len(message) == 0 {
		return nil
	}
	if message[0] != typeClientHello {
		return ErrNotClientHello
	}
	if len(message) < handshakeHead {
		return nil
	}
	size := handshakeHead + int(binary.BigEndian.Uint32(message)&0xffffff)
	switch {
	case size < held:
		return ErrExcessData
	case size > held && end+recordHead+size-held > limit:
		return ErrTooLarge
	}
	f.size = size
	return nil
}

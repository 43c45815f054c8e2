package message

import (
	"encoding/binary"
	"errors"
	"fmt"
)

// A body is a row of fields: id (16 bits), length (32 bits), value. Fields may stand in any order, some may repeat. A
// reader skips the fields that it does not know, unless the id says that the message means nothing without it.

// fieldID names a field within its message.
type fieldID uint16

// critical in the id of a field makes a reader that does not know it refuse the message.
const critical fieldID = 0x8000

const fieldHead = 6

// The faults of a body. The frame around it is sound, so the message is refused and the link goes on.
var (
	ErrMalformed     = errors.New("malformed message")
	ErrNotUnderstood = errors.New("message is not understood")
)

func putBytes[T ~string | ~[]byte](b []byte, id fieldID, v T) []byte {
	if len(v) == 0 {
		return b // absent and empty are the same
	}
	b = binary.BigEndian.AppendUint16(b, uint16(id))
	b = binary.BigEndian.AppendUint32(b, uint32(len(v)))
	return append(b, v...)
}

func putUint[T ~uint64 | ~uint32 | ~uint16 | ~int | ~int64](b []byte, id fieldID, v T) []byte {
	if v == 0 {
		return b
	}
	b = binary.BigEndian.AppendUint16(b, uint16(id))
	b = binary.BigEndian.AppendUint32(b, 8)
	return binary.BigEndian.AppendUint64(b, uint64(v))
}

func putBool(b []byte, id fieldID, v bool) []byte {
	if v {
		return putUint(b, id, uint64(1))
	}
	return b
}

// putGroup appends a field whose value is fields itself. Unlike others it is there also when it is empty: it counts.
func putGroup(b []byte, id fieldID, fields func([]byte) []byte) []byte {
	b = binary.BigEndian.AppendUint16(b, uint16(id))
	b = binary.BigEndian.AppendUint32(b, 0)
	start := len(b)
	b = fields(b)
	binary.BigEndian.PutUint32(b[start-4:], uint32(len(b)-start))
	return b
}

// reader goes through the fields of a body. The first fault ends it and stays.
type reader struct {
	rest  []byte
	id    fieldID
	value []byte
	err   error
}

// next steps to the next field.
func (r *reader) next() bool {
	if r.err != nil || len(r.rest) == 0 {
		return false
	}
	if len(r.rest) < fieldHead {
		r.err = fmt.Errorf("%w: %d bytes are no field", ErrMalformed, len(r.rest))
		return false
	}
	n := binary.BigEndian.Uint32(r.rest[2:])
	if uint64(n) > uint64(len(r.rest)-fieldHead) {
		r.err = fmt.Errorf("%w: a field of %d bytes, and %d are there", ErrMalformed, n, len(r.rest)-fieldHead)
		return false
	}
	r.id = fieldID(binary.BigEndian.Uint16(r.rest))
	r.value, r.rest = r.rest[fieldHead:fieldHead+n], r.rest[fieldHead+n:]
	return true
}

// skip is for a field that the message's parser does not know.
func (r *reader) skip() {
	if r.id&critical != 0 {
		r.err = fmt.Errorf("%w: field %d", ErrNotUnderstood, r.id&^critical)
	}
}

func (r *reader) string() string { return string(r.value) }

// bytes copies the value: the message outlives its frame.
func (r *reader) bytes() []byte { return append([]byte(nil), r.value...) }

func (r *reader) uint() uint64 {
	if len(r.value) != 8 {
		r.fail("a number of %d bytes", len(r.value))
		return 0
	}
	return binary.BigEndian.Uint64(r.value)
}

// int is a number that counts or measures something of ours, and so is never near the limit.
func (r *reader) int() int {
	n := r.uint()
	if n > 1<<62 {
		r.fail("the number %d", n)
		return 0
	}
	return int(n)
}

func (r *reader) bool() bool { return r.uint() != 0 }

func (r *reader) fail(format string, args ...any) {
	if r.err == nil {
		r.err = fmt.Errorf("%w: %s", ErrMalformed, fmt.Sprintf(format, args...))
	}
}

// group goes through the fields of a value that is fields itself.
func (r *reader) group(parse func(*reader)) {
	inner := reader{rest: r.value}
	if parse(&inner); inner.err == nil && len(inner.rest) > 0 {
		panic("message: a group's parser left fields unread")
	}
	if r.err == nil {
		r.err = inner.err
	}
}

package message

import (
	"encoding/binary"
	"errors"
	"fmt"
)

// Magic begins every frame: "RgWy".
const Magic = 0x52675779

// The bounds of one frame. A message that carries more is cut into several by its sender.
const (
	// HeaderLen is the length of a header in bytes; no version changes it.
	HeaderLen = 32
	// Batch is how many descriptors travel beside one carrier byte: the kernel's SCM_MAX_FD.
	Batch = 253
	// MaxBody bounds the bytes of a body. It is room for a configuration of more than a hundred thousand routes.
	MaxBody = 64 << 20
	// MaxDescriptors bounds the descriptors of one message, well above the sockets of 1024 loops on 60 listeners.
	MaxDescriptors = 1 << 16
)

// Type says what a message is. A number keeps its meaning for ever.
type Type uint16

// Seq numbers the messages of one direction of a link, from 1 on, each one more than the last.
type Seq uint64

// Header is what every frame begins with.
type Header struct {
	Type        Type
	Seq         Seq
	Answers     Seq    // the message that this one answers; 0 if it is no answer
	Length      uint32 // bytes of the body
	Descriptors uint32
}

// The faults of a byte stream. After one of them nothing that follows can be trusted: the link ends.
var (
	ErrForeign   = errors.New("not a message of this protocol")
	ErrTruncated = errors.New("truncated message")
	ErrReplayed  = errors.New("message was received before")
	ErrGap       = errors.New("a message before this one is missing")
	ErrTooLarge  = errors.New("message is too large")
	ErrStray     = errors.New("descriptors where none belong")
)

// Append appends the 32 bytes of the header.
func (h Header) Append(b []byte) []byte {
	b = binary.BigEndian.AppendUint32(b, Magic)
	b = binary.BigEndian.AppendUint16(b, 0) // reserved
	b = binary.BigEndian.AppendUint16(b, uint16(h.Type))
	b = binary.BigEndian.AppendUint64(b, uint64(h.Seq))
	b = binary.BigEndian.AppendUint64(b, uint64(h.Answers))
	b = binary.BigEndian.AppendUint32(b, h.Length)
	return binary.BigEndian.AppendUint32(b, h.Descriptors)
}

// ParseHeader reads a header from exactly HeaderLen bytes.
func ParseHeader(b []byte) (Header, error) {
	if len(b) != HeaderLen {
		return Header{}, ErrTruncated
	}
	if m := binary.BigEndian.Uint32(b); m != Magic {
		return Header{}, fmt.Errorf("%w: it begins with %#08x", ErrForeign, m)
	}
	h := Header{
		Type:        Type(binary.BigEndian.Uint16(b[6:])),
		Seq:         Seq(binary.BigEndian.Uint64(b[8:])),
		Answers:     Seq(binary.BigEndian.Uint64(b[16:])),
		Length:      binary.BigEndian.Uint32(b[24:]),
		Descriptors: binary.BigEndian.Uint32(b[28:]),
	}
	if h.Length > MaxBody || h.Descriptors > MaxDescriptors {
		return h, fmt.Errorf("%w: %d bytes and %d descriptors", ErrTooLarge, h.Length, h.Descriptors)
	}
	return h, nil
}

// Carriers is how many bytes after the header carry descriptors: one for each batch.
func (h Header) Carriers() int { return (int(h.Descriptors) + Batch - 1) / Batch }

package http2

import (
	"encoding/binary"
	"strconv"
)

// StreamID identifies a stream of a connection; 0 is the connection itself (RFC 9113 §5.1.1).
type StreamID uint32

const maxStreamID StreamID = 1<<31 - 1

// FrameType is the type of a frame (RFC 9113 §6, RFC 9218 §7.1).
type FrameType uint8

// The frame types that are known here.
const (
	FrameData           FrameType = 0x00
	FrameHeaders        FrameType = 0x01
	FramePriority       FrameType = 0x02
	FrameReset          FrameType = 0x03
	FrameSettings       FrameType = 0x04
	FramePushPromise    FrameType = 0x05
	FramePing           FrameType = 0x06
	FrameGoAway         FrameType = 0x07
	FrameWindowUpdate   FrameType = 0x08
	FrameContinuation   FrameType = 0x09
	FramePriorityUpdate FrameType = 0x10
)

var frameNames = map[FrameType]string{
	FrameData: "DATA", FrameHeaders: "HEADERS", FramePriority: "PRIORITY", FrameReset: "RST_STREAM", FrameSettings: "SETTINGS",
	FramePushPromise: "PUSH_PROMISE", FramePing: "PING", FrameGoAway: "GOAWAY", FrameWindowUpdate: "WINDOW_UPDATE",
	FrameContinuation: "CONTINUATION", FramePriorityUpdate: "PRIORITY_UPDATE",
}

// String returns the RFC's name, and a number for types that are not known.
func (t FrameType) String() string {
	if name, ok := frameNames[t]; ok {
		return name
	}
	return "0x" + strconv.FormatUint(uint64(t), 16)
}

// FrameFlags are the flags of a frame. What a bit means depends on the type.
type FrameFlags uint8

// The flags of RFC 9113 §6.
const (
	FlagEndStream  FrameFlags = 0x01 // DATA, HEADERS
	FlagAck        FrameFlags = 0x01 // SETTINGS, PING
	FlagEndHeaders FrameFlags = 0x04 // HEADERS, PUSH_PROMISE, CONTINUATION
	FlagPadded     FrameFlags = 0x08 // DATA, HEADERS, PUSH_PROMISE
	FlagPriority   FrameFlags = 0x20 // HEADERS
)

// Has tells whether all bits of v are set.
func (f FrameFlags) Has(v FrameFlags) bool { return f&v == v }

const (
	// FrameHeaderLen is the length of a frame header in bytes.
	FrameHeaderLen = 9
	// MinMaxFrameSize is the payload that every endpoint takes, and the initial SETTINGS_MAX_FRAME_SIZE.
	MinMaxFrameSize = 1 << 14
	// MaxMaxFrameSize is the largest payload that SETTINGS_MAX_FRAME_SIZE can allow.
	MaxMaxFrameSize = 1<<24 - 1
)

// FrameHeader starts every frame (RFC 9113 §4.1).
type FrameHeader struct {
	Length uint32 // of the payload, 24 bits
	Type   FrameType
	Flags  FrameFlags
	Stream StreamID // 31 bits
}

// ParseFrameHeader reads the first FrameHeaderLen bytes of b, which must be there. The reserved bit is ignored.
func ParseFrameHeader(b []byte) FrameHeader {
	_ = b[FrameHeaderLen-1]
	return FrameHeader{
		Length: uint32(b[0])<<16 | uint32(b[1])<<8 | uint32(b[2]),
		Type:   FrameType(b[3]),
		Flags:  FrameFlags(b[4]),
		Stream: parseStreamID(b[5:]),
	}
}

// Append appends the header to dst.
func (h FrameHeader) Append(dst []byte) []byte {
	return append(dst, byte(h.Length>>16), byte(h.Length>>8), byte(h.Length), byte(h.Type), byte(h.Flags),
		byte(h.Stream>>24), byte(h.Stream>>16), byte(h.Stream>>8), byte(h.Stream))
}

// parseStreamID reads 31 bits and ignores the reserved one.
func parseStreamID(b []byte) StreamID { return StreamID(binary.BigEndian.Uint32(b)) & maxStreamID }

// sizeError is a frame of the wrong length that could alter the state of the whole connection (RFC 9113 §4.2).
func sizeError(t FrameType) error {
	return ConnectionError{FrameSizeError, t.String() + " has a wrong length"}
}

// streamZero tells that a frame which belongs to a stream names none, or the other way round (RFC 9113 §6).
func streamZero(h FrameHeader, want bool) error {
	switch {
	case want && h.Stream != 0:
		return ConnectionError{ProtocolError, h.Type.String() + " on a stream"}
	case !want && h.Stream == 0:
		return ConnectionError{ProtocolError, h.Type.String() + " without a stream"}
	}
	return nil
}

// prefixLen is how many bytes stand before the data or the fragment: the length of the padding, the priority, the promised
// stream.
func (h FrameHeader) prefixLen() int {
	n := 0
	if h.Flags.Has(FlagPadded) && (h.Type == FrameData || h.Type == FrameHeaders || h.Type == FramePushPromise) {
		n = 1
	}
	if h.Flags.Has(FlagPriority) && h.Type == FrameHeaders {
		n += priorityLen
	}
	if h.Type == FramePushPromise {
		n += 4
	}
	return n
}

// padding reads the length of the padding from the prefix. Padding that leaves no room for itself is a connection error
// (RFC 9113 §6.1, §6.2).
func (h FrameHeader) padding(prefix []byte) (int, error) {
	pad := 0
	if h.Flags.Has(FlagPadded) {
		pad = int(prefix[0])
	}
	if len(prefix)+pad > int(h.Length) {
		return 0, ConnectionError{ProtocolError, h.Type.String() + " with more padding than payload"}
	}
	return pad, nil
}

// body cuts the payload of a padded frame into its prefix and its content, and checks the padding.
func (h FrameHeader) body(payload []byte) (prefix, content []byte, err error) {
	n := h.prefixLen()
	if n > len(payload) {
		return nil, nil, sizeError(h.Type)
	}
	pad, err := h.padding(payload[:n])
	if err != nil {
		return nil, nil, err
	}
	return payload[:n], payload[n : len(payload)-pad : len(payload)-pad], nil
}

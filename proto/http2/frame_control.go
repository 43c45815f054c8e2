package http2

import "encoding/binary"

// The small frames that steer streams and connections: RST_STREAM, PING, GOAWAY, WINDOW_UPDATE.

// ResetFrame is a RST_STREAM frame (RFC 9113 §6.4).
type ResetFrame struct {
	Stream StreamID
	Code   ErrCode
}

// ParseReset parses the payload of a RST_STREAM frame.
func ParseReset(h FrameHeader, payload []byte) (ResetFrame, error) {
	if err := streamZero(h, false); err != nil {
		return ResetFrame{}, err
	}
	if len(payload) != 4 {
		return ResetFrame{}, sizeError(h.Type)
	}
	return ResetFrame{h.Stream, ErrCode(binary.BigEndian.Uint32(payload))}, nil
}

// Append appends the frame.
func (f ResetFrame) Append(dst []byte) []byte {
	dst = FrameHeader{Length: 4, Type: FrameReset, Stream: f.Stream}.Append(dst)
	return binary.BigEndian.AppendUint32(dst, uint32(f.Code))
}

// PingFrame is a PING frame (RFC 9113 §6.7).
type PingFrame struct {
	Ack  bool
	Data [8]byte
}

// ParsePing parses the payload of a PING frame.
func ParsePing(h FrameHeader, payload []byte) (PingFrame, error) {
	if err := streamZero(h, true); err != nil {
		return PingFrame{}, err
	}
	if len(payload) != 8 {
		return PingFrame{}, sizeError(h.Type)
	}
	return PingFrame{h.Flags.Has(FlagAck), [8]byte(payload)}, nil
}

// Append appends the frame.
func (f PingFrame) Append(dst []byte) []byte {
	h := FrameHeader{Length: 8, Type: FramePing}
	if f.Ack {
		h.Flags = FlagAck
	}
	return append(h.Append(dst), f.Data[:]...)
}

// GoAwayFrame is a GOAWAY frame (RFC 9113 §6.8).
type GoAwayFrame struct {
	Last  StreamID // the last stream that was, or might be, processed
	Code  ErrCode
	Debug []byte
}

// ParseGoAway parses the payload of a GOAWAY frame, of which Debug is the rest.
func ParseGoAway(h FrameHeader, payload []byte) (GoAwayFrame, error) {
	if err := streamZero(h, true); err != nil {
		return GoAwayFrame{}, err
	}
	if len(payload) < 8 {
		return GoAwayFrame{}, sizeError(h.Type)
	}
	return GoAwayFrame{parseStreamID(payload), ErrCode(binary.BigEndian.Uint32(payload[4:])), payload[8:]}, nil
}

// Append appends the frame.
func (f GoAwayFrame) Append(dst []byte) []byte {
	dst = FrameHeader{Length: uint32(8 + len(f.Debug)), Type: FrameGoAway}.Append(dst)
	dst = binary.BigEndian.AppendUint32(dst, uint32(f.Last))
	dst = binary.BigEndian.AppendUint32(dst, uint32(f.Code))
	return append(dst, f.Debug...)
}

// WindowUpdateFrame is a WINDOW_UPDATE frame (RFC 9113 §6.9). Stream 0 is the connection's window.
type WindowUpdateFrame struct {
	Stream    StreamID
	Increment uint32 // bytes, 31 bits
}

// ParseWindowUpdate parses the payload of a WINDOW_UPDATE frame. An increment of 0 is an error of what it is for.
func ParseWindowUpdate(h FrameHeader, payload []byte) (WindowUpdateFrame, error) {
	if len(payload) != 4 {
		return WindowUpdateFrame{}, sizeError(h.Type)
	}
	f := WindowUpdateFrame{h.Stream, binary.BigEndian.Uint32(payload) & (1<<31 - 1)}
	switch {
	case f.Increment > 0:
		return f, nil
	case f.Stream == 0:
		return f, ConnectionError{ProtocolError, "WINDOW_UPDATE by nought"}
	}
	return f, StreamError{f.Stream, ProtocolError, "WINDOW_UPDATE by nought"}
}

// Append appends the frame.
func (f WindowUpdateFrame) Append(dst []byte) []byte {
	dst = FrameHeader{Length: 4, Type: FrameWindowUpdate, Stream: f.Stream}.Append(dst)
	return binary.BigEndian.AppendUint32(dst, f.Increment)
}

package http2

import (
	"errors"
	"strconv"
)

// ErrCode says in RST_STREAM and GOAWAY why a stream or a connection ends (RFC 9113 §7).
type ErrCode uint32

// The error codes of RFC 9113 §7.
const (
	NoError ErrCode = iota
	ProtocolError
	InternalError
	FlowControlError
	SettingsTimeout
	StreamClosed
	FrameSizeError
	RefusedStream
	Cancel
	CompressionError
	ConnectError
	EnhanceYourCalm
	InadequateSecurity
	HTTP11Required
)

var codeNames = [...]string{"NO_ERROR", "PROTOCOL_ERROR", "INTERNAL_ERROR", "FLOW_CONTROL_ERROR", "SETTINGS_TIMEOUT",
	"STREAM_CLOSED", "FRAME_SIZE_ERROR", "REFUSED_STREAM", "CANCEL", "COMPRESSION_ERROR", "CONNECT_ERROR",
	"ENHANCE_YOUR_CALM", "INADEQUATE_SECURITY", "HTTP_1_1_REQUIRED"}

// String returns the RFC's name, and a number for codes that it does not know.
func (c ErrCode) String() string {
	if int(c) < len(codeNames) {
		return codeNames[c]
	}
	return "0x" + strconv.FormatUint(uint64(c), 16)
}

// ConnectionError ends the connection: the peer is told by GOAWAY (RFC 9113 §5.4.1). Debug says why in words of ours and is
// sent along; it never holds bytes of the peer.
type ConnectionError struct {
	Code  ErrCode
	Debug string
}

// Error returns the code and the reason.
func (e ConnectionError) Error() string {
	return "http2: connection: " + e.Code.String() + ": " + e.Debug
}

// StreamError ends one stream: the peer is told by RST_STREAM (RFC 9113 §5.4.2).
type StreamError struct {
	Stream StreamID
	Code   ErrCode
	Reason string
}

// Error returns the stream, the code and the reason.
func (e StreamError) Error() string {
	return "http2: stream " + strconv.FormatUint(uint64(e.Stream), 10) + ": " + e.Code.String() + ": " + e.Reason
}

// What keeps a request or a message from being sent. They concern neither the connection nor other streams.
var (
	// ErrGoingAway says that the peer, or this side, lets the connection end: no new stream is opened on it.
	ErrGoingAway = errors.New("http2: the connection is going away")
	// ErrNoStreams says that the peer's limit of concurrent streams is reached.
	ErrNoStreams = errors.New("http2: as many streams are open as the peer allows")
	// ErrNoStreamIDs says that all identifiers are used up: another connection is needed.
	ErrNoStreamIDs = errors.New("http2: the stream identifiers are used up")
	// ErrNoExtendedConnect says that the peer does not do extended CONNECT (RFC 8441).
	ErrNoExtendedConnect = errors.New("http2: the peer does not offer extended CONNECT")
	// ErrHeaderListTooLarge says that the peer announced to refuse so large a field section.
	ErrHeaderListTooLarge = errors.New("http2: the field section is larger than the peer takes")
)

package http2

import "encoding/binary"

// The frames that carry messages: DATA, HEADERS, PUSH_PROMISE, CONTINUATION, and the deprecated PRIORITY. The parsers are
// given the whole payload; slices of the result alias it. A Conn, which must not wait for a whole frame, shares the reading
// of what stands before the content with them (FrameHeader.prefixLen, padding, headersPriority).

// DataFrame is a DATA frame (RFC 9113 §6.1).
type DataFrame struct {
	Stream    StreamID
	EndStream bool
	Data      []byte
}

// ParseData parses the payload of a DATA frame and leaves its padding out.
func ParseData(h FrameHeader, payload []byte) (DataFrame, error) {
	if err := streamZero(h, false); err != nil {
		return DataFrame{}, err
	}
	_, data, err := h.body(payload)
	return DataFrame{h.Stream, h.Flags.Has(FlagEndStream), data}, err
}

// Append appends the frame, without padding.
func (f DataFrame) Append(dst []byte) []byte {
	return append(appendDataHeader(dst, f.Stream, len(f.Data), f.EndStream), f.Data...)
}

func appendDataHeader(dst []byte, id StreamID, n int, end bool) []byte {
	h := FrameHeader{Length: uint32(n), Type: FrameData, Stream: id}
	if end {
		h.Flags = FlagEndStream
	}
	return h.Append(dst)
}

// StreamDependency is the priority scheme of RFC 7540, which RFC 9113 §5.3.2 deprecates: it is read and not followed.
type StreamDependency struct {
	Parent    StreamID
	Exclusive bool
	Weight    uint8 // one less than the weight
}

const priorityLen = 5

func parseDependency(b []byte) StreamDependency {
	return StreamDependency{Parent: parseStreamID(b), Exclusive: b[0]&0x80 != 0, Weight: b[4]}
}

func (d StreamDependency) append(dst []byte) []byte {
	v := uint32(d.Parent)
	if d.Exclusive {
		v |= 1 << 31
	}
	return append(binary.BigEndian.AppendUint32(dst, v), d.Weight)
}

// HeadersFrame is a HEADERS frame (RFC 9113 §6.2).
type HeadersFrame struct {
	Stream        StreamID
	EndStream     bool
	EndHeaders    bool
	HasDependency bool
	Dependency    StreamDependency
	Fragment      []byte
}

// ParseHeaders parses the payload of a HEADERS frame and leaves its padding out.
func ParseHeaders(h FrameHeader, payload []byte) (HeadersFrame, error) {
	f := HeadersFrame{Stream: h.Stream, EndStream: h.Flags.Has(FlagEndStream), EndHeaders: h.Flags.Has(FlagEndHeaders)}
	if err := streamZero(h, false); err != nil {
		return f, err
	}
	prefix, fragment, err := h.body(payload)
	if err != nil {
		return f, err
	}
	f.Fragment = fragment
	f.Dependency, f.HasDependency, err = headersPriority(h, prefix)
	return f, err
}

// headersPriority reads the priority from the prefix of a HEADERS frame. A stream that depends on itself is in error.
func headersPriority(h FrameHeader, prefix []byte) (d StreamDependency, ok bool, err error) {
	if !h.Flags.Has(FlagPriority) {
		return d, false, nil
	}
	d = parseDependency(prefix[len(prefix)-priorityLen:])
	if d.Parent == h.Stream {
		err = StreamError{h.Stream, ProtocolError, "a stream depends on itself"}
	}
	return d, true, err
}

// Append appends the frame, without padding.
func (f HeadersFrame) Append(dst []byte) []byte {
	h := FrameHeader{Length: uint32(len(f.Fragment)), Type: FrameHeaders, Stream: f.Stream}
	if f.EndStream {
		h.Flags |= FlagEndStream
	}
	if f.EndHeaders {
		h.Flags |= FlagEndHeaders
	}
	if f.HasDependency {
		h.Flags |= FlagPriority
		h.Length += priorityLen
	}
	dst = h.Append(dst)
	if f.HasDependency {
		dst = f.Dependency.append(dst)
	}
	return append(dst, f.Fragment...)
}

// PriorityFrame is a PRIORITY frame (RFC 9113 §6.3).
type PriorityFrame struct {
	Stream     StreamID
	Dependency StreamDependency
}

// ParsePriority parses the payload of a PRIORITY frame. Its faults concern the stream only.
func ParsePriority(h FrameHeader, payload []byte) (PriorityFrame, error) {
	f := PriorityFrame{Stream: h.Stream}
	if err := streamZero(h, false); err != nil {
		return f, err
	}
	if len(payload) != priorityLen {
		return f, StreamError{h.Stream, FrameSizeError, "PRIORITY has a wrong length"}
	}
	f.Dependency = parseDependency(payload)
	if f.Dependency.Parent == h.Stream {
		return f, StreamError{h.Stream, ProtocolError, "a stream depends on itself"}
	}
	return f, nil
}

// Append appends the frame.
func (f PriorityFrame) Append(dst []byte) []byte {
	dst = FrameHeader{Length: priorityLen, Type: FramePriority, Stream: f.Stream}.Append(dst)
	return f.Dependency.append(dst)
}

// PushPromiseFrame is a PUSH_PROMISE frame (RFC 9113 §6.6). A Conn neither sends nor takes it: clients here say that they
// want no push. It is there for tools that look at what others send.
type PushPromiseFrame struct {
	Stream     StreamID
	EndHeaders bool
	Promised   StreamID
	Fragment   []byte
}

// ParsePushPromise parses the payload of a PUSH_PROMISE frame and leaves its padding out.
func ParsePushPromise(h FrameHeader, payload []byte) (PushPromiseFrame, error) {
	f := PushPromiseFrame{Stream: h.Stream, EndHeaders: h.Flags.Has(FlagEndHeaders)}
	if err := streamZero(h, false); err != nil {
		return f, err
	}
	prefix, fragment, err := h.body(payload)
	if err != nil {
		return f, err
	}
	f.Promised, f.Fragment = parseStreamID(prefix[len(prefix)-4:]), fragment
	if f.Promised == 0 {
		return f, ConnectionError{ProtocolError, "PUSH_PROMISE promises no stream"}
	}
	return f, nil
}

// Append appends the frame, without padding.
func (f PushPromiseFrame) Append(dst []byte) []byte {
	h := FrameHeader{Length: uint32(4 + len(f.Fragment)), Type: FramePushPromise, Stream: f.Stream}
	if f.EndHeaders {
		h.Flags = FlagEndHeaders
	}
	dst = binary.BigEndian.AppendUint32(h.Append(dst), uint32(f.Promised))
	return append(dst, f.Fragment...)
}

// ContinuationFrame is a CONTINUATION frame (RFC 9113 §6.10).
type ContinuationFrame struct {
	Stream     StreamID
	EndHeaders bool
	Fragment   []byte
}

// ParseContinuation parses the payload of a CONTINUATION frame. That it follows a block of the same stream is for its
// caller to see.
func ParseContinuation(h FrameHeader, payload []byte) (ContinuationFrame, error) {
	return ContinuationFrame{h.Stream, h.Flags.Has(FlagEndHeaders), payload}, streamZero(h, false)
}

// Append appends the frame.
func (f ContinuationFrame) Append(dst []byte) []byte {
	h := FrameHeader{Length: uint32(len(f.Fragment)), Type: FrameContinuation, Stream: f.Stream}
	if f.EndHeaders {
		h.Flags = FlagEndHeaders
	}
	return append(h.Append(dst), f.Fragment...)
}

package grpc

import (
	"encoding/binary"
	"errors"
	"fmt"
)

// Health checking of gRPC (https://github.com/grpc/grpc/blob/master/doc/health-checking.md): the two messages that Check exchanges,
// each behind the five bytes that gRPC puts before a message.

// HealthPath is the path of the method Check.
const HealthPath = "/grpc.health.v1.Health/Check"

// Serving is how a service says that it is.
type Serving uint64

// The states of a service.
const (
	ServingUnknown Serving = iota
	IsServing
	NotServing
	ServiceUnknown
)

// String gives the name that the protocol has for it.
func (s Serving) String() string {
	switch s {
	case ServingUnknown:
		return "UNKNOWN"
	case IsServing:
		return "SERVING"
	case NotServing:
		return "NOT_SERVING"
	case ServiceUnknown:
		return "SERVICE_UNKNOWN"
	}
	return fmt.Sprintf("serving status %d", uint64(s))
}

// AppendHealthRequest appends the request about a service; an empty name asks about the whole server.
func AppendHealthRequest(dst []byte, service string) []byte {
	const name = 1<<3 | 2 // field 1, with a length
	start := len(dst)
	dst = append(dst, 0, 0, 0, 0, 0)
	if service != "" {
		dst = append(binary.AppendUvarint(append(dst, name), uint64(len(service))), service...)
	}
	binary.BigEndian.PutUint32(dst[start+1:], uint32(len(dst)-start-prefixLen))
	return dst
}

var errHealthResponse = errors.New("the answer is no HealthCheckResponse")

// ParseHealthResponse reads the whole body of a response.
func ParseHealthResponse(b []byte) (Serving, error) {
	if len(b) < prefixLen || b[0] != 0 || uint64(binary.BigEndian.Uint32(b[1:])) != uint64(len(b)-prefixLen) {
		return 0, errHealthResponse
	}
	s := ServingUnknown // what is nought is left out
	for b = b[prefixLen:]; len(b) > 0; {
		tag, n := binary.Uvarint(b)
		if n <= 0 {
			return 0, errHealthResponse
		}
		value, rest, ok := field(tag, b[n:])
		if !ok {
			return 0, errHealthResponse
		}
		if tag == 1<<3 {
			s = Serving(value)
		}
		b = rest
	}
	return s, nil
}

// field takes one field of a message off b; the value is that of a number.
func field(tag uint64, b []byte) (value uint64, rest []byte, ok bool) {
	skip := uint64(0)
	switch tag & 7 {
	case 0:
		v, n := binary.Uvarint(b)
		if n <= 0 {
			return 0, nil, false
		}
		return v, b[n:], tag>>3 > 0
	case 1:
		skip = 8
	case 2:
		v, n := binary.Uvarint(b)
		if n <= 0 {
			return 0, nil, false
		}
		b, skip = b[n:], v
	case 5:
		skip = 4
	default:
		return 0, nil, false
	}
	if skip > uint64(len(b)) {
		return 0, nil, false
	}
	return 0, b[skip:], tag>>3 > 0
}

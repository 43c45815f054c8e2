package grpc

import (
	"errors"
	"math"
	"time"

	"github.com/ringway/ringway/proto/header"
)

// ContentType is the media type of gRPC; +proto or the like may follow.
const ContentType = header.GRPCType

// Is reports whether a message is of gRPC, by its media type. Those of gRPC-Web are others.
func Is(f *header.Fields) bool { return f.GRPC() }

// The media types of gRPC-Web: messages as they are, and in base64.
const (
	WebType     = "application/grpc-web"
	WebTextType = "application/grpc-web-text"
)

// Web reports whether a media type is of gRPC-Web, whether in base64, and gives what follows it: +proto or the like.
func Web(value []byte) (suffix []byte, text, ok bool) {
	for _, t := range [...]string{WebTextType, WebType} {
		if len(value) < len(t) || !header.EqualFold(value[:len(t)], t) {
			continue
		}
		suffix = value[len(t):]
		return suffix, t == WebTextType, len(suffix) == 0 || suffix[0] == '+' || suffix[0] == ';'
	}
	return nil, false, false
}

// Speaks reports whether a client takes statuses of gRPC: it sends gRPC or gRPC-Web.
func Speaks(f *header.Fields) bool {
	v, _ := f.Get(header.ContentType)
	_, _, web := Web(v)
	return web || Is(f)
}

// Names of fields.
const (
	timeoutField = "grpc-timeout"
	statusField  = "grpc-status"
	messageField = "grpc-message"
)

// Timeout is how long the client waits for the whole exchange; false says that it has not said so, or not in a way that can be
// understood.
func Timeout(f *header.Fields) (time.Duration, bool) {
	v, ok := f.GetName(timeoutField)
	if !ok {
		return 0, false
	}
	return parseTimeout(v)
}

// maxTimeoutDigits is how long the number of a timeout may be.
const maxTimeoutDigits = 8

// parseTimeout reads one to eight digits and a unit.
func parseTimeout(v []byte) (time.Duration, bool) {
	digits := len(v) - 1
	if digits < 1 || digits > maxTimeoutDigits {
		return 0, false
	}
	n := int64(0)
	for _, c := range v[:digits] {
		if c < '0' || c > '9' {
			return 0, false
		}
		n = n*10 + int64(c-'0')
	}
	unit := unitOf(v[digits])
	if unit == 0 {
		return 0, false
	}
	if n > math.MaxInt64/int64(unit) {
		return math.MaxInt64, true
	}
	return time.Duration(n) * unit, true
}

func unitOf(c byte) time.Duration {
	switch c {
	case 'H':
		return time.Hour
	case 'M':
		return time.Minute
	case 'S':
		return time.Second
	case 'm':
		return time.Millisecond
	case 'u':
		return time.Microsecond
	case 'n':
		return time.Nanosecond
	}
	return 0
}

// ErrDeadline says that the time has passed that the client waits for.
var ErrDeadline = errors.New("the time has passed that the client gave by grpc-timeout")

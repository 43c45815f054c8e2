package grpc

import (
	"errors"
	"strconv"

	"github.com/ringway/ringway/errs"
	"github.com/ringway/ringway/gateway/exchange"
	"github.com/ringway/ringway/gateway/upstream/h2"
	"github.com/ringway/ringway/proto/header"
	"github.com/ringway/ringway/proto/http2"
)

// Status is a status of gRPC.
type Status int

// The statuses that a gateway has to tell.
const (
	OK                Status = 0
	Canceled          Status = 1
	Unknown           Status = 2
	DeadlineExceeded  Status = 4
	PermissionDenied  Status = 7
	ResourceExhausted Status = 8
	Unimplemented     Status = 12
	Internal          Status = 13
	Unavailable       Status = 14
	Unauthenticated   Status = 16
)

// OfHTTP is what a client of gRPC takes a status of HTTP for, where there is none of gRPC (http-grpc-status-mapping.md).
func OfHTTP(status int) Status {
	switch status {
	case 400:
		return Internal
	case 401:
		return Unauthenticated
	case 403:
		return PermissionDenied
	case 404:
		return Unimplemented
	case 429, 502, 503, 504:
		return Unavailable
	}
	return Unknown
}

// OfReset is what a client of gRPC takes the code of RST_STREAM for (PROTOCOL-HTTP2.md, "Errors").
func OfReset(code http2.ErrCode) Status {
	switch code {
	case http2.RefusedStream:
		return Unavailable
	case http2.Cancel:
		return Canceled
	case http2.EnhanceYourCalm:
		return ResourceExhausted
	case http2.InadequateSecurity:
		return PermissionDenied
	}
	return Internal
}

// OfError is the status of an error of the gateway's. Where a server has reset the stream it is the server's: it may have begun what was
// asked for, which Unavailable would have clients ask for again.
func OfError(err error) Status {
	if errors.Is(err, ErrDeadline) {
		return DeadlineExceeded
	}
	var reset *h2.ResetError
	if errors.As(err, &reset) && !reset.Local {
		return OfReset(reset.Code)
	}
	return OfHTTP(errs.CodeOf(err).Status())
}

// Fail answers a request of gRPC with an error, in the client's own media type: a response that is trailers only, whose status of HTTP
// is 200.
func Fail(x *exchange.Exchange, err error) {
	f := x.Respond(200, nil)
	value, _ := x.Request.Fields.Get(header.ContentType)
	f.AddID(header.ContentType, value)
	AddStatus(f, OfError(err), errs.CodeOf(err).Title())
}

// StatusOf reads the status that a response ends with; false says that there is none.
func StatusOf(f *header.Fields) (Status, bool) {
	v, ok := f.GetName(statusField)
	if !ok {
		return 0, false
	}
	n, err := strconv.ParseUint(string(v), 10, 16)
	return Status(n), err == nil
}

// AddStatus adds a status and what it is about, the two fields that end a response.
func AddStatus(f *header.Fields, s Status, message string) {
	f.Add(statusField, strconv.AppendInt(nil, int64(s), 10))
	if message != "" {
		f.Add(messageField, appendMessage(nil, message))
	}
}

// appendMessage writes a message as its field takes it: bytes that are not visible ASCII, and %, are percent-encoded.
func appendMessage(dst []byte, s string) []byte {
	const hex = "0123456789ABCDEF"
	for i := range len(s) {
		if c := s[i]; c < ' ' || c > '~' || c == '%' {
			dst = append(dst, '%', hex[c>>4], hex[c&15])
		} else {
			dst = append(dst, c)
		}
	}
	return dst
}

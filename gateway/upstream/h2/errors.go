package h2

import (
	"errors"

	"github.com/ringway/ringway/errs"
	"github.com/ringway/ringway/proto/http2"
)

// What ends a stream or a connection. Errors of the transport come as they are.
var (
	// ErrRefused says that the server has not looked at the request, which may be sent again whatever it is: REFUSED_STREAM, a
	// GOAWAY for streams below it, or a connection that takes no more.
	ErrRefused = errors.New("the server has not processed the request")
	// ErrNotHTTP2 says that the server answers in HTTP/1.
	ErrNotHTTP2 = errors.New("the server does not speak HTTP/2, but HTTP/1")
	// ErrSilent says that the server has not answered a PING in time.
	ErrSilent = errors.New("the server has not answered a PING in time")
	// ErrNoBlock says that a response was given up because too many wait for clients that do not take them. It has the code.
	ErrNoBlock error = errs.New(errs.Overloaded, "too much of responses waits for clients that do not take it")
	// ErrDeadline says that the time for the whole exchange is over.
	ErrDeadline = errors.New("the exchange's deadline has passed")
	// ErrInterims says that a server sends interim responses without end.
	ErrInterims = errors.New("interim responses without end")

	// ErrPanicked says that the gateway has failed over what came on the connection. It has the code.
	ErrPanicked error = errs.New(errs.Internal, "a connection to a server was mishandled")

	errAtRest = errors.New("the connection was closed after its last request")
)

// ResetError says that a stream was reset: by the server, or here (Local) because of a mistake of the server's.
type ResetError struct {
	Code   http2.ErrCode
	Local  bool
	Reason string
}

// Error names the code and who reset the stream.
func (e *ResetError) Error() string {
	if e.Local {
		return "stream reset for a mistake of the server: " + e.Code.String() + ": " + e.Reason
	}
	return "stream reset by the server: " + e.Code.String()
}

// GoAwayError says that the server ended the connection because of a mistake that it found.
type GoAwayError struct {
	Code  http2.ErrCode
	Debug string // of the server's, at most 64 bytes
}

// Error names the code.
func (e *GoAwayError) Error() string {
	if e.Debug == "" {
		return "connection ended by the server: " + e.Code.String()
	}
	return "connection ended by the server: " + e.Code.String() + ": " + e.Debug
}

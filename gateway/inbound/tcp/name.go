package tcp

import (
	"errors"
	"io"
	"os"

	"github.com/ringway/ringway/gateway/preface"
	"github.com/ringway/ringway/observe/metrics"
	"github.com/ringway/ringway/proto/tls"
)

// target finds where the session goes. If it goes nowhere, end says why; err is for the log.
func (s *tunnel) target() (to *Target, end metrics.SessionEnd, err error) {
	names := s.terms.Names
	i, ok := names.Default()
	if !names.Any() {
		named := true
		if named, end, err = s.readName(); end != metrics.Finished {
			return nil, end, err
		}
		if named {
			i, ok = names.Match(s.ServerName)
		}
	}
	if !ok {
		return nil, metrics.NoRoute, err
	}
	return &s.terms.Targets[i], metrics.Finished, nil
}

// readName reads the ClientHello; named says that there is one with a server name. What is no TLS at all, and a client that
// says nothing in time, have no name: they may be of a protocol in which the server begins. A malformed ClientHello ends the
// session, for nobody knows what the server would read in it. An end of Finished says that the session goes on.
func (s *tunnel) readName() (named bool, end metrics.SessionEnd, err error) {
	hello := s.h.takeHello()
	defer s.h.putHello(hello)
	s.Early, err = preface.ReadHello(s.Client, hello, s.terms.helloSize)
	var bad *tls.Error
	switch {
	case err == nil:
		if len(hello.ServerName) > 0 {
			s.ServerName = hello.AppendServerName(nil)
		}
		return s.ServerName != nil, metrics.Finished, nil
	case s.Task.Cause() != nil:
		return false, s.causeOf(), err
	case err == tls.ErrNotTLS, err == tls.ErrPlainHTTP, err == tls.ErrSSLv2:
		return false, metrics.Finished, err
	case errors.As(err, &bad):
		return false, metrics.BadClientHello, err
	case errors.Is(err, os.ErrDeadlineExceeded):
		if s.Early == nil && len(s.Client.Buffered()) == 0 {
			return false, metrics.Finished, err
		}
		return false, metrics.ClientHelloTimeout, err
	case errors.Is(err, preface.ErrNoBlocks):
		return false, metrics.SessionOverloaded, err
	case err == io.ErrUnexpectedEOF:
		return false, metrics.BadClientHello, err
	case err == io.EOF:
		return false, metrics.ClientClosed, err
	}
	return false, metrics.ClientReset, err
}

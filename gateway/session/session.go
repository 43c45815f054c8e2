package session

import (
	"github.com/ringway/ringway/buf"
	"github.com/ringway/ringway/conn"
	"github.com/ringway/ringway/gateway/preface"
	"github.com/ringway/ringway/loop"
	"github.com/ringway/ringway/observe/metrics"
)

// Session is one client connection on its way to an upstream.
type Session struct {
	Task   *loop.Task // until there is an upstream
	Net    *conn.Net
	Client *conn.Conn

	ID       uint64 // unique in the process, random between processes
	Listener string
	// Endpoints are the addresses as the client sees them: from the PROXY header, or those of the connection.
	preface.Endpoints
	// ServerName is from the ClientHello, in lower case; nil without one.
	ServerName []byte
	// Early is what had to be taken off the client's connection to route it, and goes to the upstream first; nil for nothing.
	Early *buf.Block
	// Forwarded is how many of the client's bytes the upstream was given before the relay began.
	Forwarded int

	// What routing and connecting leave for the log.
	Route    string
	Cluster  string
	Endpoint string
	Retries  int
	Start    int64 // of the loop's clock: the connection came
	DialAt   int64 // an upstream was looked for
	OpenAt   int64 // it was found; 0: not yet
}

// DropEarly gives back what has been sent, or will not be.
func (s *Session) DropEarly() {
	if s.Early != nil {
		s.Early.Put()
		s.Early = nil
	}
}

// EndOf is how a session ended whose relay, from the client's connection to the upstream's, ended so; stopped is what it means that
// we ended it.
func EndOf(why conn.RelayEnd, stopped metrics.SessionEnd) metrics.SessionEnd {
	switch why {
	case conn.RelayFinished:
		return metrics.Finished
	case conn.RelayFirstReset:
		return metrics.ClientReset
	case conn.RelaySecondReset:
		return metrics.UpstreamReset
	case conn.RelayIdle:
		return metrics.IdleTimeout
	case conn.RelayStopped:
		return stopped
	}
	return metrics.SessionFailed
}

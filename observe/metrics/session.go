package metrics

import "github.com/ringway/ringway/errs"

// SessionEnd is why a session of layer 4 ended, or a connection of any listener that never came to be one.
type SessionEnd uint8

// The ends. What begins with a client's or an upstream's name was that side's doing.
const (
	Finished              SessionEnd = iota // both sides ended, and nothing was lost
	IdleTimeout                             // no byte came in either direction for too long
	ClientReset                             // the client broke the connection off
	UpstreamReset                           // the endpoint did
	ClientClosed                            // the client left before there was an upstream
	Drained                                 // cut off because the gateway ended
	NoRoute                                 // no route for the server name, or for none
	BadClientHello                          // what began as TLS was no ClientHello to route by
	ClientHelloTimeout                      // the ClientHello did not come in time
	UntrustedProxy                          // only proxies may connect, and the peer is none
	BadProxyHeader                          // a proxy's header was none
	ProxyHeaderTimeout                      // a proxy's header did not come in time
	SessionOverloaded                       // no connection to an endpoint came free in time, or memory was short
	SessionRefused                          // no endpoint took the connection
	SessionUpstreamLate                     // no endpoint answered in time
	SessionUpstreamFailed                   // no endpoint could be reached
	SessionFailed                           // the gateway failed
	sessionEnds                             // the number of ends
)

// SessionEnds is the number of ends.
const SessionEnds = int(sessionEnds)

// sessionEndNames are the values of the label and of the access log's member.
var sessionEndNames = [sessionEnds]string{
	Finished:              "finished",
	IdleTimeout:           "idle_timeout",
	ClientReset:           "client_reset",
	UpstreamReset:         string(errs.UpstreamReset),
	ClientClosed:          string(errs.ClientClosed),
	Drained:               "drained",
	NoRoute:               string(errs.NoRoute),
	BadClientHello:        "bad_client_hello",
	ClientHelloTimeout:    "client_hello_timeout",
	UntrustedProxy:        "untrusted_proxy",
	BadProxyHeader:        "bad_proxy_header",
	ProxyHeaderTimeout:    "proxy_header_timeout",
	SessionOverloaded:     string(errs.Overloaded),
	SessionRefused:        string(errs.UpstreamConnectRefused),
	SessionUpstreamLate:   string(errs.UpstreamConnectTimeout),
	SessionUpstreamFailed: string(errs.UpstreamConnectFailed),
	SessionFailed:         string(errs.Internal),
}

// String returns the name in metrics and logs.
func (e SessionEnd) String() string {
	if e >= sessionEnds {
		return string(errs.Internal)
	}
	return sessionEndNames[e]
}

// SessionEndOf gives the end that an error of carrying a session stands for, by its code.
func SessionEndOf(err error) SessionEnd {
	code := string(errs.CodeOf(err))
	for e, name := range sessionEndNames {
		if name == code {
			return SessionEnd(e)
		}
	}
	return SessionFailed
}

// SessionCounters is what a listener counts of sessions, per loop. Those of a listener of layer 7 are connections that were
// refused before their first request.
type SessionCounters struct {
	Layer4   bool // the listener has sessions: every end is shown, and not only those that came about
	Ends     [sessionEnds]uint64
	Duration Histogram // from the connection's coming to its session's end
}

// Add adds o to c.
func (c *SessionCounters) Add(o *SessionCounters) {
	c.Layer4 = c.Layer4 || o.Layer4
	for i, n := range o.Ends {
		c.Ends[i] += n
	}
	c.Duration.Add(&o.Duration)
}

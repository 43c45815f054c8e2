package metrics

// TLSResult is how a handshake with a client ended.
type TLSResult uint8

// The results.
const (
	TLSDone              TLSResult = iota
	TLSClientClosed                // the client left, or broke the connection off
	TLSClientRefused               // the client sent an alert: it does not take the certificate, for one
	TLSTimeout                     // the handshake did not end in time
	TLSPlainHTTP                   // the client spoke HTTP without TLS
	TLSMalformed                   // what came was no TLS, broke its rules, or was too long
	TLSNothingShared               // no version, cipher suite, signature scheme or protocol in common
	TLSUnknownName                 // no certificate for the server name
	TLSClientCertificate           // the client's certificate was missing or not accepted
	TLSKeyFailed                   // the key could not sign: a key server that does not answer, for one
	TLSOverloaded                  // memory, the pool for signatures or the handshakes at a time were short
	TLSFailed                      // anything else
	tlsResults                     // the number of results
)

var tlsResultNames = [tlsResults]string{
	"done", "client_closed", "client_refused", "timeout", "plain_http", "malformed", "nothing_shared", "unknown_name",
	"client_certificate", "key_failed", "overloaded", "failed",
}

// String returns the name in metrics and logs.
func (r TLSResult) String() string {
	if r >= tlsResults {
		return "failed"
	}
	return tlsResultNames[r]
}

// TLSVersions is the number of versions that are told apart.
const TLSVersions = 2

var tlsVersionNames = [TLSVersions]string{"1.2", "1.3"}

// TLSCounters is what a listener counts of handshakes, per loop.
type TLSCounters struct {
	Enabled  bool // the listener speaks TLS
	Results  [tlsResults]uint64
	Versions [TLSVersions]uint64 // of those that were done: TLS 1.2, 1.3
	Resumed  uint64              // of those that were done
	Running  uint64              // handshakes now, those that wait for their turn included
	Duration Histogram           // of those that were done, from the first byte
}

// Add adds o to c.
func (c *TLSCounters) Add(o *TLSCounters) {
	c.Enabled = c.Enabled || o.Enabled
	for i, n := range o.Results {
		c.Results[i] += n
	}
	for i, n := range o.Versions {
		c.Versions[i] += n
	}
	c.Resumed += o.Resumed
	c.Running += o.Running
	c.Duration.Add(&o.Duration)
}

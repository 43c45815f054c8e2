package errs

import "slices"

// Code names a kind of failure to users: it appears in logs, in problem
// documents and in metrics. A released code keeps its name and its meaning.
//
// A Code is itself an error, so errors.Is(err, errs.UpstreamTimeout) asks
// whether err or anything it wraps was classified so.
type Code string

// The codes. What each means to the outside is in the table below.
const (
	BadRequest               Code = "bad_request"
	RequestTimeout           Code = "request_timeout"
	PayloadTooLarge          Code = "payload_too_large"
	URITooLong               Code = "uri_too_long"
	ExpectationFailed        Code = "expectation_failed"
	FieldsTooLarge           Code = "fields_too_large"
	ClientClosed             Code = "client_closed"
	NotImplemented           Code = "not_implemented"
	VersionNotSupported      Code = "version_not_supported"
	NoRoute                  Code = "no_route"
	MethodNotAllowed         Code = "method_not_allowed"
	TooManyConnections       Code = "too_many_connections"
	Overloaded               Code = "overloaded"
	Draining                 Code = "draining"
	Unavailable              Code = "unavailable"
	NoEndpoint               Code = "no_endpoint"
	UpstreamConnectRefused   Code = "upstream_connect_refused"
	UpstreamConnectTimeout   Code = "upstream_connect_timeout"
	UpstreamConnectFailed    Code = "upstream_connect_failed"
	UpstreamReset            Code = "upstream_reset"
	UpstreamClosed           Code = "upstream_closed"
	UpstreamBadResponse      Code = "upstream_bad_response"
	UpstreamResponseTooLarge Code = "upstream_response_too_large"
	UpstreamTimeout          Code = "upstream_timeout"
	UpstreamBodyIncomplete   Code = "upstream_body_incomplete"
	Internal                 Code = "internal"
)

// Source says at whose side a failure began.
type Source uint8

// The sources. The zero Source belongs to no error.
const (
	SourceNone     Source = iota
	SourceClient          // the peer that sent the request
	SourceGateway         // this process, its limits or its configuration
	SourceUpstream        // the endpoint a request was sent to
)

// String returns the word used in logs.
func (s Source) String() string {
	switch s {
	case SourceClient:
		return "client"
	case SourceGateway:
		return "gateway"
	case SourceUpstream:
		return "upstream"
	}
	return "none"
}

// Retry says whether the gateway may send the same request to an endpoint
// once more. It speaks of safety only: how often, and whether the body can
// still be replayed, is for the caller to decide.
type Retry uint8

// The retries, from none to always.
const (
	RetryNo           Retry = iota // trying again cannot help, or the response has begun
	RetryIfIdempotent              // the endpoint may have acted on the request
	RetryYes                       // the endpoint has seen nothing of the request
)

// String returns the word used in logs.
func (r Retry) String() string {
	switch r {
	case RetryIfIdempotent:
		return "if_idempotent"
	case RetryYes:
		return "yes"
	}
	return "no"
}

// kind is one row of the table: all that follows from a code.
type kind struct {
	code   Code
	status int
	source Source
	retry  Retry
	title  string // public: one short phrase that is true of every occurrence
}

// table is the only place where the properties of a code are written down.
// Status 499 is nginx's: it is logged, never sent, as the client has gone.
var table = [...]kind{
	{BadRequest, 400, SourceClient, RetryNo, "The request is malformed"},
	{RequestTimeout, 408, SourceClient, RetryNo, "The request took too long to arrive"},
	{PayloadTooLarge, 413, SourceClient, RetryNo, "The request body is too large"},
	{URITooLong, 414, SourceClient, RetryNo, "The request target is too long"},
	{ExpectationFailed, 417, SourceClient, RetryNo, "The expectation cannot be met"},
	{FieldsTooLarge, 431, SourceClient, RetryNo, "The request header fields are too large"},
	{ClientClosed, 499, SourceClient, RetryNo, "The client closed the connection"},
	{NotImplemented, 501, SourceClient, RetryNo, "The request needs something that is not implemented"},
	{VersionNotSupported, 505, SourceClient, RetryNo, "The HTTP version is not supported"},
	{NoRoute, 404, SourceGateway, RetryNo, "No route matches the request"},
	{MethodNotAllowed, 405, SourceGateway, RetryNo, "The method is not allowed here"},
	{TooManyConnections, 503, SourceGateway, RetryNo, "Too many connections"},
	{Overloaded, 503, SourceGateway, RetryNo, "The gateway is overloaded"},
	{Draining, 503, SourceGateway, RetryNo, "The gateway is shutting down"},
	{Unavailable, 503, SourceGateway, RetryNo, "The service is unavailable"},
	{NoEndpoint, 503, SourceGateway, RetryNo, "No endpoint is available"},
	{UpstreamConnectRefused, 502, SourceUpstream, RetryYes, "The upstream refused the connection"},
	{UpstreamConnectTimeout, 504, SourceUpstream, RetryYes, "The upstream did not accept the connection in time"},
	{UpstreamConnectFailed, 502, SourceUpstream, RetryYes, "The upstream could not be reached"},
	{UpstreamReset, 502, SourceUpstream, RetryIfIdempotent, "The upstream reset the connection"},
	{UpstreamClosed, 502, SourceUpstream, RetryIfIdempotent, "The upstream closed the connection before it answered"},
	{UpstreamBadResponse, 502, SourceUpstream, RetryNo, "The upstream sent a malformed response"},
	{UpstreamResponseTooLarge, 502, SourceUpstream, RetryNo, "The upstream's response head is too large"},
	{UpstreamTimeout, 504, SourceUpstream, RetryIfIdempotent, "The upstream did not answer in time"},
	{UpstreamBodyIncomplete, 502, SourceUpstream, RetryNo, "The upstream's response ended early"},
	{Internal, 500, SourceGateway, RetryNo, "The gateway failed"},
}

// kinds finds a row of the table by its code.
var kinds = func() map[Code]*kind {
	m := make(map[Code]*kind, len(table))
	for i := range table {
		m[table[i].code] = &table[i]
	}
	return m
}()

// kindOf returns the row of c. A code that is not in the table counts as
// Internal: an unlisted status or title must not reach a client.
func kindOf(c Code) *kind {
	if k, ok := kinds[c]; ok {
		return k
	}
	return kinds[Internal]
}

// Codes returns every code in the order of the table, for documentation and
// for metrics that have one series per code.
func Codes() []Code {
	all := make([]Code, 0, len(table))
	for i := range table {
		all = append(all, table[i].code)
	}
	return slices.Clip(all)
}

// Known reports whether c is in the table.
func (c Code) Known() bool { _, ok := kinds[c]; return ok }

// Status returns the HTTP status a client gets for c.
func (c Code) Status() int { return kindOf(c).status }

// Source returns whose fault c is.
func (c Code) Source() Source { return kindOf(c).source }

// Retry returns whether a request that failed with c may be sent again.
func (c Code) Retry() Retry { return kindOf(c).retry }

// Title returns the public phrase for c.
func (c Code) Title() string { return kindOf(c).title }

// Error makes a Code a target for errors.Is. It returns the code's name.
func (c Code) Error() string { return string(c) }

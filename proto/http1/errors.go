package http1

// Error says why a message was refused. Errors are package-level values: compare with errors.Is, which looks at the code only,
// since a condition has one error for requests and another for responses.
type Error struct {
	// Status is what a server answers to a request with this fault; it is 502 where the fault is in a response.
	Status int
	// Code names the condition for logs and problem documents, such as "bad_field_name".
	Code string
	// Msg says it in words. It never holds bytes of the peer.
	Msg string

	response *Error
}

// Error returns the message and the code.
func (e *Error) Error() string { return "http1: " + e.Msg + " (" + e.Code + ")" }

// Is matches errors of the same code.
func (e *Error) Is(target error) bool {
	t, ok := target.(*Error)
	return ok && t.Code == e.Code
}

// Response returns the same condition as found in a response: status 502, since not the client is at fault. A ChunkDecoder
// does not know whose body it reads; who decodes an upstream's body calls this.
func (e *Error) Response() *Error { return e.response }

func newError(status int, code, msg string) *Error {
	e := &Error{Status: status, Code: code, Msg: msg}
	e.response = &Error{Status: 502, Code: code, Msg: msg}
	e.response.response = e.response
	return e
}

// The conditions of the start line.
var (
	ErrRequestLineTooLong = newError(414, "request_line_too_long", "the request line is longer than the limit")
	ErrBadRequestLine     = newError(400, "bad_request_line", "the request line is not METHOD SP target SP version")
	ErrBadMethod          = newError(400, "bad_method", "the method is not a token")
	ErrBadTarget          = newError(400, "bad_target", "the request target is malformed or not of a form that the method allows")
	ErrBadVersion         = newError(400, "bad_version", "the protocol version is malformed")
	ErrVersion            = newError(505, "unsupported_version", "the major protocol version is not 1")
	ErrBadStatusLine      = newError(502, "bad_status_line", "the status line is malformed")
	ErrStatusLineTooLong  = newError(502, "status_line_too_long", "the status line is longer than the limit")
)

// The conditions of line ends and field lines.
var (
	ErrBareLF           = newError(400, "bare_lf", "a line ends with LF that no CR precedes")
	ErrBareCR           = newError(400, "bare_cr", "a line holds a CR that no LF follows")
	ErrObsFold          = newError(400, "obs_fold", "a field line starts with white space")
	ErrNoColon          = newError(400, "no_colon", "a field line has no colon")
	ErrSpaceBeforeColon = newError(400, "space_before_colon", "white space stands between a field name and its colon")
	ErrBadFieldName     = newError(400, "bad_field_name", "a field name is empty or not a token")
	ErrBadFieldValue    = newError(400, "bad_field_value", "a field value holds a control character")
	ErrLineTooLong      = newError(431, "field_line_too_long", "a field line is longer than the limit")
	ErrHeadTooLarge     = newError(431, "head_too_large", "the message head is larger than the limit")
	ErrTooManyFields    = newError(431, "too_many_fields", "the message has more fields than the limit")
)

// The conditions of single fields and of their combination.
var (
	ErrNoHost            = newError(400, "no_host", "an HTTP/1.1 request has no Host")
	ErrSeveralHosts      = newError(400, "several_hosts", "a request has several Host fields")
	ErrBadHost           = newError(400, "bad_host", "Host is not a host with an optional port")
	ErrBadContentLength  = newError(400, "bad_content_length", "Content-Length is not a decimal number that fits 63 bits")
	ErrContentLengths    = newError(400, "differing_content_lengths", "a message has Content-Length values that differ")
	ErrFramingConflict   = newError(400, "content_length_and_transfer_encoding", "a message has both Content-Length and Transfer-Encoding")
	ErrUnknownCoding     = newError(501, "unknown_transfer_coding", "a transfer coding is not known here")
	ErrBadCoding         = newError(400, "bad_transfer_encoding", "Transfer-Encoding is malformed, or chunked is not its last and only occurrence")
	ErrCodingVersion     = newError(400, "transfer_encoding_in_http_1_0", "an HTTP/1.0 message has Transfer-Encoding")
	ErrBadConnection     = newError(400, "bad_connection_option", "Connection is malformed or names a field that routing or framing rests on")
	ErrConnectionOptions = newError(400, "too_many_connection_options", "Connection names too many fields")
	ErrExpectation       = newError(417, "unknown_expectation", "Expect asks for something other than 100-continue")
	ErrBodyForbidden     = newError(502, "body_where_none_may_be", "a response that has no body announces one")
)

// The conditions of chunked bodies.
var (
	ErrBadChunkSize      = newError(400, "bad_chunk_size", "a chunk size is not a hexadecimal number that fits 63 bits")
	ErrBadChunkExtension = newError(400, "bad_chunk_extension", "a chunk extension is malformed")
	ErrChunkLineTooLong  = newError(400, "chunk_line_too_long", "a chunk size line is longer than the limit")
	ErrChunkOverhead     = newError(400, "chunk_overhead", "a chunked body is mostly framing")
	ErrBadChunkEnd       = newError(400, "bad_chunk_end", "chunk data is not followed by CRLF")
	ErrTrailerTooLarge   = newError(431, "trailers_too_large", "the trailer section is larger than the limit")
)

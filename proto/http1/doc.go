// Package http1 reads and writes HTTP/1.1 and HTTP/1.0 messages after RFC 9110 and RFC 9112, without doing I/O: bytes go in,
// a message head or body bytes come out.
//
// Start reading at [Request.Parse] (request.go); [Response.Parse] is its twin, and both leave the field lines and what they
// mean for the connection to head.go. target.go understands request targets and Host, [ChunkDecoder] takes a chunked body
// apart, of whose trailers those pass that a header.TrailerRule allows, append.go writes.
//
// The parsers are incremental and strict. Incremental: a caller that has read more bytes passes all of them again, and
// only the new ones are looked at. The result never depends on how the input was cut. Strict: whatever two recipients could
// read differently is refused, in both directions, because that is what request smuggling lives on.
//
// Nothing is copied and, in steady state, nothing is allocated: results alias the input. The codecs of gateway/inbound and
// gateway/outbound are the intended callers; anyone may import this package. It imports proto/header and the standard
// library only.
package http1

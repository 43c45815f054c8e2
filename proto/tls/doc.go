// Package tls reads the ClientHello at the start of a TLS connection without doing I/O and without terminating TLS, so that a
// connection can be routed by server name and protocol and then be passed on byte for byte. It knows nothing of keys: for
// terminating, there is crypto/tls.
//
// Start reading at [ClientHello.Parse] (hello.go), which joins the record layer's fragments (RFC 8446 §5.1) and finds out that
// a peer does not speak TLS at all (record.go). extensions.go reads what is in the message (RFC 8446 §4.1.2), types.go is what
// the caller gets to see of lists.
//
// The parser is incremental, bounded and strict. Incremental: a caller that has read more bytes passes all of them again, and
// only the new ones are looked at; the result never depends on how the input was cut. Bounded: by the bytes on the wire, since
// these are what the caller has to hold back. Strict: whatever this parser and the server behind could read differently is
// refused, because then the server would not be the one that the route meant.
//
// Who owns the bytes: a ClientHello that came in one record, as nearly all do, aliases the input; one that came in several is
// joined in a buffer of the ClientHello, which is reused. Either is valid until the input is reused or moved, or Reset is called.
// In steady state nothing is allocated.
//
// The layer 4 inbound of gateway is the intended caller; anyone may import this package. It imports the standard library only.
package tls

// Package proxyproto reads and writes the header of the PROXY protocol, versions 1 and 2, without doing I/O. The header stands
// before the first byte of a connection and tells whom a proxy in front of us accepted that connection from. It follows
// https://www.haproxy.org/download/3.0/doc/proxy-protocol.txt ("the specification" in the comments; §n are its sections).
//
// Start reading at [Parse] (header.go). v1.go is the text line, v2.go the binary header, tlv.go what may follow the addresses
// in it, append.go writes both. [Detect] only tells the versions apart.
//
// A header is believed, so only peers that are trusted by configuration may send one, and from them it is required (§2): whoever
// guesses by [Detect] lets any client choose its address.
//
// The parser is incremental and strict. Incremental: a caller that has read more bytes passes all of them again; a header is so
// short that nothing is remembered in between. Strict: the grammar exactly; a fault is reported as soon as the field that has
// it is there, those in TLVs at the end of the header. Nothing is copied or allocated: results alias the input.
//
// The layer 4 and layer 7 inbounds and outbounds of gateway are the intended callers; anyone may import this package. It imports
// the standard library only.
package proxyproto

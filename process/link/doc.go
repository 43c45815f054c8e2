// Package link moves the messages of package message over a Unix socket: it numbers them, matches answers with what they
// answer, passes descriptors beside them, and refuses what is not what it should be.
//
// Both sides of a link are alike: either may call, each answers. Reading starts at link.go (Call, and what a Handler is);
// handshake.go is how two sides come to know each other, stream.go how frames lie on a socket, detach.go how a link
// outlives the program that holds it.
//
// # Who owns descriptors
//
// Those given to Call or returned in a Reply stay the giver's: the peer gets copies. Those that arrive belong to the
// Delivery; what its holder does not take is closed. On every way that ends in an error they are closed here.
//
// Package process is the caller. Nothing here runs on an event loop: goroutines block.
package link

// Package message is the protocol that a master, its workers and whoever controls them speak with each other: bytes and
// descriptors in, messages out. It does no I/O.
//
// Reading starts at frame.go, how a message lies on the wire, and decoder.go, which takes it off again; field.go is how
// the body of a message is made up, and every other file has the messages of one subject. docs/handover.md has it all
// byte by byte, and what two versions owe each other.
//
// Package link moves these messages over a socket; package process decides what they do. Both are the only callers.
package message

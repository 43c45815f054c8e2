// Package errs is the one kind of error that leaves a package of Ringway and
// reaches a log or a client.
//
// An [Error] has a public [Code] and a stack of contexts. The code decides
// everything the outside may see or act on: the HTTP status, who is at fault
// ([Source]), whether the gateway may try again ([Retry]) and a title. The
// contexts are for whoever reads the log: each layer that passes an error on
// adds one line with [Wrap], which also notes the file and line it was added
// at, so the list tells the way of the error without a stack trace of the
// runtime's frames.
//
//	0: proxy GET /api/users, at gateway/outbound/forward.go:88
//	1: take a connection to 127.0.0.1:3001, at gateway/upstream/pool.go:140
//	2: connect, at gateway/upstream/dial.go:52
//	3: connection refused
//
// Reading starts at code.go, the table of all codes; error.go holds the error
// and problem.go what a client is told (RFC 9457). Any package may call this
// one; it imports nothing of ours.
//
// Errors are immutable once made: a package may keep one in a variable and
// hand it to several loops.
package errs

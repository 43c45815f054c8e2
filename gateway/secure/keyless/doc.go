// Package keyless lets handshakes be signed by a key server, a process of its own that has the private keys, so that the
// process which speaks with the internet has none of them. They speak over a Unix socket, whose file says who may have
// something signed.
//
// Start reading at message.go, what they say to each other; client.go asks, in a task of a loop, and server.go answers, with
// ordinary goroutines. gateway/secure and the command keyserver use it.
package keyless

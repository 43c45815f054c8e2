// Package inbound turns client connections into exchanges: it reads requests, has them routed and handled, and writes
// the responses.
//
// Start reading at session.go, the life of a connection; request.go is the life of one request in it, response.go what
// the client gets, forward.go what upstreams are told of the client.
package inbound

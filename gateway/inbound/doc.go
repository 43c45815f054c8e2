// Package inbound turns client connections into exchanges: it reads requests, has them routed and handled, and writes
// the responses. A listener of layer 4 has sessions instead: package tcp in this folder.
//
// Start reading at session.go, the life of a connection; request.go is the life of one request in it, response.go what
// the client gets, forward.go what upstreams are told of the client. spec.go is a listener's configuration, whatever its
// protocol; spec_protocol.go says which keys suit which.
package inbound

// Package inbound turns client connections into exchanges: it reads requests, has them routed and handled, and writes
// the responses. A listener of layer 4 has sessions instead: package tcp in this folder.
//
// Start reading at session.go, the life of a connection; request.go is what every request goes through, whatever its version:
// routing, filters, what is told of it. h1_request.go and h1_response.go are how HTTP/1.1 reads requests and answers them.
// A session whose client speaks HTTP/2 is an h2Conn: h2_begin.go says how it comes to that, h2_conn.go what it does with frames;
// h2_request.go and h2_body.go are one request, h2_write.go is how all of them are sent, h2_life.go what time brings,
// h2_faults.go what a client gets for its mistakes.
// upgrade.go, tunnel.go and h1_tunnel.go are what becomes of a request that goes over to another protocol; tunnel_move.go hands
// tunnels over. forward.go is what upstreams are told of the client. spec.go is a listener's configuration, whatever its
// protocol; spec_protocol.go says which keys suit which.
package inbound

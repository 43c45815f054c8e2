// Package h2 drives HTTP/2 connections to servers: what proto/http2 says without doing I/O is carried over a conn.Stream here.
//
// Start reading at conn.go, the life of a connection: a record, a pending receive and a timer, no task. What arrives is taken
// where the loop brings it (receive.go): it goes to the streams, and wakes the tasks that wait for it. What is to be sent is
// gathered, and leaves by a short task at the end of the loop's turn (write.go), so that the requests of many tasks share a
// call. time.go has idle timeout, PING and what the peer must answer in time.
//
// A Stream (stream.go) is one request and its response. It belongs to the task of an exchange, and a second task may send its
// body: body.go is the response's, which is buffered as far as the stream's window allows and taken at the consumer's pace;
// send.go the request's, which waits for the server's window and for room behind what others send.
//
// Package upstream decides which connections there are and which one is next; it is the Owner. Package outbound makes streams
// of exchanges. Everything belongs to one loop.
package h2

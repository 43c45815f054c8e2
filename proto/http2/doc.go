// Package http2 reads and writes HTTP/2 (RFC 9113) without doing I/O: bytes go in, events and bytes to be sent come out.
//
// Start reading at [Conn] (conn.go), the state machine of one connection, for servers and for clients. [Conn.Feed] takes
// what was received and returns one [Event] at a time; receive.go cuts the bytes into frames, and each type of frame has
// its rules in receive_*.go. What is sent is appended by the methods in send.go to one buffer, which [Conn.Pending] shows.
// stream.go holds the states of RFC 9113 §5.1, flow.go the windows, scheduler.go who sends next (RFC 9218), flood.go what
// a peer may cost us. Messages are decoded by [Message] and written by encoder.go. Below all of that are the frames
// themselves, a parser and its Append side by side: frame.go, frame_*.go, settings.go, priority.go.
//
// Memory: a Conn keeps no input; of what comes in pieces only the head of a frame is copied, and a field section until it is
// whole; DATA is lent as it arrives. Streams, messages and output buffers come from a [Pool] that the connections of one
// loop share. A connection at rest holds 1.3 KB before its first request, about 5 KB once HPACK's tables have filled with the
// usual fields; an open stream 120 bytes and its message (1 KB). A field section that comes a third time is not decoded again
// (repeated.go), for another 1 to 3 KB until it has not come for some seconds. In steady state nothing is allocated, with one exception:
// HPACK's decoder is golang.org/x/net's and makes a string of each literal. The encoder is ours (encoder.go): a response's head
// takes less than half the time, since what repeats is found by one look.
//
// Time enters as an argument: nanoseconds of whatever monotonic clock the caller has. Nothing here is safe for concurrent
// use; a Conn and its Pool belong to one loop. The inbound and outbound sides of the gateway are the intended callers;
// anyone may import this package. It imports proto/header, proto/http1 (methods and authorities) and x/net's hpack.
package http2

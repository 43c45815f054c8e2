// Command messages is the load of the runtime's benchmark, and its origin.
//
//	messages drive  -to ADDR -connections N -send BYTES -receive BYTES -for D    one message in flight on each connection
//	messages answer -listen ADDR -receive BYTES -send BYTES                      the origin of a relay
//
// A message is its number in eight bytes and then a pattern; the answer has the same number. Every byte of every answer is
// compared, so that a server that loses or mixes bytes has no figure. The driving side is one thread on epoll without a
// runtime in between: on a machine of few processors it competes with the server it drives.
//
// Drive prints "connected" and waits for a line, prints its Result as JSON after the time given, and keeps its connections
// until its input ends: so neither their start nor their end falls into what is measured.
//
// Start reading at main.go. It is a program that the benchmark runs; nobody imports it.
package main

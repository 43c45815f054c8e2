// Package icmp reads and writes the ICMP messages that a prober needs, for IPv4 (RFC 792, RFC 1191, RFC 4884) and IPv6
// (RFC 4443), without doing I/O: echo requests and replies, and the errors that quote the packet they are about.
//
// Start reading at [Parse] (message.go). quote.go reads the packet that an error quotes, echo.go writes echo messages,
// ipv4.go takes the IPv4 header off, which raw sockets deliver with the message, checksum.go is RFC 1071.
//
// Input is bytes of anybody: nothing here panics on it, nothing is copied or allocated, and results alias the input. A
// checksum is reported, not enforced, because a prober wants to see what was damaged.
//
// Package probe and its tests are the intended callers; anyone may import this package. It imports the standard library only.
package icmp

// Package http1io carries HTTP/1 messages over connections: it reads a head into a block (head.go), a body as lent
// chunks (body.go), and writes a message so that head and small body leave in one call and large bodies pass by splice
// (send.go). gateway/inbound and gateway/outbound are its users; what the bytes mean is proto/http1's.
package http1io

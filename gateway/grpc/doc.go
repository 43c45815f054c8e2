// Package grpc is what a gateway has to know of gRPC over HTTP/2: which requests are of it, how long their clients wait, and how an
// error is told so that a client of gRPC understands it (https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md and
// http-grpc-status-mapping.md). Messages pass as bytes.
//
// Start reading at status.go. The inbound packages answer errors with it, package outbound keeps deadlines, and the grpcweb filter
// translates to it.
package grpc

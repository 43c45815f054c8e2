// Package grpcweb is the filter that translates gRPC-Web to gRPC
// (https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-WEB.md). See README.md.
//
// Reading starts at grpcweb.go, what becomes of the heads; request.go and response.go are the bodies.
package grpcweb

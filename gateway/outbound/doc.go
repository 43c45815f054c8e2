// Package outbound carries what the inbound packages bring to an upstream. Retries are decided here and nowhere else.
//
// For an exchange it takes a connection, sends the request, reads the response's head, and leaves the response's body to
// whoever sends it on: start reading at handler.go; transaction.go is one request on one connection of HTTP/1.1, pump.go sends a
// request's body beside it. call.go is one request on a stream of HTTP/2 and upload.go sends its body, of which replay.go keeps the
// beginning for a further try; graceful.go ends responses of gRPC with a status whatever happens. upgrade.go and h2_upgrade.go are
// tunnels that an exchange becomes. For a session of layer 4 it opens a connection and sends what must come first: tunnel.go.
package outbound

// Package outbound carries what the inbound packages bring to an upstream. Retries are decided here and nowhere else.
//
// For an exchange it takes a connection, sends the request, reads the response's head, and leaves the response's body to
// whoever sends it on: start reading at handler.go; transaction.go is one request on one connection, pump.go sends a
// request's body beside it; upgrade.go and h2_upgrade.go are tunnels that an exchange becomes. For a session of layer 4 it opens a connection and sends what must come first: tunnel.go.
package outbound

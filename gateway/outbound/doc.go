// Package outbound carries an exchange to an upstream: it takes a connection, sends the request, reads the response's
// head, and leaves the response's body to whoever sends it on. Retries are decided here and nowhere else.
//
// Start reading at handler.go; transaction.go is one request on one connection, pump.go sends a request's body beside it.
package outbound

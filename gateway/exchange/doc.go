// Package exchange is what passes through the gateway: one request and its response, whatever protocol either side
// speaks. An inbound handler makes an Exchange, routes and filters read and change it, an outbound handler fills in the
// response.
//
// An Exchange belongs to one task, and it is pooled: nothing of it may be kept after the inbound handler's end. All
// byte slices alias blocks of the connections; the comments say until when.
package exchange

// Package tcp turns client connections into sessions of layer 4: it finds out where one goes, by the server name in its
// ClientHello if that matters, has an upstream opened, and joins the two connections until both sides have ended.
//
// Start reading at session.go, the life of a connection; handler.go is one listener on one loop, name.go the routing by server
// name. Package gateway makes the handlers.
package tcp

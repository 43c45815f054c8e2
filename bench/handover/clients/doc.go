// Package clients is clients of every kind that notice everything that a proxy does to them: a request without its whole answer, a
// relay or a tunnel that is broken off, a byte that is lost or comes twice. It has the origin that they expect behind the proxy as
// well. The end-to-end tests demand that nobody notices an upgrade; bench/handover counts who does, with any proxy.
//
// Reading starts at load.go; origin.go is the other side. Imported by bench/handover and by tests.
package clients

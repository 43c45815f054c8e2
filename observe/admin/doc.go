// Package admin serves operators: metrics, health, readiness and profiles,
// over plain net/http on an address of its own.
//
// Profiles show memory and can be made to cost CPU, so the server binds
// loopback or Unix sockets only, unless told otherwise. It shares nothing
// with the data path but the functions in [Options], which are called on
// ordinary goroutines.
//
// Reading starts at [Start] in server.go; routes.go has the table of what is
// served. The gateway's main side may call it.
package admin

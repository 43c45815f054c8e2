// Package admin serves operators: metrics, health, readiness and profiles, and an API to see and change the gateway
// that runs, over plain net/http on an address of its own.
//
// Profiles show memory and can be made to cost CPU, so the server binds loopback or Unix sockets only, unless told
// otherwise. It shares nothing with the data path but the functions in [Options] and the [Control], which are called
// on ordinary goroutines.
//
// Who may do what: over TCP, whatever changes something or shows the configuration needs the token, and without one
// nobody may; a Unix socket tells by the kernel who connects, and lets in root, this process's user and those that
// are named. Metrics and probes are open.
//
// Reading starts at [Start] in server.go; routes.go has the table of what is served, api.go that of the API, auth.go
// who may use it; openapi.json describes it for programs, and [Client] uses it. The gateway's main side may call the
// server, and package cli the client.
package admin

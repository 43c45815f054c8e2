// Package gateway wires a worker: loops, listeners, routes, filters, clusters, logs and metrics, out of a Spec.
//
// # The life of a request
//
//  1. conn.Listener accepts a connection on one loop and gives it to inbound.Handler.Accept, which makes a session: a
//     record and a pending receive, no task.
//  2. The first byte starts a task: session.serve reads the head (http1io.Head, proto/http1) and makes an
//     exchange.Exchange of it.
//  3. route.Matcher finds the route; its filter.Chain passes the exchange on (gateway/filter/…).
//  4. outbound.Handler stands at the chain's end: upstream.Cluster picks an endpoint, its pool gives a connection, a
//     transaction sends the request and reads the response's head.
//  5. On the way back through the filters the response's head may change. inbound writes it, and moves the body chunk by
//     chunk, or by splice where it is long and plain.
//  6. The upstream connection goes back to its pool, the request is logged and counted, the task ends, and the session is
//     a record again.
//
// One request is one task on one loop, from the first hop to the last. Start reading at gateway.go (Start, Drain), then
// part.go, what each loop has of it.
package gateway

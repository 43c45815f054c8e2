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
// One request is one task on one loop, from the first hop to the last.
//
// A request that goes over to another protocol, such as WebSocket, ends otherwise: the response has status 101, and is the
// exchange.Tunnel that its two bodies are. inbound tells the client, and takes both connections for a relay, so that the task
// ends (inbound/tunnel.go), or passes the bodies on in tasks where one of them is a stream of HTTP/2 (inbound/upgrade.go).
//
// Over HTTP/2 a connection is a record, too, and stays one while its frames are taken (inbound's h2_conn.go). Each request is a task of
// its own from the second hop on; what the tasks send comes together in one buffer, which another task writes.
//
// # The life of a layer 4 session
//
//  1. conn.Listener gives the connection to tcp.Handler.Accept (gateway/inbound/tcp). Where it begins with a PROXY header, or is
//     to be routed by server name, it waits for its first byte without a task; otherwise its task starts at once, since the
//     server may be the first to speak.
//  2. The task reads the header and the ClientHello (gateway/preface) without taking a byte too many, and route.Names finds
//     the route.
//  3. outbound.Tunnel opens a connection to an endpoint of the cluster, to the next one where that fails, and sends what must
//     come first: a PROXY header, and what had to be taken off the client's connection.
//  4. conn.Relay joins the two connections, and the task ends. Messages pass without one; bulks are spliced.
//  5. When both sides have ended, one has broken off or nothing moves for too long, the session is counted and logged by why
//     it ended.
//
// # The life of a connection that outlives its process
//
//  1. A master starts the next worker, whose Service (service.go) gets the same listening sockets and begins to serve.
//  2. Export (export.go) has every handler stop accepting and give what is at rest: Yield in inbound, inbound/tcp and upstream takes
//     the descriptor out of its loop (conn.Detach, Relay.Detach) and makes a handover.Record of it.
//  3. The records go to the other process in batches. Until Commit nobody touches the connections; then one side closes its copies
//     and the other (import.go) makes sessions of them: Receive.
//  4. If the other process dies before that, Resume takes everything back.
//
// # The life of a configuration
//
//  1. Load decodes and checks it; config.Diff tells what differs from the one that runs (reload.go).
//  2. newPlan compiles it (plan.go): names resolved, routes compiled. What has not changed is taken over as it is.
//  3. A transaction makes all that is missing: sockets (sockets.go), loops, logs, the admin server, and for each loop an assembly
//     (assembly.go) of handlers, terms and clusters. Until here it can be undone.
//  4. publish has every loop put its assembly in place: inbound.Terms for the requests that begin from now on, inbound.Gate for
//     where connections come from, upstream.Cluster for where they go. Start is the same, from nothing.
//  5. What is no more is let go when its last user has gone (retire.go).
//
// Which endpoints are used, and for what share of their weight, changes beside it: healthy.go has the loops go by what package health
// finds out.
//
// Operators get at it by control.go, and status.go tells them how it is; weights.go is what they change beside the configuration.
//
// Start reading at gateway.go (Start, Drain), then reload.go, and part.go, what each loop has of it.
package gateway

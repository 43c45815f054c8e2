// Package health checks endpoints actively, once for the whole gateway and beside the traffic, and says what share of its weight
// each of them gets: none while it is unhealthy, and less than all while it is slow or loses packets, if its cluster is weighed.
//
// Start reading at checker.go. The way of a result:
//
//	ping.go, connect.go   make it: one prober for all that are pinged alike, a task on some loop for what needs a connection
//	check.go              takes it in: verdict.go is when an endpoint turns, window.go its latency and loss
//	weigh.go              turns healthy, latency and loss into shares, for all endpoints of a cluster at once
//	checker.go            has them published when one has changed
//
// Package gateway makes the Checker, tells it on every change of the configuration which endpoints there are (Prepare, Adopt), and
// publishes what Standing says to the loops. Package upstream has the Spec in its own. Nothing here is called on a loop but by
// the checks' own tasks.
//
// A further kind of check that needs a connection is a Spec with a Pace, a method converse (connect.go), and a line in
// Spec.kinds (spec.go).
package health

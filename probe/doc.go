// Package probe measures loss and latency of many hosts at once by ICMP echo, at rates of up to 100,000 probes a second, and
// tells what became of every single probe.
//
// Start reading at [New] (prober.go), which is what callers use: make a [Prober] of targets and [Options], run it, and ask for
// a [Snapshot] while it runs or an [Event] for every outcome. [Parse] (target.go) reads targets as people write them,
// [Resolve] (resolve.go) turns names into addresses. [Trace] and [SearchMTU] are the same machine with other plans.
//
// The way of a probe:
//
//	plan (pace.go)    says which target is due; paced, so that no target gets a burst
//	ledger.begin      writes the probe's slot before it is sent: no answer can come too early to be known
//	socket (socket.go) sends a batch by sendmmsg, takes transmit stamps off the error queue and answers by recvmmsg
//	ledger.arrive …   matches what came to slots (ledger.go, identify.go) and decides what it is (outcome.go)
//	Stamps.RTT        the time between two stamps of one clock (domain.go)
//	target (stats.go) counts, with a histogram of the times
//
// Everything up to the socket is a state machine without I/O or a clock of its own: the tests of ledger_test.go are the truth
// about loss. engine.go is the loop around it.
//
// # Outcomes
//
// Each probe has one [Outcome], so that the counts of a target add up: sent = the sum of all outcomes + in flight. What is
// further true of it is counted beside: a late answer belongs to a timeout, a duplicate to whatever came first.
//
// The command line (cli/ping.go), probe/report and probe/live call this package; a gateway that checks its endpoints by ICMP may.
// All methods of Prober may be called from any goroutine; OnEvent is called by the prober's own.
package probe

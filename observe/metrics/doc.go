// Package metrics shows the gateway's counters to Prometheus.
//
// Nothing in it is shared between loops: a loop counts in plain structs of
// its own ([LoopCounters], [ListenerCounters], [ClusterCounters],
// [EndpointCounters]), with no atomics and no locks. When a scrape comes, the
// source that [NewCollector] was given gathers copies of them into a
// [Snapshot], for example by posting to every loop, and the collector adds up
// the entries that have the same name.
//
// Reading starts at snapshot.go, which lists all that is counted;
// histogram.go has the one type a loop calls per request, and collector.go
// the names and labels. Loops may use the counter structs and
// [Histogram.Observe]; the rest is for the main side.
package metrics

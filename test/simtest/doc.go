// Package simtest runs whole gateways, with clients and origins that misbehave, in simulated worlds (loop/sim): each seed is
// a configuration, a set of faults and a course of events, and replays exactly.
//
// Start reading at scenario_test.go, which runs a seed and says what must hold; plan_test.go draws what a seed means;
// client_test.go and origin_test.go are the two sides, whose reading is done by net/http, so that nobody checks himself.
// handover_test.go has gateways hand over to others meanwhile, which does not replay exactly.
// `make sim SEEDS=10000` runs many seeds, `make sim SEED=7` one, with its trace.
package simtest

// Package simtest runs whole gateways, with clients and origins that misbehave, in simulated worlds (loop/sim): each seed is
// a configuration, a set of faults and a course of events, and replays exactly.
//
// Start reading at scenario_test.go, which runs a seed and says what must hold; plan_test.go draws what a seed means;
// client_test.go and origin_test.go are the two sides, whose reading is done by net/http, so that nobody checks himself. Both sides
// speak HTTP/2, too: h2_client_test.go and h2_origin_test.go are what they do there, over the connections of h2_end_test.go and the
// streams of h2_stream_test.go. Their frames and fields are golang.org/x/net's, and windows and states are judged by h2_frames_test.go
// and h2_stream_test.go, on what the gateway was told. Any version may come in and any go out.
//
// handover_test.go has gateways hand over to others meanwhile, which does not replay exactly.
// `make sim SEEDS=10000` runs many seeds, `make sim SEED=7` one, with its trace.
package simtest

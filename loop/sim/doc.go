// Package sim is a driver that needs no kernel: a World of its own with a clock, sockets, pipes and faults, in which one
// seed replays one run exactly.
//
// Loops run unchanged on a World: each has its thread and its Driver, but only one of them at a time, and which one the seed
// decides. Time passes only when nothing can happen any more at the present moment, so an hour of timeouts costs
// nothing. Faults (see Faults) are drawn from the seed: short reads and writes, delays and reordering of results,
// interruptions, resets, peers that fall silent, connections that are refused or never answered, late cancels, results
// that come in small portions, datagrams that never come or overtake each other, and lack of descriptors.
//
// Start reading at world.go (who runs, and what time it is), then driver.go (operations and their results), socket.go (a
// connection), message.go (datagrams and what else keeps its bounds) and network.go (the calls that answer at once). Tests use it, and nothing else.
//
// What makes a run replayable is that nothing outside the World decides anything: between Run and its return no other
// goroutine may post to the loops or use the sockets, and code on the loops must not draw from global sources of chance,
// nor range over maps where the order shows. Hash tells whether two runs were the same.
package sim

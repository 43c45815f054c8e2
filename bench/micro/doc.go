// Command micro measures what needs no load from outside: how long a loop takes to wake, what a mailbox carries, what a
// task costs. It measures one thing and prints its figures, a JSON object a line; the benchmark runs it once a round.
//
// Ways that are compared take turns within the run, many times, because the machine does not stay the same.
//
// Start reading at main.go, whose table names the measurements. It is a program; nobody imports it.
package main

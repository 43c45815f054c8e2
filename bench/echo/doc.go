// Command echo answers what it receives with the same bytes, on one thread: on Ringway's loop, on gnet's, or with package
// net. The three are written the way each one's own documentation shows it.
//
// Start reading at main.go. It is a program that the benchmark measures; nobody imports it.
package main

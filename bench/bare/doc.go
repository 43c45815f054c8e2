// Command bare is a forwarder on Ringway's loop that parses nothing: every client connection has an upstream connection,
// and bytes go over as they come, by copy or, with -splice, inside the kernel. It costs what the runtime and the kernel
// cost, and is the limit for the gateway.
//
// Start reading at main.go. It is a program that the benchmark measures; nobody imports it.
package main

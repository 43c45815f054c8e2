// Package cli is the command line: a file a subcommand. It turns flags and files into a gateway.Spec, starts what is to
// be started, and waits for signals; what happens then is package gateway's.
package cli

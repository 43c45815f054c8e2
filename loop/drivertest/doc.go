// Package drivertest is the conformance kit of loop.Driver: every driver passes Run, so that what a loop relies on is
// written down once and the drivers cannot drift apart.
//
// Start reading at run.go, which lists the cases; kit.go has what they are made of. Tests of the drivers call it, and
// nothing else.
package drivertest

// Package uring is the io_uring driver: operations become submission entries, one call a tick submits them and waits,
// and receives take their buffer from a provided-buffer ring when data is there.
//
// Start reading at driver.go; ops.go fills entries, reap.go takes completions, lender.go is a group of provided buffers,
// and renew.go mends what multishot receives can miss.
package uring

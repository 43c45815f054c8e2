// Package uring is a thin binding of io_uring(7): the ABI under the kernel's names (abi.go), one ring and its two
// queues (ring.go), provided buffers (bufring.go), and a probe (probe.go). It allocates nothing after Setup and knows
// nothing of tasks; loop/uring is its one user.
//
// A Ring belongs to the thread that called Setup (IORING_SETUP_SINGLE_ISSUER); only Wake may come from another.
package uring

// Package epoll is the driver for kernels and containers that forbid io_uring: the same operations over non-blocking
// sockets and edge-triggered readiness.
//
// Start reading at driver.go; attempt.go tries operations, files.go keeps what is known of each descriptor.
package epoll

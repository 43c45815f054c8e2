// Package upstream knows the clusters: which endpoints they have, which one is next (balance.go), and the connections to
// each: of HTTP/1.1, which carry one request at a time (pool.go), and of HTTP/2, which many share (multi.go, and package h2 in
// this folder).
//
// Start reading at cluster.go. A Cluster is one loop's view with its own pools and its own turn of the balance; loops
// share nothing. Package outbound asks Endpoint.Take for what a request goes over.
package upstream

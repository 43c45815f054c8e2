// Package upstream knows the clusters: which endpoints they have, which one is next (balance.go), and the connections to
// each (pool.go).
//
// Start reading at cluster.go. A Cluster is one loop's view with its own pools and its own turn of the balance; loops
// share nothing.
package upstream

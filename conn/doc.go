// Package conn gives a loop listeners and connections. A Conn satisfies net.Conn, so that crypto/tls, bufio and friends
// work unchanged inside a task; the data path uses its lending calls instead, which copy nothing and hold no buffer
// while nothing is there.
//
// Start reading at conn.go, then read.go and write.go: a connection is one pending operation a side. Net is what the
// connections of a loop share: its blocks and pipes. Everything here belongs to one loop, and calls that wait must be
// made in a task of it.
package conn

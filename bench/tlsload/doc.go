// Command tlsload is the load of the TLS benchmark that wrk cannot make.
//
//	tlsload handshakes -to ADDR -groups NAMES -connections N [-rate R] -for D    full handshakes, with one request each
//	tlsload requests   -to ADDR -groups NAMES -connections N -rate R -for D      requests on connections that are kept
//	tlsload bursts     -to ADDR -groups NAMES -connections N -for D              requests while N clients say hello at once
//
// A handshake is one of TLS 1.3 that resumes no session, for a certificate of ECDSA P-256, and with the first of the groups for the
// key exchange that the server has; anything else counts as a failure, so that servers which do different work are not compared. Of
// handshakes N go on at a time, or R begin every second, however long those before take. A request is for the path /small, and its
// response has to be what the benchmark's origin sends.
//
// Requests are R a second over all connections, each of which waits a random time in between, as visitors do: they tell how long
// a server that has time takes, whatever else it does, and not how many it could serve. The time of one is from its sending to
// the last byte of its response.
//
// A burst is one ClientHello sent on N connections that were open before, as fast as one thread can, and nothing more on them: what counts is the
// slowest of the requests that another client makes one after the other meanwhile.
//
// It prints its Result as JSON after the time given.
//
// Start reading at main.go. It is a program that the benchmark runs; nobody imports it.
package main

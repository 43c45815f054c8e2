// Package secure is TLS as the gateway speaks it: with clients, whose certificates, names, tickets and rules it keeps for
// a listener (Server), and with upstreams (Client). The bytes are conn.TLS's and the protocol crypto/tls's.
//
// Why it has a room of its own, and another name: listeners and clusters both need it, so it belongs to neither inbound
// nor upstream, and there are two packages called tls already, crypto's and the codec in proto.
//
// What is shared by the loops (certificates, ticket keys, trusted authorities) is an immutable snapshot that a goroutine of
// the Server replaces when files change or keys grow old. Each loop makes its own tls.Config of it, so that no handshake
// ever waits for a lock that another thread holds. Signatures, and the verification of certificates, leave the loop.
//
// A file can be of no use to TLS (damaged, or not the key), or only to the other side (expired): the latter is Bearable, and whoever serves with it
// already goes on (watch.go), over reloads, crashes and upgrades.
//
// OCSP responders are asked by package responder. Certificates that come from authorities are package acme's (both in this folder), which managed.go shows to clients and answers for.
//
// Start reading at spec.go (what can be configured), then server.go (what loops share), watch.go and ocsp.go (what changes it), certificate.go and names.go (which
// certificate a client gets), terminator.go (a handshake on a loop) and sign.go (where its signature is made). client.go is
// the upstream side. gateway, gateway/inbound and gateway/upstream call it.
package secure

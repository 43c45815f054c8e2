// Package acme gets certificates from an authority, and renews them, by RFC 8555: with certmagic for what is kept on disk, locks,
// renewal and OCSP, and acmez for the protocol.
//
// A Registry is all that a gateway has of it. A listener makes a Claim on names; claims on the same authority, account and folder
// share a client, which has one goroutine that looks after renewals and one for each name that has no certificate yet. A reload
// makes the new claims before it gives the old ones up, so that names in both stay what they are.
//
// Nothing here runs on a loop, and nothing that loops ask for takes a lock or waits: Claim.Lookup and Challenges.Token read
// what goroutines have published. What may wait is named so, and is for Offload (Lookup.Token) or calls back (Claim.Obtain).
//
// Other processes that share the folder, as the next worker in an upgrade, are kept from doing the same work by certmagic's lock
// files, and answer each other's challenges, which lie in the folder. Its layout is certmagic's, and so Caddy's.
//
// Start reading at spec.go (what can be configured), then registry.go, client.go (a name's life), issuer.go (one certificate) and
// challenges.go (how control of a name is proven). gateway and gateway/secure call it.
package acme

// Package acme gets certificates from an authority, and renews them, by RFC 8555: with certmagic for what is kept on disk, locks
// and renewal, and acmez for the protocol.
//
// A Registry is all that a gateway has of it. A listener makes a Claim on names; claims on the same authority, account and folder
// share a client, which has one goroutine that looks after renewals, one that looks after proofs (OCSP), and one for each name that has
// no certificate yet or whose proof is being asked for. A reload makes the new claims before it gives the old ones up, so that names in
// both stay what they are.
//
// A certificate in the folder is shown as soon as it is read: only files are waited for, never an authority or a responder. Those come
// later, as do proofs, and whatever asks them ends with the client.
//
// Nothing here runs on a loop, and nothing that loops ask for takes a lock or waits: Claim.Lookup and Challenges.Token read
// what goroutines have published. What may wait is named so, and is for Offload (Lookup.Token) or calls back (Claim.Obtain).
//
// Other processes that share the folder, as the next worker in an upgrade, are kept from doing the same work by certmagic's lock
// files, and answer each other's challenges, which lie in the folder. Its layout is certmagic's, and so Caddy's.
//
// Start reading at spec.go (what can be configured), then registry.go, client.go (a name's life), issuer.go (one certificate),
// challenges.go (how control of a name is proven), ocsp.go (proofs that are stapled) and damaged.go (files that are of no use).
// gateway and gateway/secure call it.
package acme

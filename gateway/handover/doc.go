// Package handover has what the parts of a gateway say of a live connection that is to go on in another process: which kind it
// is, what of it the descriptors do not tell, and what becomes of it here. The packages whose connections they are make Records
// and take them back (inbound, inbound/tcp, upstream); package gateway carries them. The states are JSON, of which a receiver skips
// what it does not know: docs/handover.md lists the fields.
package handover

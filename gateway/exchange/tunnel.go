package exchange

import "errors"

// StatusTunnel is the status of a response that is a tunnel: 101 (Switching Protocols), RFC 9110 §15.2.2.
const StatusTunnel = 101

// ErrSilent is the cause that the inbound side cancels the exchange's task with when nothing has passed through its tunnel for too
// long: the outbound side then ends its direction in good order instead of breaking it off.
var ErrSilent = errors.New("nothing has passed through the tunnel for too long")

// Tunnel is what the Owner of a response of status 101 is as well: the outbound side of a tunnel that the upstream has
// accepted. docs/upgrade.md tells the whole; for the two sides of an exchange it comes to this:
//
//   - The inbound side sets Request.Upgrade to what the client asks for and Request.Tunnel to what the client sends from then on.
//     Request.Body stays nil, so that whoever knows nothing of upgrades sees a request without a body.
//   - The outbound side asks its server for the same. If that agrees, it sets Response.Status to 101, Response.Body to what the
//     server sends from then on, without length, and Request.Body to Request.Tunnel. In all other cases the response is an
//     ordinary one, and Request.Tunnel must not have been read: over HTTP/1.1 the next request may stand there.
//   - Filters that transform bodies may wrap both on the way back.
//   - The inbound side makes the head of its answer (101, or 200 to an extended CONNECT), calls Begin, which lets go of the
//     response's head, and sends its own and then Response.Body as it comes, chunk by chunk. Its io.EOF is the end of that direction only, to be passed on as such (FIN, END_STREAM, close_notify);
//     then Wait is for the other one. The time for which a tunnel may be silent is the inbound side's too, which sees the bytes of
//     both directions pass; the outbound side waits without bound.
//
// HTTP/1.1 and HTTP/2 say the same in different words. In an Exchange the words are neither's: Request.Method is GET, also where an
// extended CONNECT (RFC 8441) stood, and where one is sent; Status is 101, also where 200 stood; Fields have neither Connection nor
// Upgrade. Sec-WebSocket-Key and -Accept may be there or not: who speaks HTTP/2 sends neither (RFC 8441 §5). The outbound side makes up
// what is missing: the key for a server of HTTP/1.1, and for a server of HTTP/2 the answer to the client's. What a server of HTTP/1.1
// answers to the client's own key is for the client to judge.
type Tunnel interface {
	Owner
	// Begin carries Request.Body to the upstream from now on, beside the exchange's task, and passes its end on. It is called once
	// at most, and does not wait. If that direction fails, on either side, the exchange's task is cancelled with the error. The
	// slices of the response's head stop being valid.
	Begin()
	// Sent is a count that grows with what the upstream takes of Request.Body: one that takes a long piece slowly is not silent.
	Sent() uint64
	// Wait waits, in the exchange's task, until the end of Request.Body has been passed on. Its error is the task's cause.
	Wait() error
}

// Package session holds what the hops of a layer 4 connection share: a Session is there what exchange.Exchange is for a
// request. gateway/inbound/tcp makes it, gateway/outbound finds it an upstream.
package session

package inbound

import (
	"strconv"
	"time"

	"github.com/ringway/ringway/gateway/preface"
	"github.com/ringway/ringway/gateway/route"
	"github.com/ringway/ringway/gateway/secure"
	"github.com/ringway/ringway/gateway/secure/acme"
	"github.com/ringway/ringway/proto/http1"
	"github.com/ringway/ringway/proto/http2"
)

// Terms are what a listener does with requests on one loop: its routes with what they lead to, its limits and timeouts. They do
// not change; a reload gives the handler others, and a request keeps those that it began with.
type Terms struct {
	Table   *route.Table
	Targets []Target // by route.Rule.Index
	// Challenges are answered on plain connections before anything is routed; nil: none are.
	Challenges *acme.Challenges

	http1       http1.Limits
	http1spoken bool          // HTTP/1.1 is spoken
	http2       *http2.Config // nil: HTTP/2 is not
	bodyMax     int64
	times       times
	half        HalfClose
	maxReqs     int
	proxies     *preface.Policy
	forward     forwarder
	tls         *secure.Terminator // nil: plain
	hsts        []byte             // nil: not said
}

type times struct{ head, idle, read, write, proxy, tunnel, ping, pong time.Duration }

// NewTerms makes the terms of s. table was compiled from its routes, and targets are in their order; tls makes its connections
// TLS, nil for none. It may be called outside the loop.
func NewTerms(s *Spec, table *route.Table, targets []Target, tls *secure.Terminator) *Terms {
	lim := http1.DefaultLimits()
	lim.MaxHead, lim.MaxLine, lim.MaxFields = int(s.Limits.Head), int(s.Limits.Line), s.Limits.Fields
	t := &s.Timeouts
	terms := &Terms{Table: table, Targets: targets, http1: lim, bodyMax: int64(s.Limits.Body), half: s.HalfClose, maxReqs: s.Limits.Requests,
		times:       times{head: t.RequestHead.Std(), idle: t.Idle.Std(), read: t.Read.Std(), write: t.Write.Std(), proxy: t.ProxyHeader.Std(), tunnel: t.Tunnel.Std(), ping: t.Ping.Std(), pong: t.Pong.Std()},
		forward:     newForwarder(&s.Forwarded),
		proxies:     preface.NewPolicy(s.Proxy),
		tls:         tls,
		http1spoken: s.Versions.Has(HTTP1),
	}
	if s.Versions.Has(HTTP2) {
		terms.http2 = s.http2Config()
	}
	if s.TLS != nil && s.TLS.HSTS != nil {
		terms.hsts = s.TLS.HSTS.Value()
	}
	for i := range targets {
		if targets[i].upgrades = s.Routes[i].Upgrades; targets[i].upgrades == nil {
			targets[i].upgrades = s.Upgrades
		}
		if targets[i].Name == "" {
			targets[i].Name = "#" + strconv.Itoa(i)
		}
	}
	return terms
}

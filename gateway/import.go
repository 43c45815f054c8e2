package gateway

import (
	"errors"
	"fmt"
	"strings"
	"sync"

	"github.com/ringway/ringway/gateway/handover"
	"github.com/ringway/ringway/gateway/inbound"
	"github.com/ringway/ringway/gateway/inbound/tcp"
	"github.com/ringway/ringway/gateway/upstream"
	"github.com/ringway/ringway/process"
)

// imports are connections that another process has offered.
type imports struct {
	mu      sync.Mutex
	pending []*incoming
	next    int // the loop that gets the next one
}

// incoming is one of them, understood.
type incoming struct {
	process.Connection
	client *handover.Client
	tunnel *handover.Tunnel
	after  *handover.Upgrade
	pooled *handover.Pooled
	unix   bool // the client's connection is one of a Unix socket
}

// Import takes connections over, but leaves them alone until Commit. Those that it refuses are named; theirs are the only descriptors
// that stay the caller's.
func (g *Gateway) Import(all []process.Connection) (refused []uint64) {
	g.imports.mu.Lock()
	defer g.imports.mu.Unlock()
	plan := g.current().plan
	for _, c := range all {
		if c.Kind == handover.Tickets {
			if err := plan.takeTickets(c); err != nil {
				g.log.Debug("TLS sessions of the old worker are not resumed", "listener", c.Listener, "err", err)
				refused = append(refused, c.ID)
			}
			continue
		}
		if c.Kind == handover.HealthOf {
			if err := g.takeHealth(c); err != nil {
				g.log.Debug("the old worker knows of endpoints what is of no use", "err", err)
				refused = append(refused, c.ID)
			}
			continue
		}
		if c.Kind == handover.Weighed {
			if err := g.takeWeights(c); err != nil {
				g.log.Warn("weights that an operator gave endpoints are lost by the upgrade", "err", err)
				refused = append(refused, c.ID)
			}
			continue
		}
		in, err := plan.understand(c)
		if err != nil {
			g.log.Debug("a connection stays with the old worker", "kind", c.Kind, "listener", c.Listener, "err", err)
			refused = append(refused, c.ID)
			continue
		}
		g.imports.pending = append(g.imports.pending, in)
	}
	return refused
}

// understand reads a connection's state, and says whether this configuration has a place for it.
func (p *plan) understand(c process.Connection) (in *incoming, err error) {
	in = &incoming{Connection: c}
	fds, protocol, encrypted := 1, inbound.Protocol(""), false
	switch c.Kind {
	case handover.HTTP1:
		protocol = inbound.HTTP
		in.client, err = handover.Decode[handover.Client](c.State)
	case handover.Hello:
		protocol, encrypted = inbound.HTTP, true
		in.client, err = handover.Decode[handover.Client](c.State)
	case handover.Waiting:
		protocol = inbound.TCP
		in.client, err = handover.Decode[handover.Client](c.State)
	case handover.Relay:
		protocol, fds = inbound.TCP, 2
		if in.tunnel, err = handover.Decode[handover.Tunnel](c.State); err == nil {
			err = p.knows(in.tunnel.Cluster, in.tunnel.Endpoint)
		}
	case handover.Upgraded:
		protocol, fds = inbound.HTTP, 2
		if in.after, err = handover.Decode[handover.Upgrade](c.State); err == nil {
			err = p.knows(in.after.Cluster, in.after.Endpoint)
		}
	case handover.Upstream:
		if in.pooled, err = handover.Decode[handover.Pooled](c.State); err == nil {
			err = p.knows(in.pooled.Cluster, in.pooled.Endpoint)
		}
	default:
		return nil, errors.New("its kind is not known")
	}
	s := p.spec.Listeners[c.Listener]
	in.unix = s != nil && strings.HasPrefix(s.Address, unixPrefix)
	switch {
	case err != nil:
		return nil, err
	case len(c.Fds) != fds:
		return nil, fmt.Errorf("%d descriptors", len(c.Fds))
	case protocol != "" && (s == nil || s.Protocol != protocol):
		return nil, fmt.Errorf("there is no such listener of %s", protocol)
	case encrypted && s.TLS == nil:
		return nil, errors.New("the listener has no TLS")
	}
	return in, nil
}

func (p *plan) knows(cluster, endpoint string) error {
	if r := p.resolved[cluster]; r != nil {
		for i := range r.Addresses {
			if r.Addresses[i].String() == endpoint {
				return nil
			}
		}
	}
	return fmt.Errorf("there is no endpoint %s of a cluster %s", endpoint, cluster)
}

// Commit begins to serve what was imported since the last Commit.
func (g *Gateway) Commit() {
	g.imports.mu.Lock()
	all := g.imports.pending
	g.imports.pending = nil
	parts := g.current().parts
	for _, in := range all {
		p := parts[g.imports.next%len(parts)]
		g.imports.next++
		if !p.loop.Post(func() { g.arrive(p, in) }) {
			g.closeIncoming(in, errors.New("the loop has ended"))
		}
	}
	g.imports.mu.Unlock()
}

// Abort closes what was imported since the last Commit. It ends a hand-over, so whoever gave has stopped accepting from the queues
// that both had, and may have been woken for connections that it left there: every loop looks for them, one after the other, since
// a loop that does so may itself leave one to the next.
func (g *Gateway) Abort() {
	for _, p := range g.current().parts {
		p.loop.On(func() {
			for _, h := range p.handlers {
				h.Gate().RenewAll()
			}
		})
	}
	g.imports.mu.Lock()
	defer g.imports.mu.Unlock()
	for _, in := range g.imports.pending {
		for _, fd := range in.Fds {
			_ = g.machine.Sockets.Close(fd)
		}
	}
	g.imports.pending = nil
}

func (g *Gateway) closeIncoming(in *incoming, why error) {
	for _, fd := range in.Fds {
		_ = g.machine.Sockets.Close(fd)
	}
	g.log.Warn("a connection that was handed over is lost", "kind", in.Kind, "listener", in.Listener, "err", why)
}

// arrive gives a connection to whom it concerns. It runs on the part's loop.
func (g *Gateway) arrive(p *part, in *incoming) {
	if err := p.receive(in); err != nil {
		g.closeIncoming(in, err)
	}
}

// errGone is for what a reload has taken away between Import and Commit.
var errGone = errors.New("the configuration has no place for it any more")

func (p *part) receive(in *incoming) error {
	first := int32(in.Fds[0])
	if in.Kind == handover.Upstream {
		if to := p.endpoint(in.pooled.Cluster, in.pooled.Endpoint); to != nil {
			return to.Receive(first, in.pooled.Requests)
		}
		return errGone
	}
	switch h := p.named(in.Listener).(type) {
	case *inbound.Handler:
		switch in.Kind {
		case handover.HTTP1:
			return h.Receive(first, in.unix, in.client)
		case handover.Hello:
			return h.ReceiveHello(first, in.unix, in.client)
		case handover.Upgraded:
			if to := p.endpoint(in.after.Cluster, in.after.Endpoint); to != nil {
				return h.ReceiveUpgraded(in.Fds, in.unix, to, in.after)
			}
		}
	case *tcp.Handler:
		switch in.Kind {
		case handover.Waiting:
			return h.ReceiveWaiting(first, in.unix, in.client)
		case handover.Relay:
			if to := p.endpoint(in.tunnel.Cluster, in.tunnel.Endpoint); to != nil {
				return h.ReceiveRelay(in.Fds, in.unix, to, in.tunnel)
			}
		}
	}
	return errGone
}

// endpoint is an endpoint of a cluster, nil if the loop has none such.
func (p *part) endpoint(cluster, name string) *upstream.Endpoint {
	if c := p.clusters[cluster]; c != nil {
		return c.Named(name)
	}
	return nil
}

package gateway

import (
	"strings"

	"github.com/ringway/ringway/gateway/inbound"
	"github.com/ringway/ringway/gateway/secure"
)

// loadSecure loads the certificates of listeners that speak TLS. One whose TLS is said as before goes on with what it has,
// tickets included; what it says anew begins with the tickets of before.
func (g *Gateway) loadSecure(p, before *plan) error {
	p.secure = map[string]*secure.Server{}
	for _, name := range p.names {
		s := p.spec.Listeners[name]
		if s.TLS == nil {
			continue
		}
		o := secure.Options{Listener: name, Log: g.log, ACME: g.acme, Names: s.CertificateNames()}
		if old := before.secured(name); old != nil {
			if old.Same(s.TLS, o.Names) {
				old.Refresh()
				p.secure[name] = old
				continue
			}
			o.Tickets, o.Before = old.Tickets(), old
		}
		var err error
		if p.secure[name], err = secure.NewServer(s.TLS, o); err != nil {
			delete(p.secure, name)
			p.closeSecure(before)
			return err
		}
	}
	g.warnUnproven(p)
	return nil
}

// warnUnproven tells who wants certificates from an authority that it will find nobody where it looks, unless something outside
// leads it here.
func (g *Gateway) warnUnproven(p *plan) {
	var wanting []string
	found := false
	for _, name := range p.names {
		s := p.spec.Listeners[name]
		switch {
		case s.Protocol != inbound.HTTP:
			continue
		case s.TLS == nil:
			found = found || strings.HasSuffix(s.Address, ":80")
		default:
			found = found || strings.HasSuffix(s.Address, ":443")
		}
		if s.TLS != nil && s.TLS.ACME != nil {
			wanting = append(wanting, name)
		}
	}
	if len(wanting) > 0 && !found {
		g.log.Warn("no plain HTTP listener on port 80 and no TLS listener on port 443: authorities look for proof of control of a name there, so those ports have to be led to a listener here",
			"listeners_with_acme", wanting)
	}
}

// bears reports whether a configuration may go on with a file that is at fault, since p uses it already, as it is.
func (p *plan) bears(fault error) bool {
	for _, s := range p.secure {
		if s.Bears(fault) {
			return true
		}
	}
	for _, r := range p.resolved {
		if r.TLS.Bears(fault) {
			return true
		}
	}
	return false
}

// secured is the TLS of a listener; nil if there is none, or no plan.
func (p *plan) secured(name string) *secure.Server {
	if p == nil {
		return nil
	}
	return p.secure[name]
}

// closeSecure ends what p has and other has not.
func (p *plan) closeSecure(other *plan) {
	for name, s := range p.secure {
		if other.secured(name) != s {
			s.Close()
		}
	}
}

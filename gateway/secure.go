package gateway

import "github.com/ringway/ringway/gateway/secure"

// loadSecure loads the certificates of listeners that speak TLS. One whose TLS is said as before goes on with what it has,
// tickets included; what it says anew begins with the tickets of before.
func (g *Gateway) loadSecure(p, before *plan) error {
	p.secure = map[string]*secure.Server{}
	for _, name := range p.names {
		s := p.spec.Listeners[name]
		if s.TLS == nil {
			continue
		}
		o := secure.Options{Listener: name, Log: g.log}
		if old := before.secured(name); old != nil {
			if old.Same(s.TLS) {
				old.Refresh()
				p.secure[name] = old
				continue
			}
			o.Tickets = old.TicketKeys()
		}
		var err error
		if p.secure[name], err = secure.NewServer(s.TLS, o); err != nil {
			delete(p.secure, name)
			p.closeSecure(before)
			return err
		}
	}
	return nil
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

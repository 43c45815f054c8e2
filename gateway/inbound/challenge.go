package inbound

import (
	"errors"
	"net"
	"slices"
	"strings"

	"github.com/ringway/ringway/config"
	"github.com/ringway/ringway/gateway/secure/acme"
	"github.com/ringway/ringway/loop"
	"github.com/ringway/ringway/proto/header"
	"github.com/ringway/ringway/proto/http1"
)

// challengeRoute stands in the log for the route of requests by which an authority looks for proof of control of a name.
const challengeRoute = "(acme)"

// asksForProof reports whether the request is for where an authority looks for proof of control (RFC 8555 §8.3). It looks at one
// byte of any other one.
func (r *request) asksForProof() bool {
	p := r.Request.Path
	return len(p) > len(acme.PathPrefix) && p[1] == '.' && r.terms.Challenges != nil && r.TLS == nil &&
		r.Request.Method == http1.GET && string(p[:len(acme.PathPrefix)]) == acme.PathPrefix
}

// prove answers with the key authorization of the token in the path; false says that nobody here knows the token, so that the request may
// be an upstream's.
func (r *request) prove() bool {
	all, token := r.terms.Challenges, r.Request.Path[len(acme.PathPrefix):]
	if !acme.ValidToken(token) {
		return false
	}
	text, ok := all.Token(token)
	if !ok {
		name := hostName(string(r.Request.Authority))
		look := all.Look(name)
		if look == nil {
			return false
		}
		wanted := string(token)
		found := make(chan string, 1) // the work may outlast the request
		err := r.Task.Offload(func() error {
			s, _ := look.Token(wanted)
			found <- s
			return nil
		})
		if errors.Is(err, loop.ErrOffloadFull) { // it has not begun, and will not
			look.Drop()
		}
		if err != nil {
			return false
		}
		if text = <-found; text == "" {
			return false
		}
	}
	r.Route = challengeRoute
	r.Respond(200, []byte(text)).AddID(header.ContentType, []byte("application/octet-stream"))
	r.h.Log.Info("control of a name is proven to the authority", "name", string(r.Request.Authority), "challenge", string(acme.HTTP01), "listener", r.h.Name, "peer", r.Peer)
	return true
}

// hostName is the name in an authority, as certificates have it.
func hostName(authority string) string {
	if host, _, err := net.SplitHostPort(authority); err == nil {
		authority = host
	}
	return strings.ToLower(strings.TrimSuffix(authority, "."))
}

// CertificateNames are those that the listener is to get certificates for: the names that are configured as such, else the hosts
// of its routes which there can be one for.
func (s *Spec) CertificateNames() (names []string) {
	if s.TLS == nil || s.TLS.ACME == nil {
		return nil
	}
	said := s.TLS.ACME.Names
	if len(said) == 0 {
		for i := range s.Routes {
			said = append(said, s.Routes[i].Host)
		}
	}
	for _, name := range said {
		if name == "" || s.TLS.ACME.NameFault(name) != "" {
			continue
		}
		if plain, err := acme.Normal(name); err == nil && !slices.Contains(names, plain) {
			names = append(names, plain)
		}
	}
	return names
}

// validateCertificateNames reports a listener that would get no certificate.
func (s *Spec) validateCertificateNames(c *config.Check) {
	if s.TLS == nil || s.TLS.ACME == nil || s.TLS.ACME.OnDemand != nil || len(s.CertificateNames()) > 0 {
		return
	}
	if at := c.At("tls", "acme"); len(s.TLS.ACME.Names) == 0 && !at.Failed() && !c.At("routes").Failed() {
		at.Suggest("acme: {names: [www.example.com]}", "no names to get certificates for: name them, give routes a host, or use on_demand. A host with a * and one that is not on the internet do not count")
	}
}

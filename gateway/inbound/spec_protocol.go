package inbound

import (
	"strings"

	"github.com/ringway/ringway/config"
)

// foreign is a key that says nothing to a protocol, with what to do about it.
type foreign struct {
	at   string // the mapping it stands in, empty for the listener's own
	key  string
	then string
}

const (
	readsNothing = "a tcp listener passes bytes on without reading requests; leave it out, or make it protocol: http"
	noSessions   = "an http listener has requests and not sessions; leave it out, or make it protocol: tcp"
)

// foreignKeys are the keys that a listener of the protocol does not take; those of routes stand in each of them.
var foreignKeys = map[Protocol][]foreign{
	TCP: {
		{"", "tls", "a tcp listener passes TLS on as it is, and can route it by sni; to end it here make it protocol: http"},
		{"", "forwarded", "a tcp listener has no header fields to tell of the client; give the cluster send_proxy, or make it protocol: http"},
		{"", "upgrades", "a tcp listener passes every protocol on; leave it out"},
		{"", "versions", readsNothing},
		{"", "half_close", "a tcp listener always passes the end of a side on; leave it out"},
		{"timeouts", "request_head", readsNothing},
		{"timeouts", "idle", "a tcp listener has no time between requests; a session without a byte is bounded by tunnel"},
		{"timeouts", "read", "a session without a byte is bounded by tunnel"},
		{"timeouts", "write", "a session without a byte is bounded by tunnel"},
		{"timeouts", "ping", readsNothing},
		{"timeouts", "pong", readsNothing},
		{"limits", "http2", readsNothing},
		{"limits", "head", readsNothing},
		{"limits", "line", readsNothing},
		{"limits", "fields", readsNothing},
		{"limits", "body", readsNothing},
		{"limits", "requests_per_connection", readsNothing},
		{"routes", "host", "a tcp listener sees no host; route TLS by sni, or make it protocol: http"},
		{"routes", "path", readsNothing},
		{"routes", "path_regex", readsNothing},
		{"routes", "method", readsNothing},
		{"routes", "filters", readsNothing},
		{"routes", "upgrades", readsNothing},
	},
	HTTP: {
		{"", "cluster", "an http listener goes to clusters by routes: write routes: [{cluster: %s}]"},
		{"timeouts", "client_hello", noSessions},
		{"limits", "client_hello", noSessions},
		{"routes", "sni", "an http listener routes by host; or make it protocol: tcp to pass TLS through"},
	},
}

// refuseForeign reports keys that would have no effect, since whoever wrote them expects one.
func (s *Spec) refuseForeign(c *config.Check) {
	for _, f := range foreignKeys[s.Protocol] {
		switch f.at {
		case "routes":
			routes := c.At("routes")
			for i := range s.Routes {
				if at := routes.At(i); at.Has(f.key) {
					at.At(f.key).Errorf("%s", f.then)
				}
			}
		case "":
			if c.Has(f.key) {
				c.At(f.key).Errorf("%s", strings.ReplaceAll(f.then, "%s", s.Cluster))
			}
		default:
			if at := c.At(f.at); at.Has(f.key) {
				at.At(f.key).Errorf("%s", f.then)
			}
		}
	}
}

// validateSessions reports what is wrong with where a layer 4 listener's sessions go.
func (s *Spec) validateSessions(c *config.Check) {
	switch {
	case s.Cluster != "" && len(s.Routes) > 0:
		c.At("cluster").Errorf("the listener has routes: give this cluster to a route without sni, which takes what no other does")
	case s.Cluster == "" && len(s.Routes) == 0:
		c.Errorf("a tcp listener needs a cluster, or routes to clusters by sni")
	}
	taken := map[string]int{}
	for i := range s.Routes {
		name := strings.ToLower(strings.TrimSuffix(s.Routes[i].SNI, "."))
		other, twice := taken[name]
		switch {
		case !twice:
			taken[name] = i
		case name == "":
			c.At("routes", i).Errorf("routes[%d] takes every session without a route of its own already; give this one an sni", other)
		default:
			c.At("routes", i, "sni").Errorf("routes[%d] is for %s already", other, name)
		}
	}
}

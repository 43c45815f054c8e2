package route

import (
	"strings"

	"github.com/ringway/ringway/config"
	"github.com/ringway/ringway/gateway/filter/table"
	"github.com/ringway/ringway/proto/header"
)

// Spec is one route of a listener as it stands in the configuration.
type Spec struct {
	Name      string        `yaml:"name" doc:"Name of the route in logs and metrics; default: its place in the list."`
	Host      string        `yaml:"host" doc:"Host that it is for: example.com, or *.example.com for every name below it; default: any."`
	Path      string        `yaml:"path" doc:"Path that it is for: /exact, or /prefix/* for everything below; default: any."`
	PathRegex config.Regexp `yaml:"path_regex" doc:"Regular expression (RE2) that the whole path must match, instead of path."`
	Method    string        `yaml:"method" doc:"Method that it is for, such as GET; default: any."`
	SNI       string        `yaml:"sni" doc:"Layer 4: server name in the TLS ClientHello that it is for: example.com, or *.example.com for every name below it; default: any other, and connections that are not TLS."`
	Filters   []table.Entry `yaml:"filters" doc:"Filters that the request passes, in this order."`
	Upgrades  Upgrades      `yaml:"upgrades" doc:"Protocols that its requests may go over to, instead of the listener's; []: none."`
	Cluster   string        `yaml:"cluster" doc:"Cluster that answers; it may be left out if a filter answers."`
}

// Validate reports what is wrong with the route by itself.
func (s *Spec) Validate(c *config.Check) {
	if s.Host != "" {
		if msg := hostFault(s.Host); msg != "" {
			c.At("host").Errorf("%s", msg)
		}
	}
	if msg := nameFault(s.SNI); msg != "" && c.Has("sni") {
		c.At("sni").Errorf("%s", msg)
	}
	if s.Path != "" && s.PathRegex.Regexp != nil {
		c.At("path_regex").Errorf("a route has a path or a path_regex, not both")
	}
	if s.Path != "" {
		if !strings.HasPrefix(s.Path, "/") && s.Path != "*" {
			c.At("path").Suggest("/"+s.Path, "a path starts with /")
		}
		if i := strings.IndexByte(s.Path, '*'); i >= 0 && s.Path != "*" && (i != len(s.Path)-1 || !strings.HasSuffix(s.Path, "/*")) {
			c.At("path").Errorf("a * stands at the end only, behind a slash: /prefix/*; use path_regex for other patterns")
		}
		if strings.ContainsAny(s.Path, "?#") {
			c.At("path").Errorf("a path has no query and no fragment")
		}
		var m Matcher
		if p, ok := m.normal([]byte(s.Path)); !ok {
			c.At("path").Errorf("the path leads above the root")
		} else if string(p) != s.Path {
			c.At("path").Suggest(string(p), "requests are matched by their normal path, which this is not")
		}
	}
	if s.Method != "" && !header.ValidName([]byte(s.Method)) {
		c.At("method").Errorf("%q is not a method", s.Method)
	} else if up := strings.ToUpper(s.Method); up != s.Method {
		c.At("method").Suggest(up, "methods are case-sensitive")
	}
	if s.Cluster == "" && !s.answers() {
		c.Errorf("a route needs a cluster, or a filter that answers such as respond")
	}
}

// ConfigKey is the route's name, by which a difference of configurations tells it from the others.
func (s *Spec) ConfigKey() string { return s.Name }

func (s *Spec) answers() bool {
	for i := range s.Filters {
		if s.Filters[i].Answers() {
			return true
		}
	}
	return false
}

func hostFault(h string) string {
	name := strings.TrimPrefix(h, "*.")
	switch {
	case strings.Contains(name, "*"):
		return "a * stands for whole labels at the front only: *.example.com"
	case strings.ContainsAny(name, "/?#@ ") || name == "":
		return "a host is a name or an address, without scheme and path"
	case strings.Contains(name, ":") && !strings.HasPrefix(name, "["):
		return "a host here has no port: the port is the listener's"
	}
	return ""
}

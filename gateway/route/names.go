package route

import "strings"

// Names finds the route of a layer 4 session by the server name in its ClientHello: exact, then the longest wildcard, then the
// route without one. It is immutable and may be shared by loops.
type Names struct {
	exact     map[string]int
	wildcards map[string]int // by the part behind "*."
	other     int            // -1: none
}

// CompileNames makes Names of specs that were validated; what it finds are their indices.
func CompileNames(specs []Spec) *Names {
	n := &Names{exact: map[string]int{}, wildcards: map[string]int{}, other: -1}
	for i := range specs {
		name := canonicalName(specs[i].SNI)
		suffix, wild := strings.CutPrefix(name, "*.")
		switch {
		case name == "":
			n.other = i
		case wild:
			n.wildcards[suffix] = i
		default:
			n.exact[name] = i
		}
	}
	return n
}

// Any reports whether there is one route for every session, so that no ClientHello needs to be read.
func (n *Names) Any() bool { return len(n.exact) == 0 && len(n.wildcards) == 0 }

// Default is the route of sessions that name no server, or one that no route is for; false if there is none.
func (n *Names) Default() (int, bool) { return n.other, n.other >= 0 }

// Match finds the route for a server name in lower case; false if there is none. It allocates nothing.
func (n *Names) Match(name []byte) (int, bool) {
	if i, ok := n.exact[string(name)]; ok && len(name) > 0 {
		return i, true
	}
	if len(n.wildcards) > 0 {
		for rest := name; ; {
			dot := indexDot(rest)
			if dot < 0 {
				break
			}
			rest = rest[dot+1:]
			if i, ok := n.wildcards[string(rest)]; ok {
				return i, true
			}
		}
	}
	return n.Default()
}

// canonicalName is a server name as ClientHellos have it: in lower case, without a final dot.
func canonicalName(s string) string { return strings.ToLower(strings.TrimSuffix(s, ".")) }

// nameFault says why s is no server name to route by; empty if it is.
func nameFault(s string) string {
	name := canonicalName(strings.TrimPrefix(s, "*."))
	switch {
	case strings.Contains(name, "*"):
		return "a * stands for whole labels at the front only: *.example.com"
	case name == "" || len(name) > 253 || strings.HasPrefix(name, ".") || strings.Contains(name, ".."):
		return "a server name is a host name, such as example.com or *.example.com"
	case strings.ContainsFunc(name, func(r rune) bool {
		return !(r >= 'a' && r <= 'z' || r >= '0' && r <= '9' || r == '-' || r == '_' || r == '.')
	}):
		return "a server name has letters, digits, hyphens and dots only; international names are written as xn--…"
	}
	return ""
}

package route

import (
	"bytes"
	"cmp"
	"regexp"
	"slices"
	"strings"

	"github.com/ringway/ringway/proto/http1"
)

// Rule is what a route matches, compiled. Index is its place in the listener's list, by which the caller finds the rest.
type Rule struct {
	Index  int
	Method string // empty: any
	exact  string
	prefix string // with the final slash
	regex  *regexp.Regexp
}

// Table holds the rules of one listener.
type Table struct {
	hosts     map[string]*group
	wildcards map[string]*group // by the part behind "*."
	any       *group
	only      *Rule // the one rule of a table that has nothing to choose
}

// group is the rules of one host. Each list is in the order of preference.
type group struct {
	exact    map[string][]*Rule
	regex    []*Rule
	prefixes map[string][]*Rule
	any      []*Rule
}

// Compile makes a table of specs that were validated.
func Compile(specs []Spec) *Table {
	t := &Table{hosts: map[string]*group{}, wildcards: map[string]*group{}, any: newGroup()}
	for i := range specs {
		s := &specs[i]
		r := &Rule{Index: i, Method: s.Method, regex: s.PathRegex.Regexp}
		switch prefix, isPrefix := strings.CutSuffix(s.Path, "*"); {
		case s.Path == "" || s.Path == "/*":
		case isPrefix && prefix != "":
			r.prefix = prefix
		default:
			r.exact = s.Path
		}
		t.group(s.Host).add(r)
		if len(specs) == 1 && s.Host == "" && r.exact == "" && r.prefix == "" && r.regex == nil && r.Method == "" {
			t.only = r
		}
	}
	for _, m := range [...]map[string]*group{t.hosts, t.wildcards} {
		for _, g := range m {
			g.sort()
		}
	}
	t.any.sort()
	return t
}

func newGroup() *group {
	return &group{exact: map[string][]*Rule{}, prefixes: map[string][]*Rule{}}
}

func (t *Table) group(host string) *group {
	host = strings.ToLower(strings.TrimSuffix(host, "."))
	m := t.hosts
	switch suffix, ok := strings.CutPrefix(host, "*."); {
	case host == "":
		return t.any
	case ok:
		m, host = t.wildcards, suffix
	}
	if m[host] == nil {
		m[host] = newGroup()
	}
	return m[host]
}

func (g *group) add(r *Rule) {
	switch {
	case r.exact != "":
		g.exact[r.exact] = append(g.exact[r.exact], r)
	case r.regex != nil:
		g.regex = append(g.regex, r)
	case r.prefix != "":
		g.prefixes[r.prefix] = append(g.prefixes[r.prefix], r)
	default:
		g.any = append(g.any, r)
	}
}

// sort puts rules with a method before those without, and otherwise keeps the order of the file.
func (g *group) sort() {
	byBreadth := func(a, b *Rule) int { return cmp.Compare(breadth(a), breadth(b)) }
	slices.SortStableFunc(g.regex, byBreadth)
	slices.SortStableFunc(g.any, byBreadth)
	for _, m := range [...]map[string][]*Rule{g.exact, g.prefixes} {
		for _, list := range m {
			if len(list) > 1 {
				slices.SortStableFunc(list, byBreadth)
			}
		}
	}
}

// breadth is how many methods a rule is for, roughly: HEAD is its own, but GET is for both.
func breadth(r *Rule) int {
	switch r.Method {
	case "HEAD":
		return 0
	case "":
		return 2
	}
	return 1
}

// Matcher matches requests against tables, on one loop.
type Matcher struct {
	host  []byte
	path  []byte
	query query
}

// Allowed lists the methods that there are rules for, separated by commas, after a match that was WrongMethod.
func (m *Matcher) Allowed() []byte { return m.query.allowed }

// Result is how a match ended.
type Result uint8

// The results of a match.
const (
	Found Result = iota
	NotFound
	// WrongMethod: there are rules for host and path, but for other methods.
	WrongMethod
	// BadPath: the path leads above the root.
	BadPath
)

// Match finds the rule for a request. It allocates nothing, unless a regular expression does.
func (m *Matcher) Match(t *Table, authority, path, method []byte) (*Rule, Result) {
	if t.only != nil {
		return t.only, Found
	}
	path, ok := m.normal(path)
	if !ok {
		return nil, BadPath
	}
	q := &m.query
	*q = query{path: path, method: method, allowed: q.allowed[:0]}
	host := m.hostname(authority)
	if g := t.hosts[string(host)]; g != nil && g.match(q) {
		return q.rule, Found
	}
	if len(t.wildcards) > 0 {
		for rest := host; ; {
			i := indexDot(rest)
			if i < 0 {
				break
			}
			rest = rest[i+1:]
			if g := t.wildcards[string(rest)]; g != nil && g.match(q) {
				return q.rule, Found
			}
		}
	}
	if t.any.match(q) {
		return q.rule, Found
	}
	if len(q.allowed) > 0 {
		return nil, WrongMethod
	}
	return nil, NotFound
}

type query struct {
	path, method []byte
	rule         *Rule
	allowed      []byte // methods of rules that matched but for the method
}

func (g *group) match(q *query) bool {
	if len(g.exact) > 0 && q.pick(g.exact[string(q.path)]) {
		return true
	}
	for _, r := range g.regex {
		if loc := r.regex.FindIndex(q.path); loc != nil && loc[0] == 0 && loc[1] == len(q.path) && q.take(r) {
			return true
		}
	}
	if len(g.prefixes) > 0 {
		for i := len(q.path) - 1; i >= 0; i-- {
			if q.path[i] == '/' && q.pick(g.prefixes[string(q.path[:i+1])]) {
				return true
			}
		}
	}
	return q.pick(g.any)
}

func (q *query) pick(list []*Rule) bool {
	for _, r := range list {
		if q.take(r) {
			return true
		}
	}
	return false
}

func (q *query) take(r *Rule) bool {
	if r.Method != "" && r.Method != string(q.method) && !(r.Method == "GET" && string(q.method) == http1.HEAD.String()) {
		q.allow(r.Method)
		return false
	}
	q.rule = r
	return true
}

func (q *query) allow(method string) {
	for list := q.allowed; len(list) > 0; {
		var known []byte
		if known, list, _ = bytes.Cut(list, comma); string(known) == method {
			return
		}
	}
	if len(q.allowed) > 0 {
		q.allowed = append(q.allowed, comma...)
	}
	if q.allowed = append(q.allowed, method...); method == "GET" {
		q.allow("HEAD")
	}
}

var comma = []byte(", ")

// hostname gives the lower-cased name of an authority, without port and final dot.
func (m *Matcher) hostname(authority []byte) []byte {
	end := len(authority)
	for i := end - 1; i >= 0 && authority[i] != ']'; i-- {
		if authority[i] == ':' {
			end = i
			break
		}
	}
	if end > 0 && authority[end-1] == '.' {
		end--
	}
	m.host = append(m.host[:0], authority[:end]...)
	for i, b := range m.host {
		if 'A' <= b && b <= 'Z' {
			m.host[i] = b + 'a' - 'A'
		}
	}
	return m.host
}

func indexDot(b []byte) int {
	for i, c := range b {
		if c == '.' {
			return i
		}
	}
	return -1
}
